"""Overlays: where in a cell the network found what speaks for its class.

A class-activation map (Zhou et al. 2016) is coarse, four by four places for a view of 128 px: it says which part of the
cell weighed, not which granule. It is drawn so that it claims no more: smoothly, and only where it speaks for the class
at least a third as strongly as at its strongest place. The cell below stays in its own colours.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from buffycoat.errors import BuffycoatError, ImageError
from buffycoat.files import output_error, write_bytes
from buffycoat.predict.items import Item
from buffycoat.predict.results import PhotographResult, Prediction
from buffycoat.predict.rows import key

if TYPE_CHECKING:
    from buffycoat.predict.predictor import Predictor

SIDE_PX = 384
_FROM = 0.33  # of the strongest place: weaker ones are left as they are
_STRENGTH = 0.55  # opacity at the strongest place


def heat(cam: NDArray[np.float32], side_px: int) -> NDArray[np.float32]:
    """Return how strongly each place speaks for the class: float32 (side_px, side_px), 0 to 1; 0 where nothing does."""
    speaks = np.maximum(np.nan_to_num(cam.astype(np.float32)), 0)
    strongest = float(speaks.max(initial=0))
    if strongest <= 0:
        return np.zeros((side_px, side_px), np.float32)
    big = cv2.resize(speaks / strongest, (side_px, side_px), interpolation=cv2.INTER_CUBIC)
    return np.asarray(np.clip(big, 0, 1), np.float32)


def overlay(seen: NDArray[np.uint8], cam: NDArray[np.float32], side_px: int = SIDE_PX) -> NDArray[np.uint8]:
    """Return the view with the activation map over it.

    Parameters
    ----------
    seen
        uint8 (S, S, 3) RGB.
    cam
        float32 (h, w), of one class; what is below zero speaks against it and is not drawn.

    Returns
    -------
    uint8 (side_px, side_px, 3) RGB.
    """
    size = (side_px, side_px)
    ground = np.asarray(cv2.resize(seen, size, interpolation=cv2.INTER_CUBIC), np.float32)
    strength = heat(cam, side_px)
    colours = cv2.applyColorMap(np.round(strength * 255).astype(np.uint8), cv2.COLORMAP_INFERNO)[..., ::-1]
    opacity = (_STRENGTH * np.clip((strength - _FROM) / (1 - _FROM), 0, 1))[..., None]
    return np.asarray(np.round(ground * (1 - opacity) + colours * opacity), np.uint8)


class Explainer:
    """Writes one picture per cell: the view as it is, and with what spoke for its class.

    Parameters
    ----------
    predictor
        Whose answers are explained.
    folder
        Where the pictures go; made when the first is written.
    """

    def __init__(self, predictor: Predictor, folder: Path) -> None:
        self._predictor, self._folder = predictor, folder

    def write(self, item: Item, result: PhotographResult) -> None:
        """Write the pictures of one photograph.

        Raises
        ------
        OutputError
            The folder cannot be written.
        """
        if not result.cells:
            return
        try:
            rgb = self._predictor.decoded(item)  # as large as it was looked at: what is shown is what was seen
        except ImageError:  # gone since; its answer stands
            return
        for cell in result.cells:
            seen, cam = self._predictor.activation(rgb, _in_pixels_of(rgb, result, cell))
            self._save(self._folder / picture_name(result.image, cell), panel(seen, cam))

    def _save(self, path: Path, rgb: NDArray[np.uint8]) -> None:
        fine, content = cv2.imencode(".png", np.ascontiguousarray(rgb[..., ::-1]))
        if not fine:
            raise BuffycoatError(f"{path} could not be drawn.")
        try:
            write_bytes(path, content.tobytes())
        except OSError as error:
            raise output_error(path, error) from error


def _in_pixels_of(rgb: NDArray[np.uint8], result: PhotographResult, cell: Prediction) -> Prediction:
    """Return the cell with its box in pixels of a smaller copy of its photograph."""
    height, width = rgb.shape[:2]
    if result.framing == "whole" or not result.width or not result.height:
        return replace(cell, box=(0, 0, width, height))
    across, down = width / result.width, height / result.height
    x0, y0, x1, y1 = cell.box
    return replace(cell, box=(round(x0 * across), round(y0 * down), round(x1 * across), round(y1 * down)))


def panel(seen: NDArray[np.uint8], cam: NDArray[np.float32], side_px: int = SIDE_PX) -> NDArray[np.uint8]:
    """Return the view beside the view with its map; uint8 (side_px, 2 · side_px + gap, 3)."""
    plain = np.asarray(cv2.resize(seen, (side_px, side_px), interpolation=cv2.INTER_CUBIC), np.uint8)
    gap = np.full((side_px, 8, 3), 255, np.uint8)
    return np.hstack([plain, gap, overlay(seen, cam, side_px)])


def picture_name(image: str, cell: Prediction) -> str:
    """Return the name of a cell's picture: of letters that every file system takes, and distinct.

    Examples
    --------
    >>> from buffycoat.predict.results import Prediction
    >>> cell = Prediction(2, (0, 0, 9, 9), "eosinophil", "eosinophil", 1.0, {}, (), None, 0.1, False)
    >>> picture_name("slides/a b?.jpg", cell)
    'a_b_-9faa5b-2-eosinophil.png'
    """
    stem = re.sub(r"[^\w.-]+", "_", Path(image).stem, flags=re.ASCII)[:80]
    label = re.sub(r"[^\w.-]+", "_", cell.label, flags=re.ASCII)
    return f"{stem}-{key(image) & 0xFFFFFF:06x}-{cell.number}-{label}.png"
