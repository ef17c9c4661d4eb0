"""The study folder: its files by name, one study at a time, and what is removed to start anew."""

from __future__ import annotations

import shutil
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from buffycoat.errors import OutputError
from buffycoat.files import output_error
from buffycoat.imaging.folder_lock import alone_in

_OURS = (
    *("study.json", "audit.json", "faults.json", "cleaning.json", "cells.parquet", "splits.parquet"),
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
            probe = self.path / _LOCK
            probe.touch()
            found = {entry.name for entry in self.path.iterdir() if not entry.name.startswith(".")}
        except OSError as error:
            raise output_error(self.path, error) from error
        if found and "study.json" not in found and not _begun(found):
            raise OutputError(
                f"{self.path} is not empty and holds no study ({', '.join(sorted(found)[:4])}).",
                hint="Choose an empty or new folder for --out.",
            )

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
