"""Results on their way to a file: whole parts that survive whatever interrupts the run, joined when it is done.

While a run goes on, ``FILE.parts`` beside the output holds ``run.json`` (what the run is), and per part the rows and
a ledger of the inputs they answer. A part is written, then its ledger with the part's checksum: a part without a sound
ledger does not count. Joined, the parts become FILE in one step.
"""

from __future__ import annotations

import json
import os
import shutil
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from buffycoat.errors import DataError, OutputError
from buffycoat.files import output_error
from buffycoat.predict.formats import Format
from buffycoat.predict.rows import Row

LEDGER = np.dtype([("key", "<u8"), ("stamp", "<u8"), ("rows", "<u4"), ("failed", "u1")])
"""Per input: the key of its name, a stamp of its file's size and time, how many rows answer it, whether it failed."""

_RUN = "run.json"

GO_ON = "Free some room and run the command again with --resume, without --overwrite: it goes on from here."
"""What to do about a full disk while there are parts."""


@dataclass(frozen=True, slots=True)
class Part:
    """A finished part and the inputs it answers."""

    path: Path
    inputs: NDArray[Any]


class PartsFolder:
    """The parts of one unfinished output.

    Attributes
    ----------
    folder
        ``FILE.parts``.
    parts
        Those finished, in order.
    """

    def __init__(self, out: Path, form: Format) -> None:
        self.out = out
        self.folder = out.with_name(out.name + ".parts")
        self.parts: list[Part] = []
        self._form = form
        self._number = 0

    def exists(self) -> bool:
        """Return whether a run was left unfinished."""
        return (self.folder / _RUN).is_file()

    def begin(self, run: dict[str, Any]) -> None:
        """Begin anew; what is in the folder is removed."""
        try:
            if self.folder.exists():
                shutil.rmtree(self.folder)
            self.folder.mkdir(parents=True)
            self._write(self.folder / _RUN, (json.dumps(run, indent=2) + "\n").encode())
        except OSError as error:
            raise output_error(self.folder, error, if_full=GO_ON) from error

    def drop(self) -> None:
        """Remove the folder and all parts."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def go_on(self, run: dict[str, Any]) -> None:
        """Take up the finished parts.

        Raises
        ------
        DataError
            They are of another bundle, or of other settings.
        """
        try:
            found = json.loads((self.folder / _RUN).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise DataError(f"{self.folder / _RUN} cannot be read: {error}.", hint=_ANEW) from error
        other = sorted(name for name in run if not isinstance(found, dict) or found.get(name) != run[name])
        if other:
            was = ", ".join(f"{name} {found.get(name)!r}, now {run[name]!r}" for name in other)
            raise DataError(f"The unfinished run in {self.folder} was made differently: {was}.", hint=_ANEW)
        for ledger in sorted(self.folder.glob("part-*.ledger")):
            self._number = max(self._number, int(ledger.stem.removeprefix("part-")) + 1)
            inputs = self._sound(ledger)
            if inputs is not None:
                self.parts.append(Part(self._data(ledger), inputs))

    def add(self, rows: Sequence[Row], inputs: NDArray[Any]) -> None:
        """Write one more part.

        Raises
        ------
        OutputError
            The disk is full or the folder read-only; the parts before stay.
        """
        ledger = self.folder / f"part-{self._number:06d}.ledger"
        content, entries = self._form.encode(rows), inputs.tobytes()
        head = {"crc": zlib.crc32(content), "bytes": len(content), "ledger": zlib.crc32(entries)}
        self._write(self._data(ledger), content)
        self._write(ledger, json.dumps(head).encode() + b"\n" + entries)
        self.parts.append(Part(self._data(ledger), inputs))
        self._number += 1

    def join(self, kept: Sequence[NDArray[np.bool_] | None]) -> None:
        """Make the output from the parts and remove them.

        Parameters
        ----------
        kept
            Per part, which of its inputs are kept; None: all.
        """
        temporary = self.out.with_name(f".{self.out.name}.{os.getpid()}{self.out.suffix}")
        try:
            self._form.join(self._flagged(kept), temporary)
            with temporary.open("rb") as stream:
                os.fsync(stream.fileno())
            temporary.replace(self.out)
        except OSError as error:
            raise output_error(self.out, error, if_full=GO_ON) from error
        finally:
            temporary.unlink(missing_ok=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _flagged(self, kept: Sequence[NDArray[np.bool_] | None]) -> Iterator[tuple[Path, Sequence[bool] | None]]:
        for part, inputs in zip(self.parts, kept, strict=True):
            flags = None if inputs is None or bool(inputs.all()) else np.repeat(inputs, part.inputs["rows"]).tolist()
            yield part.path, flags

    def _data(self, ledger: Path) -> Path:
        return ledger.with_suffix(self._form.ending)

    def _sound(self, ledger: Path) -> NDArray[Any] | None:
        """Return a part's inputs if it is whole."""
        try:
            line, _, entries = ledger.read_bytes().partition(b"\n")
            head = json.loads(line)
            content = self._data(ledger).read_bytes()
        except (OSError, ValueError):
            return None
        found = {"crc": zlib.crc32(content), "bytes": len(content), "ledger": zlib.crc32(entries)}
        return np.frombuffer(entries, LEDGER) if found == head else None

    def _write(self, path: Path, content: bytes) -> None:
        temporary = path.with_name(f".{path.name}.tmp")
        try:
            with temporary.open("wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            temporary.replace(path)
        except OSError as error:
            raise output_error(path, error, if_full=GO_ON) from error
        finally:
            temporary.unlink(missing_ok=True)


_ANEW = "Add --overwrite to begin anew, or choose another --out."


def refuse_unfinished(folder: PartsFolder) -> OutputError:
    """Return the error for a run that would bury an unfinished one."""
    return OutputError(
        f"An unfinished run stands in {folder.folder}.",
        hint="Add --resume to go on with it, or --overwrite to begin anew.",
    )
