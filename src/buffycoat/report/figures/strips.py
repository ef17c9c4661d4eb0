"""Every group as a dot, class by class: a class photographed on another day stands apart at a glance."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from buffycoat.report.figures.spreads import number
from buffycoat.report.numbers import whole
from buffycoat.report.svg import Drawing, Scale, label, room, ticks

WIDTH = 700
_ROW, _TOP, _FOOT = 34, 34, 36
_RADIUS = 2.6
_APART = 4.6  # px between the middles of dots that lie on one spot, where there is room
_MOST = 9  # dots drawn on one spot
HINTS = 600
"""Groups up to which every dot tells its name when the pointer rests on it."""


@dataclass(frozen=True)
class Strip:
    """One measure of every group.

    Attributes
    ----------
    title, unit
        What it is.
    remark
        What stands at the right of the title.
    classes
        The rows, in order.
    labels, groups, images, values
        Class, name, number of photographs and measure of each group, shape ``(n,)``.
    odd
        Names of groups that stand far from all others.
    """

    title: str
    unit: str
    remark: str
    classes: tuple[str, ...]
    labels: NDArray[np.str_]
    groups: NDArray[np.str_]
    images: NDArray[np.int64]
    values: NDArray[np.float64]
    odd: Collection[str] = ()


def strip(data: Strip, *, alarming: bool = False) -> Drawing:
    """Draw one measure: a row for each class, a dot for each group, a line at the mean of the class.

    Dots on one spot stand above each other. Where more than nine would, nine are drawn, spread the wider the more
    there are: thousands of groups make a drawing of some hundred kilobytes, and no dot that stands alone is left out.

    Parameters
    ----------
    alarming
        Whether the remark is set in the colour of what is bad.
    """
    means = {name: float(data.values[data.labels == name].mean()) for name in data.classes}
    told = "; ".join(f"{name} {number(mean)}" for name, mean in means.items())
    bottom = _TOP + _ROW * len(data.classes)
    drawing = Drawing(WIDTH, bottom + _FOOT, f"{data.title} by class and group; means: {told}")
    drawing.text(0, 14, f"{data.title} ({data.unit})", bold=True)
    drawing.text(WIDTH, 14, data.remark, anchor="end", size=12, fill="bad" if alarming else "muted", bold=alarming)
    scale = _scale(data)
    _axis(drawing, scale, bottom)
    for k, name in enumerate(data.classes):
        y = _TOP + _ROW * (k + 0.5)
        own = np.flatnonzero(data.labels == name)
        if k:
            drawing.line(0, y - _ROW / 2, WIDTH, y - _ROW / 2, "rule", width=0.6)
        drawing.text(0, y + 1, name)
        groups = "one group" if len(own) == 1 else f"{whole(len(own))} groups"
        drawing.text(0, y + 13, groups, size=10.5, fill="muted")
        at = scale(means[name])
        drawing.line(at, y - _ROW / 2 + 2, at, y + _ROW / 2 - 2, "ink", width=2)
        for row, up in _placed(scale, data.values, own):
            group, value = str(data.groups[row]), float(data.values[row])
            hint = f"{group}: {number(value)}, {whole(int(data.images[row]))} files"
            tone = "second" if group in data.odd else "first"
            hinted = len(data.values) <= HINTS or group in data.odd
            drawing.circle(scale(value), y - up, _RADIUS, tone, hint=hint if hinted else None)
    return drawing


def stacked(drawings: list[Drawing], title: str) -> Drawing:
    """Return drawings of one width below each other."""
    sheet = Drawing(WIDTH, sum(drawing.height for drawing in drawings), title)
    y = 0.0
    for drawing in drawings:
        sheet.place(drawing, 0, y)
        y += drawing.height
    return sheet


def _scale(data: Strip) -> Scale:
    low, high = float(data.values.min()), float(data.values.max())
    margin = 0.03 * ((high - low) or 1.0)
    left = max(room(data.classes), room(["00 000 groups"], 10.5)) + 16
    return Scale(low - margin, high + margin, left, WIDTH - 18)


def _axis(drawing: Drawing, scale: Scale, bottom: float) -> None:
    marks = ticks(scale.low, scale.high, 6)
    step = marks[1] - marks[0] if len(marks) > 1 else 1.0
    for mark in marks:
        drawing.line(scale(mark), _TOP - 6, scale(mark), bottom, "rule", width=0.8)
        drawing.text(scale(mark), bottom + 16, label(mark, step), anchor="middle", size=11, fill="muted")


def _placed(scale: Scale, values: NDArray[np.float64], own: NDArray[np.int64]) -> Iterator[tuple[int, float]]:
    """Yield which groups of a class are drawn, and how far above the middle of their row, in px."""
    spots = np.array([round(scale(float(values[row])) / (2 * _RADIUS)) for row in own])
    names, counts = np.unique(spots, return_counts=True)
    apart = min(_APART, (_ROW - 4 - 2 * _RADIUS) / max(int(counts.max()) - 1, 1))
    for spot, count in zip(names, counts, strict=True):
        there = own[spots == spot]
        drawn = there[np.unique(np.linspace(0, count - 1, min(count, _MOST)).round().astype(int))]
        height = apart * (count - 1)
        for place, row in enumerate(drawn):
            yield int(row), height * (place / max(len(drawn) - 1, 1) - 0.5) if count > 1 else 0.0
