"""Every kind of image file a laboratory may bring, and every way it may be broken."""

from __future__ import annotations

import io
import struct
import time
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageOps

from buffycoat.errors import ImageError
from buffycoat.imaging.decode import IMAGE_SUFFIXES, image_size, read_image


def scene(width: int = 96, height: int = 64) -> Image.Image:
    """Return a picture whose four corners differ, smooth enough for JPEG."""
    across, down = np.linspace(40, 220, width)[None, :, None], np.linspace(-30, 30, height)[:, None, None]
    return Image.fromarray(np.clip(across + down * [1, -1, 0.3], 0, 255).astype(np.uint8))


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def near(a: NDArray[np.uint8], b: object, tolerance: float) -> bool:
    return float(np.abs(a.astype(float) - np.asarray(b, float)).mean()) <= tolerance


@pytest.mark.parametrize(
    ("kind", "mode", "options"),
    [
        ("JPEG", "RGB", {"quality": 95}),  # the common case
        ("JPEG", "RGB", {"quality": 95, "progressive": True}),  # several scans
        ("JPEG", "RGB", {"quality": 95, "subsampling": 0, "optimize": True}),
        ("JPEG", "CMYK", {"quality": 95}),  # four inks, as from a printing program
        ("PNG", "RGB", {}),
        ("BMP", "RGB", {}),
        ("TIFF", "RGB", {}),
        ("TIFF", "RGB", {"compression": "tiff_lzw"}),
        ("TIFF", "CMYK", {}),
        ("TIFF", "YCbCr", {}),
        ("WEBP", "RGB", {"lossless": True}),
        ("PPM", "RGB", {}),
    ],
)
def test_colours_survive_every_format(kind: str, mode: str, options: dict[str, object]) -> None:
    rgb = read_image(encoded(scene().convert(mode), kind, **options))
    assert rgb.shape == (64, 96, 3)
    assert rgb.dtype == np.uint8
    assert near(rgb, scene(), 3)


@pytest.mark.parametrize(("kind", "mode"), [("JPEG", "L"), ("PNG", "L"), ("TIFF", "L"), ("PNG", "LA")])
def test_grey_gives_three_equal_channels(kind: str, mode: str) -> None:
    rgb = read_image(encoded(scene().convert(mode), kind))
    assert near(rgb[..., 0], scene().convert("L"), 2)
    assert (rgb[..., 0] == rgb[..., 1]).all()
    assert (rgb[..., 0] == rgb[..., 2]).all()


def test_transparency_is_laid_on_white() -> None:
    image = scene().convert("RGBA")
    alpha = np.full((64, 96), 255, np.uint8)
    alpha[:, :48] = 0  # invisible
    alpha[:, 48:60] = 128  # half
    image.putalpha(Image.fromarray(alpha))
    rgb = read_image(encoded(image, "PNG"))
    assert (rgb[:, :48] == 255).all()
    assert near(rgb[:, 48:60], (np.asarray(scene(), float)[:, 48:60] + 255) / 2, 1.5)
    assert (rgb[:, 60:] == np.asarray(scene())[:, 60:]).all()


def test_palettes_with_and_without_a_transparent_entry() -> None:
    palette = scene().quantize(64)
    assert near(read_image(encoded(palette, "PNG")), palette.convert("RGB"), 0)
    entry = int(np.asarray(palette)[0, 0])
    rgb = read_image(encoded(palette, "PNG", transparency=entry))
    assert (rgb[np.asarray(palette) == entry] == 255).all()


def test_one_bit() -> None:
    rgb = read_image(encoded(scene().convert("1"), "PNG"))
    assert set(np.unique(rgb)) == {0, 255}


@pytest.mark.parametrize("top", [4095, 65535])  # a 12-bit camera writing 16-bit files; full 16 bits
@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bits_are_scaled_not_cut(kind: str, top: int) -> None:
    grey = np.asarray(scene().convert("L"), np.float64)
    grey = (grey - grey.min()) / (grey.max() - grey.min())
    rgb = read_image(encoded(Image.fromarray((grey * top).astype(np.uint16)), kind))
    assert near(rgb, (grey * 255)[..., None], 1)


def test_16_bit_colour(tmp_path: Path) -> None:
    wide = np.asarray(scene(), np.uint16) * 257
    for name in ("a.png", "a.tif"):
        cv2.imwrite(str(tmp_path / name), wide[..., ::-1])
        assert near(read_image(tmp_path / name), scene(), 1)


