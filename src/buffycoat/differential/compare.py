"""Two counts of one slide: which types differ by more than counting error, and which do not.

Two cases are told apart. Where two people each count cells of their own choice, the counts are independent samples of
the slide: Fisher's exact test. Where both named the same cells, as a program and the person who corrects it do, no
cell was drawn twice: McNemar's exact test on the cells they name differently.

Sources: Fisher, J. R. Stat. Soc. 98 (1935) 39; McNemar, Psychometrika 12 (1947) 153, in its exact form; Holm, Scand. J.
Stat. 6 (1979) 65; Zou and Donner, Stat. Med. 27 (2008) 1693 (limits of a difference from the limits of its parts);
Bonett and Price, J. Educ. Behav. Stat. 37 (2012) 479 (limits of a difference on the same cells).
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

import numpy as np

from buffycoat.differential.cautions import cells, listed
from buffycoat.differential.count import label_of
from buffycoat.differential.limits import LEVEL, percent
from buffycoat.errors import UsageError
from buffycoat.evaluate.compare import exact_mcnemar, holm
from buffycoat.evaluate.intervals import PAIRED, interval, paired_limits
from buffycoat.evaluate.verdicts import ALPHA
from buffycoat.records.differential import ARTEFACT, UNIDENTIFIED, CountComparison, Differential, TypeDifference
from buffycoat.records.documents import Estimate
from buffycoat.taxonomy import order

_APART = {UNIDENTIFIED, ARTEFACT}


def compare(
    first: Differential,
    second: Differential,
    *,
    names: tuple[str, str] | None = None,
    alpha: float = ALPHA,
) -> CountComparison:
    """Compare two counts made independently: each of cells of its own, or at least counted without the other.

    Parameters
    ----------
    first, second
        The counts. Types that either could not assess are left out.
    names
        What to call them in sentences; their counters' names, if not given.
    alpha
        A type differs where its corrected p-value is below this.

    Notes
    -----
    Both counts carry counting error. Where both name the very same cells, use :func:`compare_cells`: this test would
    miss differences that are plain to see cell by cell.
    """
    shared = [row.name for row in first.types if row.assessed and _assessed(second, row.name)]
    shared += [
        row.name for row in second.types if row.name not in shared and row.assessed and _assessed(first, row.name)
    ]
    a, b = names or _names(first.counted_by.name, second.counted_by.name)
    n, m, level = first.denominator, second.denominator, first.level
    pairs = [(_count(first, name), _count(second, name)) for name in order(shared)]
    p_values = [_fisher(x, n, y, m) for x, y in pairs]
    types = []
    for name, (x, y), p, adjusted in zip(order(shared), pairs, p_values, _corrected(p_values), strict=True):
        one, other = percent(x, n, level), percent(y, m, level)
        apart = _difference(one, other)
        differs = adjusted < alpha
        types.append(
            TypeDifference(
                name=name,
                first=one,
                second=other,
                difference=apart,
                p_value=p,
                p_adjusted=adjusted,
                differs=differs,
                sentence=_independent_sentence(name, (a, one), (b, other), apart, adjusted, differs=differs),
            )
        )
    made = CountComparison(
        first=a,
        second=b,
        design="independent counts",
        first_denominator=n,
        second_denominator=m,
        compared=n + m,
        level=level,
        alpha=alpha,
        method="Fisher's exact test for each type, corrected after Holm; limits of each count exact binomial "
        "(Clopper–Pearson), of the differences after Zou and Donner",
        types=tuple(types),
        sentences=(),
    )
    left_out = [f"{row.name}s" for one in (first, second) for row in one.types if row.name not in shared]
    remarks = (
        [f"{listed(list(dict.fromkeys(left_out)))} were not compared: one count could not assess them."]
        if left_out
        else []
    )
    return made.model_copy(update={"sentences": _summary(made, *remarks)})


def compare_cells(
    first: Mapping[Hashable, str | None] | Sequence[str | None],
    second: Mapping[Hashable, str | None] | Sequence[str | None],
    *,
    names: tuple[str, str] = ("the program", "the person"),
    level: float = LEVEL,
    alpha: float = ALPHA,
) -> CountComparison:
    """Compare two readers of the same cells.

    Parameters
    ----------
    first, second
        Labels of the same cells: two sequences of one length, or by cell identifier. Cells that only one of two
        mappings holds are counted in that reader's denominator and take no part in percentages and tests.
    names
        Who gave them.
    level, alpha
        As in :func:`compare`.

    Notes
    -----
    Only cells that both named as leukocytes are compared. The percentages of each reader are of these cells, too, so
    that their difference is the one tested; in the reader's own differential they are of all cells that reader named.
    """
    one, other = _keyed(first, second)
    a_named = {key: label for key, label in one.items() if label not in _APART}
    b_named = {key: label for key, label in other.items() if label not in _APART}
    both = [key for key in a_named if key in b_named]
    kinds = order([*a_named.values(), *b_named.values()])
    split = [
        (
            sum(a_named[key] == kind != b_named[key] for key in both),
            sum(b_named[key] == kind != a_named[key] for key in both),
        )
        for kind in kinds
    ]
    p_values = [exact_mcnemar(x, y) for x, y in split]
    types = []
    for kind, (x, y), p, adjusted in zip(kinds, split, p_values, _corrected(p_values), strict=True):
        share_a = percent(sum(a_named[key] == kind for key in both), len(both), level)
        share_b = percent(sum(b_named[key] == kind for key in both), len(both), level)
        apart = _paired_difference(x, y, len(both), level)
        differs = adjusted < alpha
        types.append(
            TypeDifference(
                name=kind,
                first=share_a,
                second=share_b,
                difference=apart,
                first_only=x,
                second_only=y,
                p_value=p,
                p_adjusted=adjusted,
                differs=differs,
                sentence=_paired_sentence(kind, names, (x, y), apart, adjusted, differs=differs),
            )
        )
    made = CountComparison(
        first=names[0],
        second=names[1],
        design="same cells",
        first_denominator=len(a_named),
        second_denominator=len(b_named),
        compared=len(both),
        agreed=sum(a_named[key] == b_named[key] for key in both),
        level=level,
        alpha=alpha,
        method="McNemar's exact test for each type on the cells both named, corrected after Holm; limits of the "
        "differences after Bonett and Price",
        types=tuple(types),
        sentences=(),
    )
    return made.model_copy(update={"sentences": _summary(made)})


def _keyed(
    first: Mapping[Hashable, str | None] | Sequence[str | None],
    second: Mapping[Hashable, str | None] | Sequence[str | None],
) -> tuple[dict[Hashable, str], dict[Hashable, str]]:
    if isinstance(first, Mapping) and isinstance(second, Mapping):
        return tuple({key: label_of(label) for key, label in one.items()} for one in (first, second))  # type: ignore[return-value]
    if isinstance(first, Mapping) or isinstance(second, Mapping) or len(first) != len(second):
        raise UsageError("The labels of two readers must be of the same cells: two lists of one length, or by cell.")
    return (
        {place: label_of(label) for place, label in enumerate(first)},
        {place: label_of(label) for place, label in enumerate(second)},
    )


def _assessed(made: Differential, name: str) -> bool:
    """Return whether a count could have found a type.

    A person who has no row for it counted none; a program finds only the classes of its network.
    """
    row = next((row for row in made.types if row.name == name), None)
    if row is not None:
        return row.assessed
    return made.counted_by.kind != "program" or (made.classifier is not None and name in made.classifier.classes)


def _count(made: Differential, name: str) -> int:
    return next((row.count for row in made.types if row.name == name), 0)


def _names(first: str, second: str) -> tuple[str, str]:
    return (first, second) if first != second else (f"{first} (first count)", f"{second} (second count)")


def _fisher(x: int, n: int, y: int, m: int) -> float:
    """Return the two-sided p-value of Fisher's exact test for x of n against y of m."""
    if n == 0 or m == 0:
        return 1.0
    from scipy.stats import fisher_exact

    return min(1.0, float(fisher_exact(np.array([[x, n - x], [y, m - y]])).pvalue))


