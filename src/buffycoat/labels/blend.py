"""Several models' out-of-fold probabilities made one: each counts as far as it helped on rows that judged nothing.

For every fold, the models' probabilities are brought to a temperature, and the models are weighed, on the fold's own
inner validation rows. The networks that answer these were trained without the fold's held-out cells, so neither a
held-out cell's label nor a network that learned from it has a say in its probabilities. The rows are few, some 26 in
the 410-image set. So the temperature is the one nearest to 1 that will do, for the best one on so few rows costs a
tenth of the flipped labels. And the weights, those of a mixture found by expectation and maximisation (Dempster, Laird
and Rubin, J. R. Stat. Soc. B 39 (1977) 1), begin with a row for every model: one that learned nothing gets little.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from buffycoat.evaluate.aside import folds_of
from buffycoat.evaluate.calibration import cautious_temperature, log_of, rescale
from buffycoat.evaluate.held_out import HeldOut, held_out
from buffycoat.labels.confident import Floats, Numbers

_ROUNDS = 500
_STILL = 1e-8


@dataclass(frozen=True)
class Blend:
    """One set of probabilities per cell.

    Attributes
    ----------
    cell_ids
        Every held-out cell, once, in order of their names.
    labels, groups
        Shape ``(n,)``, class and group numbers.
    probabilities
        Shape ``(n, C)``, averaged over the repeats.
    answers
        Each model's own class per cell, shape ``(n,)``; −1 where it was not asked.
    weights, temperatures
        By model, averaged over the folds.
    """

    cell_ids: tuple[str, ...]
    labels: Numbers
    groups: Numbers
    probabilities: Floats
    answers: Mapping[str, Numbers]
    weights: Mapping[str, float]
    temperatures: Mapping[str, float]


def blend(
    predictions: pl.DataFrame, validation: pl.DataFrame | None, cells: pl.DataFrame, classes: Sequence[str]
) -> Blend:
    """Blend the models of a study.

    Parameters
    ----------
    predictions, validation
        ``predictions.parquet``, validated, and ``validation.parquet``; without validation rows every model counts
        alike, as it is.
    cells
        With ``cell_id``, ``label`` and ``group``.
    """
    found = held_out(predictions, cells, classes)
    inner = {} if validation is None or validation.is_empty() else held_out(validation, cells, classes)
    names = predictions.get_column("cell_id").unique().sort().to_list()
    numbers = np.unique(np.concatenate([held.cell for held in found.values()]))  # in the order of the names
    count, total = np.zeros((len(names), len(classes))), np.zeros(len(names))
    labels, groups = np.zeros(len(names), np.int64), np.zeros(len(names), np.int64)
    answers: dict[str, Numbers] = {}
    fitted = {
        fold: _fit(fold, found, inner) for fold in sorted(set().union(*(_folds(held) for held in found.values())))
    }
    for name, held in found.items():
        place = np.searchsorted(numbers, held.cell)
        odds, weight = np.empty_like(held.odds), np.empty(len(held.cell))
        for repeat, fold, of in folds_of(held):
            one = fitted[repeat, fold][name]
            odds[of], weight[of] = rescale(held.odds[of], one.temperature), one.weight
        own, asked = np.zeros_like(count), np.zeros(len(names))
        np.add.at(own, place, odds)
        np.add.at(asked, place, 1.0)
        answers[name] = np.where(asked > 0, own.argmax(axis=1), -1)
        np.add.at(count, place, weight[:, None] * odds)
        np.add.at(total, place, weight)
        labels[place], groups[place] = held.true, held.group
    return Blend(
        tuple(names),
        labels,
        groups,
        count / np.maximum(total, 1e-300)[:, None],
        answers,
        {name: float(np.mean([of[name].weight for of in fitted.values() if name in of])) for name in found},
        {name: float(np.mean([of[name].temperature for of in fitted.values() if name in of])) for name in found},
    )


def _folds(held: HeldOut) -> set[tuple[int, int]]:
    return set(zip(held.repeat.tolist(), held.fold.tolist(), strict=True))


@dataclass(frozen=True)
class _Part:
    """A model's part in one fold."""

    temperature: float
    weight: float


def _fit(fold: tuple[int, int], found: Mapping[str, HeldOut], inner: Mapping[str, HeldOut]) -> dict[str, _Part]:
    """Return the parts of the models that were asked in a fold, from its inner validation rows."""
    models = [name for name, held in found.items() if fold in _folds(held)]
    rows = {name: _aside(fold, found[name], inner[name]) for name in models if name in inner}
    temperatures = {
        name: cautious_temperature(log_of(rows[name].odds), rows[name].true) if name in rows else 1.0 for name in models
    }
    weights = np.full(len(models), 1 / len(models))
    common = set.intersection(*(set(rows[name].cell.tolist()) if name in rows else set() for name in models))
    if common:
        own = []
        for name in models:
            held = rows[name].take(np.isin(rows[name].cell, list(common)))
            odds = rescale(held.odds, temperatures[name])
            own.append(odds[np.arange(len(odds)), held.true])
        weights = mixture_weights(np.stack(own, axis=1))
    return {name: _Part(temperatures[name], float(weight)) for name, weight in zip(models, weights, strict=True)}


def _aside(fold: tuple[int, int], held: HeldOut, validation: HeldOut) -> HeldOut:
    """Return the inner validation rows of a fold, without groups that are held out in it."""
    repeat, number = fold
    tested = held.group[(held.repeat == repeat) & (held.fold == number)]
    own = (validation.repeat == repeat) & (validation.fold == number)
    return validation.take(own & ~np.isin(validation.group, tested))


def mixture_weights(own: Floats, before: float = 1.0) -> Floats:
    """Return the weights, summing to one, that make the labels of these rows likeliest under the models' mixture.

    Parameters
    ----------
    own
        Shape ``(n, M)``: each model's probability of the row's label.
    before
        Rows that every model is taken to have answered alone, so that a few real ones do not settle everything.
    """
    rows, models = own.shape
    weights: Floats = np.full(models, 1 / models)
    for _ in range(_ROUNDS):
        parts = np.maximum(own, 1e-12) * weights
        shares = parts / parts.sum(axis=1, keepdims=True)
        after: Floats = (shares.sum(axis=0) + before) / (rows + models * before)
        if np.abs(after - weights).max() < _STILL:
            return after
        weights = after
    return weights
