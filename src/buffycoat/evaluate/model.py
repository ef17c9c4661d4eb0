"""One model's results, each figure with its interval."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from buffycoat.evaluate import metrics
from buffycoat.evaluate.held_out import HeldOut
from buffycoat.evaluate.intervals import (
    LEVEL,
    Floats,
    clustered_interval,
    correlation_of_shares,
    effective_number,
    exact_interval,
    interval,
    mid_p,
    mover_mean,
)
from buffycoat.records.documents import ClassResult, Estimate, Interval, ModelResult

_UNLIKELY = 0.05
_FIXED = ("balanced_accuracy", "macro_sensitivity", "macro_specificity")  # 1/K and 1 − 1/K for one answer, any cells
_MOVER = "MOVER from the classes' limits (mid-P)"
Parts = Callable[[metrics.Counts], tuple[metrics.Counts, metrics.Counts]]
Place = tuple[int, ...]


def model_result(held: HeldOut, *, title: str, classes: Sequence[str]) -> ModelResult:
    """Return everything a report says of one model.

    Shares of cells get exact binomial limits: of the cells where every prediction is about a group of its own, else of
    the effective number; F1 those of the share it is made of. Means over the classes get limits made from the classes'
    (mid-P), as far as the classes go together: on 326 cells, 20 of the rarest class, a cluster bootstrap holds mean
    sensitivity and precision in 0.87 to 0.96 of simulated sets. Each interval names its method.
    """
    return _Figures(held, classes).result(title)


def one_answer_folds(held: HeldOut) -> list[tuple[int, int]]:
    """Return the (repeat, fold) in which a model gave all held-out cells, of several classes, the same answer.

    A handful of cells proves nothing: where a model that is wrong as often as this one might well have answered so in
    one of its folds, none is counted.
    """
    found = []
    wrong = 1 - float(held.right.mean())
    folds = sorted(set(zip(held.repeat.tolist(), held.fold.tolist(), strict=True)))
    for repeat, fold in folds:
        here = (held.repeat == repeat) & (held.fold == fold)
        if len(np.unique(held.predicted[here])) > 1 or len(np.unique(held.true[here])) < 2:
            continue
        others = int(np.sum(held.true[here] != held.predicted[here][0]))  # each of them answered wrongly
        if wrong**others < _UNLIKELY / len(folds):
            found.append((repeat, fold))
    return found


class _Figures:
    def __init__(self, held: HeldOut, classes: Sequence[str]) -> None:
        self.held = held
        self.classes = classes
        self.by_group = held.group_counts().reshape(-1, len(classes), len(classes))
        self.matrix = self.by_group.sum(axis=0)

    def result(self, title: str) -> ModelResult:
        held = self.held
        per_class = tuple(self._of_class(place) for place in range(len(self.classes)))
        sensitivities = [one.sensitivity for one in per_class]
        mean = self._average("macro_sensitivity", sensitivities)
        answers = np.unique(held.predicted)
        collapsed = len(answers) == 1 and len(np.unique(held.true)) > 1
        folds = sorted(set(zip(held.repeat.tolist(), held.fold.tolist(), strict=True)))
        return ModelResult(
            model=held.model,
            title=title,
            n=len(held.cell),
            cells=len(np.unique(held.cell)),
            groups=len(self.by_group),
            right=int(np.trace(self.matrix)),
            accuracy=self._share(_accuracy_parts, ()),
            # The same figure where every class occurs, and then with the same limits.
            balanced_accuracy=self._average("balanced_accuracy", sensitivities) if mean.value is None else mean,
            macro_sensitivity=mean,
            macro_specificity=self._average("macro_specificity", [one.specificity for one in per_class]),
            macro_precision=self._average("macro_precision", [one.precision for one in per_class]),
            macro_f1=self._average("macro_f1", [one.f1 for one in per_class]),
            classes=per_class,
            confusion=tuple(tuple(row) for row in self.matrix.tolist()),
            collapsed=self.classes[int(answers[0])] if collapsed else None,
            per_fold_accuracy=tuple(
                float(held.right[(held.repeat == repeat) & (held.fold == fold)].mean()) for repeat, fold in folds
            ),
            repeats=len({repeat for repeat, _ in folds}),
        )

    def _of_class(self, place: int) -> ClassResult:
        def estimate(name: str) -> Estimate:
            return self._share(_shares(name), (place,))

        return ClassResult(
            name=self.classes[place],
            support=int(self.matrix[place].sum()),
            cells=len(np.unique(self.held.cell[self.held.true == place])),
            sensitivity=estimate("sensitivity"),
            specificity=estimate("specificity"),
            precision=estimate("precision"),
            f1=self._f1(place),
        )

    def _share(
        self,
        parts: Parts,
        place: Place,
    ) -> Estimate:
        """Return a share of counted cells."""
        part, whole = (int(count[place]) for count in parts(self.matrix))
        if whole == 0:
            return Estimate(value=None, interval=_undefined("a share of no cells"), numerator=part, denominator=whole)
        if self.held.independent:
            limits = exact_interval(part, whole)
        else:
            hits, cells = (count[:, place[0]] if place else count for count in parts(self.by_group))
            limits = clustered_interval(hits, cells)
        return Estimate(value=part / whole, interval=limits, numerator=part, denominator=whole)

    def _f1(self, place: int) -> Estimate:
        # F1 = 2J / (1 + J), where J is a plain share: hits among the cells that are of the class or called so.
        union = self._share(_union_parts, (place,))
        if union.value is None:
            return Estimate(value=None, interval=_undefined("the class neither occurs nor is named"))
        value, limits = float(metrics.f1(self.matrix)[place]), union.interval
        if limits.low is None or limits.high is None:
            return Estimate(value=value, interval=limits)
        low, high = (2 * limit / (1 + limit) for limit in (limits.low, limits.high))
        method = f"{limits.method} of the hits among cells of or called the class"
        return Estimate(value=value, interval=interval(low, high, limits.level, method))

    def _average(self, name: str, per_class: Sequence[Estimate]) -> Estimate:
        figure = metrics.OVERALL[name]
        value = float(figure(self.matrix))
        if not np.isfinite(value):
            lacking = [c for c, one in zip(self.classes, per_class, strict=True) if one.value is None]
            return Estimate(value=None, interval=_undefined(f"undefined for {', '.join(lacking)}"))
        if name in _FIXED and len(np.unique(self.held.predicted)) == 1:
            return Estimate(value=value, interval=_undefined("one answer for all cells has this value by definition"))
        return Estimate(value=value, interval=self._mean_limits(name))

    def _mean_limits(self, name: str) -> Interval:
        right, size = (np.asarray(part, np.float64) for part in _PARTS[name](self.by_group))
        occurs = size.sum(axis=0) > 0
        right, size = right[:, occurs], size[:, occurs]
        total = size.sum(axis=0)
        number = total if self.held.independent else self._effective(right, size)
        if not np.isfinite(number).all():
            return _undefined("one group of cells of a class")
        shares = right.sum(axis=0) / total
        figures = [shares, *mid_p(shares * number, number)]
        if name == "macro_f1":
            figures = [2 * share / (1 + share) for share in figures]
        low, high = mover_mean(figures[0], figures[1], figures[2], correlation=correlation_of_shares(right, size))
        return interval(max(low, 0.0), min(high, 1.0), LEVEL, _MOVER)

    @staticmethod
    def _effective(right: Floats, size: Floats) -> Floats:
        return np.array([effective_number(r[s > 0], s[s > 0]) for r, s in zip(right.T, size.T, strict=True)])


def _accuracy_parts(matrix: metrics.Counts) -> tuple[metrics.Counts, metrics.Counts]:
    return np.trace(matrix, axis1=-2, axis2=-1), matrix.sum(axis=(-2, -1))


def _union_parts(matrix: metrics.Counts) -> tuple[metrics.Counts, metrics.Counts]:
    hit, false_hit, missed, _ = metrics.tallies(matrix)
    return hit, hit + false_hit + missed


def _shares(name: str) -> Parts:
    return lambda matrix: metrics.shares(matrix)[name]


_PARTS: Mapping[str, Parts] = {
    "balanced_accuracy": _shares("sensitivity"),
    "macro_sensitivity": _shares("sensitivity"),
    "macro_specificity": _shares("specificity"),
    "macro_precision": _shares("precision"),
    "macro_f1": _union_parts,
}
"""The share of each class that a mean is made of."""


def _undefined(why: str) -> Interval:
    return Interval(low=None, high=None, method=f"undefined: {why}")
