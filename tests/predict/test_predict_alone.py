"""What `pip install buffycoat` alone must do: nothing of the workbench may be asked for on the way."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

BLOCKED = (
    *("torch", "torchvision", "sklearn", "onnx", "timm", "lightning", "matplotlib", "pydicom"),
    *("ray", "fsspec", "pandas", "pyarrow"),
)
RUN = f"""
import sys
from importlib.abc import MetaPathFinder

class Blocked(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {BLOCKED!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}} (blocked)", name=name)

sys.meta_path.insert(0, Blocked())
from buffycoat.cli.main import run

def command(*arguments):
    sys.argv = ["buffycoat", *arguments]
    try:
        run()
    except SystemExit as stop:
        assert not stop.code, (arguments, stop.code)

photographs, out = sys.argv[1:]
command("predict", photographs, "--out", out + "/cells.parquet", "--explain", out + "/why")
command("differential", photographs, "--out", out + "/slide.html", "--out", out + "/slide.hl7")
import buffycoat.review.app
assert not {{*sys.modules}} & {{*{BLOCKED!r}}}
"""


@pytest.mark.slow
def test_predict_differential_and_the_desk_run_without_the_workbench(photographs: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(photographs), str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"cells.parquet", "why", "slide.html", "slide.hl7"}
    assert list((tmp_path / "why").glob("*.png"))
