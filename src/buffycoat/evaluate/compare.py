"""Two models on the same held-out cells: which is better, and whether these data settle it.

Sources: McNemar, Psychometrika 12 (1947) 153, in its exact form; Fisher, The Design of Experiments (1935) §21 (flipping
the signs of paired differences); Holm, Scand. J. Stat. 6 (1979) 65; limits of a difference: see
:mod:`~buffycoat.evaluate.intervals`. Where folds share training rows, the test of :mod:`~buffycoat.evaluate.overlap` is
made, too; over repeats it must agree before anything is called settled. In one run of five folds it is told beside the
others: with four degrees of freedom it seldom finds what is there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import bdtr, gammaln

from buffycoat.evaluate import overlap
from buffycoat.evaluate.enough import MOST, images_for_t_test, images_needed, rounded_up
from buffycoat.evaluate.held_out import HeldOut
from buffycoat.evaluate.intervals import LEVEL, PAIRED, GroupBootstrap, fewer, interval, paired_limits
from buffycoat.evaluate.shares import group_sums
from buffycoat.records.documents import Comparison, Estimate, Interval
from buffycoat.records.evidence import ResampledTest

ALPHA = 0.05
_SAME = 1e-12


def exact_mcnemar(first_only: int, second_only: int) -> float:
    """Return the two-sided exact p-value of McNemar's test (a sign test on the cells that only one has right).

    Examples
    --------
    >>> round(exact_mcnemar(6, 2), 3)
    0.289
    """
    fewer, total = min(first_only, second_only), first_only + second_only
    return min(1.0, 2 * float(bdtr(fewer, total, 0.5))) if total else 1.0


def sign_flips(leads: ArrayLike) -> float:
    """Return the two-sided exact p-value of the sum of paired differences, each as likely to be turned round.

    Parameters
    ----------
    leads
        Whole numbers, shape ``(groups,)``: by how many answers the first model is ahead in each group of cells. Where
        every group is one cell, answered once, this is McNemar's exact test.

    Examples
    --------
    >>> round(sign_flips([1] * 6 + [-1] * 2 + [0] * 50), 3), round(sign_flips([3, -1, 1]), 3)
    (0.289, 0.75)
    """
    lead = np.asarray(leads, dtype=np.int64)
    odds = np.ones(1)  # of the sum of those that count for the first
    for size, times in zip(*np.unique(np.abs(lead[lead != 0]), return_counts=True), strict=True):
        of_size = np.zeros(int(size * times) + 1)
        ahead = np.arange(times + 1)
        ways = gammaln(times + 1) - gammaln(ahead + 1) - gammaln(times - ahead + 1)
        of_size[:: int(size)] = np.exp(ways - times * np.log(2))
        odds = np.convolve(odds, of_size)
    sums = 2 * np.arange(len(odds)) - (len(odds) - 1)
    return min(1.0, float(odds[np.abs(sums) >= abs(int(lead.sum()))].sum()))


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values corrected for their number by Holm's step-down rule, in the order given.

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    corrected = [0.0] * len(p_values)
    highest = 0.0
    for rank, place in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[place]))
        corrected[place] = highest
    return corrected


@dataclass(frozen=True)
class Paired:
    """Two models' answers to the same held-out rows."""

    first: HeldOut
    second: HeldOut

    @classmethod
    def of(cls, first: HeldOut, second: HeldOut) -> Paired:
        """Keep the rows (repeat and cell) that both models have, in the same order."""
        keys = [list(zip(held.repeat.tolist(), held.cell.tolist(), strict=True)) for held in (first, second)]
        common = set(keys[0]) & set(keys[1])
        rows = [
            np.array(sorted((i for i, key in enumerate(of) if key in common), key=of.__getitem__), dtype=np.int64)
            for of in keys
        ]
        return cls(first.take(rows[0]), second.take(rows[1]))

    @property
    def repeats(self) -> int:
        """How often every cell was held out."""
        return len(np.unique(self.first.repeat))

    def difference(self) -> Estimate:
        """Return the accuracy of the first minus that of the second.

        The limits are Bonett and Price's, where cells come in groups at the number of independent cells that would
        tell as much. By simulation they hold the truth in 0.93 to 0.97 of the sets, more often where two or three cells
        in all set the models apart; a cluster bootstrap falls to 0.84 with few groups.
        """
        first, second = self.first.right, self.second.right
        ahead, behind = float(np.mean(first & ~second)), float(np.mean(second & ~first))
        number, groups = self._effective_number(ahead, behind), len(np.unique(self.first.group))
        method = PAIRED
        if groups < len(first):
            method += f" at the effective number of cells ({groups} groups: {number:.3g})"
        low, high = paired_limits(ahead * number, behind * number, number)
        return Estimate(value=float(first.mean() - second.mean()), interval=interval(low, high, LEVEL, method))

    def _effective_number(self, ahead: float, behind: float) -> float:
        """Return how many independent cells would tell as much about the difference, at most as many as rows."""
        names, number = np.unique(self.first.group, return_inverse=True)
        rows, groups = len(number), len(names)
        apart = ahead - behind
        lead = self._leads() - apart
        spread = float((np.bincount(number, weights=lead) ** 2).sum()) / rows**2
        if groups < 2 or spread < _SAME:
            return float(groups)
        return min(float(rows), (ahead + behind - apart**2) / spread * (groups - 1) / groups * fewer(rows, groups))

    def bootstrap(self, *, replicates: int, seed: int) -> Interval | None:
        """Return limits of the difference from resampling groups of cells, to stand beside the others."""
        sums = group_sums(np.stack([self._leads(), np.ones(len(self.first.cell))], axis=1), self.first.group)
        return GroupBootstrap(sums, replicates=replicates, seed=seed).interval(lambda sums: sums[:, 0] / sums[:, 1])

    def test(self) -> PairedTest:
        """Test whether one model is right more often than the other; all answers to a group of cells go together."""
        lead = self._leads()
        first_only, second_only = int(np.sum(lead > 0)), int(np.sum(lead < 0))
        groups, cells = len(np.unique(self.first.group)), len(np.unique(self.first.cell))
        if groups == len(lead):
            return PairedTest(
                first_only, second_only, exact_mcnemar(first_only, second_only), f"exact McNemar test on {cells} cells"
            )
        method = f"exact sign-flip test on {cells} cells" + (f" in {groups} groups" if groups < cells else "")
        if self.repeats > 1:
            method += f", each answered {self.repeats} times"
        sums = group_sums(lead[:, np.newaxis], self.first.group)[:, 0]
        return PairedTest(first_only, second_only, sign_flips(np.rint(sums)), method)

    def _leads(self) -> NDArray[np.float64]:
        """Return 1 for each answer that only the first model has right, −1 for those of the second."""
        return self.first.right.astype(np.float64) - self.second.right.astype(np.float64)


