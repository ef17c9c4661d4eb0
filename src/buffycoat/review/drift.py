"""Whether the program does worse lately than before, or than its card says.

Slides are the units: the latest quarter of them against the earlier ones, by permutation of whole slides, so that one
odd slide does not pass for a trend.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from buffycoat.records.documents import Estimate
from buffycoat.review.documents import Drift
from buffycoat.review.pooled import pooled

if TYPE_CHECKING:
    from buffycoat.review.accuracy import SlideTally

_FEWEST_SLIDES = 8
_FEWEST_CELLS = 50  # on either side
_LEAST_LOSS = 0.02  # a smaller loss is not worth a warning, however sure
_ALPHA = 0.01
_PERMUTATIONS = 4000
_SEED = 7


def judge(tallies: list[SlideTally], expected: Estimate | None) -> Drift:
    """Return whether to warn, in a sentence.

    Parameters
    ----------
    tallies
        One for each slide, in the order of signing.
    expected
        The accuracy the bundle's card promises for the cells it names.
    """
    latest = set() if not tallies else tallies[-1].bundles
    same = [tally for tally in tallies if tally.named and tally.bundles & latest]
    recent = same[-max(2, len(same) // 4) :]
    earlier = same[: len(same) - len(recent)]
    now, before = _pooled(recent), _pooled(earlier)
    if len(same) < _FEWEST_SLIDES or min(now.denominator or 0, before.denominator or 0) < _FEWEST_CELLS:
        beyond = _beyond_card(_pooled(same), expected)
        sentence = (
            beyond or f"Too few signed slides to tell ({len(same)} with this bundle; {_FEWEST_SLIDES} are needed)."
        )
        return Drift(warning=beyond is not None, sentence=sentence, baseline=None, recent=None, p_value=None)
    p = permutation_p([(one.right, one.named) for one in same], len(recent))
    loss = (before.value or 0) - (now.value or 0)
    if p < _ALPHA and loss >= _LEAST_LOSS:
        sentence = (
            f"The program agrees with reviewers less than before: {_percent(now)} on the latest {len(recent)} slides, "
            f"{_percent(before)} on the {len(earlier)} before (p = {p:.2g}). Look at stain, camera and focus."
        )
        return Drift(warning=True, sentence=sentence, baseline=before, recent=now, p_value=p)
    beyond = _beyond_card(now, expected)
    sentence = beyond or (
        f"No drift: {_percent(now)} on the latest {len(recent)} slides, {_percent(before)} before (p = {p:.2g})."
    )
    return Drift(warning=beyond is not None, sentence=sentence, baseline=before, recent=now, p_value=p)


def permutation_p(rows: list[tuple[int, int]], recent: int, permutations: int = _PERMUTATIONS) -> float:
    """Return how often the latest slides would do so much worse were the order of slides chance.

    Parameters
    ----------
    rows
        Right and named cells of each slide, in order.
    recent
        How many of the last ones count as latest.
    """
    table = np.array(rows, np.float64)
    generator = np.random.default_rng(_SEED)
    orders = np.argsort(generator.random((permutations, len(table))), axis=1)
    drawn = np.concatenate([np.arange(len(table))[None], orders])
    late, early = table[drawn[:, -recent:]].sum(axis=1), table[drawn[:, :-recent]].sum(axis=1)
    loss = early[:, 0] / early[:, 1] - late[:, 0] / late[:, 1]
    return float(np.mean(loss >= loss[0] - 1e-12))


def _pooled(tallies: list[SlideTally]) -> Estimate:
    return pooled([(one.right, one.named) for one in tallies])


def _beyond_card(now: Estimate, expected: Estimate | None) -> str | None:
    if expected is None or expected.value is None or (now.denominator or 0) < _FEWEST_CELLS:
        return None
    high, low = now.interval.high, expected.interval.low
    if high is None or low is None or high >= low:
        return None
    return (
        f"The program agrees with reviewers on {_percent(now)} of the cells it names; its card promises "
        f"{_percent(expected)}. This laboratory's smears differ from those it was trained on."
    )


def _percent(share: Estimate) -> str:
    return "–" if share.value is None else f"{100 * share.value:.1f} %"
