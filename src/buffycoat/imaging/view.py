"""From a field to what the network sees of a cell, exactly as in training, for use without PyTorch.

Training stores crops once (:mod:`buffycoat.imaging.frame`) and shows the network the centre of each, resampled by
``train.augment.Views.plain``. A network is a little sensitive to how an image was resampled, so the same steps are
taken here: the same crop at the stored scale, the same light blur before a strong reduction, the same bilinear
sampling. Only the part that will be seen is computed.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from buffycoat.imaging.frame import crop_square, whole_square
from buffycoat.records.documents import FrameSpec

_BLUR_FROM = 1.5  # stored pixels per input pixel above which Views.plain averages 3×3 first


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
        if step > _BLUR_FROM:
            crop = np.asarray(cv2.blur(crop, (3, 3), borderType=cv2.BORDER_REPLICATE), np.uint8)
        start = (side - seen) / 2
        offset = start + step / 2 - 0.5  # centre of the first pixel, in the crop's pixels
        matrix = np.array([[step, 0, offset], [0, step, offset]], np.float64)
        return np.asarray(
            cv2.warpAffine(
                crop,
                matrix,
                (self.input_px, self.input_px),
                flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
                borderMode=cv2.BORDER_REFLECT,
            ),
            np.uint8,
        )


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
