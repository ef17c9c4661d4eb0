"""How bright the pixels are, by colour channel and class."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from buffycoat.explore.document import CHANNELS
from buffycoat.report.svg import Drawing, Scale

_WIDTH, _HEIGHT = 262, 214
_BINS = 64


def pixel_distribution(
    histograms: Mapping[str, Mapping[str, Sequence[int]]], channel: str, roles: Mapping[str, str]
) -> Drawing:
    """Draw the distribution of one channel, a line per class, on a square-root scale that shows the rare darks too.

    Parameters
    ----------
    histograms
        Class → channel → counts in 256 bins.
    channel
        ``"red"``, ``"green"`` or ``"blue"``.
    roles
        Class → colour role.
    """
    lines = {
        name: _density(channels[channel]) for name, channels in histograms.items() if sum(channels.get(channel, ()))
    }
    means = {
        name: sum(k * count for k, count in enumerate(channels[channel])) / sum(channels[channel])
        for name, channels in histograms.items()
        if name in lines
    }
    drawing = Drawing(
        _WIDTH,
        _HEIGHT,
        f"Distribution of the {channel} channel by class; mean value "
        + ", ".join(f"{name} {mean:.0f}" for name, mean in means.items()),
    )
    x = Scale(0, 255, 10, _WIDTH - 10)
    y = Scale(0, math.sqrt(max((max(line) for line in lines.values()), default=1.0)) * 1.05, _HEIGHT - 34, 26)
    for mark in (0, 64, 128, 192, 255):
        drawing.line(x(mark), 26, x(mark), _HEIGHT - 34, "rule", width=0.8)
        drawing.text(x(mark), _HEIGHT - 18, str(mark), anchor="middle", size=11.5, fill="muted")
    drawing.text(_WIDTH / 2, _HEIGHT - 3, "dark → bright", anchor="middle", size=11.5, fill="muted")
    drawing.text(0, 15, channel.capitalize(), bold=True)
    width = 256 / _BINS
    for name, line in lines.items():
        points = [(x((k + 0.5) * width - 0.5), y(math.sqrt(value))) for k, value in enumerate(line)]
        drawing.polyline(points, roles.get(name, "ink"), width=1.8)
    return drawing


def _density(counts: Sequence[int]) -> list[float]:
    total, width = sum(counts), len(counts) // _BINS
    return [sum(counts[k * width : (k + 1) * width]) / total for k in range(_BINS)]


def pixel_sheet(
    histograms: Mapping[str, Mapping[str, Sequence[int]]], roles: Mapping[str, str], channels: Sequence[str] = CHANNELS
) -> Drawing:
    """Draw the distributions of all channels below one key of the classes, side by side."""
    names = list(histograms)
    rows = -(-len(names) // 5)
    top = 20.0 * rows + 10
    drawing = Drawing(
        (_WIDTH + 14) * len(channels), _HEIGHT + top, f"Pixel distribution by colour channel of {', '.join(names)}"
    )
    for place, name in enumerate(names):
        x, y = place % 5 * 160, place // 5 * 20
        drawing.rect(x, y + 3, 11, 11, roles.get(name, "ink"), rx=2)
        drawing.text(x + 17, y + 13, name)
    for place, channel in enumerate(channels):
        drawing.place(pixel_distribution(histograms, channel, roles), place * (_WIDTH + 14), top)
    return drawing
