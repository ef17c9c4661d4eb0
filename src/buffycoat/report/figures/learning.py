"""The learning curve: how a model fares with fewer training cells."""

from __future__ import annotations

from collections.abc import Sequence

from buffycoat.records.base import Estimate
from buffycoat.records.evidence import LearningPoint
from buffycoat.report.numbers import share, with_interval
from buffycoat.report.svg import Drawing, Scale, label, room

_WIDTH, _HEIGHT = 700, 330
_LEFT, _TOP, _BOTTOM = 46, 16, 46


def learning_curve(points: Sequence[LearningPoint], classes: Sequence[str], title: str) -> Drawing:
    """Draw accuracy and each class's sensitivity by number of training cells, with the accuracy's intervals."""
    points = sorted(points, key=lambda point: point.share)
    right = room([*classes, "accuracy"]) + 26
    said = "; ".join(f"{point.training_cells:.0f} cells {with_interval(point.accuracy)}" for point in points)
    drawing = Drawing(_WIDTH, _HEIGHT, f"Learning curve of {title}: accuracy {said}.")
    most = max(point.training_cells for point in points)
    x = Scale(0, most * 1.02, _LEFT, _WIDTH - right)
    y = Scale(0, 1, _HEIGHT - _BOTTOM, _TOP)
    for mark in y.ticks():
        drawing.line(x.start_px, y(mark), x.end_px, y(mark), "rule", width=0.8)
        drawing.text(_LEFT - 8, y(mark) + 4, label(mark, 0.2), anchor="end", size=11.5, fill="muted")
    for mark in x.ticks():
        drawing.text(x(mark), _HEIGHT - _BOTTOM + 18, f"{mark:.0f}", anchor="middle", size=11.5, fill="muted")
    lines: list[tuple[str, str, list[Estimate], float]] = [
        (name, f"k{place}", [point.sensitivity[place] for point in points], 1.6) for place, name in enumerate(classes)
    ]
    lines.append(("accuracy", "ink", [point.accuracy for point in points], 2.6))
    ends = sorted(
        ((y(figures[-1].value or 0.0), name, tone) for name, tone, figures, _ in lines), key=lambda end: end[0]
    )
    for name, tone, figures, width in lines:
        known = [
            (x(point.training_cells), y(one.value), one)
            for point, one in zip(points, figures, strict=True)
            if one.value is not None
        ]
        drawing.polyline([(at, up) for at, up, _ in known], tone, width=width)
        for at, up, one in known:
            if name == "accuracy" and one.interval.low is not None and one.interval.high is not None:
                drawing.line(at, y(one.interval.low), at, y(one.interval.high), tone, width=1.4)
            drawing.circle(at, up, 4 if name == "accuracy" else 3, tone, hint=f"{name}: {share(one.value)}")
    taken = -20.0
    for at, name, tone in ends:
        taken = max(at, taken + 15)
        drawing.text(x.end_px + 10, taken + 4, name, size=12, fill=tone, bold=name == "accuracy")
    drawing.text((x.start_px + x.end_px) / 2, _HEIGHT - 5, "training cells", anchor="middle", size=12, fill="muted")
    return drawing
