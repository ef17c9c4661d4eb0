"""Light, colour and sharpness class by class: what a network could learn instead of the cell.

The independent unit is the group: photographs of one cell share its light. Effects are omega squared over group
means (Olejnik and Algina, Psychol. Methods 8 (2003) 434): the share of a measure's spread that lies between classes,
corrected for what chance would put there; p values come from permuting the classes of whole groups.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from buffycoat.audit.units import KINDS, Floats, Kind, Units, shown, varies
from buffycoat.records.audit import ClassSpread, Flag, Shortcut

PERMUTATIONS = 1999
LARGE = 0.14
"""Omega squared from which an effect is called large (Cohen, 1988)."""
_MIDDLING = 0.06
_FEW = 0.1
_ODD = 6.0  # robust deviations from the middle of all groups


def shortcuts(units: Units, seed: int = 0) -> list[Shortcut]:
    """Return for each measure how far it tells the class; none where fewer than two classes have two units."""
    names, counts = np.unique(units.labels, return_counts=True)
    if (counts >= 2).sum() < 2 or len(units.labels) <= len(names):
        return []
    return [_shortcut(kind, units, seed) for kind in KINDS if varies(kind, units)]


def _shortcut(kind: Kind, units: Units, seed: int) -> Shortcut:
    names = list(units.classes)
    codes = np.array([names.index(str(label)) for label in units.labels])
    values = np.column_stack([units.values[column] for column in kind.columns])
    effect, p_value = omega_squared(values, codes, seed=seed)
    levels = shown(kind, units)
    spreads = []
    for code, name in enumerate(names):
        own = levels[codes == code]
        deviation = float(own.std(ddof=1)) if len(own) > 1 else 0.0
        spreads.append(
            ClassSpread(
                label=name,
                groups=len(own),
                images=int(units.images[codes == code].sum()),
                mean=float(own.mean()),
                deviation=deviation,
            )
        )
    flag: Flag = "sound"
    if p_value < 0.05 and effect >= _MIDDLING:
        flag = "serious" if effect >= LARGE and p_value < 0.01 else "look"
    return Shortcut(
        name=kind.name,
        title=kind.title,
        unit=kind.unit,
        effect=effect,
        p_value=p_value,
        flag=flag,
        sentence=_sentence(kind, effect, p_value, flag, spreads),
        classes=tuple(spreads),
        odd_groups=tuple(_odd(levels, units)),
    )


def _sentence(kind: Kind, effect: float, p_value: float, flag: Flag, spreads: Sequence[ClassSpread]) -> str:
    if flag == "sound":
        return f"{kind.title} does not tell the classes apart more than chance would or than matters."
    known = [spread for spread in spreads if spread.groups > 1] or list(spreads)
    low, high = min(known, key=lambda one: one.mean), max(known, key=lambda one: one.mean)
    chance = "p < 0.001" if p_value < 0.001 else f"p = {p_value:.3f}"
    return (
        f"{effect:.0%} of the differences in this lie between the classes ({chance}): {high.label} stands highest "
        f"({_figure(high.mean)}), {low.label} lowest ({_figure(low.mean)}). A network could name the class by it "
        "without looking at the cell."
    )


def _figure(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 10 else f"{value:.2f}"


def omega_squared(
    values: Floats, codes: NDArray[np.int64], *, permutations: int = PERMUTATIONS, seed: int = 0
) -> tuple[float, float]:
    """Return omega squared of a one-way layout, and its permutation p value.

    Parameters
    ----------
    values
        Shape (units, columns). Several columns are made of equal spread and their sums of squares added.
    codes
        Class of each unit, from 0.
    """
    spread = values.std(axis=0)
    scaled = (values - values.mean(axis=0)) / np.where(spread > 1e-12, spread, 1.0)
    total = float((scaled**2).sum())
    classes = int(codes.max()) + 1
    counts = np.bincount(codes, minlength=classes)
    used = int((counts > 0).sum())
    columns = scaled.shape[1]

    def between(assigned: NDArray[np.int64]) -> float:
        sums = np.stack([np.bincount(assigned, weights=column, minlength=classes) for column in scaled.T], axis=1)
        return float((sums**2 / np.maximum(counts, 1)[:, None]).sum())

    found = between(codes)
    within = max(total - found, 0.0) / max((len(codes) - used) * columns, 1)
    effect = (found - (used - 1) * columns * within) / (total + columns * within) if total > 0 else 0.0
    generator = np.random.default_rng(seed)
    reached = sum(between(generator.permutation(codes)) >= found - 1e-9 for _ in range(permutations))
    return float(np.clip(effect, 0.0, 1.0)), (1 + reached) / (1 + permutations)


def _odd(levels: Floats, units: Units) -> list[str]:
    """Return the groups far from all others: photographed on another day or with another lamp."""
    several = units.images > 1
    if several.sum() < 5:
        return []
    middle = float(np.median(levels))
    scatter = 1.4826 * float(np.median(np.abs(levels - middle)))
    if scatter <= 1e-9:
        return []
    far = np.abs(levels - middle) / scatter
    if (far > _ODD).mean() > _FEW:  # two lights rather than a few strangers: that is for the effect to tell
        return []
    return [str(units.groups[k]) for k in np.argsort(-far) if far[k] > _ODD and several[k]][:50]
