"""Counts as CSV: one row for each slide and type, so that a spreadsheet or a script needs nothing else."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from buffycoat.differential.words import flag_text
from buffycoat.records.differential import ARTEFACT, UNIDENTIFIED, Differential, TypeCount

COLUMNS = (
    *("slide", "specimen", "subject", "status", "signer", "signed_at", "counted_by", "type", "count", "denominator"),
    *("percent", "percent_low", "percent_high", "level", "absolute_10e9_per_l", "absolute_low", "absolute_high"),
    *("flag_percent", "flag_absolute", "assessed", "cautions", "notice", "seal"),
)
"""The columns, in order. Figures have full precision; limits and flags are empty where there are none; cautions and
seal are the slide's, the same in each of its rows."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def csv_text(counts: Sequence[Differential]) -> str:
    """Return the counts as CSV text, header first; unidentified cells and artefacts have rows without a percentage."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    for made in counts:
        signer = made.signer
        head = (
            _safe(made.slide),
            _safe(made.specimen or ""),
            _safe(made.subject or ""),
            made.status,
            _safe(signer.name if signer else ""),
            signer.signed_at.isoformat() if signer else "",
            _safe(made.counted_by.name),
        )
        tail = (_safe(" ".join(made.warnings)), made.notice, (signer.seal or "") if signer else "")
        writer.writerows([*head, *_figures(row, made), *tail] for row in made.types)
        for name, n in ((UNIDENTIFIED, made.unidentified), (ARTEFACT, made.artefacts)):
            writer.writerow([*head, name, n, *[""] * 11, *tail])
    return stream.getvalue()


def _figures(row: TypeCount, made: Differential) -> list[str | int]:
    flags = {flag.unit: flag_text(flag) or flag.level for flag in row.flags}
    numbers: list[float | None] = [row.percent.value, row.percent.interval.low, row.percent.interval.high]
    absolute = row.absolute
    rest = [None] * 3 if absolute is None else [absolute.value, absolute.interval.low, absolute.interval.high]
    return [
        _safe(row.name),
        row.count if row.assessed else "",
        made.denominator,
        *map(_number, numbers),
        _number(made.level),
        *map(_number, rest),
        flags.get("%", ""),
        flags.get("10*9/L", ""),
        "yes" if row.assessed else "no",
    ]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.10g}"


def _safe(text: str) -> str:
    """Return text that a spreadsheet will not run as a formula: names come from file names and arguments."""
    return f"'{text}" if text.startswith(_FORMULA) else text