@dataclass(frozen=True)
class PairedTest:
    """What the test on cells found.

    Attributes
    ----------
    first_only, second_only
        Answers that only the first model has right, and only the second: a cell counts as often as it was held out.
    """

    first_only: int
    second_only: int
    p_value: float
    method: str


def compare_all(
    models: Sequence[HeldOut],
    titles: Mapping[str, str],
    training: Mapping[tuple[int, int], int] | None = None,
    *,
    replicates: int = 0,
    seed: int = 0,
) -> tuple[Comparison, ...]:
    """Compare every two models, in their order, the p-values corrected for the number of comparisons.

    Parameters
    ----------
    models
        Their held-out predictions.
    titles
        By name, for the sentences.
    training
        Rows trained on by (repeat, fold), for :func:`~buffycoat.evaluate.overlap.by_fold`.
    replicates, seed
        Of the bootstrap of each difference; none by default.
    """
    pairs = [paired for paired in (Paired.of(*pair) for pair in combinations(models, 2)) if len(paired.first.cell)]
    tests = [paired.test() for paired in pairs]
    p_values = [test.p_value for test in tests]
    corrected = holm(p_values)
    over_folds = _resampled(pairs, training)
    p_by_folds = [again.p_value for again in over_folds if again is not None]
    comparisons = []
    for paired, test, adjusted, again in zip(pairs, tests, corrected, over_folds, strict=True):
        difference = paired.difference()
        settled = adjusted < ALPHA and _leaves_out_nought(difference.interval)
        # Where all folds differ equally the t-test has nothing to estimate its error from, and the others decide.
        judge = again if again is not None and again.decides else None
        settled = settled and (judge is None or judge.p_adjusted < ALPHA)
        settled = settled and _same_way(difference.value, None if judge is None else judge.statistic)
        names = (paired.first.model, paired.second.model)
        needed = images_needed(paired.first, paired.second, alpha=_asked_of(test.p_value, p_values))
        if needed is not None and judge is not None:
            cells, level = len(np.unique(paired.first.cell)), _asked_of(judge.p_value, p_by_folds)
            most = max(needed, images_for_t_test(judge, cells, alpha=level))
            needed = rounded_up(most) if most <= MOST else None
        comparisons.append(
            Comparison(
                first=names[0],
                second=names[1],
                difference=difference,
                first_only_right=test.first_only,
                second_only_right=test.second_only,
                p_value=test.p_value,
                p_adjusted=adjusted,
                settled=settled,
                method=test.method + (f", Holm-corrected over {len(pairs)}" if len(pairs) > 1 else ""),
                sentence=sentence(
                    titles[names[0]],
                    titles[names[1]],
                    difference,
                    settled=settled,
                    images=needed,
                    by_folds=None if again is None else again.p_adjusted,
                ),
                resampled=again,
                images_needed=None if settled else needed,
                bootstrap=paired.bootstrap(replicates=replicates, seed=seed) if replicates else None,
            )
        )
    return tuple(comparisons)


