"""Photographs for a report: encoded small, once, as data URIs or as files."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Picture = NDArray[np.uint8]


def encoded(picture: Picture, *, kind: str = "WEBP", quality: int = 82, most_px: int = 320) -> bytes:
    """Return an RGB picture (H, W, 3) as a file's bytes, its longer side at most `most_px`.

    Nothing is ever enlarged; the size of the longer side suits screens of twice the usual density.
    """
    image = Image.fromarray(np.ascontiguousarray(picture))
    if max(image.size) > most_px:
        image.thumbnail((most_px, most_px), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    image.save(stream, kind, quality=quality)
    return stream.getvalue()


def data_uri(content: bytes, kind: str = "webp") -> str:
    """Return a picture's bytes as an address that holds the picture itself."""
    return f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}"


def sheet(pictures: Sequence[Picture], *, columns: int, gap_px: int = 6, side_px: int = 224) -> Picture:
    """Return pictures side by side in rows on white; each is fitted into a square of `side_px`."""
    rows = -(-len(pictures) // columns)
    columns = min(columns, max(len(pictures), 1))
    step = side_px + gap_px
    canvas = Image.new("RGB", (columns * step - gap_px, max(rows, 1) * step - gap_px), "white")
    for k, picture in enumerate(pictures):
        image = Image.fromarray(np.ascontiguousarray(picture))
        image.thumbnail((side_px, side_px), Image.Resampling.LANCZOS)
        x, y = k % columns * step, k // columns * step
        canvas.paste(image, (x + (side_px - image.width) // 2, y + (side_px - image.height) // 2))
    return np.asarray(canvas)
