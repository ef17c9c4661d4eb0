"""The program against its reviewers: signed readings only, over time and by class, and whether it drifts.

A cell counts where the program named it and the reviewer left it a leukocyte with a name; what the program left
unidentified is a share of all cells it proposed. Where a slide has two readings the first counts, once both are signed.
Cells of one slide are not independent: limits are exact at the effective number of cells, slides being the groups.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal

from sqlalchemy import and_, false, func, select
from sqlalchemy.orm import Session

from buffycoat.records.documents import Estimate, Interval
from buffycoat.review import drift, views
from buffycoat.review.desk import Desk
from buffycoat.review.documents import AccuracyView, ClassAccuracy, Period, Person, moment
from buffycoat.review.labels import ARTEFACT, OUTSIDE, UNIDENTIFIED
from buffycoat.review.pooled import pooled
from buffycoat.review.schema import Cell, Field, Mark, Reading, Slide

By = Literal["day", "week", "month"]


@dataclass(slots=True)
class SlideTally:
    """What became of the program's answers on one slide."""

    slide: str
    at: datetime
    bundles: set[str] = field(default_factory=set)
    pairs: Counter[tuple[str, str]] = field(default_factory=Counter)  # (reviewer, program), both named
    proposed: int = 0  # by the program: all boxes that no person drew
    unidentified: int = 0  # of these, left without a name by the program
    missed: int = 0
    false: int = 0

    @property
    def right(self) -> int:
        """Cells named alike."""
        return sum(n for (person, program), n in self.pairs.items() if person == program)

    @property
    def named(self) -> int:
        """Cells that both named."""
        return self.pairs.total()


def over_time(
    desk: Desk, who: Person, *, since: datetime | None = None, until: datetime | None = None, by: By = "week"
) -> AccuracyView:
    """Return the program's accuracy against the reviewers."""
    tallies = _tallies(desk, who, since, until)
    pairs: Counter[tuple[str, str]] = sum((tally.pairs for tally in tallies), Counter())
    names = [label.name for label in desk.labels if label.counted and any(label.name in pair for pair in pairs)]
    titles = {label.name: label.title for label in desk.labels}
    expected = _expected(desk)
    return AccuracyView(
        periods=tuple(_periods(tallies, by)),
        overall=share(tallies, lambda one: (one.right, one.named)),
        unidentified=share(tallies, lambda one: (one.unidentified, one.proposed)),
        classes=tuple(
            ClassAccuracy(
                label=name,
                title=titles[name],
                support=sum(n for (person, _), n in pairs.items() if person == name),
                sensitivity=share(tallies, _of_class(name, 0)),
                precision=share(tallies, _of_class(name, 1)),
            )
            for name in names
        ),
        labels=tuple(names),
        matrix=tuple(tuple(pairs[person, program] for program in names) for person in names),
        expected=expected,
        drift=drift.judge(tallies, expected),
        bundles=tuple(sorted(set().union(*(tally.bundles for tally in tallies)))),
        slides=len(tallies),
        cells=sum(tally.named for tally in tallies),
        missed=sum(tally.missed for tally in tallies),
        false_cells=sum(tally.false for tally in tallies),
    )


def share(tallies: Iterable[SlideTally], of: Callable[[SlideTally], tuple[int, int]]) -> Estimate:
    """Return a share pooled over slides, with limits; of one slide, they are those of independent cells."""
    return pooled([of(tally) for tally in tallies])


def _of_class(name: str, side: int) -> Callable[[SlideTally], tuple[int, int]]:
    def of(tally: SlideTally) -> tuple[int, int]:
        return tally.pairs[name, name], sum(n for pair, n in tally.pairs.items() if pair[side] == name)

    return of


