"""Addresses of object storage in and out: the answers of files, and nothing said of who may get in."""

from __future__ import annotations

import io
import sys
import tarfile
import uuid
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from buffycoat.errors import OutputError, UsageError
from buffycoat.predict import Predictor
from buffycoat.predict.items import Item, Remote
from buffycoat.predict.passed import Passed
from buffycoat.predict.sources import walk
from buffycoat.predict.storage import StorageError, is_address, open_storage, plainly, read, shown
from tests.predict.conftest import Run, needed

fsspec = needed("fsspec")


@pytest.fixture
def bucket(photographs: Path) -> Iterator[str]:
    """Return the address of a folder in memory with photographs, a folder below, an archive of each kind, a note."""
    memory = fsspec.filesystem("memory")
    root = f"/b{uuid.uuid4().hex[:8]}"
    for place in range(4):
        content = (photographs / f"{place}.jpg").read_bytes()
        memory.pipe(f"{root}/slides/{'deep/' if place == 3 else ''}{place}.jpg", content)
    memory.pipe(f"{root}/slides/notes.txt", b"no")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.write(photographs / "4.jpg", "fields/4.jpg")
        archive.writestr("notes.txt", b"no")
    memory.pipe(f"{root}/a.zip", packed.getvalue())
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        tar.add(photographs / "5.jpg", "5.jpg")
    memory.pipe(f"{root}/b.tar.gz", packed.getvalue())
    yield f"memory:/{root}"
    memory.rm(root, recursive=True)


def _names(*given: str, passed: Passed | None = None) -> list[tuple[str, str | None]]:
    return [(item.name, item.error) for item in walk(given, passed=passed, storage=True)]


def test_what_is_an_address() -> None:
    assert is_address("s3://b/a.jpg")
    assert not any(map(is_address, ("C://a", "a.jpg", "/s3://x", "dir/s3://x", "s3:/b")))


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("s3://bucket/a@b:c.jpg", "s3://bucket/a@b:c.jpg"),
        ("s3://key:secret@bucket/a.jpg", "s3://bucket/a.jpg"),
        ("ftp://token@host/a.jpg", "ftp://host/a.jpg"),
        ("https://me:secret@host/a.jpg?X-Amz-Signature=secret", "https://host/a.jpg"),
        ("abfs://container@account/a.jpg", "abfs://container@account/a.jpg"),
    ],
)
def test_nothing_that_lets_one_in_is_shown(address: str, expected: str) -> None:
    assert shown(address) == expected
    assert "secret" not in repr(Item(shown(address), Remote(address, "a.jpg")))
    with pytest.raises(StorageError) as caught, plainly(address):
        raise RuntimeError(f"no bucket\n'{address.partition('://')[2]}', nor {address}")
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_folders_patterns_and_archives_are_walked_like_files(bucket: str) -> None:
    passed = Passed()
    inside = f"{bucket}/slides"
    expected = [(f"{inside}/{name}.jpg", None) for name in ("0", "1", "2", "deep/3")]
    assert _names(inside, passed=passed) == expected
    assert passed.others == 1
    assert _names(f"{inside}/") == expected
    assert _names(f"{inside}/[12].jpg") == expected[1:3]
    assert sorted(_names(f"{bucket}/**/*.jpg")) == sorted(expected)
    passed = Passed()
    assert _names(bucket, passed=passed) == expected
    assert passed == Passed(others=1, archives=2)
    archives = [(f"{bucket}/a.zip!/fields/4.jpg", None), (f"{bucket}/b.tar.gz!/5.jpg", None)]
    assert _names(f"{bucket}/a.zip", f"{bucket}/b.tar.gz") == archives
    passed = Passed()
    assert _names(f"{bucket}/*.zip", passed=passed) == archives[:1]
    assert passed == Passed(others=1)


def test_what_is_missing_or_empty_is_a_fault(bucket: str) -> None:
    assert _names(f"{bucket}/none") == [(f"{bucket}/none", "missing")]
    assert _names(f"{bucket}/none*.jpg") == [(f"{bucket}/none*.jpg", "no photograph in it")]
    assert [item.error for item in walk([bucket])] == ["addresses of object storage are taken by predict only"]


def test_photographs_are_read_by_who_looks_at_them(bucket: str, photographs: Path, predictor: Predictor) -> None:
    items = list(walk([f"{bucket}/slides", f"{bucket}/none.jpg"], storage=True))
    assert all(isinstance(item.content, Remote) for item in items)
    found = list(predictor.run(items))
    expected = predictor.predict([photographs / f"{place}.jpg" for place in range(4)])
    assert [result.cells for result in found[:4]] == [result.cells for result in expected]
    assert found[4].error == "missing"
    content = items[0].content
    assert isinstance(content, Remote)
    with pytest.raises(StorageError, match="limit"):
        read(content, 100)


def test_answers_are_those_of_files_and_the_output_is_put_in_place(
    command: Run, bundle: Path, photographs: Path, bucket: str, tmp_path: Path
) -> None:
    out = f"{bucket}/out/cells.csv"
    code, printed, err = command("predict", "-b", bundle, f"{bucket}/slides", f"{bucket}/a.zip", "--out", out)
    assert (code, printed) == (0, ""), err
    assert f"Written: {out}" in err.replace("\n", "")
    files = [str(photographs / f"{place}.jpg") for place in range(5)]
    assert command("predict", "-b", bundle, *files, "--out", tmp_path / "o.csv")[0] == 0
    memory = fsspec.filesystem("memory")
    found = pl.read_csv(io.BytesIO(memory.cat(out)))
    assert found.drop("image").equals(pl.read_csv(tmp_path / "o.csv").drop("image"))
    assert found["image"][0] == f"{bucket}/slides/0.jpg"
    assert [path.rpartition("/")[2] for path in memory.ls(f"{bucket}/out", detail=False)] == ["cells.csv"]