def test_floats() -> None:
    grey = np.asarray(scene().convert("L"), np.float32) / 255
    assert near(read_image(encoded(Image.fromarray(grey), "TIFF")), scene().convert("L").convert("RGB"), 1)
    with pytest.raises(ImageError, match="unknown pixel type"):
        read_image(encoded(Image.fromarray(grey * -1), "TIFF"))


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_first_frame_of_several(kind: str) -> None:
    others = [Image.new("RGB", (96, 64), "black")] * 2
    options = {"lossless": True} if kind == "WEBP" else {}
    content = encoded(scene(), kind, save_all=True, append_images=others, **options)
    assert near(read_image(content), scene(), 12 if kind == "GIF" else 0)


def tiff(*sizes: tuple[int, int], big: bool = False) -> bytes:
    """Return a TIFF of the scene at these sizes, one page each."""
    first, *others = [scene(*size) for size in sizes]
    return encoded(first, "TIFF", save_all=True, append_images=others, big_tiff=big)


@pytest.mark.parametrize("big", [False, True])
def test_a_tiff_of_several_photographs_is_refused(tmp_path: Path, big: bool) -> None:
    for sizes, pages in (([(96, 64)] * 3, 3), ([(96, 64), (48, 32), (90, 60)], 2), ([(48, 32), (96, 64)], 2)):
        content = tiff(*sizes, big=big)
        with pytest.raises(ImageError, match=f"a TIFF of {pages} pages: save each page as a file of its own"):
            read_image(content)
    (tmp_path / "a.tif").write_bytes(content)
    assert image_size(tmp_path / "a.tif") == (48, 32)


@pytest.mark.parametrize("big", [False, True])
def test_smaller_copies_in_a_tiff_are_ignored(big: bool) -> None:
    assert near(read_image(tiff((97, 65), (49, 33), (25, 17), (12, 9), big=big)), scene(97, 65), 0)


def test_a_page_that_says_it_is_a_smaller_copy_or_a_mask_is_ignored() -> None:
    content = tiff((96, 64), (90, 60))
    entry = content.index(struct.pack("<HHII", 256, 4, 1, 90))  # where the second page says its width, it says its kind
    for kind, value in ((254, 1), (254, 4), (255, 2)):
        marked = content[:entry] + struct.pack("<HHII", kind, 3, 1, value) + content[entry + 12 :]
        assert near(read_image(marked), scene(), 0)


