"""Decoding with Pillow: every format and pixel type that the fast JPEG path does not take."""

from __future__ import annotations

import io
import struct
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import IO

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, ImageOps, TiffImagePlugin, UnidentifiedImageError

from buffycoat.errors import ImageError
from buffycoat.imaging.large import refuse_large
from buffycoat.imaging.tiff_pages import full_size_pages

_FORMATS = ("JPEG", "PNG", "TIFF", "BMP", "GIF", "WEBP", "PPM")
_FAILURES = (OSError, SyntaxError, ValueError, TypeError, KeyError, IndexError, EOFError, struct.error, Warning)
_WITH_ALPHA = frozenset({"RGBA", "LA", "PA", "La", "RGBa"})
_WARNINGS = threading.Lock()  # catch_warnings changes state that all threads share
_LIMIT = threading.Lock()


def decode(content: bytes, name: str, max_pixels: int) -> NDArray[np.uint8]:
    """Return the image as uint8 RGB (H, W, 3), as displayed; see :func:`buffycoat.imaging.decode.read_image`.

    Raises
    ------
    ImageError
        Not an image, too large, truncated, of an unknown pixel type, or a TIFF of several full-size pages.
    """
    with _open(io.BytesIO(content), name, max_pixels) as image:
        refuse_large(name, *image.size, max_pixels)
        if isinstance(image, TiffImagePlugin.TiffImageFile) and (pages := full_size_pages(content)) > 1:
            raise ImageError(name, f"a TIFF of {pages} pages: save each page as a file of its own")
        try:
            with _limit_of(max_pixels) if _beyond_pillow(*image.size) else nullcontext():
                image.load()
        except MemoryError as error:
            raise ImageError(name, "too large for this machine's memory") from error
        except Image.DecompressionBombError as error:
            raise ImageError(name, "too large (a frame larger than the picture)") from error
        except _FAILURES as error:
            raise ImageError(name, "truncated" if "truncated" in str(error) else "cannot be decoded") from error
        try:
            upright = ImageOps.exif_transpose(image)
        except _FAILURES:  # a damaged EXIF block says nothing about rotation; the pixels are sound
            upright = image
        return _to_rgb(upright, name)


def size(path: Path) -> tuple[int, int]:
    """Return (width, height) as displayed, from the header.

    Raises
    ------
    ImageError
        Not an image.
    """
    with path.open("rb") as stream, _open(stream, str(path)) as image:
        try:
            turned = int(image.getexif().get(0x0112, 1)) >= 5
        except _FAILURES:
            turned = False
        width, height = image.size
        if isinstance(image, TiffImagePlugin.TiffImageFile):  # `size` is turned already in newer Pillows only
            width, height = int(image.tag_v2[256]), int(image.tag_v2[257])
    return (height, width) if turned else (width, height)


def _beyond_pillow(width: int, height: int) -> bool:
    limit = Image.MAX_IMAGE_PIXELS
    return limit is not None and width * height > limit


@contextmanager
def _limit_of(pixels: float) -> Iterator[None]:
    """Put our limit in the place of Pillow's, which warns beyond it and refuses twice as many; then put it back.

    Pillow keeps one for the whole process, so images that need this are taken one at a time.
    """
    with _LIMIT:
        before = Image.MAX_IMAGE_PIXELS
        Image.MAX_IMAGE_PIXELS = pixels  # type: ignore[assignment]
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = before


def _open(stream: IO[bytes], name: str, max_pixels: int = 0) -> ImageFile.ImageFile:
    """Read a header; of a format that must be decoded for it, at most `max_pixels` where Pillow would take less.

    ``Image.open`` would apply Pillow's own limit, which warns or raises without telling the size; its readers
    are called directly, and only those of the formats we mean to read.
    """
    Image.init()
    head = stream.read(16)
    for kind in _FORMATS:
        reader, accepts = Image.OPEN[kind]
        if accepts is not None and accepts(head) is not True:
            continue
        stream.seek(0)
        with _WARNINGS, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of damaged metadata, which are not used
            try:
                try:
                    return reader(stream, name)
                except Image.DecompressionBombError:
                    if not _beyond_pillow(max_pixels, 1):
                        raise
                    stream.seek(0)
                    with _limit_of(max_pixels / 2):  # half: beyond twice as many it refuses
                        return reader(stream, name)
            except UnidentifiedImageError as error:
                raise ImageError(name, "not an image") from error
            except Image.DecompressionBombError as error:  # of a frame far larger than the picture says it is
                raise ImageError(name, "too large (a frame of hundreds of megapixels)") from error
            except _FAILURES as error:
                raise ImageError(name, "truncated or not an image") from error
    raise ImageError(name, "not an image")


def _to_rgb(image: Image.Image, name: str) -> NDArray[np.uint8]:
    if image.mode.startswith(("I", "F")):
        return _from_numbers(np.asarray(image), name)
    if image.mode in _WITH_ALPHA or "transparency" in image.info:
        layer = image.convert("RGBA")
        ground = Image.new("RGBA", layer.size, (255, 255, 255, 255))
        image = Image.alpha_composite(ground, layer)
    return np.array(image if image.mode == "RGB" else image.convert("RGB"), np.uint8)


def _from_numbers(values: NDArray[np.generic], name: str) -> NDArray[np.uint8]:
    """Scale a single wide channel to 8 bits.

    Cameras store 10, 12 or 14 bits in 16: the smallest of these ranges that holds the values is taken for full.
    """
    numbers = values.astype(np.float64)
    largest = float(numbers.max())
    if not np.isfinite(numbers).all() or float(numbers.min()) < 0 or largest > 65535:
        raise ImageError(name, f"unknown pixel type ({values.dtype}, up to {largest:g})")
    if values.dtype.kind == "f":
        full = next(top for top in (1.0, 255.0, 65535.0) if largest <= top)
    else:
        full = next(top for top in (255.0, 1023.0, 4095.0, 16383.0, 65535.0) if largest <= top)
    grey = np.round(numbers * (255.0 / full)).astype(np.uint8)
    return np.asarray(cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB), np.uint8)
