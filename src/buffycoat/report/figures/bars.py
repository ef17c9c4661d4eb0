"""Counts before and after cleaning, side by side."""

from __future__ import annotations

from collections.abc import Mapping

from buffycoat import taxonomy
from buffycoat.report.svg import Drawing, Scale, room

_WIDTH = 700


def before_after(before: Mapping[str, int], after: Mapping[str, int], title: str) -> Drawing:
    """Draw two bars per label, before above after; labels in the project's order, what is no class at the end."""
    labels = ordered(before, after)
    row = 38 if len(labels) <= 10 else 28
    left = min(230.0, room(labels) + 18)
    drawing = Drawing(
        _WIDTH,
        row * len(labels) + 34,
        f"{title}: " + "; ".join(f"{name} {before.get(name, 0)} before, {after.get(name, 0)} after" for name in labels),
    )
    most = max([*before.values(), *after.values(), 1])
    scale = Scale(0, most, left, _WIDTH - 60)
    drawing.rect(left, 4, 12, 10, "rule", rx=2)
    drawing.text(left + 18, 13, "before", size=12)
    drawing.rect(left + 78, 4, 12, 10, "first", rx=2)
    drawing.text(left + 96, 13, "after", size=12)
    bar = row / 2 - 5
    for k, name in enumerate(labels):
        y = 28 + row * k
        drawing.text(left - 10, y + row / 2 - 1, name, anchor="end")
        for offset, count, tone in ((0, before.get(name, 0), "rule"), (bar + 1, after.get(name, 0), "first")):
            drawing.rect(left, y + offset, max(scale(count) - left, 1.5), bar, tone, rx=2)
            faded = tone == "rule"
            drawing.text(
                scale(count) + 7, y + offset + bar - 3, str(count), size=11.5, fill="muted" if faded else "ink"
            )
    return drawing


def ordered(*counts: Mapping[str, int]) -> list[str]:
    """Return the labels of some counts: classes in the project's order, then what is no class."""
    found = {name for each in counts for name in each}
    no_class = [name for name in ("two-cell", "unlabelled") if name in found]
    return [*(name for name in taxonomy.order(found) if name not in no_class), *no_class]
