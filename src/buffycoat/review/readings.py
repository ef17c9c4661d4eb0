"""Readings: opening them, seeing the desk, and every action of a reader on cells."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from buffycoat.review import beside, log, networks, slides, views
from buffycoat.review.classifier import Found
from buffycoat.review.desk import Desk
from buffycoat.review.documents import (
    CellView,
    DeskView,
    DifferentialView,
    Move,
    MoveResult,
    Overlap,
    Person,
    ReadingView,
)
from buffycoat.review.faults import Conflict, Forbidden, NotFound, Refused
from buffycoat.review.missing import faults_on
from buffycoat.review.moves import (
    Change,
    Changes,
    current,
    draw,
    drawn_id,
    mark_changes,
    overlap,
    reversed_changes,
)
from buffycoat.review.schema import Event, Field, Mark, Reading, Slide, Step
from buffycoat.review.words import step_words

_SMALLEST_BOX_PX = 6
_SAME_CELL = 0.3  # of the union: a drawn box that lies so far over another is told of


@dataclass(frozen=True, slots=True)
class Opened:
    """A reading with its slide, loaded for one person."""

    reading: Reading
    slide: Slide


def load(session: Session, who: Person, reading_id: str) -> Opened:
    """Return a reading this person may see; NotFound where there is none or it is blinded."""
    reading = session.get(Reading, reading_id, populate_existing=True)
    if reading is None:
        raise NotFound("There is no such reading.")
    slide = slides.load(session, reading.slide_id)
    if not views.may_see(reading, slide, views.readings_of(session, [slide.id])[slide.id], who):
        raise NotFound("There is no such reading.")
    return Opened(reading, slide)


def open_reading(
    desk: Desk, who: Person, slide_id: str, number: int | None = None, reader_name: str | None = None
) -> ReadingView:
    """Return the person's reading of a slide; begun when there is none yet.

    Raises
    ------
    Forbidden
        The person may not review.
    Conflict
        Somebody else reads the slide already, or the same person would be the second reader.
    """
    slides.need_reviewer(who)
    with desk.database.write() as session:
        slide = slides.load(session, slide_id)
        known = views.readings_of(session, [slide_id])[slide_id]
        own = _own(known, who, number)
        if own is None:
            own_id = _begin(session, slide, known, who, number, reader_name)
            own = load(session, who, own_id).reading
        return reading_view(session, Opened(own, slide), who)


def _own(known: list[Reading], who: Person, number: int | None) -> Reading | None:
    if who.local:  # everything is this person's: the one asked for, or the first
        return next((reading for reading in known if reading.number == (number or 1)), None)
    own = next((reading for reading in known if reading.reader_id == who.id), None)
    if own is not None and number is not None and own.number != number:
        raise Conflict("The second reader must be somebody else than the first.", title="Read already")
    return own


def _begin(
    session: Session, slide: Slide, known: list[Reading], who: Person, number: int | None, reader_name: str | None
) -> str:
    taken = {reading.number for reading in known}
    chosen = number or next((free for free in (1, 2) if free not in taken), 3)
    if chosen > slide.readings_wanted:
        raise Conflict(f"{known[0].reader if known else 'Somebody'} reads this slide.", title="Read already")
    if chosen in taken:
        raise Conflict("Somebody else has begun this reading.", title="Read already")
    if chosen == 2 and 1 not in taken:
        raise Conflict("The first reading has not begun yet.", title="First reading first")
    reader = who.name if not who.local else (reader_name or who.name)
    reader_id = f"local:{reader.casefold()}"[:400] if who.local else who.id
    if any(reading.reader_id == reader_id for reading in known):
        raise Conflict("The second reader must be somebody else than the first.", title="Read already")
    reading_id = uuid.uuid4().hex
    body = {"number": chosen, "reader": reader, "reader_id": reader_id}
    log.append(session, "reading.opened", slides.actor(who), body, slide_id=slide.id, reading_id=reading_id, sequence=1)
    return reading_id


def reading_view(session: Session, opened: Opened, who: Person) -> ReadingView:
    """Return a reading as this person may see it."""
    counts = views.counts_of(session, [opened.slide.id])[opened.slide.id]
    why = why_not_sign(opened, counts, who)
    return views.reading_view(session, opened.reading, opened.slide, counts, who, why)


def why_not_sign(opened: Opened, counts: views.Counts, who: Person) -> tuple[str, ...]:
    """Return what stands between a reading and its signature, in sentences; empty when nothing does."""
    reading = opened.reading
    seen, cells = views.reading_counts(reading, counts)
    said = []
    if reading.state == "signed":
        said.append("The reading is signed.")
    if not views.is_mine(reading, who) or not who.may_review:
        said.append(f"Only {reading.reader} can sign this reading.")
    if counts.fields - counts.failed == 0:
        said.append("The slide has no photograph.")
    if counts.queued:
        said.append(f"{counts.queued} photograph{'s are' if counts.queued != 1 else ' is'} still being analysed.")
    if seen < cells:
        said.append(f"{cells - seen} of {cells} cells have not been seen.")
    return tuple(said)


def view(desk: Desk, who: Person, reading_id: str) -> DeskView:
    """Return the desk of a reading."""
    with desk.database.read() as session:
        opened = load(session, who, reading_id)
        return _desk_view(desk, session, opened.slide, opened, who)


def look(desk: Desk, who: Person, slide_id: str) -> DeskView:
    """Return the desk of a slide for looking: the program's labels, or of the first reading one may see."""
    with desk.database.read() as session:
        slide = slides.load(session, slide_id)
        known = views.readings_of(session, [slide_id])[slide_id]
        shown = next((one for one in known if views.may_see(one, slide, known, who)), None)
        return _desk_view(desk, session, slide, None if shown is None else Opened(shown, slide), who)


