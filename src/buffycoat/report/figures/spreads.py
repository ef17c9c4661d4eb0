"""How a measurement spreads in each class: half of the cells in the bar, eight tenths on the line, a dot the median."""

from __future__ import annotations

from collections.abc import Mapping

from buffycoat.morphology.summary import Summary
from buffycoat.report.numbers import whole
from buffycoat.report.svg import Drawing, Scale, label, room, ticks

_WIDTH = 336
_ROW = 25


def spread(summary: Summary, roles: Mapping[str, str]) -> Drawing:
    """Draw one measurement, a row per class.

    Parameters
    ----------
    roles
        Class → colour role.
    """
    names = list(summary.spreads)
    title = title_of(summary.name, summary.unit)
    told = "; ".join(f"{name} {number(one.percentiles[2])}" for name, one in summary.spreads.items())
    drawing = Drawing(_WIDTH, 30 + _ROW * len(names) + 24, f"{title}; medians: {told}")
    low = min(one.percentiles[0] for one in summary.spreads.values())
    high = max(one.percentiles[4] for one in summary.spreads.values())
    margin = 0.06 * ((high - low) or 1.0)
    scale = Scale(low - margin, high + margin, room(names) + 12, _WIDTH - 14)
    bottom = 28 + _ROW * len(names)
    drawing.text(0, 13, title, bold=True)
    marks = ticks(scale.low, scale.high, 4)
    step = marks[1] - marks[0] if len(marks) > 1 else 1.0
    for mark in marks:
        drawing.line(scale(mark), 24, scale(mark), bottom, "rule", width=0.8)
        drawing.text(scale(mark), bottom + 15, label(mark, step), anchor="middle", size=11, fill="muted")
    for k, (name, one) in enumerate(summary.spreads.items()):
        y = 28 + _ROW * k + _ROW / 2
        tone = roles.get(name, "ink")
        ends = [scale(value) for value in one.percentiles]
        drawing.text(0, y + 4, name, size=12)
        drawing.line(ends[0], y, ends[4], y, tone, width=1.6)
        hint = f"{name}: median {number(one.percentiles[2])}, {one.n} cells"
        drawing.rect(ends[1], y - 6, max(ends[3] - ends[1], 1.5), 12, tone, rx=3, opacity=0.45, hint=hint)
        drawing.circle(ends[2], y, 4, "paper", stroke=tone)
    return drawing


def title_of(name: str, unit: str) -> str:
    """Return a measurement's name and unit for people.

    Examples
    --------
    >>> title_of("nucleus_area_px", "px²"), title_of("nucleus_roundness", "1")
    ('Nucleus area (px²)', 'Nucleus roundness')
    """
    words = name.removesuffix("_px").removesuffix("_od").removesuffix("_rbc").replace("_", " ")
    units = {"1": "", "n": "", "rbc": " (red cells)"}
    if name.endswith("density_rbc"):
        return f"{words.capitalize()} (red cell = 1)"
    return words.capitalize() + units.get(unit, f" ({unit})")


def number(value: float) -> str:
    """Return a value with three figures that count."""
    if abs(value) >= 1000:
        return whole(round(value)).replace("-", "−")
    return f"{value:.3g}".replace("-", "−")