def _tallies(desk: Desk, who: Person, since: datetime | None, until: datetime | None) -> list[SlideTally]:
    """Return one tally for each slide whose readings are all signed, in the order of signing."""
    cells = (
        select(
            Slide.id.label("slide"),
            Reading.signed_at.label("at"),
            Field.bundle.label("bundle"),
            Cell.label.label("program"),
            func.coalesce(Mark.label, Cell.label).label("person"),
            func.coalesce(Mark.deleted, false()).label("deleted"),
            Cell.reading_id.is_not(None).label("drawn"),
        )
        .select_from(Reading)
        .join(Slide, Slide.id == Reading.slide_id)
        .join(Cell, Cell.slide_id == Slide.id)
        .join(Field, Field.id == Cell.field_id)
        .outerjoin(Mark, and_(Mark.cell_id == Cell.id, Mark.reading_id == Reading.id))
        .where(Reading.number == 1, Reading.state == "signed", Slide.removed.is_(False))
        .where(Cell.reading_id.is_(None) | (Cell.reading_id == Reading.id))
        .subquery()
    )
    wanted = select(*cells.c, func.count()).group_by(*cells.c).order_by(cells.c.at, cells.c.slide)
    with desk.database.read() as session:
        rows = session.execute(wanted).all()
        open_ones = _blinded(session, {row[0] for row in rows}, who)
    found: dict[str, SlideTally] = {}
    for row in rows:
        slide, signed_at, bundle, program, person, gone, by_person, n = tuple(row)
        at = moment(signed_at or 0)
        if slide in open_ones or (since and at < _aware(since)) or (until and at >= _aware(until)):
            continue
        tally = found.setdefault(slide, SlideTally(slide, at))
        if bundle:
            tally.bundles.add(bundle)
        _add(tally, program, person, bool(gone), bool(by_person), n)
    return list(found.values())


def _add(tally: SlideTally, program: str, person: str, deleted: bool, drawn: bool, n: int) -> None:
    if drawn:
        tally.missed += n * (not deleted and person not in OUTSIDE)
        return
    tally.proposed += n
    tally.unidentified += n * (program == UNIDENTIFIED)
    if deleted or person == ARTEFACT:
        tally.false += n
    elif person != UNIDENTIFIED and program not in OUTSIDE:
        tally.pairs[person, program] += n


def _blinded(session: Session, slide_ids: set[str], who: Person) -> set[str]:
    """Return the slides whose readings are not all signed, or not for this person to see."""
    readings = views.readings_of(session, list(slide_ids))
    slides = {one.id: one for one in session.scalars(select(Slide).where(Slide.id.in_(slide_ids)))}
    return {
        slide_id
        for slide_id in slide_ids
        if not views.all_signed(slides[slide_id].readings_wanted, readings[slide_id])
        or not all(views.may_see(one, slides[slide_id], readings[slide_id], who) for one in readings[slide_id])
    }


def _periods(tallies: list[SlideTally], by: By) -> Iterable[Period]:
    grouped: dict[datetime, list[SlideTally]] = defaultdict(list)
    for tally in tallies:
        grouped[_start(tally.at, by)].append(tally)
    for start, inside in sorted(grouped.items()):
        yield Period(
            start=start,
            end=_end(start, by),
            n=sum(tally.named for tally in inside),
            right=sum(tally.right for tally in inside),
            unidentified=sum(tally.unidentified for tally in inside),
            accuracy=share(inside, lambda one: (one.right, one.named)),
        )


def _start(at: datetime, by: By) -> datetime:
    day = at.replace(hour=0, minute=0, second=0, microsecond=0)
    if by == "week":
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if by == "month" else day


def _end(start: datetime, by: By) -> datetime:
    if by == "month":
        return (start + timedelta(days=32)).replace(day=1)
    return start + timedelta(days=7 if by == "week" else 1)


def _aware(at: datetime) -> datetime:
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


def _expected(desk: Desk) -> Estimate | None:
    """Return the accuracy that the bundle's card promises for the cells it names, or None."""
    card = desk.classifier.card
    if card is None:
        return desk.classifier.expected
    wrong = card.operating["1"].expected.error_rate
    if wrong.value is None:
        return None
    limits = wrong.interval
    return Estimate(
        value=1 - wrong.value,
        interval=Interval(
            low=None if limits.high is None else 1 - limits.high,
            high=None if limits.low is None else 1 - limits.low,
            level=limits.level,
            method=limits.method,
        ),
        numerator=None if wrong.numerator is None or wrong.denominator is None else wrong.denominator - wrong.numerator,
        denominator=wrong.denominator,
    )
