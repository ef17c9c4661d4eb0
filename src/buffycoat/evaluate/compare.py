"""Two models on the same held-out cells: which is better, and whether these data settle it.

Sources: McNemar, Psychometrika 12 (1947) 153, in its exact form; Fisher, The Design of Experiments (1935) §21 (flipping
the signs of paired differences); Holm, Scand. J. Stat. 6 (1979) 65; limits of a difference: see
:mod:`~buffycoat.evaluate.intervals`. Where folds share training rows, the test of :mod:`~buffycoat.evaluate.overlap` is
made, too; over repeats it must agree before anything is called settled. In one run of five folds it is told beside the
others: with four degrees of freedom it seldom finds what is there. Where models were trained with several seeds, limits
that count the chance of training (:mod:`~buffycoat.evaluate.retrained`) must leave out nought as well.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import bdtr, gammaln

from buffycoat.evaluate import overlap
from buffycoat.evaluate.enough import MOST, images_for_t_test, images_needed, images_with_training, rounded_up
from buffycoat.evaluate.held_out import HeldOut
from buffycoat.evaluate.intervals import LEVEL, PAIRED, GroupBootstrap, fewer, interval, paired_limits
from buffycoat.evaluate.retrained import Retrained, Trainings, retrained
from buffycoat.evaluate.shares import group_sums
from buffycoat.evaluate.verdicts import ALPHA, leaves_out_nought, same_way, sentence, upholds
from buffycoat.records.documents import Comparison, Estimate, Interval
from buffycoat.records.evidence import ResampledTest, WithTraining

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
    trainings: Mapping[str, Trainings] | None = None,
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
    trainings
        With every seed, of the models that were trained with several; the others are taken as they are.
    replicates, seed
        Of the bootstrap of each difference; none by default.
    """
    pairs = [paired for paired in (Paired.of(*pair) for pair in combinations(models, 2)) if len(paired.first.cell)]
    tests = [paired.test() for paired in pairs]
    p_values = [test.p_value for test in tests]
    corrected = holm(p_values)
    over_folds = _resampled(pairs, training)
    p_by_folds = [again.p_value for again in over_folds if again is not None]
    anew = [_retrained(paired, trainings or {}) for paired in pairs]
    p_anew = [found.p_value for found in anew if found is not None]
    corrected_anew = iter(holm(p_anew))
    comparisons = []
    for paired, test, adjusted, again, found in zip(pairs, tests, corrected, over_folds, anew, strict=True):
        difference = paired.difference()
        with_training = None if found is None else _written(found, next(corrected_anew))
        here = adjusted < ALPHA and leaves_out_nought(difference.interval)
        # Where all folds differ equally the t-test has nothing to estimate its error from, and the others decide.
        judge = again if again is not None and again.decides else None
        here = here and (judge is None or judge.p_adjusted < ALPHA)
        here = here and same_way(difference.value, None if judge is None else judge.statistic)
        settled = here and (with_training is None or upholds(with_training, difference))
        names = (paired.first.model, paired.second.model)
        needed = _images(
            paired,
            images_needed(paired.first, paired.second, alpha=_asked_of(test.p_value, p_values)),
            None if judge is None else (judge, _asked_of(judge.p_value, p_by_folds)),
            None if found is None else (found, _asked_of(found.p_value, p_anew)),
        )
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
                    settled=here,
                    images=needed,
                    by_folds=None if again is None else again.p_adjusted,
                    anew=with_training,
                    repeats=paired.repeats,
                ),
                resampled=again,
                images_needed=None if settled else needed,
                bootstrap=paired.bootstrap(replicates=replicates, seed=seed) if replicates else None,
                with_training=with_training,
            )
        )
    return tuple(comparisons)


def _images(
    paired: Paired,
    by_cells: int | None,
    judge: tuple[ResampledTest, float] | None,
    anew: tuple[Retrained, float] | None,
) -> int | None:
    """Return how many images every test that has to agree asks for, each at its level; None: more than can be told."""
    if by_cells is None:
        return None
    cells, most = len(np.unique(paired.first.cell)), float(by_cells)
    if judge is not None:
        most = max(most, images_for_t_test(judge[0], cells, alpha=judge[1]))
    if anew is not None:
        # Where trained anew the other leads, more images would settle it the other way.
        alike = same_way(paired.difference().value, anew[0].value)
        most = max(most, images_with_training(anew[0], cells, alpha=anew[1]) if alike else math.inf)
    return rounded_up(most) if most <= MOST else None


def _retrained(paired: Paired, trainings: Mapping[str, Trainings]) -> Retrained | None:
    """Return the difference of a pair trained anew, where one of the two at least was trained with several seeds."""
    first, second = (trainings.get(held.model) or Trainings.once(held) for held in (paired.first, paired.second))
    return retrained(first, second)


def _written(found: Retrained, adjusted: float) -> WithTraining:
    method = f"Student's t at {found.degrees:.3g} degrees of freedom, cells and training together"
    return WithTraining(
        difference=Estimate(value=found.value, interval=interval(found.low, found.high, LEVEL, method)),
        seeds=found.seeds,
        from_cells=float(np.sqrt(found.from_cells)),
        from_training=float(np.sqrt(found.from_training)),
        p_value=found.p_value,
        p_adjusted=adjusted,
    )


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
