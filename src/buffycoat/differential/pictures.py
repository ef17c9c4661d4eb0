"""Small pictures of cells for the gallery: those of photographs of one size at one scale, and true in colour."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from buffycoat.errors import ImageError
from buffycoat.imaging.frame import crop_square, whole_square
from buffycoat.predict.items import Item
from buffycoat.predict.predictor import Predictor
from buffycoat.predict.results import Box, PhotographResult

PICTURE_PX = 128
_SHARE = 0.36  # of the field's longer side: the largest cells and a little round them (see docs/results/finding.md)
_QUALITY = 86


def cell_pictures(predictor: Predictor, item: Item, result: PhotographResult) -> list[bytes]:
    """Return each cell's picture as JPEG bytes, in the order of the cells; none where the photograph is gone."""
    try:
        rgb = predictor.decoded(item)
    except ImageError:
        return []
    if result.framing == "whole":
        return [encoded(whole_square(rgb, PICTURE_PX)) for _ in result.cells]
    return [encoded(cell_picture(rgb, cell.box, result.width)) for cell in result.cells]


def cell_picture(rgb: NDArray[np.uint8], box: Box, width: int | None = None) -> NDArray[np.uint8]:
    """Return the picture of a cell.

    Parameters
    ----------
    rgb
        uint8 (H, W, 3), the field, or a smaller copy of it.
    box
        (x0, y0, x1, y1) px in the field of `width` px; in `rgb` itself where `width` is None.

    Returns
    -------
    uint8 (128, 128, 3): a square of the same part of the field's longer side for every cell: in a photograph that was
    turned cells look as large as before.
    """
    scale = rgb.shape[1] / (width or rgb.shape[1])
    centre = ((box[0] + box[2]) / 2 * scale, (box[1] + box[3]) / 2 * scale)
    return crop_square(rgb, centre, max(1, round(_SHARE * max(rgb.shape[:2]))), PICTURE_PX)


def encoded(picture: NDArray[np.uint8]) -> bytes:
    """Return a picture, uint8 (H, W, 3) RGB, as the bytes of a JPEG."""
    done, content = cv2.imencode(".jpg", np.ascontiguousarray(picture[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    if not done:
        raise ImageError("a cell", "its picture could not be encoded")
    return bytes(content)