def _corrected(p_values: list[float]) -> list[float]:
    return holm(p_values) if p_values else []


def _difference(first: Estimate, second: Estimate) -> Estimate:
    """Return second − first in points, its limits from the limits of both (MOVER)."""
    a, b, level = first.interval, second.interval, first.interval.level
    method = "from the exact limits of both counts (Zou–Donner)"
    if first.value is None or second.value is None or None in {a.low, a.high, b.low, b.high}:
        return Estimate(value=None, interval=interval(float("nan"), float("nan"), level, method))
    value = second.value - first.value
    below = ((second.value - (b.low or 0)) ** 2 + ((a.high or 0) - first.value) ** 2) ** 0.5
    above = (((b.high or 0) - second.value) ** 2 + (first.value - (a.low or 0)) ** 2) ** 0.5
    return Estimate(value=value, interval=interval(value - below, value + above, level, method))


def _paired_difference(first_only: int, second_only: int, n: int, level: float) -> Estimate:
    """Return second − first in points over the cells both named."""
    if n == 0:
        return Estimate(value=None, interval=interval(float("nan"), float("nan"), level, PAIRED))
    low, high = paired_limits(second_only, first_only, n, level)
    return Estimate(value=100 * (second_only - first_only) / n, interval=interval(100 * low, 100 * high, level, PAIRED))


