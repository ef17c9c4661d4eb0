"""The confusion matrix: what was there against what was answered."""

from __future__ import annotations

from collections.abc import Sequence

from buffycoat.report.numbers import share
from buffycoat.report.svg import Drawing, room


def confusion_matrix(confusion: Sequence[Sequence[int]], classes: Sequence[str], title: str) -> Drawing:
    """Draw counts and row shares; right answers in one colour, wrong ones in another, darker for a larger share."""
    many = len(classes) > 6
    cell = 46 if many else 78
    left = room([f"{name} ({sum(row)})" for name, row in zip(classes, confusion, strict=True)]) + 30
    turned = room(classes) > cell * 0.98 * 1.0 if not many else True
    top = (room(classes) * 0.72 + 40) if turned else 52.0
    width = left + cell * len(classes) + (room(classes) * 0.5 if turned else 8)
    wrong = [
        f"{count} {classes[i]} called {classes[j]}"
        for i, row in enumerate(confusion)
        for j, count in enumerate(row)
        if i != j and count
    ]
    drawing = Drawing(
        width,
        top + cell * len(classes) + 8,
        f"Confusion matrix of {title}. Right: "
        + ", ".join(f"{row[i]} of {sum(row)} {classes[i]}" for i, row in enumerate(confusion))
        + (f". Wrong: {', '.join(wrong)}." if wrong else ". No mistakes."),
    )
    drawing.text(left, 16, "answered →", size=12, fill="muted")
    drawing.text(0, top - 8, "true ↓", size=12, fill="muted")
    for j, name in enumerate(classes):
        x = left + cell * j + cell / 2
        if turned:
            drawing.text(x + 2, top - 8, name, size=12, turn=-42)
        else:
            drawing.text(x, top - 8, name, anchor="middle", size=12)
    for i, row in enumerate(confusion):
        total = sum(row)
        y = top + cell * i
        drawing.text(left - 10, y + cell / 2 + 4, f"{classes[i]} ({total})", anchor="end", size=12.5)
        for j, count in enumerate(row):
            _cell(drawing, left + cell * j, y, cell, count, total, f"{classes[i]} answered {classes[j]}", right=i == j)
    return drawing


def _cell(drawing: Drawing, x: float, y: float, size: float, count: int, total: int, what: str, *, right: bool) -> None:
    part = count / total if total else 0.0
    drawing.rect(x + 1, y + 1, size - 2, size - 2, "panel", rx=3)
    if count:
        hint = f"{what}: {count} of {total}"
        drawing.rect(
            x + 1, y + 1, size - 2, size - 2, "first" if right else "second", rx=3, opacity=0.12 + 0.8 * part, hint=hint
        )
    ink = "on-first" if part > 0.52 else ("ink" if count else "muted")
    large = size > 60
    drawing.text(
        x + size / 2,
        y + size / 2 - (2 if large else 1),
        str(count),
        anchor="middle",
        size=17 if large else 13,
        fill=ink,
        bold=count > 0,
    )
    if total:
        words = share(part, 2 if not large else 3)
        drawing.text(
            x + size / 2,
            y + size / 2 + (16 if large else 13),
            words,
            anchor="middle",
            size=11.5 if large else 10,
            fill=ink,
        )
