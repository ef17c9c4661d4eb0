"""From one input to the network's views of its cells: decode, find, crop.

A photograph is decoded only as large as the network needs it. Cells are looked for at 320 px width whatever the size,
and the view of a cell is 128 px or so; a field whose half still holds as many is decoded at half size, which a JPEG
does four times as fast, and boxes are carried back to its full size.
"""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from buffycoat.errors import ImageError
from buffycoat.imaging import jpeg
from buffycoat.imaging.decode import read_image
from buffycoat.imaging.find import find_leukocytes
from buffycoat.imaging.frame import LARGEST_SINGLE_PX, is_single_cell
from buffycoat.imaging.stain import WORKING_WIDTH_PX
from buffycoat.imaging.view import View
from buffycoat.predict import storage
from buffycoat.predict.dicom import is_dicom, read_dicom
from buffycoat.predict.items import Item, Remote
from buffycoat.predict.results import Box, Framing

MOST_PIXELS = 100_000_000
"""Larger photographs are refused unless asked for."""

_MOST_FILE_BYTES = 1 << 31
_MOST_WAITING_BYTES = 4 << 20  # of photographs that are decoded and not looked at yet

Made = TypeVar("Made")


@dataclass(frozen=True, slots=True)
class Looked:
    """An input as the network will see it.

    Attributes
    ----------
    views
        uint8 (n, S, S, 3), one per cell.
    boxes
        One per cell, in pixels of the photograph.
    """

    name: str
    width: int | None
    height: int | None
    framing: Framing
    views: tuple[NDArray[np.uint8], ...] = ()
    boxes: tuple[Box, ...] = ()
    touches_border: tuple[bool, ...] = ()
    error: str | None = None


def look(item: Item, view: View, max_pixels: int = MOST_PIXELS) -> Looked:
    """Return an input's cells as the network will see them; a fault becomes `error`, never an exception."""
    return look_at_all([item], view, max_pixels)[0]


def look_at_all(items: Iterable[Item], view: View, max_pixels: int = MOST_PIXELS) -> list[Looked]:
    """Return :func:`look` for each input.

    Several small photographs are decoded before cells are found in them: a twentieth faster than in turn, for what the
    processor runs then stays in its caches.
    """
    looked: list[Looked] = []
    waiting: list[Callable[[], Looked]] = []
    held = 0
    for item in items:
        one = _begun(item, view, max_pixels)
        waiting.append(one.found)
        held += one.bytes
        del one  # or a large photograph would be held while the next is decoded
        if held >= _MOST_WAITING_BYTES:
            looked += [found() for found in waiting]
            waiting, held = [], 0
    return looked + [found() for found in waiting]


@dataclass(frozen=True, slots=True)
class _Begun:
    """An input that is decoded, or cannot be: what is to be done next, and the bytes held until then."""

    found: Callable[[], Looked]
    bytes: int = 0


def _begun(item: Item, view: View, max_pixels: int) -> _Begun:
    if item.error is not None or item.content is None:
        failed = _failed(item, item.error or "empty")
        return _Begun(lambda: failed)
    content = item.content
    decoded = _guarded(item, lambda: decode(content, view, max_pixels))
    if isinstance(decoded, Looked):
        return _Begun(lambda: decoded)
    return _Begun(lambda: _guarded(item, lambda: find(item.name, *decoded, view)), decoded[0].nbytes)


def _guarded(item: Item, make: Callable[[], Made]) -> Made | Looked:
    """Return what is made of an input, or why nothing can be."""
    try:
        return make()
    except ImageError as error:
        return _failed(item, error.reason)
    except MemoryError:
        return _failed(item, "too large for this machine's memory")
    except cv2.error as error:
        return _failed(item, f"cannot be used ({error.err or error.code})")


def decode(
    content: Path | Remote | bytes | NDArray[np.uint8], view: View, max_pixels: int = MOST_PIXELS
) -> tuple[NDArray[np.uint8], tuple[int, int]]:
    """Return a photograph, at the least size the view needs, and its full (width, height).

    Raises
    ------
    ImageError
        It cannot be read, is too large, or the array is not uint8 (H, W, 3).
    """
    if isinstance(content, np.ndarray):
        rgb = checked(content, max_pixels)
        return rgb, (rgb.shape[1], rgb.shape[0])
    raw = content if isinstance(content, bytes) else read(content)
    if is_dicom(raw):
        rgb = read_dicom(raw, max_pixels)
        return rgb, (rgb.shape[1], rgb.shape[0])
    size = _jpeg_size(raw)
    if size is None:
        rgb = read_image(raw, max_pixels=max_pixels)
        return rgb, (rgb.shape[1], rgb.shape[0])
    return read_image(raw, max_pixels=max_pixels, reduce=reduction(size, view)), size


def reduction(size: tuple[int, int], view: View) -> int:
    """Return the largest of 1, 2, 4 and 8 at which a field of (width, height) loses nothing the network sees.

    What is left must hold the network's input pixel for pixel, and the width at which cells are looked for.
    """
    width, height = size
    if max(width, height) <= LARGEST_SINGLE_PX and view.spec.mode == "auto":
        return 1  # it may show a single cell, which is judged at full size
    if view.spec.mode == "whole":
        seen, searched = float(max(width, height)), float(max(width, height))
    else:
        seen, searched = view.view_px * width / view.spec.reference_width_px, width
    for factor in (8, 4, 2):
        if seen / factor >= view.input_px and searched / factor >= WORKING_WIDTH_PX:
            return factor
    return 1