def _points(apart: Estimate) -> str:
    if apart.value is None:
        return "undefined"
    limits = apart.interval
    between = f" ({limits.low:+.1f} to {limits.high:+.1f})" if limits.low is not None else ""
    return f"{apart.value:+.1f} points{between}".replace("-", "−")


def _p(value: float) -> str:
    return "p < 0.001" if value < 0.001 else f"p = {value:.3f}"


def _share(by: str, share: Estimate) -> str:
    value = "nothing was named" if share.value is None else f"{share.value:.1f} %"
    return f"{share.numerator} of {share.denominator} ({value}) by {by}"


def _independent_sentence(
    name: str, first: tuple[str, Estimate], second: tuple[str, Estimate], apart: Estimate, p: float, *, differs: bool
) -> str:
    verdict = "more than counting error" if differs else "no more than counting error explains"
    return (
        f"{name.capitalize()}s: {_share(*first)}, {_share(*second)}; difference {_points(apart)}: {verdict} "
        f"({_p(p)} after Holm's correction)."
    )


def _paired_sentence(
    kind: str, names: tuple[str, str], only: tuple[int, int], apart: Estimate, p: float, *, differs: bool
) -> str:
    if only == (0, 0):
        return f"{kind.capitalize()}s: both name the same cells."
    verdict = "more often one way than chance explains" if differs else "not clearly more often one way"
    return (
        f"{kind.capitalize()}s: {cells(only[0])} named so by {names[0]} only, {only[1]:,} by {names[1]} only; "
        f"difference {_points(apart)}: {verdict} ({_p(p)} after Holm's correction)."
    )


def _summary(made: CountComparison, *remarks: str) -> tuple[str, ...]:
    """Return what the comparison comes to, in a few sentences."""
    differing = [f"{row.name}s" for row in made.types if row.differs]
    said: list[str] = []
    if made.design == "same cells":
        agreed = percent(made.agreed or 0, made.compared, made.level)
        if agreed.value is not None:
            limits = agreed.interval
            said.append(
                f"{made.first} and {made.second} agree on {made.agreed:,} of {made.compared:,} cells that both named: "
                f"{agreed.value:.1f} % ({limits.low:.1f} to {limits.high:.1f} %)."
            )
            if max(made.first_denominator, made.second_denominator) > made.compared:
                said.append(
                    f"The percentages compared are of these {cells(made.compared)}; {made.first} named "
                    f"{made.first_denominator:,} and {made.second} {made.second_denominator:,}."
                )
        said.append(
            f"{listed(differing).capitalize()} differ one-sidedly, beyond chance."
            if differing
            else "No type differs one-sidedly beyond chance."
        )
    elif min(made.first_denominator, made.second_denominator) == 0:
        said.append("One of the counts named no cell: there is nothing to compare.")
    else:
        said.append(
            f"{listed(differing).capitalize()} differ by more than counting error."
            if differing
            else "No type differs by more than counting error."
        )
    if not differing and min(made.first_denominator, made.second_denominator) > 0:
        said.append("That does not show that the counts are the same: the limits say how large a difference may be.")
    return tuple(sentence[0].upper() + sentence[1:] for sentence in (*said, *remarks))
