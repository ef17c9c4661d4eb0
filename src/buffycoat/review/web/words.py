"""Numbers and times in words, the same on every page."""

from __future__ import annotations

from datetime import datetime

from markupsafe import Markup

from buffycoat.records.documents import Estimate
from buffycoat.review.documents import SlideRow

STATES = {"empty": "empty", "analysing": "analysing", "to_review": "to review", "signed": "signed"}


def count(number: int) -> str:
    """Return a number with its thousands parted.

    Examples
    --------
    >>> count(12345)
    '12,345'
    """
    return f"{number:,}"


def percent(value: float | None, digits: int = 1) -> str:
    """Return a share (0 to 1) in percent; a dash where it is not known.

    Examples
    --------
    >>> percent(0.8567), percent(None)
    ('85.7\u202f%', '–')
    """
    return "–" if value is None else f"{100 * value:.{digits}f}\u202f%"


def share(number: float | None) -> str:
    """Return a proportion with three decimals; a dash where it is not known."""
    return "–" if number is None else f"{number:.3f}"


def limits(estimate: Estimate | None, digits: int = 1) -> str:
    """Return the limits of an estimated share in percent."""
    if estimate is None or estimate.interval.low is None or estimate.interval.high is None:
        return "–"
    return f"{100 * estimate.interval.low:.{digits}f}–{100 * estimate.interval.high:.{digits}f}\u202f%"


def when(at: datetime | None) -> Markup:
    """Return a time; the browser shows it on the reader's clock."""
    if at is None:
        return Markup("–")
    shown = f"{day(at)}, {at:%H:%M}"  # as long as what the browser puts there: nothing jumps
    return Markup('<time datetime="{}" title="UTC">{}</time>').format(at.isoformat(), shown)


def day(at: datetime | None) -> str:
    """Return a date."""
    return "–" if at is None else at.strftime("%d %b %Y").lstrip("0")


def known(slide: SlideRow) -> str:
    """Return what the laboratory knows of a slide, on one line; empty where it is nothing."""
    parts = [
        *(f"{name} {value}" for name in ("specimen", "subject", "accession") if (value := getattr(slide, name))),
        *([f"collected {slide.collected:%Y-%m-%d %H:%M %Z}"] if slide.collected else []),
        *([f"{slide.wbc:g} × 10⁹/L leukocytes"] if slide.wbc is not None else []),
    ]
    said = " · ".join(parts)
    return said[:1].upper() + said[1:]
