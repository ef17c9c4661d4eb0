"""Which networks named the cells of a slide, and which types they know."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic_core import from_json
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from buffycoat.records.differential import Classifier
from buffycoat.review.desk import Desk
from buffycoat.review.schema import Cell, Field


@dataclass(frozen=True, slots=True)
class Networks:
    """What is behind the program's labels on one slide.

    Attributes
    ----------
    names
        Of each network: its name and the beginning of its hash, as the log has them.
    known
        The types that all of them know: what one of them could not find is not assessed.
    waiting
        Photographs that are still to be analysed.
    """

    names: tuple[str, ...]
    known: tuple[str, ...]
    waiting: int


def of_slide(desk: Desk, session: Session, slide_id: str) -> Networks:
    """Return what named the cells of a slide; where nothing has yet, what the desk has now."""
    rows = session.execute(
        select(Field.bundle, Field.state, func.count())
        .where(Field.slide_id == slide_id)
        .group_by(Field.bundle, Field.state)
    ).all()
    names = sorted({bundle for bundle, state, _ in rows if bundle and state == "analysed"})
    known = [_known(desk, session, slide_id, name) for name in names] or [desk.classifier.classes]
    return Networks(
        names=tuple(names),
        known=tuple(kind for kind in known[0] if all(kind in other for other in known)),
        waiting=sum(n for _, state, n in rows if state == "queued"),
    )


def classifier_of(desk: Desk, networks: Networks) -> Classifier | None:
    """Return what a count says of the network behind it; None where it is not the one this desk has now."""
    from buffycoat.differential.from_slides import classifier_of as described

    card = desk.classifier.card
    return None if card is None or networks.names != (desk.classifier.name,) else described(card)


def _known(desk: Desk, session: Session, slide_id: str, name: str) -> tuple[str, ...]:
    """Return the types a network knows: of one that the desk no longer has, those it gave probabilities for."""
    if name == desk.classifier.name:
        return desk.classifier.classes
    found = session.scalar(
        select(Cell.probabilities)
        .join(Field, Field.id == Cell.field_id)
        .where(Cell.slide_id == slide_id, Cell.reading_id.is_(None), Field.bundle == name)
        .limit(1)
    )
    return desk.classifier.classes if found is None else tuple(from_json(found))
