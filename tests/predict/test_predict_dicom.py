"""Single-frame DICOM gives the pixels that were stored; everything else is refused in words."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from buffycoat.errors import ImageError
from buffycoat.predict import Predictor
from buffycoat.predict.dicom import is_dicom, read_dicom

pydicom = pytest.importorskip("pydicom")
Rgb = NDArray[np.uint8]


def _dicom(pixels: NDArray[Any], kind: str = "RGB", bits: int = 8, **fields: Any) -> bytes:
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import UID, ExplicitVRLittleEndian, VLMicroscopicImageStorage

    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = VLMicroscopicImageStorage
    meta.MediaStorageSOPInstanceUID = UID("1.2.826.0.1.3680043.8.498.1")
    document = FileDataset("x", {}, file_meta=meta, preamble=b"\0" * 128)
    document.SOPClassUID, document.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    document.Rows, document.Columns = pixels.shape[:2]
    document.SamplesPerPixel = 3 if pixels.ndim == 3 else 1
    document.PhotometricInterpretation = kind
    document.BitsAllocated, document.BitsStored, document.HighBit = 8 if bits <= 8 else 16, bits, bits - 1
    document.PixelRepresentation = 0
    if pixels.ndim == 3:
        document.PlanarConfiguration = 0
    document.PixelData = pixels.tobytes()
    for name, value in fields.items():
        setattr(document, name, value)
    stream = io.BytesIO()
    document.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


@pytest.fixture
def small() -> Rgb:
    return np.random.default_rng(1).integers(0, 256, (12, 20, 3), dtype=np.uint8)


def test_colours_come_out_as_they_went_in(small: Rgb) -> None:
    content = _dicom(small)
    assert is_dicom(content)
    assert np.array_equal(read_dicom(content, 10_000), small)
    ycbcr = np.asarray(Image.fromarray(small).convert("YCbCr"))
    assert np.abs(read_dicom(_dicom(ycbcr, "YBR_FULL"), 10_000).astype(int) - small).max() <= 3


def test_grey_is_scaled_and_turned_the_right_way(small: Rgb) -> None:
    grey = (small[..., 0].astype(np.uint16) << 4) | 0xF
    bright = read_dicom(_dicom(grey, "MONOCHROME2", 12), 10_000)
    assert np.abs(bright[..., 0].astype(int) - small[..., 0]).max() <= 1
    assert np.array_equal(bright[..., 0], bright[..., 2])
    dark = read_dicom(_dicom(grey, "MONOCHROME1", 12), 10_000)
    assert np.array_equal(255 - dark, bright)


def test_what_is_not_one_frame_is_refused(small: Rgb) -> None:
    with pytest.raises(ImageError, match="3 frames"):
        read_dicom(_dicom(small, NumberOfFrames=3), 10_000)
    with pytest.raises(ImageError, match=r"too large \(20×12"):
        read_dicom(_dicom(small), 100)
    with pytest.raises(ImageError, match="unknown colour kind"):
        read_dicom(_dicom(small, "HSV"), 10_000)
    with pytest.raises(ImageError, match="DICOM"):
        read_dicom(_dicom(small)[:-50], 10_000)


def test_a_field_is_found_in_a_dicom_file(predictor: Predictor, fields: list[Rgb], tmp_path: Path) -> None:
    path = tmp_path / "field.dcm"
    path.write_bytes(_dicom(fields[0]))
    (result,) = predictor.predict(path)
    (same,) = predictor.predict(fields[0])
    assert result.error is None
    assert result.cells == same.cells


def test_without_pydicom_the_extra_is_named(small: Rgb, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(ImageError, match=r"buffycoat\[dicom\]"):
        read_dicom(_dicom_bytes, 10_000)


_dicom_bytes = b"\0" * 128 + b"DICM"


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damage_is_never_worse_than_a_fault(small: Rgb, data: st.DataObject) -> None:
    content = bytearray(_dicom(small))
    for _ in range(data.draw(st.integers(1, 5))):
        content[data.draw(st.integers(132, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        rgb = read_dicom(bytes(content[: data.draw(st.integers(132, len(content)))]), 10_000)
    except ImageError:
        return
    assert rgb.dtype == np.uint8
    assert rgb.shape[2] == 3
