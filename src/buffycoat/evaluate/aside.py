"""Which rows may set the temperature and the thresholds of a held-out fold, so that no row judges itself.

Temperatures come from inner validation rows alone. A fold has some 26 of them, two or three of a rare class: too few to
fit anything. So all folds' validation rows of the same repeat serve, each answered by its own fold's network, but
for those whose cell or group is held out in the fold in question. Thresholds by class need more rows still: they
come from the other folds' held-out rows (cross-conformal prediction), of which no network saw anything, not even
to choose its epoch. Where there is but one fold, they come from its validation rows. What this takes for granted
is that the networks of the folds, trained alike on nearly the same rows, are alike in how sure they are.

Source: Vovk, Ann. Math. Artif. Intell. 74 (2015) 9 (cross-conformal prediction).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from buffycoat.evaluate.calibration import cautious_temperature, log_of, rescale
from buffycoat.evaluate.held_out import HeldOut

Flags = NDArray[np.bool_]

VALIDATION = "inner validation rows of all folds but those held out in the fold itself"
OTHER_FOLDS = "held-out rows of the other folds"
OWN_VALIDATION = "inner validation rows, as there is one fold only"


def folds_of(held: HeldOut) -> Iterator[tuple[int, int, Flags]]:
    """Yield repeat, fold, and which rows are of it, in order."""
    for repeat, fold in sorted(set(zip(held.repeat.tolist(), held.fold.tolist(), strict=True))):
        yield repeat, fold, (held.repeat == repeat) & (held.fold == fold)


def fitting_rows(held: HeldOut, validation: HeldOut, repeat: int, of: Flags) -> HeldOut:
    """Return the validation rows that may be used for the held-out rows `of` of a repeat."""
    apart = ~np.isin(validation.group, held.group[of])
    return validation.take((validation.repeat == repeat) & apart)


def calibrated(held: HeldOut, validation: HeldOut) -> tuple[HeldOut, HeldOut, tuple[float, ...]]:
    """Return held-out and validation rows at their fold's temperature, and the temperatures by repeat and fold."""
    odds, inner = held.odds.copy(), validation.odds.copy()
    temperatures = []
    for repeat, fold, of in folds_of(held):
        rows = fitting_rows(held, validation, repeat, of)
        temperature = cautious_temperature(log_of(rows.odds), rows.true)
        odds[of] = rescale(held.odds[of], temperature)
        own = (validation.repeat == repeat) & (validation.fold == fold)
        inner[own] = rescale(validation.odds[own], temperature)
        temperatures.append(temperature)
    return replace(held, odds=odds), replace(validation, odds=inner), tuple(temperatures)


def by_other_rows(
    held: HeldOut, validation: HeldOut | None, choose: Callable[[HeldOut], NDArray[np.float64]]
) -> NDArray[np.float64] | None:
    """Return for each held-out row the threshold that other rows set.

    Parameters
    ----------
    held, validation
        At their fold's temperature.
    choose
        From rows to thresholds, shape ``(k,)``.

    Returns
    -------
    NDArray | None
        Shape ``(n, k)``; None where a fold has no other rows.
    """
    found: list[tuple[Flags, NDArray[np.float64]]] = []
    for repeat, fold, of in folds_of(held):
        others = held.take((held.repeat == repeat) & (held.fold != fold))
        if not len(others.cell):
            if validation is None:
                return None
            others = fitting_rows(held, validation, repeat, of)
        if not len(others.cell):
            return None
        found.append((of, choose(others)))
    thresholds = np.empty((len(held.cell), len(found[0][1])))
    for of, chosen in found:
        thresholds[of] = chosen
    return thresholds


def threshold_source(held: HeldOut) -> str:
    """Say in words which rows set the thresholds."""
    return OTHER_FOLDS if has_other_folds(held) else OWN_VALIDATION


def has_other_folds(held: HeldOut) -> bool:
    """Say whether a repeat has several folds, so that one may set what another is judged by."""
    folds = [(repeat, fold) for repeat, fold, _ in folds_of(held)]
    return len(folds) > len({repeat for repeat, _ in folds})
