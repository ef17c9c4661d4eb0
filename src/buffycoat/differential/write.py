"""Counts as files: the format chosen by name or by the file's ending."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from pydantic import ValidationError

from buffycoat.errors import DataError, UsageError, did_you_mean
from buffycoat.files import write_text
from buffycoat.records.differential import Differential, Differentials
from buffycoat.records.documents import explain

if TYPE_CHECKING:
    from buffycoat.differential.gallery import GalleryCell
    from buffycoat.differential.hl7 import Processing

Format = Literal["table", "json", "csv", "html", "fhir", "hl7"]
FORMATS: tuple[Format, ...] = get_args(Format)

_ENDINGS: tuple[tuple[str, Format], ...] = (
    (".fhir.json", "fhir"),
    (".json", "json"),
    (".csv", "csv"),
    (".html", "html"),
    (".htm", "html"),
    (".hl7", "hl7"),
    (".txt", "table"),
)
_MOST_BYTES = 256 << 20


def format_of(path: Path, given: str | None = None) -> Format:
    """Return the format for a file: the one given, or by its ending.

    Raises
    ------
    UsageError
        The format or the ending is not known.
    """
    if given is not None:
        if given not in FORMATS:
            raise UsageError(f"There is no format {given!r}.", hint=did_you_mean(given, FORMATS))
        return given
    for ending, name in _ENDINGS:
        if path.name.lower().endswith(ending):
            return name
    endings = ", ".join(ending for ending, _ in _ENDINGS)
    raise UsageError(f"{path}: the ending names no format.", hint=f"Use one of {endings}, or --format.")


def ending_of(name: Format) -> str:
    """Return the usual ending of a format."""
    return next(ending for ending, known in _ENDINGS if known == name)


def text_of(
    counts: Sequence[Differential],
    name: Format,
    *,
    gallery: Mapping[str, Sequence[GalleryCell]] | None = None,
    processing: Processing = "T",
) -> str:
    """Return counts in a format.

    Parameters
    ----------
    counts
        One or several slides.
    name
        The format.
    gallery
        HTML only: the cells to show, by slide.
    processing
        HL7 only: MSH-11, see :func:`buffycoat.differential.hl7.hl7_text`.
    """
    if name == "json":
        return _json(Differentials(slides=tuple(counts)).model_dump(mode="json"))
    if name == "fhir":
        from buffycoat.differential.fhir import fhir_document

        return _json(fhir_document(counts))
    if name == "hl7":
        from buffycoat.differential.hl7 import hl7_text

        return hl7_text(counts, processing=processing)
    if name == "csv":
        from buffycoat.differential.csv_file import csv_text

        return csv_text(counts)
    if name == "html":
        from buffycoat.differential.html import html_text

        return html_text(counts, gallery or {})
    return _plain(counts)


def write(
    counts: Sequence[Differential],
    path: Path,
    name: str | None = None,
    *,
    gallery: Mapping[str, Sequence[GalleryCell]] | None = None,
    processing: Processing = "T",
) -> None:
    """Write counts to a file in one step; parameters as in :func:`format_of` and :func:`text_of`."""
    write_text(path, text_of(counts, format_of(path, name), gallery=gallery, processing=processing))


def read(path: Path) -> tuple[Differential, ...]:
    """Read counts from a JSON file, one or several slides.

    Raises
    ------
    DataError
        The file is missing, is not JSON, or holds something else; every fault is named.
    """
    try:
        size = path.stat().st_size
        content = path.read_bytes() if size <= _MOST_BYTES else b""
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from error
    if size > _MOST_BYTES:
        raise DataError(f"{path} is no differential: {size} bytes.")
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is no differential: it is not JSON ({error}).") from error
    try:
        if isinstance(found, dict) and "slides" in found:
            return Differentials.model_validate_json(content).slides
        return (Differential.model_validate_json(content),)
    except ValidationError as error:
        raise DataError(f"{path} is no differential, damaged, or of another version: {explain(error)}.") from error


def _json(document: object) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _plain(counts: Sequence[Differential]) -> str:
    from rich.console import Console

    from buffycoat.differential.table import show

    stream = io.StringIO()
    console = Console(file=stream, width=120, highlight=False, color_system=None)
    for made in counts:
        show(console, made)
        console.print()
    return stream.getvalue()