def _desk_view(desk: Desk, session: Session, slide: Slide, opened: Opened | None, who: Person) -> DeskView:
    reading = None if opened is None else opened.reading
    reading_id = None if reading is None else reading.id
    undo, redo = (None, None) if reading is None else steps(session, reading.id)
    return DeskView(
        slide=slides.row(session, slide, who),
        reading=None if opened is None else reading_view(session, opened, who),
        labels=desk.labels,
        fields=views.field_views(session, slide.id),
        not_taken=views.not_taken(session, slide.id),
        cells=views.cells_of(session, slide.id, reading_id),
        differential=differential(desk, session, slide, reading),
        undo=undo,
        redo=redo,
    )


def differential(desk: Desk, session: Session, slide: Slide, reading: Reading | None) -> DifferentialView:
    """Return the differential beside the desk."""
    states = beside.states_of(session, slide.id, None if reading is None else reading.id)
    final = reading is not None and reading.state == "signed"
    behind = networks.of_slide(desk, session, slide.id)
    return beside.differential_view(
        states,
        desk.labels,
        desk.ranges,
        "final" if final else "preliminary",
        known=behind.known,
        waiting=behind.waiting,
        wbc=slide.wbc,
        faults=faults_on(session, slide.id),
    )


def cell(desk: Desk, who: Person, cell_id: str) -> CellView:
    """Return one cell: a program's as the person's own reading leaves it, a drawn one to those who may see it."""
    with desk.database.read() as session:
        found = load_cell(session, who, cell_id)
        return views.cells_of(session, found[0], found[1], [cell_id])[0]


def load_cell(session: Session, who: Person, cell_id: str) -> tuple[str, str | None]:
    """Return a cell's slide and the reading in which this person sees it."""
    from buffycoat.review.schema import Cell

    found = session.get(Cell, cell_id)
    if found is None:
        raise NotFound("There is no such cell.")
    slide = slides.load(session, found.slide_id)
    known = views.readings_of(session, [slide.id])[slide.id]
    visible = [one for one in known if views.may_see(one, slide, known, who)]
    if found.reading_id is not None:
        if found.reading_id not in {one.id for one in visible}:
            raise NotFound("There is no such cell.")
        return slide.id, found.reading_id
    own = next((one for one in visible if views.is_mine(one, who)), None)
    return slide.id, (own or visible[0]).id if visible else None


