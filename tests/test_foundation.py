"""Errors, names, settings and files: what every room relies on."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from buffycoat import settings, taxonomy
from buffycoat.errors import BuffycoatError, DataError, ImageError, OutputError, did_you_mean
from buffycoat.files import (
    exists,
    fingerprint,
    is_file,
    is_folder,
    is_stream,
    replacing,
    sha256,
    write_bytes,
    write_json,
    write_text,
)
from buffycoat.records.documents import Fault, FrameSpec
from buffycoat.records.tables import CELLS, conform, read_table


@pytest.mark.parametrize(
    ("given_name", "expected"),
    [
        ("NEUTROPHIL", "neutrophil"),  # as labels.csv writes it
        (" Lymphocytes ", "lymphocyte"),  # plural, blanks
        ("eos", "eosinophil"),  # what laboratories write
        ("Smudge_Cell", "smudge cell"),  # a class outside the five keeps its name
    ],
)
def test_one_spelling_for_every_class(given_name: str, expected: str) -> None:
    assert taxonomy.canonical(given_name) == expected
    assert taxonomy.canonical(expected) == expected


@given(st.lists(st.sampled_from([*taxonomy.CLASS_NAMES, "blast", "artefact"])))
def test_one_order_for_every_list_of_classes(labels: list[str]) -> None:
    ordered = taxonomy.order(labels)
    assert set(ordered) == set(labels)
    known = [name for name in ordered if name in taxonomy.CLASS_NAMES]
    assert known == [name for name in taxonomy.CLASS_NAMES if name in labels]
    assert list(ordered[: len(known)]) == known


def test_every_type_has_codes_and_a_colour_of_its_own() -> None:
    colours = {cell.colour for cell in taxonomy.CELL_TYPES}
    assert len(colours) == len(taxonomy.CELL_TYPES) == 5
    assert taxonomy.cell_type("eos") is taxonomy.CELL_TYPES[1]
    assert taxonomy.cell_type("blast") is None
    classes = ("blast", "artefact")
    assert taxonomy.colour("blast", classes) != taxonomy.colour("artefact", classes)


def test_errors_say_what_and_what_to_do() -> None:
    error = BuffycoatError("it broke", hint="mend it")
    assert str(error) == "it broke\nmend it"
    assert str(ImageError("a.jpg", "truncated")) == "a.jpg: truncated"
    assert did_you_mean("lymphocite", taxonomy.CLASS_NAMES) == "Did you mean 'lymphocyte'?"
    assert did_you_mean("zzz", ["b", "a"]) == "Known: a, b."


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file.txt"
    write_text(path, "old\n")

    def fail() -> None:
        with replacing(path) as temporary:
            temporary.write_text("half")
            raise KeyError("interrupted")

    with pytest.raises(KeyError):
        fail()
    assert path.read_text() == "old\n"
    assert [entry.name for entry in path.parent.iterdir()] == ["file.txt"]
    assert path.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EIO])
def test_what_cannot_be_written_is_said_with_the_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("buffycoat.files.tempfile.mkstemp", refuse)
    with pytest.raises(OutputError) as caught:
        write_json(tmp_path / "a.json", {})
    assert "a.json" in caught.value.what
    assert caught.value.hint
    assert number != errno.ENOSPC or caught.value.hint == "Free some room and run the command again."


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_the_umask_says_who_may_read_an_output(tmp_path: Path, umask: int, mode: int) -> None:
    before = os.umask(umask)
    try:
        write_text(tmp_path / "a.txt", "a")
        write_bytes(tmp_path / "b.txt", b"b", mode=0o640)
    finally:
        os.umask(before)
    assert (tmp_path / "a.txt").stat().st_mode & 0o777 == mode
    assert (tmp_path / "b.txt").stat().st_mode & 0o777 == 0o640  # who asked for a mode has it


def test_pipes_and_devices_are_written_into_and_links_stay(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_text(pipe, "through")
        assert os.read(reader, 100) == b"through"
    finally:
        os.close(reader)
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    write_text(Path(os.devnull), "nothing")
    assert stat.S_ISCHR(Path(os.devnull).stat().st_mode)
    target, link = tmp_path / "target.txt", tmp_path / "link.txt"
    link.symlink_to(target)
    write_text(link, "new")
    assert link.is_symlink()
    assert target.read_text() == "new"
    with target.open() as stream:
        assert is_stream(Path(f"/proc/self/fd/{stream.fileno()}"))  # as /dev/stdout, whatever it leads to
    assert not is_stream(link)


def test_what_cannot_be_looked_at_is_not_there(tmp_path: Path) -> None:
    long = tmp_path / ("a" * 300) / "b"
    assert not (is_file(long) or is_folder(long) or exists(long))


@pytest.mark.parametrize(
    ("own", "files", "cores"),
    [
        ("0::/\n", {"cpu.max": "250000 100000\n"}, 3),  # rounded up
        ("0::/\n", {"cpu.max": "5000 100000\n"}, 1),
        ("0::/\n", {"cpu.max": "max 100000\n"}, 64),
        ("0::/user/app\n", {"user/cpu.max": "200000 100000", "user/app/cpu.max": "max 100000"}, 2),  # of the one above
        (
            "4:cpu,cpuacct:/box\n0::/\n",
            {"cpu,cpuacct/box/cpu.cfs_quota_us": "150000\n", "cpu,cpuacct/box/cpu.cfs_period_us": "100000\n"},
            2,
        ),
        ("4:cpu:/\n", {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, 64),
        ("1:memory:/\n", {"memory/cpu.max": "100000 100000"}, 64),
        ("nonsense", {"cpu.max": "many"}, 64),
    ],
)
def test_cores_are_those_of_the_container(
    own: str, files: dict[str, str], cores: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, content in {"own": own, **{f"groups/{name}": content for name, content in files.items()}}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    monkeypatch.setattr(settings, "OWN_CGROUPS", tmp_path / "own")
    monkeypatch.setattr(settings, "CGROUPS", tmp_path / "groups")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)), raising=False)
    assert settings.usable_cores() == cores


def test_hashes_are_what_they_say(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"x" * 3_000_000)
    assert sha256(path) == hashlib.sha256(b"x" * 3_000_000).hexdigest()
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})
    assert fingerprint({"a": 1}) != fingerprint({"a": 2})


def test_where_named_data_are_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUFFYCOAT_DATA", str(tmp_path / "set"))
    monkeypatch.setenv("BUFFYCOAT_CACHE", str(tmp_path / "cache"))
    places = settings.data_dirs(tmp_path / "given")
    assert places == (tmp_path / "given", tmp_path / "set", tmp_path / "cache" / "data")


def test_a_table_is_held_to_its_schema(tmp_path: Path) -> None:
    table = pl.DataFrame({"cell_id": ["a"], "extra": [1]})
    with pytest.raises(DataError, match=r"cells: column 'image' is missing; .*'fold' is missing"):
        conform(table, CELLS, "cells")
    with pytest.raises(DataError, match="does not exist"):
        read_table(tmp_path / "no.parquet", CELLS)
    (tmp_path / "bad.parquet").write_bytes(b"nonsense")
    with pytest.raises(DataError, match="cannot be read") as caught:
        read_table(tmp_path / "bad.parquet", CELLS)
    assert caught.value.hint


def test_a_document_is_read_back_or_refused_with_every_fault(tmp_path: Path) -> None:
    path = tmp_path / "frame.json"
    FrameSpec(side_px=300).write(path)
    assert FrameSpec.read(path) == FrameSpec(side_px=300)
    path.write_text('{"side_px": -1, "sides": 3}')
    with pytest.raises(DataError, match=r"side_px: .*; sides: "):
        FrameSpec.read(path)
    path.write_text("{")
    with pytest.raises(DataError):
        Fault.read(path)
    with pytest.raises(DataError, match="does not exist"):
        FrameSpec.read(tmp_path / "none.json")
