"""What has to be known before a count is used, in sentences."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from buffycoat.records.differential import Caution, Differential, TypeCount

FEW = 100
"""Fewer named cells than this are warned of."""

LEAST_USUAL_WBC, MOST_USUAL_WBC = 0.1, 100.0
"""Leukocyte counts outside, 10⁹/L, are rare enough to be asked after: they may be in another unit."""


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a count's own figures do not tell."""

    copies: int = 0


def cautions(made: Differential, known: Circumstances) -> tuple[Caution, ...]:
    """Return everything that applies to a count, the gravest first."""
    return tuple(
        found
        for part in (
            *(_few(made), _leukocytes(made), _unidentified(made), _types(made), _classifier(made)),
            *(_photographs(made, known), _ranges(made)),
        )
        for found in part
    )


def cells(n: int) -> str:
    """Return a number of cells in words: ``"1 cell"``, ``"12 cells"``."""
    return f"{n:,} {'cell' if n == 1 else 'cells'}"


def listed(names: list[str]) -> str:
    """Return names as an enumeration: ``"a, b and c"``."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _few(made: Differential) -> Iterator[Caution]:
    if made.denominator == 0:
        yield Caution(code="nothing-named", sentence="No leukocyte was named: there is no differential.")
    elif made.denominator < FEW:
        widest = max((row for row in made.types if row.percent.value is not None), key=_width)
        limits = widest.percent.interval
        yield Caution(
            code="few-cells",
            sentence=f"Only {cells(made.denominator)} {'was' if made.denominator == 1 else 'were'} named, fewer than "
            f"{FEW}: the limits are wide "
            f"({widest.name}s {limits.low:.0f} to {limits.high:.0f} %).",
        )


def _leukocytes(made: Differential) -> Iterator[Caution]:
    if made.wbc is not None and not LEAST_USUAL_WBC <= made.wbc <= MOST_USUAL_WBC:
        yield Caution(
            code="leukocyte-count",
            sentence=f"The leukocyte count given, {made.wbc:g} × 10⁹/L, is unusual: if it is in another unit, the "
            "absolute counts are wrong.",
        )


def _width(row: TypeCount) -> float:
    limits = row.percent.interval
    return (limits.high or 0) - (limits.low or 0)


def _unidentified(made: Differential) -> Iterator[Caution]:
    if made.unidentified:
        were = "was" if made.unidentified == 1 else "were"
        yield Caution(
            code="unidentified",
            sentence=f"{cells(made.unidentified).capitalize()} {were} left unidentified and {were} not counted in the "
            "denominator. If some types are harder to identify than others, the percentages lean against them.",
        )


def _types(made: Differential) -> Iterator[Caution]:
    unknown = [f"{row.name}s" for row in made.types if not row.assessed]
    if unknown:
        yield Caution(
            code="unknown-type",
            sentence=f"The classifier does not know {listed(unknown)}: such cells are not reported as 0, and any that "
            "were there are counted under another type or left unidentified.",
        )


def _classifier(made: Differential) -> Iterator[Caution]:
    reviewed = made.counted_by.kind == "reviewed" and (made.classifier or made.review) is not None
    if not (made.counted_by.kind == "program" or reviewed) or not made.denominator:
        return
    sentence = "The limits cover counting error only; the classifier's own errors come on top."
    if reviewed:
        sentence = "The limits cover counting error only; errors of the classifier that were overlooked come on top."
    if made.classifier is not None:
        right = made.classifier.accuracy
        if right.value is not None:
            limits = right.interval
            between = "" if limits.low is None else f" ({100 * limits.low:.0f} to {100 * (limits.high or 0):.0f} %)"
            sentence += (
                f" On cells it was not trained on it named {100 * right.value:.0f} %{between} right; on another "
                "microscope or stain expect worse."
            )
    yield Caution(code="classifier-error", sentence=sentence)


def _photographs(made: Differential, known: Circumstances) -> Iterator[Caution]:
    n = len(made.faults) - known.copies
    if n > 0:
        yield Caution(
            code="unreadable",
            sentence=f"{n} {'photograph' if n == 1 else 'photographs'} could not be used; the cells there are missing.",
        )
    if known.copies:
        n = known.copies
        yield Caution(
            code="copies",
            sentence=f"{n} {'file is a copy' if n == 1 else 'files are copies'} of another and "
            f"{'was' if n == 1 else 'were'} left out: a cell counts once.",
        )
    if made.cut_cells:
        yield Caution(
            code="cut-cells",
            sentence=f"{cells(made.cut_cells).capitalize()} at the border of a field "
            f"{'is' if made.cut_cells == 1 else 'are'} counted although only part is seen.",
        )
    if made.counted_by.kind != "person" and (made.fields or 0) > 1:
        yield Caution(
            code="overlap",
            sentence="Each field is counted on its own: a cell that shows in two overlapping fields is counted twice.",
        )


def _ranges(made: Differential) -> Iterator[Caution]:
    if made.ranges is None:
        return
    if made.ranges.example:
        yield Caution(
            code="example-ranges",
            sentence="The reference ranges are an EXAMPLE and no laboratory's: flags against them mean nothing.",
        )
    if made.wbc is None and any(one.unit != "%" for one in made.ranges.ranges):
        yield Caution(
            code="no-absolute",
            sentence="Absolute counts were not judged: no leukocyte count was given.",
        )
