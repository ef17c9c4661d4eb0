"""The differential beside the desk: counts at once, the person's against the program's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Literal

from sqlalchemy import and_, select
from sqlalchemy.orm import Session

from buffycoat.differential import count
from buffycoat.records.differential import Flag, ReferenceRanges
from buffycoat.records.documents import Fault
from buffycoat.review.documents import DifferentialView, DiffRow, Label
from buffycoat.review.schema import Cell, Mark
from buffycoat.taxonomy import canonical

State = tuple[str, str, bool, bool, bool]
"""Of one cell: label, the program's label, seen, deleted, drawn by the person."""


def states_of(session: Session, slide_id: str, reading_id: str | None) -> list[State]:
    """Return the state of every cell of a slide as one reading leaves it."""
    rows = session.execute(
        select(Cell.label, Cell.reading_id, Mark.label, Mark.seen, Mark.deleted)
        .outerjoin(Mark, and_(Mark.cell_id == Cell.id, Mark.reading_id == reading_id))
        .where(Cell.slide_id == slide_id, Cell.reading_id.is_(None) | (Cell.reading_id == reading_id))
    )
    return [
        (program if label is None else label, program, bool(seen), bool(deleted), drawn is not None)
        for program, drawn, label, seen, deleted in rows
    ]


def differential_view(
    states: Iterable[State],
    labels: Iterable[Label],
    ranges: ReferenceRanges | None = None,
    status: Literal["preliminary", "final"] = "preliminary",
    *,
    known: Sequence[str] | None = None,
    waiting: int = 0,
    wbc: float | None = None,
    faults: Iterable[Fault] = (),
) -> DifferentialView:
    """Return the counts of a person and of the program, with exact 95 % limits of each share.

    Parameters
    ----------
    known
        The types the program knows; None: all. Others are not assessed by it, and by the person only once every
        cell was seen.
    waiting
        Photographs that are still to be analysed: their cells have been seen by nobody.
    wbc
        Leukocytes, 10⁹/L, measured elsewhere.
    faults
        Photographs that could not be used.
    """
    every = list(states)
    alive = [state for state in every if not state[3]]
    seen = sum(1 for _, _, seen, *_ in alive if seen)
    settled = complete(status == "final", seen, len(alive), waiting)
    named = Counter(label for label, *_ in alive)
    made = count(named, counted_by="reviewed", known=None if settled else known, ranges=ranges, wbc=wbc, faults=faults)
    program = count(Counter(said for _, said, _, _, drawn in every if not drawn), known=known)
    counted, before = {row.name: row for row in made.types}, {row.name: row for row in program.types}
    able = {row.name for row in program.types if row.assessed} | set(map(canonical, known or ()))
    rows = []
    for label in labels:
        mine, its = counted.get(label.name), before.get(label.name)
        if not label.counted:
            continue
        rows.append(
            DiffRow(
                label=label.name,
                title=label.title,
                colour=label.colour,
                count=0 if mine is None else mine.count,
                percent=None if mine is None else mine.percent.value,
                low=None if mine is None else mine.percent.interval.low,
                high=None if mine is None else mine.percent.interval.high,
                program_count=0 if its is None else its.count,
                program_percent=None if its is None else its.percent.value,
                program_knows=label.name in able,
                assessed=settled or label.name in able or named[label.name] > 0,
                flag=None if mine is None else _flag(mine.flags),
            )
        )
    changed = sum(1 for label, said, _, deleted, drawn in every if deleted != drawn or (label != said and not deleted))
    return DifferentialView(
        rows=tuple(rows),
        denominator=made.denominator,
        unidentified=made.unidentified,
        artefacts=made.artefacts,
        cells=len(alive),
        seen=seen,
        changed=changed,
        program_denominator=program.denominator,
        program_unidentified=program.unidentified,
        warnings=made.warnings,
        waiting=waiting,
        status=status,
    )


def complete(signed: bool, seen: int, cells: int, waiting: int) -> bool:
    """Return whether a person stands behind every name: the reading is signed, or every cell was seen."""
    return signed or (0 < cells == seen and not waiting)


def _flag(flags: tuple[Flag, ...]) -> str | None:
    """Return "low" or "high", with "?" where the counting error alone could explain it; None within the range."""
    for flag in flags:
        if flag.unit == "%" and flag.level != "within":
            return flag.level if flag.beyond_counting_error else f"{flag.level}?"
    return None
