"""Shares of cells pooled over slides: a slide is stained and photographed as a whole, so its cells err together."""

from __future__ import annotations

from collections.abc import Sequence

from buffycoat.evaluate.intervals import clustered_interval, exact_interval
from buffycoat.records.documents import Estimate


def pooled(rows: Sequence[tuple[int, int]]) -> Estimate:
    """Return the share of cells counted on slides, each as (counted, of)."""
    some = [row for row in rows if row[1]]
    hits, n = sum(hit for hit, _ in some), sum(total for _, total in some)
    if len(some) < 2:
        limits = exact_interval(hits, n)
    else:
        limits = clustered_interval([hit for hit, _ in some], [total for _, total in some])
    return Estimate(value=None if n == 0 else hits / n, interval=limits, numerator=hits, denominator=n)
