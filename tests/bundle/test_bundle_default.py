"""The bundle in the package: it opens, it is small, it says what it is, and it answers."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from buffycoat.bundle.default import default_bundle
from buffycoat.bundle.markdown import markdown
from buffycoat.bundle.read import open_bundle
from buffycoat.predict import Predictor
from buffycoat.synth.smear import draw_field
from buffycoat.taxonomy import CLASS_NAMES

ROOT = Path(__file__).resolve().parents[2]


def test_it_opens_is_small_and_says_what_it_is() -> None:
    folder = default_bundle()
    card = open_bundle(folder).card
    assert sum(path.stat().st_size for path in folder.iterdir()) <= 6_000_000
    assert set(card.classes) == {"neutrophil", "eosinophil", "lymphocyte", "monocyte"}
    assert card.data.name == "bccd"
    text = markdown(card)
    assert "bccd" in text
    assert "not for diagnosis" in text
    assert card.operating["1"].accuracy.interval.low is not None


def test_it_answers_drawn_cells() -> None:
    predictor = Predictor.load()
    fields = [draw_field(np.random.default_rng(seed), [name]).rgb for seed, name in enumerate(CLASS_NAMES)]
    for photograph in predictor.predict(fields):
        assert photograph.error is None
        assert photograph.cells
        for cell in photograph.cells:
            assert cell.best in predictor.classes
            assert sum(cell.probabilities.values()) == pytest.approx(1)


@pytest.mark.slow
def test_a_wheel_holds_it(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(tmp_path), str(ROOT)]
    done = subprocess.run(build, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("buffycoat-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        for name in ("card.json", "model.onnx"):
            packed = archive.read(f"buffycoat/bundle/default/{name}")
            assert packed == (default_bundle() / name).read_bytes()
