"""From rows to what is answered: slides, fields, readings and cells as a given person may see them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pydantic_core import from_json
from sqlalchemy import and_, case, func, select
from sqlalchemy.orm import Session

from buffycoat.review.documents import (
    AmendmentView,
    CellView,
    Elsewhere,
    FieldView,
    NotTakenView,
    Person,
    ReadingBrief,
    ReadingView,
    SignatureView,
    SlideBrief,
    SlideRow,
    SlideState,
    moment,
)
from buffycoat.review.labels import UNIDENTIFIED
from buffycoat.review.schema import Amendment, Cell, Field, Job, Mark, NotTaken, Reading, Signature, Slide


@dataclass(slots=True)
class Counts:
    """What a slide holds."""

    fields: int = 0
    queued: int = 0
    failed: int = 0
    not_taken: int = 0
    cells: int = 0
    unidentified: int = 0
    drawn: dict[str, int] = field(default_factory=dict)  # by reading, alive
    seen: dict[str, int] = field(default_factory=dict)  # by reading, alive
    deleted: dict[str, int] = field(default_factory=dict)  # by reading, of the program's


def counts_of(session: Session, slide_ids: Sequence[str]) -> dict[str, Counts]:
    """Return the counts of several slides in five questions."""
    found: dict[str, Counts] = defaultdict(Counts)
    states = select(Field.slide_id, Field.state, func.count()).where(Field.slide_id.in_(slide_ids))
    for slide, state, n in session.execute(states.group_by(Field.slide_id, Field.state)):
        counts = found[slide]
        counts.fields += n
        counts.queued += n * (state == "queued")
        counts.failed += n * (state == "failed")
    refused = select(NotTaken.slide_id, func.count()).where(NotTaken.slide_id.in_(slide_ids))
    for slide, n in session.execute(refused.group_by(NotTaken.slide_id)):
        found[slide].not_taken = n
    labels = select(Cell.slide_id, func.count(), func.sum(case((Cell.label == UNIDENTIFIED, 1), else_=0))).where(
        Cell.slide_id.in_(slide_ids), Cell.reading_id.is_(None)
    )
    for slide, n, unidentified in session.execute(labels.group_by(Cell.slide_id)):
        found[slide].cells = n
        found[slide].unidentified = int(unidentified)
    marks = (
        select(Cell.slide_id, Mark.reading_id, Mark.seen, Mark.deleted, Cell.reading_id.is_not(None), func.count())
        .join(Cell, Cell.id == Mark.cell_id)
        .where(Cell.slide_id.in_(slide_ids))
        .group_by(Cell.slide_id, Mark.reading_id, Mark.seen, Mark.deleted, Cell.reading_id.is_not(None))
    )
    for slide, reading, seen, deleted, drawn, n in session.execute(marks):
        counts = found[slide]
        if deleted:
            counts.deleted[reading] = counts.deleted.get(reading, 0) + n * (not drawn)
            continue
        counts.drawn[reading] = counts.drawn.get(reading, 0) + n * bool(drawn)
        counts.seen[reading] = counts.seen.get(reading, 0) + n * bool(seen)
    return found


def readings_of(session: Session, slide_ids: Sequence[str]) -> dict[str, list[Reading]]:
    """Return the readings of several slides, by number."""
    found: dict[str, list[Reading]] = defaultdict(list)
    for reading in session.scalars(select(Reading).where(Reading.slide_id.in_(slide_ids)).order_by(Reading.number)):
        found[reading.slide_id].append(reading)
    return found


def slide_state(counts: Counts, wanted: int, readings: Sequence[Reading]) -> SlideState:
    """Return a slide's state: it is signed when every wanted reading is, and as long as nothing waits."""
    if counts.fields == 0:
        return "empty"
    if counts.queued:
        return "analysing"
    return "signed" if all_signed(wanted, readings) else "to_review"


def all_signed(wanted: int, readings: Sequence[Reading]) -> bool:
    """Return whether every wanted reading, and every one begun, is signed."""
    return len(readings) >= wanted and all(reading.state == "signed" for reading in readings)


def is_mine(reading: Reading, who: Person) -> bool:
    """Return whether the reading is this person's; at a desk without accounts, everybody's."""
    return who.local or reading.reader_id == who.id


def may_see(reading: Reading, slide: Slide, readings: Sequence[Reading], who: Person) -> bool:
    """Return whether a person may see a reading: blinded readers see their own until all have signed."""
    blinding = slide.readings_wanted > 1 or len(readings) > 1
    return is_mine(reading, who) or not blinding or all_signed(slide.readings_wanted, readings)