def test_a_damaged_chain_of_pages_does_not_cost_the_first() -> None:
    content = bytearray(encoded(scene(), "TIFF"))
    (at,) = struct.unpack_from("<I", content, 4)
    (entries,) = struct.unpack_from("<H", content, at)
    for beyond in (at, len(content) - 3, 2**32 - 1):  # round in a circle, into nothing, out of the file
        struct.pack_into("<I", content, at + 2 + 12 * entries, beyond)
        assert near(read_image(bytes(content)), scene(), 0)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_exif_rotation_is_applied(tmp_path: Path, kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "turned"
    path.write_bytes(encoded(scene(), kind, exif=exif))
    with Image.open(path) as image:
        expected = np.asarray(ImageOps.exif_transpose(image))
    rgb = read_image(path)
    assert rgb.shape == expected.shape
    assert near(rgb, expected, 2)
    assert image_size(path) == (expected.shape[1], expected.shape[0])
    if kind == "JPEG":
        assert read_image(path, reduce=2).shape == (expected.shape[0] // 2, expected.shape[1] // 2, 3)


def test_damaged_exif_is_ignored(tmp_path: Path) -> None:
    for kind in ("JPEG", "PNG"):
        content = encoded(scene(), kind, exif=b"Exif\x00\x00II*\x00\xff\xff\xff\x7f")
        assert read_image(content).shape == (64, 96, 3)
        (tmp_path / "image").write_bytes(content)
        assert image_size(tmp_path / "image") == (96, 64)


@pytest.mark.parametrize("reduce", [2, 4, 8])
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_reduced_decoding(kind: str, reduce: int) -> None:
    rgb = read_image(encoded(scene(101, 67), kind), reduce=reduce)
    assert rgb.shape == (-(-67 // reduce), -(-101 // reduce), 3)
    full = read_image(encoded(scene(101, 67), kind))
    assert near(full, cv2.resize(rgb, (101, 67)), 6)


def test_reduce_takes_only_its_four_values() -> None:
    with pytest.raises(ValueError, match="1, 2, 4 or 8"):
        read_image(encoded(scene(), "JPEG"), reduce=3)


@settings(max_examples=60, deadline=None)
@given(share=st.floats(0.0, 1.0, exclude_max=True), progressive=st.booleans())
def test_a_jpeg_cut_anywhere_is_refused(share: float, progressive: bool) -> None:
    content = encoded(scene(), "JPEG", quality=90, progressive=progressive)
    with pytest.raises(ImageError):
        read_image(content[: int(share * (len(content) - 1))])


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "BMP", "GIF", "WEBP", "PPM"])
def test_files_cut_in_the_middle_are_refused(kind: str) -> None:
    content = encoded(scene(), kind)
    with pytest.raises(ImageError, match=r"truncated|cannot be decoded"):
        read_image(content[: len(content) // 2])


def test_a_jpeg_whose_preview_is_whole_is_still_truncated() -> None:
    preview = encoded(scene(16, 16), "JPEG")
    exif = b"Exif\x00\x00II*\x00\x08\x00\x00\x00\x00\x00\x00\x00\x00\x00" + preview  # holds an end-of-image marker
    content = encoded(scene(), "JPEG", exif=exif)
    assert read_image(content).shape == (64, 96, 3)
    with pytest.raises(ImageError, match="truncated"):
        read_image(content[: len(content) - 200])


def test_a_jpeg_whose_tail_was_never_downloaded_is_truncated() -> None:
    content = encoded(scene(), "JPEG")
    with pytest.raises(ImageError, match="truncated"):
        read_image(content[: len(content) // 2] + bytes(len(content) // 2))  # the right length, the rest zeros


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("size", [(96, 64), (101, 67), (17, 16)])
def test_jpegs_have_the_pixels_that_opencv_gives(size: tuple[int, int], subsampling: int, progressive: bool) -> None:
    content = encoded(scene(*size), "JPEG", quality=85, subsampling=subsampling, progressive=progressive)
    flags = (cv2.IMREAD_COLOR, cv2.IMREAD_REDUCED_COLOR_2, cv2.IMREAD_REDUCED_COLOR_4, cv2.IMREAD_REDUCED_COLOR_8)
    for reduce, flag in zip((1, 2, 4, 8), flags, strict=True):
        theirs = cv2.imdecode(np.frombuffer(content, np.uint8), flag)
        assert theirs is not None
        assert (read_image(content, reduce=reduce) == theirs[..., ::-1]).all()


def test_a_jpeg_damaged_in_its_middle_is_refused_not_shown_in_other_colours() -> None:
    """A byte may turn into another that is as good; most damage does not add up any more."""
    noise = np.random.default_rng(0).integers(0, 60, (64, 96, 3))
    content = encoded(Image.fromarray((np.asarray(scene()) // 2 + noise).astype(np.uint8)), "JPEG", quality=90)
    scan = content.rindex(b"\xff\xda") + 14
    found = []
    for at in range(scan, len(content) - 80, (len(content) - scan) // 40):
        damaged = content[:at] + bytes(range(7, 7 + 64)) + content[at + 64 :]
        for reduce in (1, 2):
            try:
                read_image(damaged, reduce=reduce)
                found.append("")
            except ImageError as error:
                found.append(error.reason)
    assert all(reason.startswith("damaged (") for reason in found if reason)
    assert sum(bool(reason) for reason in found) >= 0.9 * len(found)


def test_what_a_decoder_remarks_on_without_harm_is_read() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    content = bytearray(encoded(scene(), "JPEG", exif=exif))
    sound = read_image(bytes(content))
    content[content.index(b"JFIF") + 5] = 3  # a version of the format that nobody has seen
    assert (read_image(bytes(content)) == sound).all() and sound.shape == (96, 64, 3)
    assert read_image(bytes(content), reduce=2).shape == (48, 32, 3)


def test_bytes_after_a_jpegs_end_do_no_harm() -> None:
    content = encoded(scene(), "JPEG")
    assert (read_image(content + b"maker's notes" * 9) == read_image(content)).all()


def huge(kind: str) -> bytes:
    """Return the header of a 30,000 × 30,000 image of this format."""
    small = encoded(Image.new("RGB", (8, 8)), kind)
    if kind == "JPEG":
        at = small.index(b"\xff\xc0") + 5
        return small[:at] + struct.pack(">HH", 30000, 30000) + small[at + 4 :]
    if kind == "PNG":
        header = b"IHDR" + struct.pack(">II", 30000, 30000) + small[24:29]
        return small[:12] + header + struct.pack(">I", zlib.crc32(header)) + small[33:]
    if kind == "BMP":
        return small[:18] + struct.pack("<ii", 30000, 30000) + small[26:]
    return small[:6] + struct.pack("<HH", 30000, 30000) + small[10:]  # GIF


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "GIF"])
def test_a_huge_image_is_refused_by_its_header(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "huge"
    path.write_bytes(huge(kind))
    started = time.perf_counter()
    with pytest.raises(ImageError) as caught:
        read_image(path)
    assert time.perf_counter() - started < 5
    assert caught.value.reason == "too large (30000×30000 = 900 megapixels; the limit is 100)"
    assert image_size(path) == (30000, 30000)


def test_the_limit_can_be_set() -> None:
    with pytest.raises(ImageError, match="too large"):
        read_image(encoded(scene(), "JPEG"), max_pixels=96 * 64 - 1)
    assert read_image(encoded(scene(), "JPEG"), max_pixels=96 * 64).shape == (64, 96, 3)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty file"),
        (b"label,image\n1,a.jpg\n", "not an image"),  # a table
        (b"<html><body>404</body></html>", "not an image"),  # an error page saved as an image
        (b"\xff\xd8\xff", "truncated"),  # a JPEG's first bytes and no more
        (b"\xff\xd8\xff\xe0\x00\x10JFIF", "truncated"),
        (b"\x89PNG\r\n\x1a\n", "truncated or not an image"),
        (b"II*\x00\x08\x00\x00\x00", "truncated or not an image"),
        (bytes(4096), "not an image"),
    ],
)
def test_files_that_are_no_images(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "image.jpg"
    path.write_bytes(content)
    for read in (read_image, image_size):
        with pytest.raises(ImageError) as caught:
            read(path)
        assert caught.value.reason == reason
        assert caught.value.source == str(path)


def test_missing_folder_and_forbidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for read in (read_image, image_size):
        with pytest.raises(ImageError, match="missing"):
            read(tmp_path / "none.jpg")
        with pytest.raises(ImageError, match="a folder, not an image"):
            read(tmp_path)

    def forbid(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", forbid)  # a mode bit would not stop an administrator running the tests
    with pytest.raises(ImageError, match="no permission to read"):
        read_image(tmp_path / "mine.jpg")


@settings(max_examples=150, deadline=None)
@given(
    st.binary(max_size=400), st.sampled_from([b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"BM", b"II*\0"])
)
def test_rubbish_never_ends_in_anything_but_an_image_error(rubbish: bytes, start: bytes) -> None:
    try:
        rgb = read_image(start + rubbish, max_pixels=100_000)
    except ImageError:
        return
    assert rgb.ndim == 3


def test_many_threads_decode_odd_files_quietly() -> None:
    contents = [encoded(scene().convert(mode), kind) for mode, kind in (("CMYK", "JPEG"), ("LA", "PNG"), ("L", "TIFF"))]
    with warnings.catch_warnings(), ThreadPoolExecutor(4) as pool:
        warnings.simplefilter("error")
        assert {rgb.shape for rgb in pool.map(read_image, contents * 20)} == {(64, 96, 3)}


def test_suffixes_are_folded() -> None:
    assert all(suffix == suffix.lower() and suffix.startswith(".") for suffix in IMAGE_SUFFIXES)
    assert {".jpg", ".jpeg", ".png", ".tif", ".bmp"} <= IMAGE_SUFFIXES


@pytest.mark.real
def test_real_fields_decode_as_pillow_does(real_data: Path) -> None:
    folder = real_data / "kaggle-blood-cells/dataset-master/dataset-master/JPEGImages"
    for path in sorted(folder.glob("*.jpg"))[::60]:
        with Image.open(path) as image:
            assert near(read_image(path), image.convert("RGB"), 1)
        assert image_size(path) == (640, 480)


@pytest.mark.parametrize("kind", ["TIFF", "WEBP", "GIF", "PNG", "BMP"])
def test_our_limit_counts_and_not_that_of_pillow(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    stream = io.BytesIO()
    with monkeypatch.context() as unlimited:
        unlimited.setattr(Image, "MAX_IMAGE_PIXELS", None)
        Image.new("RGB", (80, 60), (200, 10, 10)).save(stream, kind)
    with ThreadPoolExecutor(4) as pool:
        shapes = [rgb.shape for rgb in pool.map(lambda _: read_image(stream.getvalue(), max_pixels=4800), range(20))]
    assert shapes == [(60, 80, 3)] * 20
    with pytest.raises(ImageError, match="too large"):
        read_image(stream.getvalue(), max_pixels=4799)
    assert Image.MAX_IMAGE_PIXELS == 1000
