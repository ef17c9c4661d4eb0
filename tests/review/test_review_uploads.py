"""What somebody uploads: checked by decoding, bounded in every direction, and never a path."""

from __future__ import annotations

import hashlib
import io
import struct
import tarfile
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from buffycoat.review import accounts
from buffycoat.review.archives import members
from buffycoat.review.desk import Desk
from buffycoat.review.settings import ReviewSettings
from buffycoat.review.uploads import clean_name
from buffycoat.review.verify import verify
from tests.review.clients import PASSWORD, Page
from tests.review.desks import analyse, drawn_slide, make_desk, photograph, small_photograph


def _zip(files: dict[str, bytes], **how: int) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", **how) as archive:  # type: ignore[call-overload]
        for name, content in files.items():
            archive.writestr(name, content)
    return stream.getvalue()


def _tar(files: dict[str, bytes], mode: str = "w:gz") -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode) as archive:  # type: ignore[call-overload]
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        link = tarfile.TarInfo("link.jpg")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    return stream.getvalue()


def _png(width: int, height: int) -> bytes:
    """Return a PNG that says it is huge and holds almost nothing."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        body = kind + content
        return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 1000))
        + chunk(b"IEND", b"")
    )


@pytest.fixture
def slide(page: Page) -> str:
    """Return an empty slide."""
    return str(page.post("/slides", {"name": "x"}, 201)["id"])


@pytest.mark.parametrize(
    "make",
    [_zip, _tar, lambda files: _tar(files, "w"), lambda files: _tar(files, "w:xz")],
    ids=["zip", "gz", "tar", "xz"],
)
def test_archives_are_read_whatever_they_are_called(
    desk: Desk, page: Page, slide: str, make: Callable[[dict[str, bytes]], bytes]
) -> None:
    files = {
        "fields/a.png": small_photograph(1),
        "../../evil.png": small_photograph(2),
        "/etc/cron.d/evil.png": small_photograph(3),
        "C:\\windows\\evil.png": small_photograph(4),
        "notes.txt": b"not a photograph",
        "__MACOSX/._a.png": b"x",
        "really.png": b"#!/bin/sh",
        "nested.zip": _zip({"b.png": small_photograph(5)}),
    }
    before = set(Path("/etc/cron.d").glob("*")) if Path("/etc/cron.d").exists() else set()
    answer = page.upload(slide, [("photo.jpg", make(files))])
    assert [one["name"] for one in answer["added"]] == ["a.png", "evil.png", "evil.png", "evil.png"]
    assert sorted(one["name"] for one in answer["refused"]) == ["nested.zip", "notes.txt", "really.png"]
    stored = {path.name for path in (desk.settings.folder / "images").rglob("*") if path.is_file()}
    assert len(stored) == 4
    assert all(len(name) == 64 for name in stored)
    assert before == (set(Path("/etc/cron.d").glob("*")) if Path("/etc/cron.d").exists() else set())


def test_damaged_and_locked_archives_are_told(page: Page, slide: str) -> None:
    whole = _zip({"a.png": small_photograph(1), "b.png": small_photograph(2)})
    page.upload(slide, [("cut.zip", whole[: len(whole) // 2])], 422)
    locked = bytearray(_zip({"a.png": small_photograph(1)}))
    locked[6] |= 1
    locked[locked.index(b"PK\x01\x02") + 8] |= 1
    answer = page.upload(slide, [("locked.zip", bytes(locked))], 422)
    assert answer["refused"][0]["reason"] == "encrypted"


def test_archives_stop_at_their_limits(tmp_path: Path) -> None:
    desk = make_desk(tmp_path, most_archive_files=3, most_archive_bytes=200_000, most_image_bytes=100_000)
    page = Page(desk)
    slide = page.post("/slides", {"name": "x"}, 201)["id"]
    many = page.upload(slide, [("many.zip", _zip({f"{k}.png": small_photograph(k) for k in range(9)}))])
    assert len(many["added"]) == 3
    assert "more than 3 files" in many["refused"][0]["reason"]
    bomb = _zip({"a.png": b"\0" * 10_000_000}, compression=zipfile.ZIP_DEFLATED)
    assert len(bomb) < 20_000
    assert "larger than" in page.upload(slide, [("bomb.zip", bomb)], 422)["refused"][0]["reason"]
    pair = _zip({"a.png": b"\1" * 90_000, "b.png": b"\2" * 90_000, "c.png": b"\3" * 90_000})
    assert "unpacks to more than" in page.upload(slide, [("pair.zip", pair)], 422)["refused"][-1]["reason"]
    desk.close()


def _limits(folder: Path, **more: int) -> ReviewSettings:
    return ReviewSettings(folder=folder, **{"most_archive_files": 3, "most_archive_bytes": 500_000, **more})


def _members(archive: bytes, settings: ReviewSettings) -> list[tuple[str, str | None]]:
    return [(name, fault) for name, _, fault in members(io.BytesIO(archive), settings)]


@pytest.mark.parametrize("make", [_zip, _tar], ids=["zip", "tar"])
def test_what_is_too_large_counts_as_it_is_read(tmp_path: Path, make: Callable[[dict[str, bytes]], bytes]) -> None:
    settings = _limits(tmp_path, most_archive_files=100, most_image_bytes=100_000)
    found = _members(make({f"{k}.png": b"\0" * 150_000 for k in range(50)}), settings)
    assert found[-1] == ("archive", "unpacks to more than 0 MB; the rest was not read")
    assert len(found) <= 6
    assert {fault for _, fault in found[:-1]} == {"larger than 0 MB"}


def test_what_is_passed_over_in_a_tar_counts_and_in_a_zip_is_not_unpacked(tmp_path: Path) -> None:
    aside = {f"__MACOSX/._{k}": b"\0" * 200_000 for k in range(9)}
    settings = _limits(tmp_path)
    assert _members(_tar(aside), settings)[-1][1] == "unpacks to more than 0 MB; the rest was not read"
    assert _members(_zip({**aside, "a.png": b"x"}), settings) == [("a.png", None)]


@pytest.mark.parametrize("make", [_zip, _tar], ids=["zip", "tar"])
def test_what_systems_leave_is_passed_over(tmp_path: Path, make: Callable[[dict[str, bytes]], bytes]) -> None:
    aside = ("__MACOSX/a/._1.png", "a/@eaDir/1.png/thumb.png", "a/.DS_Store", "a\\Thumbs.db", "._2.png")
    files = dict.fromkeys((*aside, "a/1.png"), b"x")
    assert _members(make(files), _limits(tmp_path)) == [("a/1.png", None)]


def test_a_member_that_breaks_off_counts_with_what_was_read_of_it(tmp_path: Path) -> None:
    whole = bytearray(_zip({f"{k}.png": bytes([k]) * 200_000 for k in range(9)}))
    at = -1
    while (at := whole.find(b"PK\x01\x02", at + 1)) >= 0:  # every checksum is wrong: found only after all was read
        whole[at + 16] ^= 0xFF
    found = _members(bytes(whole), _limits(tmp_path, most_archive_files=100))
    assert [fault for _, fault in found] == [*["damaged in its archive (BadZipFile)"] * 2, found[-1][1]]
    assert "unpacks to more than" in str(found[-1][1])


@pytest.mark.parametrize("make", [_zip, _tar], ids=["zip", "tar"])
def test_entries_that_are_no_files_have_a_limit_too(tmp_path: Path, make: Callable[[dict[str, bytes]], bytes]) -> None:
    found = _members(make({f"__MACOSX/._{k}": b"" for k in range(40)}), _limits(tmp_path))
    assert found == [("archive", "more than 12 entries; the rest was not read")]


def test_a_huge_directory_is_refused_before_it_is_read(tmp_path: Path) -> None:
    names = {f"{k:06d}{'x' * 200}/": b"" for k in range(3000)}
    found = _members(_zip(names), _limits(tmp_path))
    assert found == [
        ("archive", "its directory is larger than that of any archive that is read here; the rest was not read")
    ]


def test_a_zip_packed_so_that_a_few_bytes_unpack_to_gigabytes_is_not_unpacked(tmp_path: Path) -> None:
    for packing in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        found = _members(_zip({"a.png": b"\0" * 1_000_000}, compression=packing), _limits(tmp_path))
        assert found == [("a.png", "packed in a way that is not read here")]


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["w:bz2", "w:gz", "w:xz"])
def test_a_packed_tar_is_unpacked_a_piece_at_a_time(tmp_path: Path, mode: str) -> None:
    archive = _tar({"a.png": b"\0" * 100_000_000}, mode)
    tracemalloc.start()
    try:
        found = _members(archive, _limits(tmp_path, most_archive_bytes=200_000_000, most_image_bytes=1_000_000))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found == [("a.png", "larger than 1 MB")]
    assert peak < 20_000_000


def test_a_tar_cut_between_its_members_says_so(tmp_path: Path) -> None:
    """It reads to its end without a fault, and a slide would lack photographs without a word."""
    settings = ReviewSettings(folder=tmp_path)
    whole = _tar({f"{place}.png": b"x" * 1024 for place in range(4)}, "w")
    *read, (name, _, fault) = members(io.BytesIO(whole[: 2 * (512 + 1024)]), settings)
    assert [one[0] for one in read] == ["0.png", "1.png"]
    assert (name, fault) == ("archive", "it lacks its end mark, and may be truncated")


def test_a_tar_with_a_huge_header_is_refused(tmp_path: Path) -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz", format=tarfile.PAX_FORMAT) as archive:
        member = tarfile.TarInfo("a.png")
        member.pax_headers = {"comment": "x" * 5_000_000}
        archive.addfile(member)
    assert _members(stream.getvalue(), _limits(tmp_path)) == [("archive", "the archive is damaged (ReadError)")]


def test_a_picture_of_too_many_pixels_is_refused_before_it_is_decoded(page: Page, slide: str) -> None:
    answer = page.upload(slide, [("huge.png", _png(60_000, 60_000))], 422)
    assert "too large" in answer["refused"][0]["reason"]


def test_more_bytes_than_allowed_are_not_taken(tmp_path: Path) -> None:
    desk = make_desk(tmp_path, most_request_bytes=50_000)
    page = Page(desk)
    slide = page.post("/slides", {"name": "x"}, 201)["id"]
    content = b"x" * 60_000
    page.upload(slide, [("a.jpg", content)], 413)

    def stream() -> Iterator[bytes]:  # no length is said beforehand
        head = b'--b\r\ncontent-disposition: form-data; name="files"; filename="a"\r\n\r\n'
        yield head
        for _ in range(20):
            yield b"x" * 10_000
        yield b"\r\n--b--\r\n"

    answer = page.http.post(
        f"/api/v1/slides/{slide}/fields", content=stream(), headers={"content-type": "multipart/form-data; boundary=b"}
    )
    assert answer.status_code == 413
    assert page.get(f"/slides/{slide}")["fields"] == 0
    page.post("/slides", {"name": "x", "note": "n" * 5_000_000}, 413)
    desk.close()


def test_the_same_photograph_twice_on_a_slide_is_told_and_kept_once(page: Page, slide: str) -> None:
    page.upload(slide, [("a.jpg", photograph(1))])
    again = page.upload(slide, [("b.jpg", photograph(1))])
    assert (len(again["added"]), len(again["skipped"])) == (0, 1)
    assert page.get(f"/slides/{slide}")["fields"] == 1


def test_uploads_have_a_rate(tmp_path: Path) -> None:
    desk = make_desk(tmp_path, uploads_per_minute=2)
    page = Page(desk)
    slide = page.post("/slides", {"name": "x"}, 201)["id"]
    for k in range(2):
        page.upload(slide, [("a.png", small_photograph(k))])
    answer = page.http.post(f"/api/v1/slides/{slide}/fields", files=[("files", ("a.png", small_photograph(9)))])
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) > 0
    desk.close()


@pytest.mark.parametrize(
    "path",
    [
        *("/fields/../../../etc/passwd/image", "/fields/..%2F..%2Fetc%2Fpasswd/image", "/cells/%2e%2e/crop"),
        *("/fields/%00/image", "/cells/abc/crop", "/slides/%ff%fe", "/readings/'%20OR%201=1--"),
    ],
)
def test_no_path_reaches_the_file_system(page: Page, path: str) -> None:
    answer = page.http.get(f"/api/v1{path}")
    assert answer.status_code in {400, 404, 422}
    assert "root:" not in answer.text


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("a.jpg", "a.jpg"),
        ("../../etc/passwd", "passwd"),
        ("..\\..\\boot.ini", "boot.ini"),
        ("a\x00b\n\x1b[31m.jpg", "ab[31m.jpg"),
        ("\u202egpj.exe", "gpj.exe"),
        ("", "photograph"),
        ("/", "photograph"),
        ("x" * 500, "x" * 200),
    ],
)
def test_names_are_shown_clean(given: str, shown: str) -> None:
    assert clean_name(given) == shown


def test_photographs_that_could_not_be_used_stay_with_the_slide(any_desk: Desk) -> None:
    """One good, one truncated, one that is called a JPEG, and a note: reports tell of the two that are missing."""
    page = Page(any_desk)
    slide = page.post("/slides", {"name": "x"}, 201)["id"]
    files = [
        ("good.jpg", photograph(1)),
        ("truncated.jpg", photograph(2)[:3000]),
        ("fake.jpg", b"no photograph"),
        ("notes.txt", b"a note"),
    ]
    answer = page.upload(slide, files)
    assert {one["name"] for one in answer["refused"]} == {"truncated.jpg", "fake.jpg", "notes.txt"}
    page.upload(slide, files)  # sent twice, noted once
    analyse(any_desk)
    kept = page.get(f"/slides/{slide}/not-taken")
    assert [one["name"] for one in kept] == ["truncated.jpg", "fake.jpg"]
    assert all(one["reason"] for one in kept)
    assert page.get(f"/slides/{slide}")["not_taken"] == 2
    words = [event["words"] for event in page.get(f"/slides/{slide}/history")["events"]]
    assert sum("which could not be used" in one for one in words) == 2

    reading = page.read(slide)["id"]
    made = page.get(f"/readings/{reading}/report.json")
    said = "2 photographs could not be used; the cells there are missing."
    assert said in [caution["sentence"] for caution in made["cautions"]]
    assert [fault["file"] for fault in made["faults"]] == ["truncated.jpg", "fake.jpg"]
    assert said in page.http.get(f"/slides/{slide}/report").text
    assert said in page.get(f"/readings/{reading}")["differential"]["warnings"]

    page.send("DELETE", f"/slides/{slide}/not-taken/{kept[0]['number']}", status=204)  # given again, whole
    page.send("DELETE", f"/slides/{slide}/not-taken/{kept[0]['number']}", status=404)
    made = page.get(f"/readings/{reading}/report.json")
    assert [fault["file"] for fault in made["faults"]] == ["fake.jpg"]
    assert verify(any_desk).faults == []
    page.sign(reading, page.see_all(reading))
    page.send("DELETE", f"/slides/{slide}/not-taken/{kept[1]['number']}", status=409)


def test_a_slide_of_which_nothing_could_be_used_tells_why(page: Page, slide: str) -> None:
    page.upload(slide, [("broken.jpg", photograph(1)[:2000])], 422)
    assert [one["name"] for one in page.get(f"/slides/{slide}/not-taken")] == ["broken.jpg"]
    damaged = _zip({"a.jpg": photograph(1), "b.jpg": photograph(2)})[:-40]
    page.upload(slide, [("two.zip", damaged)], 422)
    assert [one["name"] for one in page.get(f"/slides/{slide}/not-taken")] == ["broken.jpg", "archive"]


@pytest.mark.parametrize("make", [_zip, _tar], ids=["zip", "tar"])
def test_each_folder_of_an_archive_can_be_a_slide(page: Page, make: Callable[[dict[str, bytes]], bytes]) -> None:
    packed = make(
        {
            "day/12/a.jpg": photograph(1),
            "day/13/a.jpg": photograph(2),
            "day/13/b.jpg": photograph(3),
            "day/13/broken.jpg": photograph(4)[:2000],
            "day/notes.txt": b"a note",
        }
    )
    counts = {}
    for folder in ("day/12", "day/13"):
        slide = page.post("/slides", {"name": folder}, 201)["id"]
        answer = page.http.post(
            f"/api/v1/slides/{slide}/fields", params={"folder": folder}, files=[("files", ("both.zip", packed))]
        ).json()
        counts[folder] = (len(answer["added"]), len(page.get(f"/slides/{slide}/not-taken")))
        assert answer["folders"] == ["day/12", "day/13"], "the others are told"
    assert counts == {"day/12": (1, 0), "day/13": (2, 1)}


def test_the_same_photograph_on_another_slide_is_told(desk: Desk, page: Page) -> None:
    signed = page.post("/slides", {"name": "12", "accession": "A-1"}, 201)["id"]
    assert page.upload(signed, [("a.jpg", photograph(1)), ("b.jpg", photograph(2))])["elsewhere"] == []
    analyse(desk)
    reading = page.read(signed)["id"]
    page.sign(reading, page.see_all(reading))
    digest = hashlib.sha256(photograph(1)).hexdigest()

    brief = {"id": signed, "name": "12", "signed": True}
    found = page.post("/slides/alike", {"name": "12", "accession": "A-1", "images": [digest, "0" * 64]})
    assert found == {
        "named": [brief],
        "of_accession": [brief],
        "photographs": [{"slide": brief, "photographs": 1}],
    }
    again = page.post("/slides", {"name": "12"}, 201)["id"]  # whoever wants to goes on
    told = page.upload(again, [("c.jpg", photograph(1)), ("d.jpg", photograph(3))])
    assert len(told["added"]) == 2
    assert told["elsewhere"] == [{"slide": brief, "photographs": 1}]
    page.send("DELETE", f"/slides/{signed}?reason=not%20ours", status=204)
    assert page.post("/slides/alike", {"images": [digest]})["photographs"] == [
        {"slide": {"id": again, "name": "12", "signed": False}, "photographs": 1}
    ]


def test_a_photograph_that_does_not_belong_is_taken_out(any_desk: Desk) -> None:
    page = Page(any_desk)
    slide = drawn_slide(any_desk, fields=3).id
    reading = page.read(slide)["id"]
    before = page.get(f"/readings/{reading}")
    wrong, other = before["fields"][2], before["fields"][0]
    gone = [cell["id"] for cell in before["cells"] if cell["field_id"] == wrong["id"]]
    stays = next(cell["id"] for cell in before["cells"] if cell["field_id"] == other["id"])
    page.move(reading, "move", 1, cells=[stays, gone[0]], label="basophil")
    page.move(reading, "delete", 2, cells=[gone[1]])
    page.move(reading, "draw", 3, field_id=wrong["id"], box=[1, 1, 40, 40])
    waiting = page.upload(slide, [("late.jpg", photograph(9))])["added"][0]["id"]

    page.send("DELETE", f"/fields/{wrong['id']}?reason=of%20slide%2013", status=204)
    page.send("DELETE", f"/fields/{waiting}", status=204)
    analyse(any_desk)
    after = page.get(f"/readings/{reading}")
    assert [field["number"] for field in after["fields"]] == [1, 2]
    assert {cell["field_id"] for cell in after["cells"]} == {field["id"] for field in after["fields"]}
    assert after["slide"]["cells"] == len(before["cells"]) - len(gone)
    assert after["undo"] == "move of 2 cells to basophil", "steps about nothing else are gone with it"
    undone = page.move(reading, "undo", 4)
    assert [cell["id"] for cell in undone["cells"]] == [stays]
    redone = page.move(reading, "redo", 5)
    assert [cell["label"] for cell in redone["cells"]] == ["basophil"]
    assert verify(any_desk).faults == []
    words = [event["words"] for event in page.get(f"/slides/{slide}/history")["events"]]
    assert f"took out photograph 3 ({wrong['name']}) with its cells: of slide 13" in words

    back = page.upload(slide, [("again.jpg", photograph(1002))])["added"][
        0
    ]  # it may come back, with a number of its own
    assert back["number"] == 5
    analyse(any_desk)
    page.sign(reading, page.see_all(reading))
    page.send("DELETE", f"/fields/{back['id']}", status=409)
    page.send("DELETE", f"/fields/{wrong['id']}", status=404)
    assert verify(any_desk).faults == []


def test_steps_end_with_the_last_photograph_they_were_about(desk: Desk, page: Page) -> None:
    slide = drawn_slide(desk, fields=3).id
    reading = page.read(slide)["id"]
    view = page.get(f"/readings/{reading}")
    first, second, third = (
        next(cell["id"] for cell in view["cells"] if cell["field_id"] == field["id"]) for field in view["fields"]
    )
    page.move(reading, "move", 1, cells=[third], label="monocyte")
    page.move(reading, "move", 2, cells=[first, second], label="basophil")
    for field in view["fields"][:2]:
        page.send("DELETE", f"/fields/{field['id']}", status=204)
    assert page.get(f"/readings/{reading}")["undo"] == "move of 1 cell to monocyte"
    assert [cell["id"] for cell in page.move(reading, "undo", 3)["cells"]] == [third]
    assert verify(desk).faults == []


def test_a_photograph_of_somebody_elses_reading_is_not_taken_out(tmp_path: Path) -> None:
    desk = make_desk(tmp_path / "desk", accounts=True)
    people = {}
    for login, role in (("first", "reviewer"), ("second", "reviewer"), ("keeper", "administrator")):
        accounts.create(desk, None, login, login.title(), role, PASSWORD)  # type: ignore[arg-type]
        people[login] = Page(desk)
        people[login].sign_in(login)
    slide = people["first"].post("/slides", {"name": "x"}, 201)["id"]
    fields = people["first"].upload(slide, [("a.jpg", photograph(1)), ("b.jpg", photograph(2))])["added"]
    analyse(desk)
    people["first"].read(slide)
    people["second"].send("DELETE", f"/fields/{fields[0]['id']}", status=403)
    people["keeper"].send("DELETE", f"/fields/{fields[0]['id']}", status=204)
    people["first"].send("DELETE", f"/fields/{fields[1]['id']}", status=204)
    desk.close()
