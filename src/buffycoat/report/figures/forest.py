"""Forest plots: figures with their intervals, one row each, on a common scale."""

from __future__ import annotations

from collections.abc import Sequence

from buffycoat.records.documents import Comparison, Estimate, Results
from buffycoat.report.numbers import share, with_interval
from buffycoat.report.svg import Drawing, Scale, label, room, ticks
from buffycoat.report.words import ranked

MOST_SENSITIVITIES = 6
"""Models in :func:`sensitivity_forest`: more would make it a wall."""

_WIDTH = 700
_ROW = 44
_BOLD_SIZE = 13.5  # bold letters are as wide as those of this size


def accuracy_forest(results: Results) -> Drawing:
    """Draw accuracy and balanced accuracy of every model with intervals, most accurate first.

    The dashed line is what always answering the largest class scores.
    """
    models = ranked(results)
    floor = results.majority.accuracy.value
    ends = [end for model in models for end in (model.accuracy.interval.low, model.balanced_accuracy.interval.low)]
    values = [value for value in (*ends, floor) if value is not None]
    low = max(0.0, ((min(values, default=0.0) - 0.03) * 10 // 1) / 10)
    left = min(280.0, room([model.title for model in models], _BOLD_SIZE) + 18)
    right, top = 146, 44
    drawing = Drawing(
        _WIDTH,
        top + _ROW * len(models) + 40,
        "Accuracy with 95 % interval: "
        + "; ".join(f"{model.title} {with_interval(model.accuracy)}" for model in models)
        + f". Always the largest class: {share(floor)}.",
    )
    scale = Scale(low, 1.0, left, _WIDTH - right)
    bottom = top + _ROW * len(models)
    _axis(drawing, scale, top - 6, bottom)
    if floor is not None:
        x = scale(floor)
        drawing.line(x, top - 10, x, bottom, "muted", width=1.4, dash="4 4")
        drawing.text(
            min(x, _WIDTH - 120), top - 16, f"largest class {share(floor)}", anchor="middle", size=11.5, fill="muted"
        )
    for k, model in enumerate(models):
        y = top + _ROW * k + _ROW / 2
        if k:
            drawing.line(0, y - _ROW / 2, _WIDTH, y - _ROW / 2, "rule", width=0.6)
        tone = "bad" if model.collapsed is not None else "first"
        drawing.text(
            0,
            y + (-2 if model.collapsed is not None else 4),
            model.title,
            bold=True,
            fill="ink" if tone == "first" else tone,
        )
        if model.collapsed is not None:
            drawing.text(0, y + 14, "collapsed", size=11.5, fill="bad")
        _bar(drawing, scale, y - 8, model.accuracy, tone)
        _bar(drawing, scale, y + 9, model.balanced_accuracy, tone, hollow=True)
        drawing.text(_WIDTH, y - 4, with_interval(model.accuracy), anchor="end", size=12)
        drawing.text(_WIDTH, y + 13, with_interval(model.balanced_accuracy), anchor="end", size=12, fill="muted")
    y = bottom + 34
    drawing.circle(left + 6, y - 4, 4.5, "first")
    drawing.text(left + 16, y, "accuracy", size=12)
    drawing.circle(left + 92, y - 4, 4, "paper", stroke="first")
    drawing.text(left + 102, y, "balanced accuracy", size=12)
    return drawing


def sensitivity_forest(results: Results) -> Drawing:
    """Draw the sensitivity of the models for every class, class by class; of many models the most accurate ones."""
    models = ranked(results)[:MOST_SENSITIVITIES]
    step = 22
    heading = 26
    block = heading + step * len(models) + 8
    width, left, right = _WIDTH, min(230.0, room([model.title for model in models]) + 18), 146
    drawing = Drawing(
        width,
        block * len(results.classes) + 34,
        "Sensitivity with 95 % interval for each class and model; the figures stand in the models' tables.",
    )
    scale = Scale(0.0, 1.0, left, width - right)
    bottom = block * len(results.classes)
    _axis(drawing, scale, 4, bottom)
    for place, name in enumerate(results.classes):
        y = place * block + 16
        support = models[0].classes[place].support if models else 0
        if place:
            drawing.line(0, y - 14, width, y - 14, "rule", width=0.8)
        drawing.rect(0, y - 9, 10, 10, f"k{place}", rx=2)
        drawing.text(16, y, f"{name}, {support} held out", bold=True)
        for k, model in enumerate(models):
            estimate = model.classes[place].sensitivity
            line = y + heading - 8 + step * k
            drawing.text(8, line + 4, model.title, size=12, fill="bad" if model.collapsed else "ink")
            _bar(drawing, scale, line, estimate, f"k{place}")
            drawing.text(width, line + 4, with_interval(estimate), anchor="end", size=12, fill="muted")
    return drawing


def difference_forest(comparisons: Sequence[Comparison], titles: dict[str, str]) -> Drawing:
    """Draw the difference in accuracy of pairs of models with its interval, on both sides of nought."""
    names = [f"{titles.get(pair.first, pair.first)} − {titles.get(pair.second, pair.second)}" for pair in comparisons]
    left, right, row, top = min(360.0, room(names) + 18), 150, 28, 12
    ends = [end for pair in comparisons for end in (pair.difference.interval.low, pair.difference.interval.high, 0.0)]
    known = [end for end in ends if end is not None]
    reach = max(abs(end) for end in known) * 1.08 if any(known) else 0.1
    drawing = Drawing(
        _WIDTH,
        top + row * len(comparisons) + 26,
        "Difference in accuracy with 95 % interval: "
        + "; ".join(f"{name} {with_interval(pair.difference)}" for name, pair in zip(names, comparisons, strict=True)),
    )
    scale = Scale(-reach, reach, left, _WIDTH - right)
    bottom = top + row * len(comparisons)
    _axis(drawing, scale, top - 6, bottom)
    drawing.line(scale(0), top - 6, scale(0), bottom, "muted", width=1.4, dash="4 4")
    for k, (name, pair) in enumerate(zip(names, comparisons, strict=True)):
        y = top + row * k + row / 2
        drawing.text(0, y + 4, name)
        _bar(drawing, scale, y, pair.difference, "first" if pair.settled else "muted")
        drawing.text(_WIDTH, y + 4, with_interval(pair.difference), anchor="end", size=12)
    return drawing


def _axis(drawing: Drawing, scale: Scale, top: float, bottom: float) -> None:
    marks = ticks(scale.low, scale.high)
    step = marks[1] - marks[0] if len(marks) > 1 else 0.1
    for mark in marks:
        drawing.line(scale(mark), top, scale(mark), bottom, "rule", width=0.8)
        drawing.text(scale(mark), bottom + 16, label(mark, step), anchor="middle", size=11.5, fill="muted")


def _bar(drawing: Drawing, scale: Scale, y: float, estimate: Estimate, tone: str, *, hollow: bool = False) -> None:
    if estimate.value is None:
        return
    low, high = estimate.interval.low, estimate.interval.high
    if low is not None and high is not None:
        x0, x1 = (scale(max(scale.low, min(scale.high, end))) for end in (low, high))
        drawing.line(x0, y, x1, y, tone, width=1.5 if hollow else 2.4)
        for x in (x0, x1):
            drawing.line(x, y - 3.5, x, y + 3.5, tone, width=1.5)
    x = scale(max(scale.low, min(scale.high, estimate.value)))
    hint = with_interval(estimate)
    if hollow:
        drawing.circle(x, y, 4, "paper", stroke=tone, hint=hint)
    else:
        drawing.circle(x, y, 4.8, tone, hint=hint)
