"""A small drawing kit: SVG with real text, colours by role, and axes with round numbers.

Drawings made with it are a few kilobytes, sharp at any size, and follow the page into the dark.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from html import escape

from buffycoat.report.colours import resolved

FONT = "system-ui, -apple-system, 'Segoe UI', 'Helvetica Neue', Arial, 'DejaVu Sans', sans-serif"
CHARACTER_PX = 6.7
"""Width of an average character at the usual 12.5 px: for leaving room, not for setting type."""


WIDE_PX = 560
"""From this width on a drawing fills its column, and on a narrow screen may be moved sideways."""

MARGIN_PX = 12
"""Paper left round a drawing that is a file of its own."""


@dataclass
class Drawing:
    """A drawing of fixed size in CSS pixels.

    Parameters
    ----------
    width, height
        Size in px; the text is set for it.
    title
        What a reader who cannot see it is told.
    """

    width: float
    height: float
    title: str
    _parts: list[str] = field(default_factory=list, repr=False)

    def rect(
        self,
        x: float,
        y: float,
        width: float,
        height: float,
        fill: str = "first",
        *,
        stroke: str | None = None,
        rx: float = 0,
        opacity: float = 1,
        hint: str | None = None,
    ) -> None:
        """Add a rectangle; `hint` is shown when the pointer rests on it."""
        line = "" if stroke is None else f' stroke="{_colour(stroke)}" stroke-width="1.2"'
        self._shape(
            f'rect x="{_n(x)}" y="{_n(y)}" width="{_n(max(width, 0))}" height="{_n(max(height, 0))}"'
            + (f' rx="{_n(rx)}"' if rx else "")
            + f' fill="{_colour(fill)}"'
            + (f' fill-opacity="{_n(opacity, 3)}"' if opacity < 1 else "")
            + line,
            hint,
        )

    def circle(
        self,
        x: float,
        y: float,
        radius: float,
        fill: str = "first",
        *,
        stroke: str | None = None,
        hint: str | None = None,
    ) -> None:
        """Add a disc."""
        line = "" if stroke is None else f' stroke="{_colour(stroke)}" stroke-width="1.6"'
        self._shape(f'circle cx="{_n(x)}" cy="{_n(y)}" r="{_n(radius)}" fill="{_colour(fill)}"{line}', hint)

    def line(
        self,
        x0: float,
        y0: float,
        x1: float,
        y1: float,
        stroke: str = "rule",
        *,
        width: float = 1,
        dash: str | None = None,
    ) -> None:
        """Add a straight line."""
        dashes = f' stroke-dasharray="{dash}"' if dash else ""
        self._parts.append(
            f'<line x1="{_n(x0)}" y1="{_n(y0)}" x2="{_n(x1)}" y2="{_n(y1)}" stroke="{_colour(stroke)}"'
            f' stroke-width="{_n(width)}"{dashes}/>'
        )

    def image(self, x: float, y: float, width: float, height: float, address: str) -> None:
        """Add a photograph, given as an address that holds the picture itself."""
        self._parts.append(
            f'<image x="{_n(x)}" y="{_n(y)}" width="{_n(width)}" height="{_n(height)}" href="{address}"'
            ' preserveAspectRatio="xMidYMid slice"/>'
        )

    def polyline(
        self,
        points: Iterable[tuple[float, float]],
        stroke: str = "first",
        *,
        width: float = 1.5,
        dash: str | None = None,
        opacity: float = 1,
    ) -> None:
        """Add a line through points."""
        path = " ".join(f"{_n(x, 1)},{_n(y, 1)}" for x, y in points)
        if not path:
            return
        dashes = f' stroke-dasharray="{dash}"' if dash else ""
        self._parts.append(
            f'<polyline points="{path}" fill="none" stroke="{_colour(stroke)}" stroke-width="{_n(width)}"'
            f' stroke-linejoin="round" stroke-linecap="round" stroke-opacity="{_n(opacity)}"{dashes}/>'
        )

    def path(
        self, d: str, *, fill: str = "none", stroke: str | None = "ink", width: float = 1.4, opacity: float = 1
    ) -> None:
        """Add a path given in SVG's own words."""
        line = "" if stroke is None else f' stroke="{_colour(stroke)}" stroke-width="{_n(width)}"'
        colour = "none" if fill == "none" else _colour(fill)
        self._parts.append(
            f'<path d="{d}" fill="{colour}" fill-opacity="{_n(opacity)}"{line} stroke-linejoin="round"/>'
        )

    def arrow(self, points: Sequence[tuple[float, float]], stroke: str = "ink", *, width: float = 1.5) -> None:
        """Add a line through points that ends in a head."""
        (x0, y0), (x1, y1) = points[-2], points[-1]
        angle = math.atan2(y1 - y0, x1 - x0)
        back = (x1 - 6 * math.cos(angle), y1 - 6 * math.sin(angle))
        self.polyline([*points[:-1], back], stroke, width=width)
        wings = [(x1 - 8 * math.cos(angle + turn), y1 - 8 * math.sin(angle + turn)) for turn in (0.42, -0.42)]
        corners = " L".join(f"{_n(x)} {_n(y)}" for x, y in [(x1, y1), *wings])
        self.path(f"M{corners} Z", fill=stroke, stroke=None)

    def text(
        self,
        x: float,
        y: float,
        words: str,
        *,
        anchor: str = "start",
        size: float = 12.5,
        fill: str = "ink",
        bold: bool = False,
        italic: bool = False,
        turn: float = 0,
    ) -> None:
        """Add a line of text on its baseline; `turn` in degrees, clockwise."""
        self._parts.append(
            f'<text x="{_n(x)}" y="{_n(y)}" font-size="{_n(size)}" fill="{_colour(fill)}"'
            + (f' text-anchor="{anchor}"' if anchor != "start" else "")
            + (' font-weight="600"' if bold else "")
            + (' font-style="italic"' if italic else "")
            + (f' transform="rotate({_n(turn)} {_n(x)} {_n(y)})"' if turn else "")
            + f">{escape(words)}</text>"
        )

    def place(self, other: Drawing, x: float, y: float) -> None:
        """Put another drawing into this one, its corner at (x, y)."""
        self._parts.append(f'<g transform="translate({_n(x)} {_n(y)})">{"".join(other._parts)}</g>')

    def inline(self) -> str:
        """Return the drawing for a page that defines the colours."""
        return self._svg()

    def standalone(self, palette: dict[str, str]) -> str:
        """Return the drawing as a file of its own, on its paper, in the palette's colours."""
        sheet = Drawing(self.width + 2 * MARGIN_PX, self.height + 2 * MARGIN_PX, self.title)
        sheet.rect(0, 0, sheet.width, sheet.height, "paper")
        sheet.place(self, MARGIN_PX, MARGIN_PX)
        return resolved(sheet._svg(' xmlns="http://www.w3.org/2000/svg"'), palette) + "\n"

    def _shape(self, inside: str, hint: str | None) -> None:
        if hint is None:
            self._parts.append(f"<{inside}/>")
        else:
            self._parts.append(f"<{inside}><title>{escape(hint)}</title></{inside.split(' ', 1)[0]}>")

    def _svg(self, extra: str = "") -> str:
        size = f'width="{_n(self.width)}" height="{_n(self.height)}" viewBox="0 0 {_n(self.width)} {_n(self.height)}"'
        wide = ' class="wide"' if self.width >= WIDE_PX else ""
        return (
            f'<svg{extra}{wide} {size} role="img" aria-label="{escape(self.title)}" font-family="{escape(FONT)}">'
            f"{''.join(self._parts)}</svg>"
        )