def move(desk: Desk, who: Person, reading_id: str, asked: Move) -> MoveResult:
    """Do one action of a reader; the same request again does nothing and answers the same.

    Raises
    ------
    Conflict
        Somebody changed one of the cells since the sequence that was sent, or the reading is signed.
    Refused
        The action makes no sense: unknown cells, a label nobody knows, a box outside its field.
    """
    slides.need_reviewer(who)
    _refuse_senseless(desk, asked)
    drawn = _name_drawn(desk, who, reading_id, asked) if asked.action == "draw" else None
    with desk.database.write() as session:
        opened = load(session, who, reading_id)
        earlier = session.scalars(select(Event).where(Event.request_id == asked.request_id)).first()
        if earlier is not None:
            if earlier.reading_id != reading_id or earlier.actor_id != who.id:
                raise Refused("This request_id was used for something else.")
            return _result(desk, session, opened, asked, earlier.id, repeated=True)
        _refuse_closed(opened.reading, who, asked)
        kind, changes, further = _changes(session, opened, asked, drawn)
        _refuse_conflict(desk, session, opened, asked, changes)
        if not changes:
            return _result(desk, session, opened, asked, 0, repeated=False)
        event = log.append(
            session,
            kind,
            slides.actor(who),
            {**further, "changes": [change.body() for change in changes]},
            slide_id=opened.slide.id,
            reading_id=reading_id,
            sequence=opened.reading.sequence + 1,
            request_id=asked.request_id,
        )
        return _result(desk, session, load(session, who, reading_id), asked, event.id, repeated=False)


def _refuse_senseless(desk: Desk, asked: Move) -> None:
    by_cells = asked.action in {"move", "see", "unsee", "delete", "restore"}
    if by_cells and not asked.cells:
        raise Refused(f"The action {asked.action!r} needs cells.")
    if asked.action == "move" and asked.label is None:
        raise Refused("A move needs a label.")
    known = {label.name for label in desk.labels}
    if asked.label is not None and asked.label not in known:
        raise Refused(f"The label {asked.label!r} is not known.", hint=f"Known: {', '.join(sorted(known))}.")
    if asked.action == "draw" and (asked.box is None or asked.field_id is None):
        raise Refused("Drawing needs field_id and box.")


def _refuse_closed(reading: Reading, who: Person, asked: Move) -> None:
    if not views.is_mine(reading, who):
        raise Forbidden(f"This is the reading of {reading.reader}.")
    if reading.state == "signed":
        raise Conflict("The reading is signed and read-only; an amendment opens it again.", title="Signed")
    if asked.sequence > reading.sequence:
        raise Refused("The sequence is ahead of the reading.")


def _changes(
    session: Session, opened: Opened, asked: Move, drawn: tuple[Field, Found] | None
) -> tuple[str, list[Change], dict[str, Any]]:
    reading = opened.reading
    if drawn is not None:
        cell, change = draw(session, reading.id, drawn[0].id, drawn[1], asked)
        return "cell.drawn", [change], {"field": drawn[0].id, "cell": cell}
    if asked.action in {"undo", "redo"}:
        event, stored = _step(session, reading.id, redo=asked.action == "redo")
        if event is None:
            raise Conflict(f"There is nothing to {asked.action}.", title="Nothing there")
        here = current(session, opened.slide.id, reading.id, [change.cell for change in stored])
        stored = [change for change in stored if change.cell in here]  # photographs may have been taken out since
        changes = stored if asked.action == "redo" else reversed_changes(stored)
        kind = "reading.redone" if asked.action == "redo" else "reading.undone"
        return kind, changes, {"of": event.id, "kind": event.kind, "label": json.loads(event.body).get("label")}
    return mark_changes(session, opened.slide.id, reading.id, asked)


def _step(session: Session, reading_id: str, *, redo: bool) -> tuple[Event | None, list[Change]]:
    order = Step.event_id if redo else Step.event_id.desc()
    chosen = session.scalar(
        select(Step.event_id).where(Step.reading_id == reading_id, Step.undone.is_(redo)).order_by(order).limit(1)
    )
    event = None if chosen is None else session.get(Event, chosen)
    return event, [] if event is None else Changes.of(event)