def _asked_of(p_value: float, p_values: Sequence[float]) -> float:
    """Return the level that Holm's rule asks of one p-value among all of its family."""
    return ALPHA / sum(other >= p_value for other in p_values)


def _resampled(pairs: Sequence[Paired], training: Mapping[tuple[int, int], int] | None) -> list[ResampledTest | None]:
    """Return the corrected resampled t-test of each pair, Holm-corrected; None where folds share no training rows."""
    found = []
    for paired in pairs:
        leads, ratio = overlap.by_fold(paired.first, paired.second, training)
        several = len(leads) > 2 or paired.repeats > 1  # of two folds of one run, each trains on the other
        found.append(overlap.corrected_t_test(leads, ratio) if several and ratio is not None else None)
    corrected = iter(holm([test.p_value for test in found if test is not None]))
    return [
        None
        if test is None
        else ResampledTest(
            statistic=test.statistic,
            degrees=test.degrees,
            p_value=test.p_value,
            p_adjusted=next(corrected),
            interval=interval(test.low, test.high, LEVEL, overlap.METHOD),
            method=f"{overlap.METHOD} on {test.degrees + 1} folds",
            decides=paired.repeats > 1,
        )
        for paired, test in zip(pairs, found, strict=True)
    ]


def _leaves_out_nought(limits: Interval) -> bool:
    return limits.low is not None and limits.high is not None and (limits.low > 0 or limits.high < 0)


def _same_way(*leads: float | None) -> bool:
    """Say whether all that was measured points to the same model: folds count alike in one, answers in the other."""
    return len({np.sign(lead) for lead in leads if lead is not None}) == 1


def sentence(
    first: str,
    second: str,
    difference: Estimate,
    *,
    settled: bool,
    images: int | None = None,
    by_folds: float | None = None,
) -> str:
    """Return the comparison in plain words, the better model first.

    Parameters
    ----------
    images
        How many would settle it.
    by_folds
        Corrected p-value of the t-test over folds: told where it does not agree that the comparison is settled.

    Examples
    --------
    >>> from buffycoat.records.documents import Interval
    >>> limits = Interval(low=-0.07, high=0.01, method="")
    >>> sentence("ResNet", "EfficientNet", Estimate(value=-0.03, interval=limits), settled=False, images=900)
    'EfficientNet is better than ResNet by 0.03 (−0.01 to 0.07): these data do not settle it; about 900 images would.'
    """
    value, low, high = difference.value or 0.0, difference.interval.low, difference.interval.high
    if value < 0:
        first, second = second, first
        value, low, high = -value, None if high is None else -high, None if low is None else -low
    near = [value, *(abs(limit) for limit in (low, high) if settled and limit is not None)]
    digits = 3 if any(0 < one < 0.005 for one in near) else 2  # what leaves out nought must not be shown as nought
    limits = (
        "interval undefined" if low is None or high is None else f"{_signed(low, digits)} to {_signed(high, digits)}"
    )
    if value == 0:
        return f"{first} and {second} are right equally often ({limits}): these data do not tell them apart."
    would = "" if images is None else f"; about {_whole(images)} images would"
    verdict = "." if settled else f": these data do not settle it{would}."
    if settled and by_folds is not None and by_folds >= ALPHA:
        verdict = f" on these cells; the test over folds does not agree (corrected p = {by_folds:.2f})."
    return f"{first} is better than {second} by {value:.{digits}f} ({limits}){verdict}"


def _whole(count: int) -> str:
    return f"{count:,}".replace(",", "\u202f") if count >= 10_000 else str(count)


def _signed(value: float, digits: int) -> str:
    shown = f"{value:.{digits}f}"
    return shown.removeprefix("-") if float(shown) == 0 else shown.replace("-", "−")
