"""Reading a CSV file a person made: byte-order mark, line ends and delimiter as they come."""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterator
from pathlib import Path

from buffycoat.errors import DataError, did_you_mean

_DELIMITERS = (",", ";", "\t")
BEYOND = "\0beyond"
"""No column's name: a header may leave one blank, as tables saved with their row numbers do."""


def header(path: Path) -> list[str]:
    """Return the column names of a CSV file as written, trimmed; empty when it cannot be read."""
    try:
        with path.open("rb") as stream:  # what stands below may be no text; that is for `records` to say
            first = stream.readline(1 << 16).decode("utf-8-sig", errors="replace").rstrip("\r\n")
    except OSError:
        return []
    try:
        return [name.strip() for name in next(csv.reader([first], delimiter=_delimiter(first)), [])]
    except csv.Error:
        return []


def delimiter(path: Path) -> str:
    """Return what separates the columns of a CSV file; a comma where it cannot be read."""
    try:
        with path.open("rb") as stream:
            return _delimiter(stream.readline(1 << 16).decode("utf-8-sig", errors="replace"))
    except OSError:
        return ","


def columns(names: Collection[str], wanted: Collection[str], path: Path) -> None:
    """Hold the header to the columns that must be there.

    Raises
    ------
    DataError
        One or more are missing; all are named, with close matches among the columns found.
    """
    missing = [name for name in wanted if name not in names]
    if not missing:
        return
    found = [name for name in names if name]
    offers = [f"Column {name!r} is missing. {did_you_mean(name, found)}" for name in missing]
    raise DataError(
        f"{path}: {' '.join(offers)}",
        hint=f"The first line must name the columns {','.join(wanted)}"
        + ("; group and x0,y0,x1,y1 may follow." if "label" in wanted else "."),
    )


def records(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield each record as (line, columns by lower-case name), blank lines left out; the header is line 1.

    A record that spans lines is named by the line it begins on. A record shorter than the header lacks the
    last columns; what stands beyond the header comes under the name :data:`BEYOND`.

    Raises
    ------
    DataError
        The file is missing, may not be read, is not text, or breaks off inside a quotation.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            first = stream.readline(1 << 16)
            stream.seek(0)
            reader = csv.reader(stream, delimiter=_delimiter(first), strict=True)
            names = [name.strip().casefold() for name in next(reader, [])]
            begins = reader.line_num + 1
            for record in reader:
                if any(value.strip() for value in record):
                    beyond = {BEYOND: ",".join(record[len(names) :])} if any(record[len(names) :]) else {}
                    yield begins, {**dict(zip(names, record, strict=False)), **beyond}
                begins = reader.line_num + 1
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist.") from error
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path} is not UTF-8 text (byte {error.start}).", hint="Save it as CSV with the encoding UTF-8."
        ) from error
    except csv.Error as error:
        raise DataError(f"{path}, line {reader.line_num}: {error}.", hint="Is a quotation mark missing?") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from error


def _delimiter(first_line: str) -> str:
    return max(_DELIMITERS, key=first_line.count)