@dataclass(frozen=True)
class Scale:
    """A straight scale from values to px."""

    low: float
    high: float
    start_px: float
    end_px: float

    def __call__(self, value: float) -> float:
        """Return the place of a value in px."""
        span = (self.high - self.low) or 1.0
        return self.start_px + (value - self.low) / span * (self.end_px - self.start_px)

    def ticks(self, about: int = 5) -> list[float]:
        """Return round values within the scale, about so many."""
        return ticks(self.low, self.high, about)


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Return round values from `low` to `high`, both included where they are round.

    Examples
    --------
    >>> ticks(0, 1), ticks(3, 41, 4)
    ([0.0, 0.2, 0.4, 0.6, 0.8, 1.0], [10.0, 20.0, 30.0, 40.0])
    """
    if not high > low:
        return [low]
    rough = (high - low) / max(about, 1)
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(size * times for times in (1, 2, 5, 10) if size * times >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(k * step, 10) for k in range(first, last + 1)]


def label(value: float, step: float) -> str:
    """Return a tick's text with the decimals its step asks for."""
    places = max(0, -math.floor(math.log10(step) + 1e-9)) if step > 0 else 0
    return f"{value:.{places}f}".replace("-", "−")


def room(words: Iterable[str], size: float = 12.5) -> float:
    """Return the px that the longest of some texts takes, about."""
    return max((len(text) for text in words), default=0) * CHARACTER_PX * size / 12.5


def free_place(wanted: float, taken: Sequence[float], gap: float) -> float:
    """Return the place nearest to `wanted` that is `gap` or more from all that are taken: for labels in a column.

    Examples
    --------
    >>> free_place(50, [44, 58], 15)
    29
    """
    steps = sorted({wanted, *(one + way * gap for one in taken for way in (-1, 1))}, key=lambda at: abs(at - wanted))
    return next(at for at in steps if all(abs(at - one) > gap - 0.01 for one in taken))


def _colour(role: str) -> str:
    return f"var(--{role})"


def _n(value: float, places: int = 2) -> str:
    return f"{value:.{places}f}".rstrip("0").rstrip(".") if places else f"{value:.0f}"
