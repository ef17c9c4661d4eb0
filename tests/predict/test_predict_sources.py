"""What is asked for is what is looked at: every mention once, in order, and nothing is passed over in silence."""

from __future__ import annotations

import inspect
import io
import os
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buffycoat.data.walk import images_below
from buffycoat.errors import DataError, UsageError
from buffycoat.predict import Predictor
from buffycoat.predict.listing import PackedNames
from buffycoat.predict.passed import Passed
from buffycoat.predict.sources import check, walk

STRANGE = (
    "a,b.jpg",
    'quo"te.jpg',
    "new\nline.jpg",
    "Лейкоцит.jpg",
    "細胞 1.png",
    " blank .jpg",
    "[1].jpg",
    "-.jpg",
    "x;y.jpg",
)


def _names(*given_: object, **options: object) -> list[tuple[str, str | None]]:
    return [(item.name, item.error) for item in walk([str(one) for one in given_], **options)]  # type: ignore[arg-type]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "slides"
    for name in (
        *STRANGE,
        "b/2.JPG",
        "b/10.tif",
        "b/c/1.webp",
        "b/notes.txt",
        ".hidden.jpg",
        "__MACOSX/x.jpg",
        "z.dcm",
    ):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return root


def test_a_folder_gives_every_photograph_below_it_sorted_and_counts_the_rest(folder: Path) -> None:
    passed = Passed()
    found = [name.removeprefix(f"{folder}/") for name, error in _names(folder, passed=passed) if error is None]
    assert found == [*sorted((*STRANGE, "z.dcm"), key=os.fsencode), "b/10.tif", "b/2.JPG", "b/c/1.webp"]
    assert passed.others == 1


def test_archives_in_folders_are_counted_apart(folder: Path) -> None:
    for name in ("a.zip", "b/c.TAR.GZ", "__MACOSX/d.zip", ".e.zip"):
        (folder / name).write_bytes(b"x")
    passed = Passed()
    _names(folder, passed=passed)
    assert passed == Passed(others=1, archives=2)


def test_every_mention_counts_in_the_order_given(folder: Path) -> None:
    first, second = folder / "b" / "2.JPG", folder / "z.dcm"
    assert _names(second, first, second) == [(str(second), None), (str(first), None), (str(second), None)]


