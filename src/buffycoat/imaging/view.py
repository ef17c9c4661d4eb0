"""From a field to what the network sees of a cell, exactly as in training, for use without PyTorch.

Training stores crops once (:mod:`buffycoat.imaging.frame`) and shows the network the centre of each, turned and shifted
while it learns (``train.augment.Views``). A network is a little sensitive to how an image was resampled, so both take
the same crop at the stored scale and read it off with :func:`resampled`. Only the part that will be seen is computed.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from buffycoat.imaging.frame import crop_square, whole_square
from buffycoat.records.documents import FrameSpec

BLUR_FROM = 2.0
"""Stored pixels per input pixel above which 3×3 are averaged first, against aliasing.

Below that the granules' texture is worth more than the aliasing costs (docs/results/training.md).
"""


@dataclass(frozen=True, slots=True)
class View:
    """What of a crop the network sees, and at what size.

    Attributes
    ----------
    spec
        How crops are cut.
    view_px
        Side of the square seen, in pixels of the reference field.
    input_px
        Side of the network's input.
    """

    spec: FrameSpec
    view_px: int
    input_px: int

    @property
    def share(self) -> float:
        """Side of the view over side of the crop."""
        return min(1.0, self.view_px / self.spec.side_px)

    def cell(self, rgb: NDArray[np.uint8], centre: tuple[float, float]) -> NDArray[np.uint8]:
        """Return the view of the cell at `centre` (x, y) of a field.

        Parameters
        ----------
        rgb
            uint8 (H, W, 3), the field; also one decoded at a reduced size, with `centre` in its own pixels.

        Returns
        -------
        uint8 (input_px, input_px, 3).
        """
        side = max(1, round(self.spec.side_px * rgb.shape[1] / self.spec.reference_width_px))
        return self.stored(crop_square(rgb, centre, side, self.spec.stored_px))

    def whole(self, rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the view of a photograph of a single cell; uint8 (input_px, input_px, 3)."""
        return self.stored(whole_square(rgb, self.spec.stored_px))

    def stored(self, crop: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the view of a stored crop, uint8 (stored_px, stored_px, 3); uint8 (input_px, input_px, 3)."""
        side = crop.shape[0]
        seen = side * self.share
        step = seen / self.input_px
        start = (side - seen) / 2
        offset = start + step / 2 - 0.5  # centre of the first pixel, in the crop's pixels
        matrix = np.array([[step, 0, offset], [0, step, offset]], np.float64)
        return resampled(crop, matrix, self.input_px, blurred=step > BLUR_FROM)


def resampled(
    crop: NDArray[np.uint8], matrix: NDArray[np.float64], side_px: int, *, blurred: bool
) -> NDArray[np.uint8]:
    """Return a square read off a crop bilinearly; beyond its rim the crop is mirrored.

    Parameters
    ----------
    crop
        uint8 (S, S, 3).
    matrix
        (2, 3): from the result's pixels to the crop's, centres counted from 0.
    side_px
        Side of the result.
    blurred
        Whether 3×3 pixels of the crop are averaged first.

    Returns
    -------
    uint8 (side_px, side_px, 3).
    """
    if blurred:
        crop = np.asarray(cv2.blur(crop, (3, 3), borderType=cv2.BORDER_REPLICATE), np.uint8)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    seen = cv2.warpAffine(crop, matrix, (side_px, side_px), flags=flags, borderMode=cv2.BORDER_REFLECT)
    return np.asarray(seen, np.uint8)


def as_inputs(
    views: NDArray[np.uint8], mean: tuple[float, float, float], std: tuple[float, float, float]
) -> NDArray[np.float32]:
    """Return the network's input for views, uint8 (n, S, S, 3): float32 (n, 3, S, S), normalised per channel."""
    scale = np.array(std, np.float32) * np.float32(255)
    table = (np.arange(256, dtype=np.float32)[:, None] - np.array(mean, np.float32) * np.float32(255)) / scale
    inputs = np.empty((len(views), 3, *views.shape[1:3]), np.float32)
    for channel in range(3):
        np.take(table[:, channel], views[..., channel], out=inputs[:, channel])
    return inputs


def turned(inputs: NDArray[np.float32], views: int) -> list[NDArray[np.float32]]:
    """Return the inputs (n, 3, S, S) in `views` quarter turns, the unturned ones first; 1 or 4 views."""
    return [inputs, *(np.ascontiguousarray(np.rot90(inputs, turn, (2, 3))) for turn in range(1, views))]
