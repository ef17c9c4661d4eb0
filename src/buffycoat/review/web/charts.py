"""Where accuracy over time stands in its drawing; a template draws it by attributes alone, as a strict page needs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from buffycoat.records.documents import Estimate
from buffycoat.review.documents import AccuracyView, Period

WIDE, HIGH, LEFT, RIGHT, TOP, BOTTOM = 1000, 300, 44, 76, 14, 46
_STEPS = 5
_MOST_WORDS = 12


@dataclass(frozen=True, slots=True)
class Mark:
    """One period in the drawing; lengths in its own units, None where there is nothing to draw."""

    x: float
    y: float
    top: float | None
    bottom: float | None
    day: str
    n: int
    words: str
    labelled: bool


@dataclass(frozen=True, slots=True)
class Chart:
    """The drawing: lines of the grid with their words, the card's promise, and a mark for every period."""

    grid: tuple[tuple[float, str], ...]
    expected: float | None
    band: tuple[float, float] | None
    marks: tuple[Mark, ...]
    wide: int = WIDE
    high: int = HIGH
    left: int = LEFT
    right: int = WIDE - RIGHT

    @property
    def line(self) -> str:
        """The points that the line joins."""
        return " ".join(f"{mark.x:.1f},{mark.y:.1f}" for mark in self.marks)


def accuracy_chart(view: AccuracyView) -> Chart | None:
    """Return where everything stands; None when no period has an answered cell."""
    shown = [one for one in view.periods if one.accuracy.value is not None]
    if not shown:
        return None
    floor = _floor([one.accuracy for one in shown] + ([view.expected] if view.expected else []))
    grid = tuple(
        (_y(floor + (1 - floor) * k / _STEPS, floor), f"{100 * (floor + (1 - floor) * k / _STEPS):.0f}\u202f%")
        for k in range(_STEPS + 1)
    )
    every = max(1, -(-len(shown) // _MOST_WORDS))
    marks = tuple(
        _mark(one, LEFT + (WIDE - LEFT - RIGHT) * (place + 0.5) / len(shown), floor, labelled=place % every == 0)
        for place, one in enumerate(shown)
    )
    expected = None if view.expected is None or view.expected.value is None else _y(view.expected.value, floor)
    return Chart(grid=grid, expected=expected, band=_reach(view.expected, floor), marks=marks)


def _floor(estimates: list[Estimate]) -> float:
    lows = [one.interval.low for one in estimates if one.interval.low is not None]
    return max(0.0, min(0.8, int(min(lows, default=0.8) * 10) / 10))


def _y(value: float, floor: float) -> float:
    return TOP + (HIGH - TOP - BOTTOM) * (1 - (value - floor) / (1 - floor))


def _reach(estimate: Estimate | None, floor: float) -> tuple[float, float] | None:
    if estimate is None or estimate.interval.low is None or estimate.interval.high is None:
        return None
    return _y(estimate.interval.high, floor), _y(estimate.interval.low, floor)


def _mark(one: Period, x: float, floor: float, *, labelled: bool) -> Mark:
    value = one.accuracy.value or 0.0
    reach = _reach(one.accuracy, floor)
    words = f"{_day(one.start)}: {100 * value:.1f}\u202f%, {one.right} of {one.n} cells"
    top, bottom = reach or (None, None)
    return Mark(x, _y(value, floor), top, bottom, _day(one.start), one.n, words, labelled)


def _day(at: datetime) -> str:
    return at.strftime("%d %b").lstrip("0")