def slide_row(slide: Slide, counts: Counts, readings: Sequence[Reading], who: Person) -> SlideRow:
    """Return a slide as this person may see it."""
    visible = [may_see(reading, slide, readings, who) for reading in readings]
    briefs = tuple(
        _brief(reading, counts, seen, is_mine(reading, who)) for reading, seen in zip(readings, visible, strict=True)
    )
    state = slide_state(counts, slide.readings_wanted, readings)
    has_own = any(is_mine(reading, who) for reading in readings) and not who.local
    return SlideRow(
        id=slide.id,
        name=slide.name,
        note=slide.note,
        state=state,
        created_at=moment(slide.created_at),
        created_by=slide.created_by,
        readings_wanted=slide.readings_wanted,
        fields=counts.fields,
        fields_done=counts.fields - counts.queued,
        fields_failed=counts.failed,
        cells=counts.cells,
        unidentified=counts.unidentified,
        readings=briefs,
        reviewer=", ".join(reading.reader for reading in readings),
        signed_at=moment(max(reading.signed_at or 0 for reading in readings)) if state == "signed" else None,
        may_open=who.may_review and not has_own and len(readings) < slide.readings_wanted,
        blinded=not all(visible),
        specimen=slide.specimen,
        subject=slide.subject,
        accession=slide.accession,
        collected=None if slide.collected is None else datetime.fromisoformat(slide.collected),
        wbc=slide.wbc,
        not_taken=counts.not_taken,
    )


def _brief(reading: Reading, counts: Counts, visible: bool, mine: bool) -> ReadingBrief:
    seen, cells = reading_counts(reading, counts)
    return ReadingBrief(
        id=reading.id,
        number=reading.number,
        state=reading.state,
        reader=reading.reader,
        mine=mine,
        visible=visible,
        seen=seen if visible else None,
        cells=cells if visible else None,
        signed_at=None if reading.signed_at is None else moment(reading.signed_at),
    )


def reading_counts(reading: Reading, counts: Counts) -> tuple[int, int]:
    """Return how many cells of a reading were seen, and how many there are; deleted ones do not count."""
    total = counts.cells + counts.drawn.get(reading.id, 0) - counts.deleted.get(reading.id, 0)
    return counts.seen.get(reading.id, 0), total


def reading_view(
    session: Session, reading: Reading, slide: Slide, counts: Counts, who: Person, why_not: tuple[str, ...]
) -> ReadingView:
    """Return a reading as this person may see it."""
    seen, cells = reading_counts(reading, counts)
    mine = is_mine(reading, who)
    signatures = session.scalars(
        select(Signature).where(Signature.reading_id == reading.id).order_by(Signature.event_id)
    )
    amendments = session.scalars(
        select(Amendment).where(Amendment.reading_id == reading.id).order_by(Amendment.event_id)
    )
    return ReadingView(
        id=reading.id,
        slide_id=slide.id,
        number=reading.number,
        state=reading.state,
        reader=reading.reader,
        mine=mine,
        sequence=reading.sequence,
        can_edit=mine and who.may_review and reading.state != "signed",
        seen=seen,
        cells=cells,
        signatures=tuple(
            SignatureView(name=one.name, at=moment(one.at), meaning=one.meaning, event_hash=one.event_hash)
            for one in signatures
        ),
        amendments=tuple(AmendmentView(reason=one.reason, by=one.by, at=moment(one.at)) for one in amendments),
        can_sign=not why_not,
        why_not=why_not,
    )


def field_views(session: Session, slide_id: str) -> tuple[FieldView, ...]:
    """Return the fields of a slide, in order."""
    counted = (
        select(Cell.field_id, func.count())
        .where(Cell.slide_id == slide_id, Cell.reading_id.is_(None))
        .group_by(Cell.field_id)
    )
    cells = {field_id: n for field_id, n in session.execute(counted)}  # noqa: C416 - rows, typed as such
    rows = session.execute(
        select(Field, Job.attempts)
        .outerjoin(Job, Job.field_id == Field.id)
        .where(Field.slide_id == slide_id)
        .order_by(Field.number)
    )
    return tuple(field_view(one, cells.get(one.id, 0), attempts or 0) for one, attempts in rows)


def not_taken(session: Session, slide_id: str) -> tuple[NotTakenView, ...]:
    """Return what was given as a photograph of a slide and could not be used, in the order in which it came."""
    rows = session.scalars(select(NotTaken).where(NotTaken.slide_id == slide_id).order_by(NotTaken.event_id))
    return tuple(NotTakenView(number=one.event_id, name=one.name, reason=one.reason) for one in rows)


def brief(slide: Slide, readings: Sequence[Reading]) -> SlideBrief:
    """Return a slide in a few words."""
    return SlideBrief(id=slide.id, name=slide.name, signed=any(one.state == "signed" for one in readings))


