"""How rows are written: CSV, JSON lines, Parquet or a plain table, by the file's ending."""

from __future__ import annotations

import csv
import io
import json
import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

from buffycoat.errors import DataError, UsageError
from buffycoat.predict.rows import SEPARATOR, Row, columns


class Format(ABC):
    """One way of writing rows. Parts are written apart and joined into the file at the end."""

    ending: ClassVar[str]

    def __init__(self, classes: tuple[str, ...]) -> None:
        self.classes = classes
        self.columns = columns(classes)

    @abstractmethod
    def encode(self, rows: Sequence[Row]) -> bytes:
        """Return the content of a part."""

    @abstractmethod
    def join(self, parts: Iterable[tuple[Path, Sequence[bool] | None]], out: Path) -> None:
        """Write `out` from its parts; of a part with flags only the rows whose flag is true."""

    @abstractmethod
    def split(self, path: Path) -> Iterator[list[Row]]:
        """Yield the rows of a finished file, some thousands at a time, those of a photograph together.

        Raises
        ------
        DataError
            The file has other columns.
        ValueError, KeyError, TypeError, AttributeError, csv.Error
            It is damaged.
        """


def format_of(path: Path, classes: tuple[str, ...]) -> Format:
    """Return the format of a file by its ending.

    Raises
    ------
    UsageError
        The ending is unknown.
    """
    from buffycoat.predict.parquet import Parquet

    kinds: dict[str, type[Format]] = {
        ".csv": Csv,
        ".tsv": Tsv,
        ".jsonl": JsonLines,
        ".ndjson": JsonLines,
        ".parquet": Parquet,
        ".txt": Table,
    }
    kind = kinds.get(path.suffix.lower())
    if kind is None:
        raise UsageError(
            f"--out {path}: the ending {path.suffix or '(none)'} is not one of {', '.join(kinds)}.",
            hint="The ending chooses the format: .csv, .jsonl, .parquet, or .txt for a plain table.",
        )
    return kind(classes)


class Text(Format):
    """A format of lines, whose parts are joined byte by byte."""

    def header(self) -> bytes:
        """Return what stands before the first row."""
        return b""

    @abstractmethod
    def records(self, path: Path) -> Iterator[bytes]:
        """Yield the bytes of each row of a part."""

    def join(self, parts: Iterable[tuple[Path, Sequence[bool] | None]], out: Path) -> None:
        """Write the header and the parts, a piece at a time."""
        with out.open("wb") as stream:
            stream.write(self.header())
            for path, kept in parts:
                if kept is None:
                    _copy(path, stream)
                else:
                    flags = zip(self.records(path), kept, strict=True)
                    stream.writelines(record for record, wanted in flags if wanted)


def _copy(path: Path, stream: io.BufferedWriter) -> None:
    with path.open("rb") as part:
        shutil.copyfileobj(part, stream, 1 << 20)


class Csv(Text):
    """Comma-separated values (RFC 4180 quoting, UTF-8, lines end with a line feed)."""

    ending = ".csv"
    delimiter = ","

    def header(self) -> bytes:
        """Return what stands before the first row."""
        return self._lines([self.columns])

    def encode(self, rows: Sequence[Row]) -> bytes:
        """Return the rows' lines."""
        return self._lines([[_cell(row.get(name)) for name in self.columns] for row in rows])

    def records(self, path: Path) -> Iterator[bytes]:
        """Yield the bytes of each row of a part."""
        with path.open(encoding="utf-8", newline="") as stream:
            found = csv.reader(stream, delimiter=self.delimiter)
            for record in found:
                yield self._lines([record])

    def split(self, path: Path) -> Iterator[list[Row]]:
        """Yield the rows of a finished file; see :meth:`Format.split`."""
        csv.field_size_limit(1 << 24)
        with path.open(encoding="utf-8", newline="") as stream:
            found = csv.reader(stream, delimiter=self.delimiter, strict=True)
            if tuple(next(found, ())) != self.columns:
                raise other_columns(path)
            yield from pieces(dict(zip(self.columns, record, strict=True)) for record in found)

    def _lines(self, lines: Iterable[Sequence[Any]]) -> bytes:
        text = io.StringIO()
        plain = csv.writer(text, delimiter=self.delimiter, lineterminator="\n")
        quoted = csv.writer(text, delimiter=self.delimiter, lineterminator="\n", quoting=csv.QUOTE_ALL)
        for line in lines:
            # Python's writer leaves a carriage return bare, and every reader takes it for the end of a row.
            (quoted if any(isinstance(value, str) and "\r" in value for value in line) else plain).writerow(line)
        return text.getvalue().encode("utf-8")