def find(name: str, rgb: NDArray[np.uint8], size: tuple[int, int], view: View) -> Looked:
    """Return the views of all leukocytes of a photograph, of which `rgb` may be a smaller copy."""
    width, height = size
    whole = (0, 0, width, height)
    if view.spec.mode == "whole":
        return Looked(name, width, height, "whole", (view.whole(rgb),), (whole,), (False,))
    if view.spec.mode == "auto" and max(size) <= LARGEST_SINGLE_PX and is_single_cell(rgb):
        return Looked(name, width, height, "whole", (view.whole(rgb),), (whole,), (False,))
    cells = find_leukocytes(rgb)
    if not cells:
        return Looked(name, width, height, "none")
    across, down = width / rgb.shape[1], height / rgb.shape[0]
    return Looked(
        name,
        width,
        height,
        "cell",
        tuple(view.cell(rgb, centre(cell.box)) for cell in cells),
        tuple(_scaled(cell.box, across, down, size) for cell in cells),
        tuple(cell.touches_border for cell in cells),
    )


def boxed(name: str, rgb: NDArray[np.uint8], boxes: Sequence[Box], view: View) -> Looked:
    """Return the views of given boxes.

    Raises
    ------
    ImageError
        A box is empty or lies outside the photograph.
    """
    height, width = rgb.shape[:2]
    for x0, y0, x1, y1 in boxes:
        if not (x0 < x1 and y0 < y1 and x1 > 0 and y1 > 0 and x0 < width and y0 < height):
            raise ImageError(name, f"the box {(x0, y0, x1, y1)} is empty or outside its {width}×{height} pixels")
    whole = view.spec.mode == "whole"
    return Looked(
        name,
        width,
        height,
        "boxed",
        tuple(view.whole(rgb) if whole else view.cell(rgb, centre(box)) for box in boxes),
        tuple(boxes),
        tuple(box[0] <= 0 or box[1] <= 0 or box[2] >= width or box[3] >= height for box in boxes),
    )


def centre(box: Box) -> tuple[float, float]:
    """Return the middle of a box: there the crop is centred, as in training."""
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2


def checked(array: NDArray[np.generic], max_pixels: int = MOST_PIXELS) -> NDArray[np.uint8]:
    """Return the array if it is a photograph: uint8 (H, W, 3), not empty.

    Raises
    ------
    ImageError
        It is not.
    """
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3 or array.size == 0:
        raise ImageError("array", f"expected uint8 (H, W, 3) RGB, found {array.dtype} {tuple(array.shape)}")
    if array.shape[0] * array.shape[1] > max_pixels:
        raise ImageError("array", f"too large ({array.shape[1]}×{array.shape[0]})")
    return np.ascontiguousarray(array)


def _scaled(box: Box, across: float, down: float, size: tuple[int, int]) -> Box:
    if across == 1 and down == 1:
        return box
    x0, y0, x1, y1 = box
    # Rounded-up halves may reach one pixel beyond an odd width.
    return round(x0 * across), round(y0 * down), min(round(x1 * across), size[0]), min(round(y1 * down), size[1])


def read(source: Path | Remote) -> bytes:
    """Return the bytes of a file, here or in object storage.

    Raises
    ------
    ImageError
        It is missing, no file, empty, too large or unreadable.
    """
    name = source if isinstance(source, Path) else source.path
    try:
        content = _read_file(source) if isinstance(source, Path) else storage.read(source, _MOST_FILE_BYTES)
    except FileNotFoundError as error:
        raise ImageError(name, "missing") from error
    except IsADirectoryError as error:
        raise ImageError(name, "a folder, not an image") from error
    except PermissionError as error:
        raise ImageError(name, "no permission to read") from error
    except OSError as error:
        raise ImageError(name, f"cannot be read ({error.strerror or error})") from error
    if not content:
        raise ImageError(name, "empty file")
    return content


def _read_file(path: Path) -> bytes:
    """Return a file's bytes; what is no file, a pipe above all, is never opened: it might never end."""
    status = path.stat()
    if stat.S_ISDIR(status.st_mode):
        raise ImageError(path, "a folder, not an image")
    if not stat.S_ISREG(status.st_mode):
        raise ImageError(path, "not a file (a device or pipe)")
    if status.st_size > _MOST_FILE_BYTES:
        raise ImageError(path, f"a file of {status.st_size:,} bytes (the limit is {_MOST_FILE_BYTES:,})")
    with path.open("rb") as stream:
        return stream.read(_MOST_FILE_BYTES)


def _jpeg_size(content: bytes) -> tuple[int, int] | None:
    """Return a JPEG's (width, height) as displayed; None for other files and for damaged ones."""
    if not content.startswith(jpeg.SIGNATURE):
        return None
    header = jpeg.read_header(content)
    if header is None:
        return None
    return (header.height, header.width) if header.orientation >= 5 else (header.width, header.height)


def _failed(item: Item, reason: str) -> Looked:
    return Looked(item.name, None, None, "none", error=reason)
