"""The differential beside the desk: counts at once, the person's against the program's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Literal

from sqlalchemy import and_, select
from sqlalchemy.orm import Session

from buffycoat.differential import count
from buffycoat.records.differential import Flag, ReferenceRanges
from buffycoat.review.documents import DifferentialView, DiffRow, Label
from buffycoat.review.schema import Cell, Mark

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
) -> DifferentialView:
    """Return the counts of a person and of the program, with exact 95 % limits of each share."""
    every = list(states)
    alive = [state for state in every if not state[3]]
    made = count(Counter(label for label, *_ in alive), counted_by="reviewed", ranges=ranges)
    program = count(Counter(said for _, said, _, _, drawn in every if not drawn))
    counted, before = {row.name: row for row in made.types}, {row.name: row for row in program.types}
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
        seen=sum(1 for _, _, seen, *_ in alive if seen),
        changed=changed,
        program_denominator=program.denominator,
        program_unidentified=program.unidentified,
        warnings=made.warnings,
        status=status,
    )


def _flag(flags: tuple[Flag, ...]) -> str | None:
    """Return "low" or "high", with "?" where the counting error alone could explain it; None within the range."""
    for flag in flags:
        if flag.unit == "%" and flag.level != "within":
            return flag.level if flag.beyond_counting_error else f"{flag.level}?"
    return None
