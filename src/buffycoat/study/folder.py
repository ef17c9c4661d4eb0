"""The study folder: its files by name, one study at a time, and what is removed to start anew."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from buffycoat.errors import OutputError
from buffycoat.files import exists, output_error
from buffycoat.imaging.folder_lock import alone_in

_OURS = (
    *("study.json", "audit.json", "audit-groups.csv", "faults.json", "cleaning.json", "cells.parquet"),
    "splits.parquet",
    *(
        "history.csv",
        "predictions.parquet",
        "validation.parquet",
        "unlike.parquet",
        "seeds.parquet",
        "learning.parquet",
    ),
    *("results.json", "labels.json", "report.html"),
    "label-overrides.csv",
)
_OUR_FOLDERS = ("crops", "controls", "explore", "morphology", "models", "page")
_LOCK = ".lock"
_ASIDE = ".replaced"


def _names() -> list[str]:
    """Return what a study leaves, but study.json."""
    return [*(name for name in _OURS if name != "study.json"), *_OUR_FOLDERS]


@dataclass(frozen=True)
class StudyFolder:
    """Paths of a study's files."""

    path: Path

    def __truediv__(self, name: str) -> Path:
        return self.path / name

    def fold(self, model: str, repeat: int, fold: int) -> Path:
        """Return the folder of one trained fold."""
        return self.path / "models" / model / f"r{repeat}f{fold}"

    def card(self, model: str) -> Path:
        """Return the path of a network's card."""
        return self.path / "models" / model / "card.json"

    def open(self) -> None:
        """Make the folder, or check that it is a study's or empty.

        Raises
        ------
        OutputError
            It cannot be written, or holds files that are no study's.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            found = {entry.name for entry in self.path.iterdir() if not entry.name.startswith(".")}
        except OSError as error:
            raise output_error(self.path, error) from error
        if found and "study.json" not in found and not _begun(found) and not exists(self.path / _ASIDE):
            raise OutputError(
                f"{self.path} is not empty and holds no study ({', '.join(sorted(found)[:4])}).",
                hint="Choose an empty or new folder for --out.",
            )
        try:
            (self.path / _LOCK).touch()  # only now: a folder that is refused stays as it was
        except OSError as error:
            raise output_error(self.path, error) from error

    def clear(self) -> None:
        """Remove the study in the folder; study.json goes last, so that what is left by a kill is still a study.

        Raises
        ------
        OutputError
            Something cannot be removed.
        """
        try:
            for name in _OUR_FOLDERS:
                if (self.path / name).exists():
                    shutil.rmtree(self.path / name)
            for name in reversed(_OURS):
                (self.path / name).unlink(missing_ok=True)
        except OSError as error:
            raise output_error(self.path, error) from error

    @contextmanager
    def replacing(self) -> Iterator[None]:
        """Set the study in the folder aside while another is prepared; put it back where that fails.

        A kill in between: see :meth:`recover`. study.json is the first to go and the last to come back.
        """
        aside = self.path / _ASIDE
        try:
            aside.mkdir()
            self._move(self.path, aside, ("study.json", *_names()))
        except OSError as error:
            raise output_error(self.path, error) from error
        try:
            yield
        except BaseException:
            self.clear()
            self._put_back()
            raise
        shutil.rmtree(aside, ignore_errors=True)

    def recover(self) -> None:
        """Put back a study that was being replaced when the program was killed; called by who holds the folder."""
        aside = self.path / _ASIDE
        if not aside.exists():
            return
        if (self.path / "study.json").exists():  # of the other: it was prepared, and takes its place
            shutil.rmtree(aside, ignore_errors=True)
        else:
            self.clear()
            self._put_back()

    def _put_back(self) -> None:
        aside = self.path / _ASIDE
        try:
            self._move(aside, self.path, (*_names(), "study.json"))
            aside.rmdir()
        except OSError as error:
            raise output_error(self.path, error) from error

    @staticmethod
    def _move(source: Path, target: Path, names: Iterable[str]) -> None:
        for name in names:
            if (source / name).exists():
                (source / name).rename(target / name)

    def alone(self) -> AbstractContextManager[None]:
        """Hold the folder for this process.

        Raises
        ------
        OutputError
            Another study is running in it, or it cannot be written.
        """
        return alone_in(self.path, _LOCK)


def _begun(found: set[str]) -> bool:
    """Say whether a study was stopped here before it wrote study.json: the audit and the crops come first."""
    return bool({"audit.json", "crops", "label-overrides.csv"} & found) and found <= {*_OURS, *_OUR_FOLDERS}
