"""Counts as CSV: one row for each slide and type, so that a spreadsheet or a script needs nothing else."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from buffycoat.differential import words
from buffycoat.differential.identity import accession_of
from buffycoat.differential.limits import percent
from buffycoat.differential.words import flag_text
from buffycoat.files import no_formula
from buffycoat.records.differential import ARTEFACT, UNIDENTIFIED, Differential, TypeCount, TypeDifference

COLUMNS = (
    *("slide", "specimen", "subject", "status", "signer", "signed_at", "counted_by", "type", "count", "denominator"),
    *("percent", "percent_low", "percent_high", "level", "absolute_10e9_per_l", "absolute_low", "absolute_high"),
    *("flag_percent", "flag_absolute", "assessed", "cautions", "notice", "seal", "collected", "accession"),
    *("compared_with", "compared_as", "other_count", "other_denominator", "other_percent", "other_low", "other_high"),
    *("difference_points", "difference_low", "difference_high", "p_value", "p_holm", "differs"),
    *("compared_count", "compared_percent", "comparison"),
    *("reading", "cells_seen", "cells", "review"),
)
"""The columns, in order. Figures have full precision; limits and flags are empty where there are none; cautions,
seal, collected, accession, compared_with, compared_as and comparison (its sentences) are the slide's, the same in each
of its rows. So are the last four, which only a count from the review desk has. The comparison's figures stand in the
row of their type, and are empty where nothing was compared; compared_count and compared_percent are this count's
of the cells that were compared: other_percent less compared_percent is difference_points."""

_NO_DIFFERENCE = [""] * 13


def csv_text(counts: Sequence[Differential]) -> str:
    """Return the counts as CSV text, header first; unidentified cells and artefacts have rows without a percentage."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    for made in counts:
        signer = made.signer
        head = (
            no_formula(made.slide),
            no_formula(made.specimen or ""),
            no_formula(made.subject or ""),
            made.status,
            no_formula(signer.name if signer else ""),
            signer.signed_at.isoformat() if signer else "",
            no_formula(made.counted_by.name),
        )
        tail = (
            *(no_formula(" ".join(made.warnings)), made.notice, (signer.seal or "") if signer else ""),
            *("" if made.collected is None else made.collected.isoformat(), no_formula(accession_of(made))),
        )
        found = made.comparison
        read: tuple[str | int, ...] = ("", "", "", "")
        if made.review is not None:
            sentences = no_formula(" ".join((words.state(made), *words.review_sentences(made))))
            read = (made.review.reading, made.review.seen, made.review.cells, sentences)
        other = ("", "") if found is None else (no_formula(found.second), found.design)
        said = "" if found is None else no_formula(" ".join(found.sentences))
        compared = {} if found is None else {row.name: row for row in found.types}
        for row in [*made.types, *_of_the_other_only(made)]:
            difference = _difference(compared[row.name]) if row.name in compared else _NO_DIFFERENCE
            writer.writerow([*head, *_figures(row, made), *tail, *other, *difference, said, *read])
        for name, n in ((UNIDENTIFIED, made.unidentified), (ARTEFACT, made.artefacts)):
            writer.writerow([*head, name, n, *[""] * 11, *tail, *other, *_NO_DIFFERENCE, said, *read])
    return stream.getvalue()


def _figures(row: TypeCount, made: Differential) -> list[str | int]:
    flags = {flag.unit: flag_text(flag) or flag.level for flag in row.flags}
    numbers: list[float | None] = [row.percent.value, row.percent.interval.low, row.percent.interval.high]
    absolute = row.absolute
    rest = [None] * 3 if absolute is None else [absolute.value, absolute.interval.low, absolute.interval.high]
    return [
        no_formula(row.name),
        row.count if row.assessed else "",
        made.denominator,
        *map(_number, numbers),
        _number(made.level),
        *map(_number, rest),
        flags.get("%", ""),
        flags.get("10*9/L", ""),
        "yes" if row.assessed else "no",
    ]


def _of_the_other_only(made: Differential) -> list[TypeCount]:
    """Return rows for types that only the count compared with has: none of them was counted here."""
    own = {row.name for row in made.types}
    rows = made.comparison.types if made.comparison is not None else ()
    none = percent(0, made.denominator, made.level)
    return [TypeCount(name=row.name, count=0, percent=none) for row in rows if row.name not in own]


def _difference(row: TypeDifference) -> list[str]:
    numbers = (
        *(row.second.value, row.second.interval.low, row.second.interval.high),
        *(row.difference.value, row.difference.interval.low, row.difference.interval.high),
        *(row.p_value, row.p_adjusted),
    )
    counted = (str(n) if n is not None else "" for n in (row.second.numerator, row.second.denominator))
    own = (str(row.first.numerator), _number(row.first.value))
    return [*counted, *map(_number, numbers), "yes" if row.differs else "no", *own]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.10g}"