def test_a_name_that_exists_is_no_pattern(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    assert _names("[1].jpg") == [("[1].jpg", None)]
    assert [name for name, _ in _names("b/*")] == ["b/10.tif", "b/2.JPG", "b/c/1.webp", "b/notes.txt"]
    assert [name for name, _ in _names("**/*.JPG")] == ["b/2.JPG"]
    assert _names("nothing*.png") == [("nothing*.png", "no photograph in it")]


def test_a_list_of_names_with_lines_or_zeros(folder: Path) -> None:
    lines = f"{folder}/b/2.JPG\r\n\n{folder}/z.dcm".encode()
    assert [name for name, _ in _names("-", stdin=io.BytesIO(lines))] == [f"{folder}/b/2.JPG", f"{folder}/z.dcm"]
    zeros = b"\0".join(os.fsencode(folder / name) for name in STRANGE)
    found = _names("-", stdin=io.BytesIO(zeros), zeros=True)
    assert found == [(str(folder / name), None) for name in STRANGE]


def test_an_empty_list_and_an_empty_folder_are_not_success(tmp_path: Path) -> None:
    for nothing in (b"", b"\n\n", b"\xef\xbb\xbf"):
        assert _names("-", stdin=io.BytesIO(nothing)) == [("-", "the list on standard input is empty")]
    (tmp_path / "empty").mkdir()
    assert _names(tmp_path / "empty") == [(str(tmp_path / "empty"), "no photograph in it")]
    with pytest.raises(UsageError, match="Nothing to look at"):
        check([])
    with pytest.raises(UsageError, match="once"):
        check(["-", "a.jpg", "-"])


def test_a_byte_order_mark_does_not_cost_the_first_name() -> None:
    assert _names("-", stdin=io.BytesIO(b"\xef\xbb\xbf/dev/null\n/dev/zero\n")) == [
        ("/dev/null", None),
        ("/dev/zero", None),
    ]
    zeros = io.BytesIO(b"\xef\xbb\xbfx.jpg\0/dev/null\0")  # exact as from find: the mark belongs to the name
    assert [name for name, _ in _names("-", stdin=zeros, zeros=True)] == ["\ufeffx.jpg", "/dev/null"]


def test_a_list_that_is_no_list_is_refused() -> None:
    with pytest.raises(DataError, match="one name a line"):
        _names("-", stdin=io.BytesIO(bytes(range(1, 10)) * 30_000))


def test_names_that_are_no_text_come_through(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.jpg")
    (tmp_path / name).write_bytes(b"x")
    assert _names(tmp_path) == [(str(tmp_path / name), None)]
    listed = io.BytesIO(os.fsencode(tmp_path / name))
    assert _names("-", stdin=listed) == [(str(tmp_path / name), None)]


def test_missing_names_are_faults_with_their_neighbour(folder: Path) -> None:
    ((name, error),) = _names(folder / "b" / "3.JPG")
    assert name.endswith("3.JPG")
    assert error == "missing (did you mean '2.JPG'?)"
    (folder / "b" / "reader2.csv").touch()
    assert _names(folder / "b" / "README.md")[0][1] == "missing", "nothing is near"
    assert _names("a\0b.jpg")[0][1] == "a name with a zero character"
    assert _names("x" * 5000)[0][1] is not None


def test_links_round_in_a_circle_end(folder: Path) -> None:
    (folder / "b" / "up").symlink_to(folder)
    (folder / "b" / "self").symlink_to("self")
    (folder / "b" / "gone.jpg").symlink_to("nowhere")
    names = [name for name, _ in _names(folder)]
    assert len(names) == len(set(names)) == len(STRANGE) + 5
    assert str(folder / "b" / "gone.jpg") in names  # it fails when it is opened, under its own name


def test_a_pattern_enters_what_the_walk_of_a_folder_enters(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "b" / "up").symlink_to(folder)
    (folder / "b" / "c" / "again").symlink_to(".")
    (folder / "b" / "@eaDir" / "2.JPG").mkdir(parents=True)
    (folder / "b" / "@eaDir" / "2.JPG" / "thumb.JPG").write_bytes(b"x")
    (folder / ".git").mkdir()
    (folder / ".git" / "3.JPG").write_bytes(b"x")
    monkeypatch.chdir(folder)
    assert _names("**/*.JPG") == _names("**/**/*.JPG") == _names("b/**/2.JPG") == [("b/2.JPG", None)]
    assert _names("*/*") == _names("b/*")
    assert _names(f"{folder}/**/c/**/*.webp") == [(f"{folder}/b/c/1.webp", None)]
    assert _names("?/**/*.webp") == _names("**/1.*") == _names("**/c/*") == [("b/c/1.webp", None)]
    assert sorted(_names("**")) == sorted([*_names("."), ("b/notes.txt", None)])
    assert _names("**/@eaDir/**/*.JPG") == [("b/@eaDir/2.JPG/thumb.JPG", None)]  # named, so it is meant
    assert _names("**/.git/*") == [(".git/3.JPG", None)]


def test_a_folder_that_a_pattern_cannot_enter_is_a_fault(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scandir = os.scandir

    def refuse(path: str) -> object:
        if str(path).endswith("/c"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr("buffycoat.predict.listing.os.scandir", refuse)
    found = _names(folder / "**" / "*.JPG")
    closed = (f"{folder}/b/c", "the folder cannot be read (Permission denied)")
    assert found == [(f"{folder}/b/2.JPG", None), closed]


def test_folders_deeper_than_calls_may_nest_are_walked(tmp_path: Path) -> None:
    bottom = tmp_path.joinpath(*["d"] * 150)
    bottom.mkdir(parents=True)
    photographs = [tmp_path / "d" / "a.jpg", bottom / "a.jpg"]
    for path in photographs:
        path.write_bytes(b"x")
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack(0)) + 100)
    try:
        found, images = _names(tmp_path), list(images_below(tmp_path))
    finally:
        sys.setrecursionlimit(limit)
    assert found == [(str(path), None) for path in photographs]
    assert images == [str(path.relative_to(tmp_path)) for path in photographs]


def test_a_pipe_or_a_huge_file_is_refused_unopened(tmp_path: Path, predictor: Predictor) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "huge.jpg").touch()
    os.truncate(tmp_path / "huge.jpg", (1 << 31) + 1)
    items = walk([str(tmp_path), str(tmp_path / "pipe.jpg"), "/dev/zero", str(tmp_path / "huge.jpg")])
    errors = {Path(result.image).name: result.error for result in predictor.run(items)}
    assert errors == {
        "pipe.jpg": "not a file (a device or pipe)",
        "zero": "not a file (a device or pipe)",
        "huge.jpg": "a file of 2,147,483,649 bytes (the limit is 2,147,483,648)",
    }


@pytest.mark.skipif(os.geteuid() == 0, reason="an administrator may read anything")
def test_a_closed_folder_is_a_fault(folder: Path) -> None:
    (folder / "b").chmod(0)
    try:
        assert (str(folder / "b"), "the folder cannot be read (Permission denied)") in _names(folder)
    finally:
        (folder / "b").chmod(0o755)


@given(st.lists(st.text(st.characters(exclude_characters="\0/", exclude_categories=["Cs"]), min_size=1)))
def test_packed_names_are_the_names_sorted(names: list[str]) -> None:
    packed = PackedNames(piece=7)
    for name in names:
        packed.add(name)
    assert list(packed) == [os.fsdecode(name) for name in sorted(map(os.fsencode, names))]
    assert list(packed) == list(packed)
