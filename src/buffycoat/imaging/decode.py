"""From a file to RGB pixels, whatever the file: rotated, CMYK, grey, transparent, 16-bit, animated, or broken.

The header is read first, so that a huge image is refused without being decoded and a truncated one is named
instead of being filled with grey. A JPEG whose compressed data are damaged is refused, too: decoders go on with other
colours, or with grey, and most say nothing.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray

from buffycoat.errors import ImageError
from buffycoat.imaging import jpeg
from buffycoat.imaging.large import refuse_large

IMAGE_SUFFIXES: frozenset[str] = frozenset(
    {".bmp", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp"}
)
"""Endings, in lower case, of the files looked at in a folder of images."""

_HEAD_BYTES = 1 << 16
_REDUCED = {
    1: cv2.IMREAD_COLOR,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}
_DAMAGED = ("Corrupt JPEG data: ", "Premature end of JPEG file")  # what libjpeg says; its other remarks are harmless


def read_image(source: Path | bytes, *, max_pixels: int = 100_000_000, reduce: int = 1) -> NDArray[np.uint8]:
    """Return an image as it is displayed.

    Parameters
    ----------
    source
        A file, or the bytes of one.
    max_pixels
        Larger images are refused before they are decoded.
    reduce
        1, 2, 4 or 8: decode at that fraction of the size (rounded up). A JPEG is decoded small in the first
        place, which is faster; other formats are averaged down.

    Returns
    -------
    uint8 array of shape (height, width, 3), RGB: EXIF rotation applied, transparency laid on white, the first
    frame of an animation, 16-bit values scaled down. A TIFF of several full-size pages is refused; smaller copies in
    it are ignored.

    Raises
    ------
    ImageError
        With a short reason: missing, empty, not an image, truncated, damaged, too large, several pages …
    """
    if reduce not in _REDUCED:
        raise ValueError(f"reduce must be 1, 2, 4 or 8, not {reduce}")
    name = _name(source)
    content = _read(source)
    if not content:
        raise ImageError(name, "empty file")
    if content.startswith(jpeg.SIGNATURE):
        return _read_jpeg(content, name, max_pixels, reduce)
    rgb = _with_pillow(content, name, max_pixels)
    return rgb if reduce == 1 else _shrink(rgb, reduce)


def image_size(path: Path) -> tuple[int, int]:
    """Return (width, height) as displayed, from the file's header alone.

    Raises
    ------
    ImageError
        The file is missing, empty or not an image.
    """
    head = _read(path, _HEAD_BYTES)
    if not head:
        raise ImageError(path, "empty file")
    if head.startswith(jpeg.SIGNATURE):
        # A long colour profile or preview may push the frame's description past the first piece.
        header = jpeg.read_header(head) or jpeg.read_header(_read(path))
        if header is None:
            raise ImageError(path, "truncated")
        return (header.height, header.width) if header.orientation >= 5 else (header.width, header.height)
    from buffycoat.imaging import pillow_decode

    return pillow_decode.size(path)


def _read_jpeg(content: bytes, name: str, max_pixels: int, reduce: int) -> NDArray[np.uint8]:
    header = jpeg.read_header(content)
    if header is None:
        raise ImageError(name, "truncated")
    refuse_large(name, header.width, header.height, max_pixels)
    if header.scan_at == 0 or not jpeg.is_complete(content, header.scan_at):
        raise ImageError(name, "truncated")
    if header.components not in (1, 3) or header.bits != 8:
        rgb = _with_pillow(content, name, max_pixels)
        return rgb if reduce == 1 else _shrink(rgb, reduce)
    return _turned(_pixels(content, name, header, reduce), header.orientation)


def _pixels(content: bytes, name: str, header: jpeg.JpegHeader, reduce: int) -> NDArray[np.uint8]:
    """Return the pixels as they are stored."""
    small = {"min_width": -(-header.width // reduce), "min_height": -(-header.height // reduce)} if reduce > 1 else {}
    try:
        return np.asarray(simplejpeg.decode_jpeg(content, strict=True, **small), np.uint8)
    except ValueError as error:
        said = str(error)
    if said.startswith(_DAMAGED):
        raise ImageError(name, f"damaged ({said.removeprefix(_DAMAGED[0])[:80]})")
    try:  # OpenCV hears none of the remarks
        image = cv2.imdecode(np.frombuffer(content, np.uint8), _REDUCED[reduce] | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error as error:
        raise ImageError(name, "cannot be decoded") from error
    if image is None:
        raise ImageError(name, "cannot be decoded")
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB, dst=image), np.uint8)


def _turned(rgb: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Return an image as EXIF's orientation (1 to 8) says it is displayed."""
    if orientation >= 5:
        rgb = np.swapaxes(rgb, 0, 1)
    if orientation in (2, 3, 6, 7):
        rgb = rgb[:, ::-1]
    if orientation in (3, 4, 7, 8):
        rgb = rgb[::-1]
    return np.ascontiguousarray(rgb)


def _with_pillow(content: bytes, name: str, max_pixels: int) -> NDArray[np.uint8]:
    from buffycoat.imaging import pillow_decode  # where all images are plain JPEGs, Pillow is not even imported

    return pillow_decode.decode(content, name, max_pixels)


def _shrink(rgb: NDArray[np.uint8], reduce: int) -> NDArray[np.uint8]:
    height, width = rgb.shape[:2]
    size = (-(-width // reduce), -(-height // reduce))
    return np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8)


def _name(source: Path | bytes) -> str:
    return f"{len(source)} bytes" if isinstance(source, bytes) else str(source)


def _read(source: Path | bytes, most: int = -1) -> bytes:
    if isinstance(source, bytes):
        return source
    try:
        with source.open("rb") as stream:
            return stream.read(most)
    except FileNotFoundError as error:
        raise ImageError(source, "missing") from error
    except IsADirectoryError as error:
        raise ImageError(source, "a folder, not an image") from error
    except PermissionError as error:
        raise ImageError(source, "no permission to read") from error
    except OSError as error:
        raise ImageError(source, f"cannot be read ({error.strerror or error})") from error