def test_resume_fetches_what_was_finished_and_looks_at_the_changed_only(
    command: Run, bundle: Path, photographs: Path, bucket: str
) -> None:
    out = f"{bucket}/cells.parquet"
    run = ["predict", "-b", bundle, f"{bucket}/slides", "--out", out]
    assert command(*run)[0] == 0
    memory = fsspec.filesystem("memory")
    memory.pipe(f"{bucket}/slides/new.jpg", (photographs / "5.jpg").read_bytes())
    memory.pipe(f"{bucket}/slides/1.jpg", (photographs / "4.jpg").read_bytes())
    code, _, err = command(*run, "--resume")
    assert code == 0, err
    assert "2 photographs" in err
    assert "3 were done before" in err
    table = pl.read_parquet(io.BytesIO(memory.cat(out)))
    assert sorted(table["image"].unique()) == [
        f"{bucket}/slides/{name}.jpg" for name in ("0", "1", "2", "deep/3", "new")
    ]


def test_what_is_not_asked_for_stays_in_the_storage(command: Run, bundle: Path, bucket: str, photographs: Path) -> None:
    out = f"{bucket}/cells.parquet"
    assert command("predict", "-b", bundle, f"{bucket}/slides", "--out", out)[0] == 0
    memory = fsspec.filesystem("memory")
    memory.pipe(f"{bucket}/later/new.jpg", (photographs / "5.jpg").read_bytes())

    def added(*options: str) -> tuple[str, set[str]]:
        code, _, err = command("predict", "-b", bundle, f"{bucket}/later", "--out", out, "--resume", *options)
        assert code == 0, err
        table = pl.read_parquet(io.BytesIO(memory.cat(out)))
        return err, {name.rpartition("/")[2] for name in table["image"]}

    err, names = added()
    assert "4 photographs of earlier runs were not asked for" in err
    assert names == {"0.jpg", "1.jpg", "2.jpg", "3.jpg", "new.jpg"}
    assert added("--prune")[1] == {"new.jpg"}


def test_a_refused_resume_leaves_nothing_behind_that_passes_for_unsent_work(
    command: Run, bundle: Path, bucket: str
) -> None:
    run = ["predict", "-b", bundle, f"{bucket}/slides", "--out", f"{bucket}/cells.csv"]
    assert command(*run)[0] == 0
    code, _, err = command(*run, "--views", "4", "--resume")
    assert code != 0
    assert "leave out --resume to replace it" in " ".join(err.split())
    assert command(*run, "--views", "4")[0] == 0, "as the hint says"


def test_a_file_that_could_not_be_sent_is_kept_and_sent_later(
    command: Run, bundle: Path, bucket: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from buffycoat.settings import cache_dir

    memory = fsspec.filesystem("memory")
    whole = type(memory).put_file

    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("the line broke, key:secret@bucket")

    out = f"{bucket}/cells.csv"
    run = ["predict", "-b", bundle, f"{bucket}/slides", "--out", out]
    monkeypatch.setattr(type(memory), "put_file", fail)
    code, _, err = command(*run)
    err = " ".join(err.split())
    assert code == 5, err
    assert "the line broke" in err
    assert "--resume sends it" in err
    assert not memory.exists(out)
    monkeypatch.setattr(type(memory), "put_file", whole)
    code, _, err = command(*run)
    assert code == 5
    assert "--overwrite" in err
    code, _, err = command(*run, "--resume")
    assert code == 0, err
    assert "4 were done before" in err
    assert memory.exists(out)
    assert not list((cache_dir() / "predict").iterdir())


def test_file_addresses_in_and_out(command: Run, bundle: Path, photographs: Path, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "cells.jsonl"
    code, _, err = command("predict", "-b", bundle, f"file://{photographs}", "--out", f"file://{out}")
    assert code == 0, err
    assert len(out.read_text().splitlines()) == 7
    assert f'"image": "file://{photographs}/0.jpg"' in out.read_text()
    assert [path.name for path in out.parent.iterdir()] == ["cells.jsonl"]


def test_what_is_not_installed_is_said(command: Run, bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    code, _, err = command("predict", "-b", bundle, "s3://key:secret@bucket/slides")
    err = " ".join(err.split())
    assert code == 2
    assert "pip install s3fs" in err
    assert "secret" not in err
    code, _, err = command("predict", "-b", bundle, "memry://b")
    assert code == 2
    assert "'memory'" in err
    with pytest.raises(UsageError, match="chained"):
        open_storage("zip://a.jpg::memory://a.zip")
    monkeypatch.setitem(sys.modules, "fsspec", None)
    code, _, err = command("predict", "-b", bundle, "a.jpg", "--out", "s3://bucket/cells.csv")
    assert code == 2
    assert "buffycoat[scale]" in err


def test_an_output_that_cannot_be_opened_is_refused_before_any_work(
    monkeypatch: pytest.MonkeyPatch, command: Run, bundle: Path
) -> None:
    from buffycoat.predict.storage_out import Delivery

    def refuse(*_: Any, **__: Any) -> None:
        raise RuntimeError("no credentials")

    monkeypatch.setattr(fsspec.core, "url_to_fs", refuse)
    with pytest.raises(OutputError, match="no credentials"):
        Delivery("memory://a/cells.csv")
    code, _, err = command("predict", "-b", bundle, "memory://a")
    assert code == 3
    assert "no credentials" in err
