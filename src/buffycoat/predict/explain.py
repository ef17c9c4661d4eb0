"""Overlays: where in a cell the network found what speaks for its class.

A class-activation map (Zhou et al. 2016) is coarse, four by four places for a view of 128 px: it says which part of the
cell weighed, not which granule. It is drawn so that it claims no more and hides nothing: what weighed keeps its own
colours, the rest turns pale, and two smooth lines run where the map has half and three quarters of its strongest value.
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
from buffycoat.files import IF_FULL, output_error, write_bytes
from buffycoat.predict.items import Item
from buffycoat.predict.results import PhotographResult, Prediction
from buffycoat.predict.rows import key

if TYPE_CHECKING:
    from buffycoat.predict.predictor import Predictor

SIDE_PX = 384
_PALE = 0.62  # how far what does not weigh goes towards pale grey
_FULL = 0.5  # of the strongest place: from here on the colours are untouched
_LINES = ((0.5, 1.5), (0.75, 2.5))  # share of the strongest place, width in pixels of the picture
_INK, _HALO = (196, 42, 0), (255, 255, 255)
_FINE = 2  # lines are drawn so many times larger and averaged down


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
    fine_px = side_px * _FINE
    picture = np.asarray(cv2.resize(seen, (fine_px, fine_px), interpolation=cv2.INTER_CUBIC), np.float32)
    strength = heat(cam, fine_px)
    weighs = np.clip(strength / _FULL, 0, 1)[..., None]
    grey = picture @ np.array([0.299, 0.587, 0.114], np.float32)
    pale = picture + (0.5 * grey[..., None] + 0.5 * 235 - picture) * _PALE
    drawn = np.ascontiguousarray(np.round(picture * weighs + pale * (1 - weighs)).astype(np.uint8))
    for share, width in _LINES:
        _line(drawn, strength, share, width)
    return np.asarray(cv2.resize(drawn, (side_px, side_px), interpolation=cv2.INTER_AREA), np.uint8)


def _line(picture: NDArray[np.uint8], strength: NDArray[np.float32], share: float, width: float) -> None:
    """Draw where the map has this share of its strongest value; the picture's rim is no line."""
    inside = np.where(strength >= share, np.uint8(255), np.uint8(0))
    outlines, _ = cv2.findContours(inside, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    last = picture.shape[0] - 1
    for outline in outlines:
        points = outline[:, 0, :]
        on_rim = ((points == 0) | (points == last)).any(axis=1)
        first = int(on_rim.argmax())  # a line that meets the rim begins there
        points, on_rim = np.roll(points, -first, axis=0), np.roll(on_rim, -first)
        for piece in np.split(np.arange(len(points)), np.flatnonzero(np.diff(on_rim.astype(np.int8))) + 1):
            if on_rim[piece[0]] or len(piece) < 2:
                continue
            closed = len(piece) == len(points)
            for ink, extra in ((_HALO, 2 * _FINE), (_INK, 0)):
                thickness = max(1, round(width * _FINE)) + extra
                cv2.polylines(picture, [points[piece]], closed, ink, thickness, cv2.LINE_AA)


class Explainer:
    """Writes one picture per cell: the view as it is, and with what spoke for its class.

    Parameters
    ----------
    predictor
        Whose answers are explained.
    folder
        Where the pictures go; made when the first is written.
    if_full
        The hint where the disk is full.
    """

    def __init__(self, predictor: Predictor, folder: Path, *, if_full: str = IF_FULL) -> None:
        self._predictor, self._folder, self._if_full = predictor, folder, if_full

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
            write_bytes(path, content.tobytes(), if_full=self._if_full)
        except OSError as error:
            raise output_error(path, error, if_full=self._if_full) from error


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
    'a_b_-e48d202e36c7-2-eosinophil.png'
    """
    stem = re.sub(r"[^\w.-]+", "_", Path(image).stem, flags=re.ASCII)[:80]
    label = re.sub(r"[^\w.-]+", "_", cell.label, flags=re.ASCII)
    return f"{stem}-{key(image) & 0xFFFFFFFFFFFF:012x}-{cell.number}-{label}.png"
