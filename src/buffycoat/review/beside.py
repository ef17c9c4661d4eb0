"""The differential beside the desk: counts at once, the person's against the program's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Literal

from sqlalchemy import and_, select
from sqlalchemy.orm import Session

from buffycoat.evaluate.intervals import clopper_pearson
from buffycoat.review.documents import DifferentialView, DiffRow, Label
from buffycoat.review.labels import ARTEFACT, UNIDENTIFIED
from buffycoat.review.schema import Cell, Mark

FEW_CELLS = 100
"""Below this many counted cells a differential says little (CLSI H20-A2 counts 200 and more)."""

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
    states: Iterable[State], labels: Iterable[Label], status: Literal["preliminary", "final"] = "preliminary"
) -> DifferentialView:
    """Return the counts of a person and of the program, with exact 95 % limits of each share."""
    every = list(states)
    alive = [state for state in every if not state[3]]
    person = Counter(label for label, *_ in alive)
    program = Counter(said for _, said, _, _, drawn in every if not drawn)
    known = [label for label in labels if label.counted]
    denominator = sum(person[label.name] for label in known)
    program_denominator = sum(program[label.name] for label in known)
    low, high = clopper_pearson([person[label.name] for label in known], denominator)
    rows = tuple(
        DiffRow(
            label=label.name,
            title=label.title,
            colour=label.colour,
            count=person[label.name],
            percent=_percent(person[label.name], denominator),
            low=None if denominator == 0 else 100 * float(low[place]),
            high=None if denominator == 0 else 100 * float(high[place]),
            program_count=program[label.name],
            program_percent=_percent(program[label.name], program_denominator),
            flag=None,
        )
        for place, label in enumerate(known)
    )
    changed = sum(1 for label, said, _, deleted, drawn in every if deleted != drawn or (label != said and not deleted))
    return DifferentialView(
        rows=rows,
        denominator=denominator,
        unidentified=person[UNIDENTIFIED],
        artefacts=person[ARTEFACT],
        cells=len(alive),
        seen=sum(1 for _, _, seen, *_ in alive if seen),
        changed=changed,
        program_denominator=program_denominator,
        program_unidentified=program[UNIDENTIFIED],
        warnings=_warnings(denominator, person[UNIDENTIFIED]),
        status=status,
    )


def _percent(count: int, denominator: int) -> float | None:
    return None if denominator == 0 else 100 * count / denominator


def _warnings(denominator: int, unidentified: int) -> tuple[str, ...]:
    said = []
    if denominator < FEW_CELLS:
        said.append(f"Only {denominator} cells are counted: the limits are wide.")
    if unidentified:
        said.append(f"{unidentified} cell{'s are' if unidentified != 1 else ' is'} unidentified and not counted.")
    return tuple(said)
