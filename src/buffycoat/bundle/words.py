"""Figures of a card in words: shares with their limits, the same in the terminal and the model card."""

from __future__ import annotations

from buffycoat.records.card import LEAKING
from buffycoat.records.documents import Estimate

NOT_FOR_DIAGNOSIS = "Research software, not a medical device: not for diagnosis."


def leaking(why: str) -> str:
    """Return what stands first wherever a bundle from a split that leaks is read.

    Examples
    --------
    >>> leaking("The split leaks: all.")
    'LEAKING SPLIT, allowed on purpose: no figure here can be trusted, and no threshold. The split leaks: all.'
    """
    return f"{LEAKING}, allowed on purpose: no figure here can be trusted, and no threshold. {why}"


def figure(estimate: Estimate, digits: int = 3) -> str:
    """Return a figure with its interval.

    Examples
    --------
    >>> from buffycoat.records.documents import Interval
    >>> figure(Estimate(value=0.9143, interval=Interval(low=0.769, high=0.982, method="exact")))
    '0.914 (0.769–0.982)'
    """
    if estimate.value is None:
        return "undefined"
    low, high = estimate.interval.low, estimate.interval.high
    limits = "" if low is None or high is None else f" ({low:.{digits}f}–{high:.{digits}f})"
    return f"{estimate.value:.{digits}f}{limits}"


def percent(estimate: Estimate) -> str:
    """Return a share in percent with its interval.

    Examples
    --------
    >>> from buffycoat.records.documents import Interval
    >>> percent(Estimate(value=0.05, interval=Interval(low=0.03, high=0.08, method="exact")))
    '5.0 % (3.0–8.0)'
    """
    if estimate.value is None:
        return "undefined"
    low, high = estimate.interval.low, estimate.interval.high
    limits = "" if low is None or high is None else f" ({100 * low:.1f}–{100 * high:.1f})"
    return f"{100 * estimate.value:.1f} %{limits}"


def rate(share: float) -> str:
    """Return a stated share in percent.

    Examples
    --------
    >>> rate(0.07), rate(0.025)
    ('7 %', '2.5 %')
    """
    return f"{100 * share:.4g} %"


def threshold(probability: float) -> str:
    """Return a least probability; one above 1 is never reached.

    Examples
    --------
    >>> threshold(0.6), threshold(1.01)
    ('0.600', 'out of reach')
    """
    return f"{probability:.3f}" if probability <= 1 else "out of reach"


def megabytes(size: int) -> str:
    """Return a size in megabytes."""
    return f"{size / 1e6:.1f} MB"