class Tsv(Csv):
    """Tab-separated values."""

    ending = ".tsv"
    delimiter = "\t"


class JsonLines(Text):
    """One JSON object a line; the conformal set and the probabilities are a list and an object."""

    ending = ".jsonl"

    def encode(self, rows: Sequence[Row]) -> bytes:
        """Return the rows' lines."""
        return b"".join(self.line(row) for row in rows)

    def line(self, row: Row) -> bytes:
        """Return one row, with its line feed."""
        return (json.dumps(as_object(row, self.classes), ensure_ascii=False, allow_nan=False) + "\n").encode("utf-8")

    def records(self, path: Path) -> Iterator[bytes]:
        """Yield the bytes of each row of a part."""
        with path.open("rb") as stream:
            yield from stream

    def split(self, path: Path) -> Iterator[list[Row]]:
        """Yield the rows of a finished file; see :meth:`Format.split`."""
        with path.open("rb") as stream:
            yield from pieces(_flat(json.loads(line)) for line in stream)


class Table(Text):
    """A plain table for reading, columns apart by two blanks; the same as on the terminal."""

    ending = ".txt"

    def header(self) -> bytes:
        """Return what stands before the first row."""
        from buffycoat.predict.table import heading

        return heading().encode("utf-8")

    def encode(self, rows: Sequence[Row]) -> bytes:
        """Return the rows' lines."""
        from buffycoat.predict.table import lines

        return lines(rows).encode("utf-8")

    def records(self, path: Path) -> Iterator[bytes]:
        """Yield the bytes of each row of a part."""
        with path.open("rb") as stream:
            yield from stream

    def split(self, path: Path) -> Iterator[list[Row]]:
        """Yield the rows of a finished file; see :meth:`Format.split`."""
        raise UsageError(f"{path} is a plain table, which cannot be gone on with.", hint="Choose .csv or .parquet.")


def as_object(row: Row, classes: tuple[str, ...]) -> dict[str, Any]:
    """Return a row as a JSON object: box, probabilities and conformal set each in one piece."""
    done = {name: row.get(name) for name in ("image", "width", "height", "framing", "cell")}
    found = row.get("cell") is not None
    return {
        **done,
        "box": [row[side] for side in ("x0", "y0", "x1", "y1")] if found else None,
        "class": row.get("class"),
        "best": row.get("best"),
        "probability": row.get("probability"),
        "probabilities": {name: row[f"p_{name}"] for name in classes} if found else None,
        "conformal_set": listed(row["conformal_set"]) if found else None,
        **{name: row.get(name) for name in ("reason", "unlikeness", "touches_border", "error", "model")},
    }


def _flat(found: Row) -> Row:
    """Return the row behind a JSON object."""
    row = {name: value for name, value in found.items() if name not in ("box", "probabilities", "conformal_set")}
    if found.get("box"):
        row |= dict(zip(("x0", "y0", "x1", "y1"), found["box"], strict=True))
        row |= {f"p_{name}": value for name, value in found["probabilities"].items()}
        row["conformal_set"] = SEPARATOR.join(found["conformal_set"])
    return row


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    return ("true" if value else "false") if isinstance(value, bool) else value


def listed(value: str) -> list[str]:
    """Return the classes of a conformal set."""
    return value.split(SEPARATOR) if value else []


def pieces(found: Iterable[Row]) -> Iterator[list[Row]]:
    """Yield rows some thousands at a time, those of a photograph together."""
    piece: list[Row] = []
    for row in found:
        if len(piece) >= 10_000 and str(row.get("cell") or 1) == "1":  # a photograph's rows stay together
            yield piece
            piece = []
        piece.append(row)
    if piece:
        yield piece


def damaged(path: Path, error: Exception) -> DataError:
    """Return the error for a finished file that cannot be read back."""
    return DataError(
        f"{path} is damaged and cannot be gone on with ({type(error).__name__}: {' '.join(str(error).split())[:120]}).",
        hint="Choose another --out, or leave out --resume to replace it.",
    )


def other_columns(path: Path) -> DataError:
    """Return the error for a file of another run."""
    return DataError(
        f"{path} has other columns than this run would write.", hint="Choose another --out, or add --overwrite."
    )