def _refuse_conflict(desk: Desk, session: Session, opened: Opened, asked: Move, changes: list[Change]) -> None:
    reading = opened.reading
    if asked.sequence == reading.sequence:
        return
    touched = {change.cell for change in changes}
    newer = set(_changed_since(session, reading.id, asked.sequence))
    if asked.action in {"undo", "redo"} or touched & newer:
        asked_for = touched | newer | set(asked.cells)  # the page shows all of them as if it had been done
        cells = views.cells_of(session, opened.slide.id, reading.id, asked_for)
        undo, redo = steps(session, reading.id)
        raise Conflict(
            "These cells were changed in another window meanwhile.",
            sequence=reading.sequence,
            cells=[one.model_dump(mode="json") for one in cells],
            differential=differential(desk, session, opened.slide, reading).model_dump(mode="json"),
            undo=undo,
            redo=redo,
        )


def _changed_since(session: Session, reading_id: str, sequence: int) -> list[str]:
    return list(session.scalars(select(Mark.cell_id).where(Mark.reading_id == reading_id, Mark.changed > sequence)))


def _name_drawn(desk: Desk, who: Person, reading_id: str, asked: Move) -> tuple[Field, Found]:
    with desk.database.read() as session:
        opened = load(session, who, reading_id)
        found = session.get(Field, asked.field_id)
        if found is None or found.slide_id != opened.slide.id:
            raise Refused("There is no such field on this slide.")
        session.expunge(found)
    x0, y0, x1, y1 = asked.box or (0, 0, 0, 0)
    box = (max(x0, 0), max(y0, 0), min(x1, found.width), min(y1, found.height))
    if box[2] - box[0] < _SMALLEST_BOX_PX or box[3] - box[1] < _SMALLEST_BOX_PX:
        raise Refused(f"A box needs at least {_SMALLEST_BOX_PX} × {_SMALLEST_BOX_PX} pixels inside its field.")
    return found, desk.classifier.name_boxes(desk.images.pixels(found.image), [box])[0]


def steps(session: Session, reading_id: str) -> tuple[str | None, str | None]:
    """Return in words what can be undone and redone."""
    undo, _ = _step(session, reading_id, redo=False)
    redo, _ = _step(session, reading_id, redo=True)
    return (
        None if undo is None else step_words(undo.kind, json.loads(undo.body)),
        None if redo is None else step_words(redo.kind, json.loads(redo.body)),
    )


def _result(desk: Desk, session: Session, opened: Opened, asked: Move, event_id: int, *, repeated: bool) -> MoveResult:
    reading = opened.reading
    changed = {*_changed_since(session, reading.id, asked.sequence), *asked.cells}
    beside_it = differential(desk, session, opened.slide, reading)
    undo, redo = steps(session, reading.id)
    return MoveResult(
        sequence=reading.sequence,
        event_id=event_id,
        repeated=repeated,
        cells=views.cells_of(session, opened.slide.id, reading.id, changed),
        differential=beside_it if asked.with_differential else None,
        undo=undo,
        redo=redo,
        seen=beside_it.seen,
        total=beside_it.cells,
        overlaps=_overlaps(session, opened, asked),
    )


def _overlaps(session: Session, opened: Opened, asked: Move) -> tuple[Overlap, ...]:
    """Return the cells that a box just drawn lies over: the same leukocyte may now be counted twice."""
    if asked.action != "draw" or asked.field_id is None:
        return ()
    cells = views.cells_of(session, opened.slide.id, opened.reading.id)
    own = drawn_id(asked.field_id, asked.request_id)
    drawn = next((cell for cell in cells if cell.id == own and not cell.deleted), None)
    if drawn is None:
        return ()
    found = []
    for cell in cells:
        if cell.field_id != drawn.field_id or cell.deleted or cell.id == own:
            continue
        share = overlap(cell.box, drawn.box)
        if share >= _SAME_CELL:
            found.append(Overlap(cell_id=cell.id, number=cell.number, label=cell.label, share=round(share, 3)))
    return tuple(sorted(found, key=lambda one: -one.share))
