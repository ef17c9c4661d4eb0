"""Drawn fields and copies of them whose truth is exactly known."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from buffycoat.imaging.decode import read_image
from buffycoat.synth.write import BALANCED_SHARES, write_set

Picture = NDArray[np.uint8]


@pytest.fixture(scope="session")
def fields(tmp_path_factory: pytest.TempPathFactory) -> list[Picture]:
    """Return 14 drawn fields, every one another; not to be changed."""
    folder = tmp_path_factory.mktemp("audit") / "set"
    write_set(folder, 14, 5, shares=BALANCED_SHARES)
    return [read_image(path) for path in sorted((folder / "images").iterdir())]


def save(path: Path, rgb: Picture, quality: int = 92) -> Path:
    """Write a JPEG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    return path


def turned(rgb: Picture, degrees: float, *, mirrored: bool = False, shift: tuple[float, float] = (0, 0)) -> Picture:
    """Return the field turned about its middle by any angle, black corners as augmentation leaves them."""
    height, width = rgb.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1.0)
    matrix = matrix + np.array([[0, 0, shift[0]], [0, 0, shift[1]]])
    found = cv2.warpAffine(rgb[:, ::-1].copy() if mirrored else rgb, matrix, (width, height))
    return np.asarray(found, np.uint8)


def smaller(rgb: Picture) -> Picture:
    """Return the field at half its size."""
    return np.asarray(cv2.resize(rgb, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), np.uint8)


def moved(rgb: Picture) -> Picture:
    """Return the field as after moving the stage: what leaves on one side comes in mirrored on the other."""
    return np.asarray(cv2.copyMakeBorder(rgb[30:, 50:], 30, 0, 50, 0, cv2.BORDER_REFLECT), np.uint8)


COPIES: dict[str, Callable[[Picture], Picture]] = {
    "as it is": lambda rgb: rgb,
    "quarter": lambda rgb: np.ascontiguousarray(np.rot90(rgb)),
    "half": lambda rgb: np.ascontiguousarray(np.rot90(rgb, 2)),
    "three quarters": lambda rgb: np.ascontiguousarray(np.rot90(rgb, 3)),
    "mirrored": lambda rgb: np.ascontiguousarray(rgb[:, ::-1]),
    "mirrored quarter": lambda rgb: np.ascontiguousarray(np.rot90(rgb[:, ::-1])),
    "mirrored half": lambda rgb: np.ascontiguousarray(np.rot90(rgb[:, ::-1], 2)),
    "mirrored three quarters": lambda rgb: np.ascontiguousarray(np.rot90(rgb[:, ::-1], 3)),
    "turned by 17°": lambda rgb: turned(rgb, 17),
    "mirrored, turned by 128°": lambda rgb: turned(rgb, 128, mirrored=True),
    "moved": moved,
    "half size": smaller,
    "lighter": lambda rgb: np.clip(rgb * 1.08, 0, 255).astype(np.uint8),
}
"""Ways in which one photograph comes to stand in a set twice."""
