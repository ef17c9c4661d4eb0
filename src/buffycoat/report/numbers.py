"""How numbers are written: the same way in the report, on the page and in the terminal."""

from __future__ import annotations

import re
from collections.abc import Sequence

from buffycoat.records.documents import Estimate

UNDEFINED = "undefined"
"""Stands where a figure is a share of nothing: never 0."""


def share(value: float | None, places: int = 3) -> str:
    """Return a share between 0 and 1 (or a difference of two) with a fixed number of decimals.

    Examples
    --------
    >>> share(32 / 35), share(-0.0714), share(None)
    ('0.914', '−0.071', 'undefined')
    """
    if value is None:
        return UNDEFINED
    text = f"{value:.{places}f}"
    if float(text) == 0:
        text = text.removeprefix("-")
    return text.replace("-", "−")


def interval(estimate: Estimate, places: int = 3) -> str:
    """Return the limits of an estimate, or an empty text where they are undefined.

    Examples
    --------
    >>> from buffycoat.records.documents import Interval
    >>> interval(Estimate(value=0.5, interval=Interval(low=0.25, high=0.75, method="exact")))
    '0.250–0.750'
    """
    low, high = estimate.interval.low, estimate.interval.high
    if low is None or high is None:
        return ""
    between = " to " if low < 0 else "–"
    return f"{share(low, places)}{between}{share(high, places)}"


def with_interval(estimate: Estimate, places: int = 3) -> str:
    """Return value and limits as ``0.914 (0.769–0.982)``; without limits the value alone."""
    limits = interval(estimate, places)
    return f"{share(estimate.value, places)} ({limits})" if limits else share(estimate.value, places)


def p_number(value: float) -> str:
    """Return a p value without its name, for a column: ``0.29``, or ``< 0.001``."""
    return p_value(value).removeprefix("p\u00a0").removeprefix("=\u00a0")


def p_value(value: float) -> str:
    r"""Return a p value as ``p = 0.29``, or ``p < 0.001``.

    Examples
    --------
    >>> p_value(0.2891), p_value(0.0042), p_value(1e-9)
    ('p\xa0=\xa00.29', 'p\xa0=\xa00.004', 'p\xa0<\xa00.001')
    """
    if value < 0.001:
        return "p\u00a0<\u00a00.001"
    return f"p\u00a0=\u00a0{value:.{3 if value < 0.1 else 2}f}"


def whole(value: int) -> str:
    """Return a count with thin spaces between thousands from five digits on.

    Examples
    --------
    >>> whole(348), whole(1234), whole(11181642)
    ('348', '1234', '11\u202f181\u202f642')
    """
    return f"{value:,}".replace(",", "\u202f") if value >= 10_000 else str(value)


def short(value: int) -> str:
    """Return a large count in words a reader takes in at a glance.

    Examples
    --------
    >>> short(11_181_642), short(595_000_000), short(1_820_000_000), short(950)
    ('11.2 million', '595 million', '1.82 billion', '950')
    """
    for size, name in ((10**9, "billion"), (10**6, "million")):
        if value >= size:
            return f"{value / size:.3g} {name}"
    return whole(value)


def percent(value: float | None, places: int = 0) -> str:
    """Return a share as a percentage.

    Examples
    --------
    >>> percent(0.9), percent(0.0414, 1)
    ('90\u00a0%', '4.1\u00a0%')
    """
    return UNDEFINED if value is None else f"{100 * value:.{places}f}\u00a0%"


def counted(count: int, singular: str, plural: str | None = None) -> str:
    """Return a count with its noun.

    Examples
    --------
    >>> counted(1, "cell"), counted(3, "class", "classes")
    ('1 cell', '3 classes')
    """
    return f"{whole(count)} {singular if count == 1 else plural or singular + 's'}"


def markdown(text: str) -> str:
    r"""Return a text in which nothing is taken for Markdown, a table's edge, HTML or a Hugo shortcode.

    Examples
    --------
    >>> markdown("p_<b> | {{< x >}}")
    'p\\_\\<b\\> \\| &#123;{\\< x \\>}}'
    """
    escaped = re.sub(r"([\\`*_\[\]<>|~#])", r"\\\1", " ".join(text.split()))
    return escaped.replace("{{", "&#123;{")


def listed(names: Sequence[str]) -> str:
    """Return names as prose.

    Examples
    --------
    >>> listed(["A"]), listed(["A", "B"]), listed(["A", "B", "C"])
    ('A', 'A and B', 'A, B and C')
    """
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"
