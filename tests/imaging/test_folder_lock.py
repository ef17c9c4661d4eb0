"""One writer to a folder at a time, and file systems that know no locks."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

import pytest

from buffycoat.errors import OutputError
from buffycoat.imaging.folder_lock import alone_in


@pytest.mark.parametrize(
    ("lock", "held"), [(".cells.csv.lock", "cells.csv"), (".lock", ""), ("lock", ""), (".sending", "")]
)
def test_what_is_held_is_named_in_full(lock: str, held: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with alone_in(Path(), lock), pytest.raises(OutputError) as caught, alone_in(Path(), lock):
        pass
    assert caught.value.what == f"{tmp_path / held} is being written by another process"


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_without_locks_the_work_goes_on_with_a_warning(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with alone_in(tmp_path):
        pass
    assert f"{tmp_path}: this file system knows no locks" in caplog.text


def test_another_fault_ends_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(OutputError, match="Input/output error"), alone_in(tmp_path):
        pass
