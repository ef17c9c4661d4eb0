"""Light, colour and sharpness class by class: what a network could learn instead of the cell.

The independent unit is the group: photographs of one cell share its light. Effects are omega squared over group
means (Olejnik and Algina, Psychol. Methods 8 (2003) 434): the share of a measure's spread that lies between classes,
corrected for what chance would put there; p values come from permuting the classes of whole groups.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from buffycoat import taxonomy
from buffycoat.records.audit import ClassSpread, Flag, Shortcut

PERMUTATIONS = 1999
LARGE = 0.14
"""Omega squared from which an effect is called large (Cohen, 1988)."""
_MIDDLING = 0.06
_FEW = 0.1
_ODD = 6.0  # robust deviations from the middle of all groups


@dataclass(frozen=True)
class Kind:
    """A measure with its columns (one, or the three channels of a colour)."""

    name: str
    title: str
    unit: str
    columns: tuple[str, ...]


KINDS = (
    Kind("background-colour", "Colour of the empty background", "blue minus red, levels", ("red", "green", "blue")),
    Kind("brightness", "Brightness of the empty background", "level of green, 0–255", ("green",)),
    Kind("sharpness", "Sharpness", "finest structure over edges", ("sharpness",)),
    Kind("contrast", "Contrast of the field", "deviation over background", ("contrast",)),
    Kind("size", "Size of the photograph", "px, width", ("width",)),
)
COLUMNS = ("red", "green", "blue", "sharpness", "contrast")
"""Measures from which the class is guessed in :mod:`buffycoat.audit.background`."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Units:
    """Groups as units: mean measures of the photographs of one class and group.

    Attributes
    ----------
    labels
        Class of each unit.
    groups
        Group of each unit; a group whose photographs bear several labels makes one unit of each.
    images
        Photographs in each unit.
    values
        By column name, float64 (units,).
    """

    labels: NDArray[np.str_]
    groups: NDArray[np.str_]
    images: NDArray[np.int64]
    values: dict[str, Floats]

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes, in the project's order."""
        return taxonomy.order(self.labels.tolist())


def units_of(cells: pl.DataFrame, files: pl.DataFrame) -> Units:
    """Gather the units: photographs with one labelled class, that can be read and are not blank."""
    lit = files.filter(pl.col("problem").is_null() & ~pl.col("blank"))
    columns = sorted({column for kind in KINDS for column in kind.columns} | set(COLUMNS))
    labelled = cells.filter(
        (pl.col("label_count") == 1) & pl.col("label").is_not_null() & pl.col("image").is_not_null()
    )
    one = labelled.group_by("image").agg(
        pl.col("label").first(), pl.col("group").first(), pl.col("label").n_unique().alias("_labels")
    )
    table = (
        one.filter(pl.col("_labels") == 1)
        .join(lit.select("image", *columns), on="image")
        .group_by("label", "group")
        .agg(pl.len().alias("images"), *(pl.col(column).cast(pl.Float64).mean() for column in columns))
        .sort("group", "label")
    )
    return Units(
        np.array(table.get_column("label").to_list(), np.str_),
        np.array(table.get_column("group").to_list(), np.str_),
        table.get_column("images").to_numpy().astype(np.int64),
        {column: table.get_column(column).to_numpy() for column in columns},
    )


def shortcuts(units: Units, seed: int = 0) -> list[Shortcut]:
    """Return for each measure how far it tells the class; none where fewer than two classes have two units."""
    names, counts = np.unique(units.labels, return_counts=True)
    if (counts >= 2).sum() < 2 or len(units.labels) <= len(names):
        return []
    return [_shortcut(kind, units, seed) for kind in KINDS if _varies(kind, units)]


def _varies(kind: Kind, units: Units) -> bool:
    return any(np.ptp(units.values[column]) > 1e-9 for column in kind.columns)


def _shortcut(kind: Kind, units: Units, seed: int) -> Shortcut:
    names = list(units.classes)
    codes = np.array([names.index(str(label)) for label in units.labels])
    values = np.column_stack([units.values[column] for column in kind.columns])
    effect, p_value = omega_squared(values, codes, seed=seed)
    shown = _shown(kind, units)
    spreads = []
    for code, name in enumerate(names):
        own = shown[codes == code]
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
        odd_groups=tuple(_odd(shown, units)),
    )


def _shown(kind: Kind, units: Units) -> Floats:
    return units.values["blue"] - units.values["red"] if len(kind.columns) == 3 else units.values[kind.columns[0]]


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


def _odd(shown: Floats, units: Units) -> list[str]:
    """Return the groups far from all others: photographed on another day or with another lamp."""
    several = units.images > 1
    if several.sum() < 5:
        return []
    middle = float(np.median(shown))
    scatter = 1.4826 * float(np.median(np.abs(shown - middle)))
    if scatter <= 1e-9:
        return []
    far = np.abs(shown - middle) / scatter
    if (far > _ODD).mean() > _FEW:  # two lights rather than a few strangers: that is for the effect to tell
        return []
    return [str(units.groups[k]) for k in np.argsort(-far) if far[k] > _ODD and several[k]][:50]
