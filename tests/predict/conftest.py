"""Drawn photographs and a tiny bundle for the tests of prediction."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from buffycoat.predict import Predictor
from buffycoat.synth.smear import draw_field
from buffycoat.taxonomy import CLASS_NAMES
from tests.bundles import tiny_bundle
from tests.conftest import REQUIRE_REAL

Run = Callable[..., tuple[int, str, str]]


def needed(module: str) -> Any:
    """Return an optional module; a test without it is skipped, or fails where nothing may be skipped."""
    return importlib.import_module(module) if os.environ.get(REQUIRE_REAL) else pytest.importorskip(module)


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a bundle that answers by mean colour; not to be changed."""
    return tiny_bundle(tmp_path_factory.mktemp("bundle") / "tiny")


@pytest.fixture(scope="session")
def predictor(bundle: Path) -> Predictor:
    return Predictor.load(bundle)


@pytest.fixture(scope="session")
def fields() -> list[NDArray[np.uint8]]:
    """Return drawn fields: one leukocyte of each type, then one field with two."""
    rng = np.random.default_rng(5)
    return [draw_field(rng, [name]).rgb for name in CLASS_NAMES] + [draw_field(rng, list(CLASS_NAMES[:2])).rgb]


@pytest.fixture(scope="session")
def photographs(tmp_path_factory: pytest.TempPathFactory, fields: list[NDArray[np.uint8]]) -> Path:
    """Return a folder of six JPEGs of drawn fields; not to be changed."""
    folder = tmp_path_factory.mktemp("photographs")
    for place, rgb in enumerate(fields):
        Image.fromarray(rgb).save(folder / f"{place}.jpg", quality=92)
    return folder


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs the command line in this process: exit code, standard output and error."""
    from buffycoat.cli.main import run

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["buffycoat", *map(str, arguments)])
        code: Any = 0
        try:
            run()
        except SystemExit as stop:
            code = stop.code or 0
        out, err = capfd.readouterr()
        return int(code), out, err

    return call
