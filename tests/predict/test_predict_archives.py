"""Archives are somebody else's word: nothing they say is believed, nothing is unpacked to disk."""

from __future__ import annotations

import io
import os
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from buffycoat.predict.archives import Limits, is_archive, photographs_in
from buffycoat.predict.items import Item
from buffycoat.predict.passed import Passed
from buffycoat.predict.sources import walk

PIXELS = b"\xff\xd8\xff" + bytes(range(256)) * 4


def _zip(path: Path, members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def _tar(path: Path, members: dict[str, bytes | tarfile.TarInfo], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, content in members.items():
            info = content if isinstance(content, tarfile.TarInfo) else tarfile.TarInfo(name)
            if isinstance(content, bytes):
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
            else:
                archive.addfile(info)
    return path


def _found(path: Path, limits: Limits | None = None) -> dict[str, bytes | str | None]:
    items = list(photographs_in(path, limits or Limits()))
    return {item.name.removeprefix(f"{path}!/"): item.error or _bytes(item) for item in items}


def _bytes(item: Item) -> bytes:
    assert isinstance(item.content, bytes)
    return item.content


GOOD = {"b/2.jpg": PIXELS, "a/1.png": PIXELS[::-1], "notes.txt": b"no", "späth\n,.bmp": PIXELS}
SEEN = {name: content for name, content in GOOD.items() if name != "notes.txt"}


@pytest.mark.parametrize("ending", [".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".zip"])
def test_photographs_come_out_as_they_went_in_and_nothing_is_written(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"slide{ending}"
    if ending == ".zip":
        _zip(path, GOOD)
    else:
        kind = {".gz": "gz", ".tgz": "gz", ".bz2": "bz2", ".xz": "xz"}.get(path.suffix, "")
        _tar(path, dict(GOOD), f"w:{kind}")
    assert is_archive(path)
    assert _found(path) == SEEN
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("ending", [".tar", ".zip"])
def test_members_that_are_no_photographs_are_counted(tmp_path: Path, ending: str) -> None:
    aside = {"__MACOSX/notes.txt": b"no", ".hidden/more.zip": b"no"}
    given = {"a.jpg": PIXELS, "notes.txt": b"no", "b/more.ZIP": b"no", "b/c.tar.gz": b"no", "readme": b"no", **aside}
    path = tmp_path / f"slide{ending}"
    if ending == ".zip":
        _zip(path, given)
    else:
        _tar(path, dict(given))
    passed = Passed()
    assert [item.name for item in walk([str(path)], passed=passed)] == [f"{path}!/a.jpg"]
    assert passed == Passed(others=2, archives=0, nested=2)


def test_an_archive_is_known_by_its_content_too(tmp_path: Path) -> None:
    assert is_archive(_zip(tmp_path / "a.slide", GOOD))
    assert is_archive(_tar(tmp_path / "b.slide", dict(GOOD)))
    (tmp_path / "c.slide").write_bytes(PIXELS)
    assert not is_archive(tmp_path / "c.slide")
    assert not is_archive(tmp_path / "none")


def _link(name: str, target: str, kind: bytes) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def test_names_that_lead_out_links_and_devices_are_refused_by_name(tmp_path: Path) -> None:
    wrong = {"../up.jpg": PIXELS, "/etc/abs.jpg": PIXELS, "C:\\win.jpg": PIXELS, "a/../../b.jpg": PIXELS}
    expected = {
        "../up.jpg": "a name that leads out of its archive (..)",
        "/etc/abs.jpg": "an absolute name inside an archive",
        "C:\\win.jpg": "an absolute name inside an archive",
        "a/../../b.jpg": "a name that leads out of its archive (..)",
        "good.jpg": PIXELS,
    }
    assert _found(_zip(tmp_path / "a.zip", {**wrong, "good.jpg": PIXELS})) == expected
    special = {
        "link.jpg": _link("link.jpg", "/etc/passwd", tarfile.SYMTYPE),
        "hard.jpg": _link("hard.jpg", "../x", tarfile.LNKTYPE),
        "device.jpg": _link("device.jpg", "", tarfile.CHRTYPE),
        "pipe.jpg": _link("pipe.jpg", "", tarfile.FIFOTYPE),
    }
    found = _found(_tar(tmp_path / "a.tar", {**wrong, **special, "good.jpg": PIXELS}))
    assert {name: found[name] for name in expected} == expected
    assert found["link.jpg"] == found["hard.jpg"] == "a link inside an archive"
    assert found["device.jpg"] == found["pipe.jpg"] == "not a file (a device or pipe)"
    linked = zipfile.ZipInfo("link.jpg")
    linked.create_system, linked.external_attr = 3, 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        archive.writestr(linked, "/etc/passwd")
    assert _found(tmp_path / "b.zip") == {"link.jpg": "a link inside an archive"}


def test_a_zip_with_backslashes_keeps_its_folders(tmp_path: Path) -> None:
    path = _zip(tmp_path / "w.zip", {"slides\\A\\0.jpg": PIXELS, "slides\\B\\0.jpg": PIXELS[::-1], "..\\0.jpg": PIXELS})
    assert _found(path) == {
        "slides/A/0.jpg": PIXELS,
        "slides/B/0.jpg": PIXELS[::-1],
        "..\\0.jpg": "a name that leads out of its archive (..)",
    }


ASIDE = ("__MACOSX/a/._1.jpg", "a/._1.jpg", "a/@eaDir/1.jpg/thumb.jpg", "a/.hidden/2.jpg", "._3.jpg", "b\\._4.jpg")


@pytest.mark.parametrize("ending", [".tar", ".zip"])
def test_what_systems_leave_in_archives_is_passed_over_as_in_folders(tmp_path: Path, ending: str) -> None:
    make = _zip if ending == ".zip" else _tar
    members = {**dict.fromkeys(ASIDE, b"x"), "./a/1.jpg": PIXELS, "__MACOSX/../../2.jpg": PIXELS}
    assert _found(make(tmp_path / f"mac{ending}", members)) == {  # type: ignore[arg-type]
        "./a/1.jpg": PIXELS,
        "__MACOSX/../../2.jpg": "a name that leads out of its archive (..)",
    }
    (nothing,) = walk([str(make(tmp_path / f"only{ending}", dict.fromkeys(ASIDE, b"x")))])
    assert nothing.error == "no photograph in it"


def test_bombs_are_refused_by_size_and_by_ratio(tmp_path: Path) -> None:
    limits = Limits(most_bytes=1 << 20, most_ratio=50, free_bytes=1 << 16)
    members = {"big.bmp": bytes(2 << 20), "swollen.bmp": bytes(1 << 19), "fine.jpg": PIXELS}
    found = _found(_zip(tmp_path / "a.zip", members), limits)
    assert found["big.bmp"] == "too large unpacked (2 MB; the limit is 1)"
    assert str(found["swollen.bmp"]).startswith("unpacks to ")
    assert found["fine.jpg"] == PIXELS
    found = _found(_tar(tmp_path / "a.tar.gz", {"fine.jpg": PIXELS, **members}, "w:gz"), limits)
    assert found["fine.jpg"] == PIXELS
    assert any("the rest of it was not read" in str(error) for error in found.values())


def test_many_members_that_each_are_small_are_a_bomb_together(tmp_path: Path) -> None:
    limits = Limits(most_ratio=50, free_bytes=1 << 20, free_in_all=4 << 20)
    members = {f"{place}.bmp": bytes(1 << 20) for place in range(8)}
    for path in (
        _tar(tmp_path / "a.tar.bz2", dict(members), "w:bz2"),
        _zip(tmp_path / "a.zip", members, zipfile.ZIP_BZIP2),
    ):
        found = _found(path, limits)
        assert sum(isinstance(content, bytes) for content in found.values()) in (3, 4)  # a tar's headers count
        assert "the rest of it was not read" in str(found[str(path)])


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_a_name_that_fills_the_memory_is_refused(tmp_path: Path, form: int) -> None:
    path = tmp_path / "a.tar.gz"
    with tarfile.open(path, "w:gz", format=form) as archive:
        for name in ("good.jpg", "n" * 3_000_000 + ".jpg"):
            info = tarfile.TarInfo(name)
            info.size = len(PIXELS)
            archive.addfile(info, io.BytesIO(PIXELS))
    found = _found(path)
    assert found["good.jpg"] == PIXELS
    assert "3 MB before a member, for its name" in str(found[str(path)])
    assert len(found) == 2


@pytest.mark.parametrize("kind", ["", "gz"])
def test_a_large_first_member_is_no_bomb(tmp_path: Path, kind: str) -> None:
    members = {"scan.tif": os.urandom(20_000_000), "fine.jpg": PIXELS}
    assert _found(_tar(tmp_path / "a.tar", dict(members), f"w:{kind}")) == members


def test_a_tar_whose_first_member_is_called_pk_is_no_zip(tmp_path: Path) -> None:
    members = {"PK-12/a.jpg": PIXELS}
    for name in ("a.tar", "a.slide"):
        path = _tar(tmp_path / name, dict(members))
        assert is_archive(path)
        assert _found(path) == members


def test_a_member_larger_than_the_archive_says_is_refused(tmp_path: Path) -> None:
    path = _zip(tmp_path / "a.zip", {"a.jpg": PIXELS * 100})
    content = bytearray(path.read_bytes())
    for mark, at in ((b"PK\x01\x02", 24), (b"PK\x03\x04", 22)):
        place = content.index(mark) + at
        content[place : place + 4] = struct.pack("<I", 50)
    path.write_bytes(content)
    ((_, error),) = _found(path).items()
    assert isinstance(error, str)
    assert error.startswith("damaged in its archive")


def test_encrypted_and_unknown_packing_is_said(tmp_path: Path) -> None:
    path = _zip(tmp_path / "a.zip", {"a.jpg": PIXELS})
    content = bytearray(path.read_bytes())
    for mark, at in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
        content[content.index(mark) + at] |= 1
    path.write_bytes(content)
    assert _found(path) == {"a.jpg": "encrypted"}
    for mark, at in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
        content[content.index(mark) + at] &= 0xFE
        content[content.index(mark) + at + 2] = 99
    path.write_bytes(content)
    assert "damaged" in str(_found(path)["a.jpg"])


@pytest.mark.parametrize("ending", [".tar", ".tar.gz", ".zip"])
def test_a_truncated_archive_gives_what_it_holds_and_says_so(tmp_path: Path, ending: str) -> None:
    members = {f"{place}.jpg": PIXELS + zlib.compress(bytes([place]) * 4000) + bytes(3000) for place in range(20)}
    whole = tmp_path / f"whole{ending}"
    if ending == ".zip":
        _zip(whole, members, zipfile.ZIP_STORED)
    else:
        _tar(whole, dict(members), "w:gz" if ending == ".tar.gz" else "w")
    cut = tmp_path / f"cut{ending}"
    cut.write_bytes(whole.read_bytes()[: int(whole.stat().st_size * 0.6)])
    items = list(photographs_in(cut))
    assert items[-1].error is not None
    assert "truncated" in items[-1].error
    if ending != ".zip":  # a zip's list of members stands at its end
        assert sum(item.error is None for item in items) >= 3


@pytest.mark.parametrize("beyond", [0, 100, 511], ids=["between members", "in a header", "just before its end"])
def test_a_tar_cut_between_its_members_says_so(tmp_path: Path, beyond: int) -> None:
    """It reads to its end without a fault, and lacks what was behind."""
    content = PIXELS[:1024]
    whole = _tar(tmp_path / "whole.tar", {f"{place}.jpg": content for place in range(6)})
    cut = tmp_path / "cut.tar"
    cut.write_bytes(whole.read_bytes()[: 3 * (512 + 1024) + beyond])
    found = _found(cut)
    assert [name for name, read in found.items() if read == content] == ["0.jpg", "1.jpg", "2.jpg"]
    assert "it may be truncated" in str(found[str(cut)])
    assert len(_found(whole)) == 6


@pytest.mark.parametrize("length", [0, 1, 2, 3, 5, 9])
def test_an_archive_of_a_few_bytes_is_a_fault(tmp_path: Path, length: int) -> None:
    for ending in (".tar.gz", ".tar.bz2", ".tar.xz", ".zip", ".tar"):
        mode = "w:" + ending.removeprefix(".tar").removeprefix(".") if ending != ".zip" else ""
        whole = (
            _zip(tmp_path / "a.zip", {"1.jpg": PIXELS})
            if not mode
            else _tar(tmp_path / f"a{ending}", {"1.jpg": PIXELS}, mode)
        )
        cut = tmp_path / f"cut{ending}"
        cut.write_bytes(whole.read_bytes()[:length])
        (fault,) = photographs_in(cut)
        assert fault.error is not None


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_damage_is_never_worse_than_a_fault(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    folder = tmp_path_factory.mktemp("fuzz")
    kind = data.draw(st.sampled_from(["zip", "tar", "tar.gz"]))
    path = folder / f"a.{kind}"
    members = {"a.jpg": PIXELS, "b/c.png": PIXELS * 3}
    _zip(path, members) if kind == "zip" else _tar(path, dict(members), "w:gz" if kind == "tar.gz" else "w")
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    for item in photographs_in(path):
        assert (item.error is None) == isinstance(item.content, bytes)
