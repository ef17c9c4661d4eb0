"""The order of the rooms, and what importing them drags in."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[1] / "src" / "buffycoat"
KNOWN_TO_ALL = ("__init__", "errors", "files", "settings", "taxonomy", "records", "worker_source")
ROOMS = (
    *("imaging", "synth", "data", "explore", "clean", "split", "audit", "morphology"),
    *("networks", "train", "evaluate", "labels", "bundle", "predict", "report", "differential"),
    *("export", "doctor", "study", "review", "cli", "__main__"),
)
HEAVY_ROOMS = {"networks", "train", "export", "doctor"}
"""Rooms that may name PyTorch; the doctor only to ask it for a graphics card."""


def _room(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def _modules() -> list[Path]:
    return sorted(SOURCE.rglob("*.py"))


def _imports(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names.add(node.module)
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def test_every_module_stands_in_a_known_room() -> None:
    assert {_room(path) for path in _modules()} <= {*KNOWN_TO_ALL, *ROOMS}


@pytest.mark.parametrize("path", _modules(), ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_room_imports_only_rooms_before_it(path: Path) -> None:
    room = _room(path)
    allowed = set(KNOWN_TO_ALL) if room in KNOWN_TO_ALL else {*KNOWN_TO_ALL, *ROOMS[: ROOMS.index(room) + 1]}
    used = {name.split(".")[1] for name in _imports(path) if name.startswith("buffycoat.")} - {"__version__"}
    assert used <= allowed, f"{room} may not import {sorted(used - allowed)}"


@pytest.mark.parametrize("path", _modules(), ids=lambda path: str(path.relative_to(SOURCE)))
def test_only_the_workbench_names_pytorch(path: Path) -> None:
    named = {name.split(".")[0] for name in _imports(path)} & {"torch", "torchvision", "timm", "lightning"}
    assert not named or _room(path) in HEAVY_ROOMS


@pytest.mark.parametrize(
    ("statement", "banned"),
    [
        # the package and its command start light
        ("import buffycoat", {"torch", "matplotlib", "sklearn", "scipy", "cv2", "polars"}),
        ("from buffycoat.cli.main import app", {"torch", "matplotlib", "sklearn", "lightning", "timm"}),
        # one photograph's answer does not wait for what only a bar, a PNG or a table needs
        ("import buffycoat.cli.main, buffycoat.cli.predicting", {"rich", "PIL", "polars", "scipy", "jinja2"}),
        # the half that predicts never needs the workbench
        ("import buffycoat.imaging.frame, buffycoat.imaging.crops", {"torch", "matplotlib", "sklearn"}),
        ("import buffycoat.synth.write, buffycoat.data.load", {"torch", "matplotlib", "sklearn"}),
        (
            "import buffycoat.differential.html, buffycoat.differential.fhir, buffycoat.differential.hl7, "
            "buffycoat.differential.slides, buffycoat.differential.against",
            {"torch", "matplotlib", "sklearn"},
        ),
        # published numbers are recomputed from files, without a network
        ("import buffycoat.evaluate.results, buffycoat.report.build", {"torch", "lightning", "timm"}),
    ],
)
def test_importing_drags_in_nothing_heavy(statement: str, banned: set[str]) -> None:
    code = f"import sys; {statement}; print(sorted(set({banned!r}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_help_loads_neither_pytorch_nor_matplotlib() -> None:
    code = (
        "import sys; sys.argv = ['buffycoat', '--help']\n"
        "from buffycoat.cli.main import run\n"
        "try:\n    run()\nexcept SystemExit:\n    pass\n"
        "assert not {'torch', 'matplotlib'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "study" in done.stdout
