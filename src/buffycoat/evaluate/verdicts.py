"""What is said of two models that were compared: when their difference is settled, and the sentence that says it."""

from __future__ import annotations

import numpy as np

from buffycoat.records.documents import Estimate, Interval
from buffycoat.records.evidence import WithTraining

ALPHA = 0.05


def leaves_out_nought(limits: Interval) -> bool:
    """Say whether limits are known and on one side of nought."""
    return limits.low is not None and limits.high is not None and (limits.low > 0 or limits.high < 0)


def same_way(*leads: float | None) -> bool:
    """Say whether all that was measured points to the same model: folds count alike in one, answers in the other."""
    return len({np.sign(lead) for lead in leads if lead is not None}) == 1


def upholds(found: WithTraining, difference: Estimate) -> bool:
    """Say whether a difference holds when the chance of training is counted, too."""
    return found.p_adjusted < ALPHA and same_way(difference.value, found.difference.value)


def sentence(
    first: str,
    second: str,
    difference: Estimate,
    *,
    settled: bool,
    images: int | None = None,
    by_folds: float | None = None,
    anew: WithTraining | None = None,
    repeats: int = 1,
) -> str:
    """Return the comparison in plain words, the better model first.

    Parameters
    ----------
    settled
        Whether it is, of the models as they were trained here.
    images
        How many would settle it.
    by_folds
        Corrected p-value of the t-test over folds: told where it does not agree that the comparison is settled.
    anew
        The difference with the chance of training counted, where that was measured: what is not settled then is not.
    repeats
        How often every cell was held out: seeds are those of the first split.

    Examples
    --------
    >>> from buffycoat.records.documents import Interval
    >>> limits = Interval(low=-0.07, high=0.01, method="")
    >>> sentence("ResNet", "EfficientNet", Estimate(value=-0.03, interval=limits), settled=False, images=900)
    'EfficientNet is better than ResNet by 0.03 (−0.01 to 0.07): these data do not settle it; about 900 images would.'
    """
    turned = (difference.value or 0.0) < 0
    if turned:
        first, second = second, first
    value, limits = _figures(difference, turned=turned, settled=settled)
    if not difference.value:
        return f"{first} and {second} are right equally often ({limits}): these data do not tell them apart."
    text = f"{first} is better than {second} by {value} ({limits})"
    would = "" if images is None else f"; about {_whole(images)} images would"
    if not settled:
        return f"{text}: these data do not settle it{would}."
    if by_folds is not None and by_folds >= ALPHA:
        text += f" on these cells; the test over folds does not agree (corrected p = {by_folds:.2f})"
    if anew is None:
        return f"{text}."
    upheld = upholds(anew, difference)
    value, limits = _figures(anew.difference, turned=turned, settled=upheld)
    seeds = _seeds(anew.seeds[::-1] if turned else anew.seeds, first, second, repeats)
    if upheld:
        return f"{text}; with the chance of training counted, by {value} ({limits}; {seeds})."
    if anew.difference.interval.low is None or leaves_out_nought(anew.difference.interval):
        limits += f", corrected p = {anew.p_adjusted:.2f}"
    would = would or "; with so few seeds no number of images would"
    return (
        f"{text}, as trained here; with the chance of training counted ({seeds}: {limits}), these data do not settle "
        f"it{would}."
    )


def _figures(difference: Estimate, *, turned: bool, settled: bool) -> tuple[str, str]:
    """Return a difference and its limits in digits; turned round, the second model's lead."""
    value, low, high = difference.value or 0.0, difference.interval.low, difference.interval.high
    if turned:
        value, low, high = -value, None if high is None else -high, None if low is None else -low
    near = [abs(value), *(abs(limit) for limit in (low, high) if settled and limit is not None)]
    digits = 3 if any(0 < one < 0.005 for one in near) else 2  # what leaves out nought must not be shown as nought
    if low is None or high is None:
        return _signed(value, digits), "interval undefined"
    return _signed(value, digits), f"{_signed(low, digits)} to {_signed(high, digits)}"


def _seeds(seeds: tuple[int, ...], first: str, second: str, repeats: int) -> str:
    """Say how many seeds there were, and of which model where the other was trained once."""
    most, least = max(seeds), min(seeds)
    text = f"{most} seeds" if least in {1, most} else f"{seeds[0]} and {seeds[1]} seeds"
    if least == 1:
        text += f" of {first if seeds[0] == most else second}"
    return text + (" on the first split" if repeats > 1 else "")


def _whole(count: int) -> str:
    return f"{count:,}".replace(",", "\u202f") if count >= 10_000 else str(count)


def _signed(value: float, digits: int) -> str:
    shown = f"{value:.{digits}f}"
    return shown.removeprefix("-") if float(shown) == 0 else shown.replace("-", "−")