def elsewhere(session: Session, images: Sequence[str], but: str | None = None) -> tuple[Elsewhere, ...]:
    """Return the slides, but one, that hold any of these photographs, and how many."""
    held: dict[str, int] = defaultdict(int)
    for first in range(0, len(images), 500):
        asked = select(Field.slide_id, func.count()).where(Field.image.in_(images[first : first + 500]))
        for slide_id, n in session.execute(asked.group_by(Field.slide_id)):
            held[slide_id] += n
    held.pop(but or "", None)
    known = readings_of(session, list(held))
    found = session.scalars(
        select(Slide).where(Slide.id.in_(held), Slide.removed.is_(False)).order_by(Slide.created_at, Slide.id)
    )
    return tuple(Elsewhere(slide=brief(slide, known[slide.id]), photographs=held[slide.id]) for slide in found)


def field_view(one: Field, cells: int, attempts: int) -> FieldView:
    """Return a field."""
    return FieldView(
        id=one.id,
        number=one.number,
        name=one.name,
        state=one.state,
        reason=one.reason,
        width=one.width,
        height=one.height,
        cells=cells,
        image_url=f"/api/v1/fields/{one.id}/image",
        attempts=attempts,
    )


def images_of(session: Session, slide_id: str) -> dict[str, str]:
    """Return the photograph's hash of each field of a slide."""
    return {one.id: one.image for one in session.scalars(select(Field).where(Field.slide_id == slide_id))}


def cells_of(
    session: Session, slide_id: str, reading_id: str | None, only: Iterable[str] | None = None
) -> tuple[CellView, ...]:
    """Return the cells of a slide as one reading leaves them; without a reading, as the program leaves them.

    Parameters
    ----------
    only
        Return these cells alone; their numbers stay those in the slide.
    """
    wanted = None if only is None else set(only)
    rows = session.execute(
        select(*_CELL, Mark.label, Mark.seen, Mark.deleted, Mark.changed)
        .join(Field, Field.id == Cell.field_id)
        .outerjoin(Mark, and_(Mark.cell_id == Cell.id, Mark.reading_id == reading_id))
        .where(Cell.slide_id == slide_id, Cell.reading_id.is_(None) | (Cell.reading_id == reading_id))
        .order_by(*_BY_NUMBER)
    )
    return tuple(
        _cell_view(row, number) for number, row in enumerate(rows, start=1) if wanted is None or row[0] in wanted
    )


_BY_NUMBER = (
    Cell.reading_id.is_not(None),
    case((Cell.reading_id.is_(None), 0), else_=Cell.place),
    *(Field.number, Cell.place, Cell.id),
)
"""The program's cells as they lie on the fields, then the drawn ones in the order in which they were drawn: one more
changes no other's number."""


def numbers_of(session: Session, slide_id: str, reading_id: str | None) -> dict[str, int]:
    """Return the number of every cell of a slide, as the desk of a reading shows it."""
    rows = session.scalars(
        select(Cell.id)
        .join(Field, Field.id == Cell.field_id)
        .where(Cell.slide_id == slide_id, Cell.reading_id.is_(None) | (Cell.reading_id == reading_id))
        .order_by(*_BY_NUMBER)
    )
    return {cell: number for number, cell in enumerate(rows, start=1)}


_CELL = (
    *(Cell.id, Cell.field_id, Cell.reading_id, Cell.x0, Cell.y0, Cell.x1, Cell.y1, Cell.label, Cell.best),
    *(Cell.probability, Cell.probabilities, Cell.conformal, Cell.reason, Cell.unlikeness, Cell.touches_border),
)
"""Columns and no rows of classes: a desk has thousands of cells, and is shown at once."""


def _cell_view(row: Sequence[Any], number: int) -> CellView:
    name, field_id, drawn_in, x0, y0, x1, y1, program, best, probability, probabilities, conformal, *rest = row
    reason, unlikeness, touches_border, label, seen, deleted, changed = rest
    return CellView(
        id=name,
        field_id=field_id,
        number=number,
        box=(x0, y0, x1, y1),
        origin="program" if drawn_in is None else "person",
        label=program if label is None else label,
        program_label=program,
        best=best,
        probability=probability,
        probabilities=from_json(probabilities),
        conformal=tuple(from_json(conformal)),
        reason=reason,
        unlikeness=unlikeness,
        touches_border=touches_border,
        seen=bool(seen),
        deleted=bool(deleted),
        doubt=1.0 if probability is None else round(1 - probability, 6),
        changed=changed or 0,
        crop_url=f"/api/v1/cells/{name}/crop",
    )
