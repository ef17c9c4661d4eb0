"""Single-frame DICOM photographs, read with pydicom (``pip install buffycoat[dicom]``)."""

from __future__ import annotations

import io
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from buffycoat.errors import ImageError

_MARK_AT = 128
_GIVEN_AS_RGB = frozenset({"RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT"})  # pydicom 3 converts these itself


def is_dicom(content: bytes) -> bool:
    """Return whether bytes are a DICOM file (PS3.10: "DICM" after a preamble of 128 bytes)."""
    return content[_MARK_AT : _MARK_AT + 4] == b"DICM"


def read_dicom(content: bytes, max_pixels: int) -> NDArray[np.uint8]:
    """Return the pixels of a single-frame DICOM file, uint8 (H, W, 3) RGB.

    Raises
    ------
    ImageError
        pydicom is not installed; the file is damaged, too large, has several frames, or is packed in a way that no
        installed decoder knows.
    """
    try:
        import pydicom
    except ImportError as error:
        raise ImageError("DICOM", "DICOM needs pydicom (pip install buffycoat[dicom])") from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of values outside the standard, which are not used
            document = pydicom.dcmread(io.BytesIO(content), force=False)
            _refuse(document, max_pixels)
            return _to_rgb(document)
    except ImageError:
        raise
    except MemoryError as error:
        raise ImageError("DICOM", "too large for this machine's memory") from error
    except Exception as error:  # of a damaged file pydicom raises almost anything, and most of it is not its own
        raise ImageError("DICOM", f"DICOM cannot be decoded ({' '.join(str(error).split())[:100]})") from error


def _refuse(document: Any, max_pixels: int) -> None:
    frames = int(document.get("NumberOfFrames", 1) or 1)
    if frames != 1:
        raise ImageError("DICOM", f"DICOM with {frames} frames; one frame is expected")
    if "PixelData" not in document:
        raise ImageError("DICOM", "DICOM without pixels")
    width, height = int(document.Columns), int(document.Rows)
    if width * height > max_pixels:
        raise ImageError("DICOM", f"too large ({width}×{height}; the limit is {max_pixels / 1e6:g} megapixels)")


def _to_rgb(document: Any) -> NDArray[np.uint8]:
    from pydicom.pixels.processing import apply_color_lut, apply_modality_lut

    kind = str(document.PhotometricInterpretation)
    pixels = np.asarray(document.pixel_array)
    if kind == "PALETTE COLOR":
        pixels = np.asarray(apply_color_lut(pixels, document))
    elif kind.startswith("MONOCHROME"):
        pixels = np.asarray(apply_modality_lut(pixels, document))
        grey = _eight_bits(pixels, int(document.BitsStored))
        return np.repeat((255 - grey if kind == "MONOCHROME1" else grey)[..., None], 3, axis=2)
    elif kind not in _GIVEN_AS_RGB:
        raise ImageError("DICOM", f"DICOM of an unknown colour kind ({kind})")
    bits = 16 if kind == "PALETTE COLOR" and pixels.dtype == np.uint16 else int(document.BitsStored)
    rgb = _eight_bits(pixels, bits)
    if rgb.ndim != 3 or rgb.shape[2] < 3:
        raise ImageError("DICOM", f"DICOM of an unknown shape {rgb.shape}")
    return np.ascontiguousarray(rgb[..., :3])


def _eight_bits(values: NDArray[np.generic], bits: int) -> NDArray[np.uint8]:
    if values.dtype == np.uint8 and bits <= 8:
        return np.asarray(values, np.uint8)
    scaled = np.round(values.astype(np.float64) * (255.0 / (2**bits - 1)))
    return np.asarray(np.clip(scaled, 0, 255), np.uint8)
