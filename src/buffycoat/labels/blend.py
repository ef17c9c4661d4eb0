"""Several models' out-of-fold probabilities made one: each counts as far as it helped on rows that judged nothing.

Every model's probabilities are brought to a temperature, and the models are weighed, on the inner validation rows:
these come from the training side of their fold. In cross-validation each of them is held out in another fold, so its
label does have a say there, one among all, in two numbers a model: a temperature and a weight for the whole study.
The probabilities themselves come only from networks that were not trained on the cell. The weights are those of a
mixture, found by expectation and maximisation (Dempster, Laird and Rubin, J. R. Stat. Soc. B 39 (1977) 1): a network
that learned nothing gets next to none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from buffycoat.evaluate.calibration import fit_temperature, log_of, rescale
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
        By model.
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
    temperatures = dict.fromkeys(found, 1.0)
    temperatures |= {
        name: fit_temperature(log_of(inner[name].odds), inner[name].true) for name in found if name in inner
    }
    weights = _weights(inner, temperatures, list(found))
    names = predictions.get_column("cell_id").unique().sort().to_list()
    numbers = np.unique(np.concatenate([held.cell for held in found.values()]))  # in the order of the names
    count, total = np.zeros((len(names), len(classes))), np.zeros(len(names))
    labels, groups = np.zeros(len(names), np.int64), np.zeros(len(names), np.int64)
    answers: dict[str, Numbers] = {}
    for name, held in found.items():
        place = np.searchsorted(numbers, held.cell)
        odds = rescale(held.odds, temperatures[name])
        own, asked = np.zeros_like(count), np.zeros(len(names))
        np.add.at(own, place, odds)
        np.add.at(asked, place, 1.0)
        answers[name] = np.where(asked > 0, own.argmax(axis=1), -1)
        count += weights[name] * own
        total += weights[name] * asked
        labels[place], groups[place] = held.true, held.group
    return Blend(
        tuple(names), labels, groups, count / np.maximum(total, 1e-300)[:, None], answers, weights, temperatures
    )


def _weights(
    inner: Mapping[str, HeldOut], temperatures: Mapping[str, float], models: Sequence[str]
) -> dict[str, float]:
    if set(models) - set(inner):
        return dict.fromkeys(models, 1 / len(models))
    keys = [_places(inner[name]) for name in models]
    common = sorted(set.intersection(*(set(one) for one in keys)))
    if not common:
        return dict.fromkeys(models, 1 / len(models))
    own = []
    for name, rows in zip(models, keys, strict=True):
        at = np.array([rows[key] for key in common])
        odds = rescale(inner[name].odds, temperatures[name])
        own.append(odds[at, inner[name].true[at]])
    return dict(zip(models, mixture_weights(np.stack(own, axis=1)).tolist(), strict=True))


def _places(held: HeldOut) -> dict[tuple[int, int, int], int]:
    """Return each row's place by repeat, fold and cell."""
    rows = zip(held.repeat.tolist(), held.fold.tolist(), held.cell.tolist(), strict=True)
    return {key: place for place, key in enumerate(rows)}


def mixture_weights(own: Floats) -> Floats:
    """Return the weights, summing to one, that make the labels of these rows likeliest under the models' mixture.

    Parameters
    ----------
    own
        Shape ``(n, M)``: each model's probability of the row's label.
    """
    weights: Floats = np.full(own.shape[1], 1 / own.shape[1])
    for _ in range(_ROUNDS):
        parts = np.maximum(own, 1e-12) * weights
        after: Floats = (parts / parts.sum(axis=1, keepdims=True)).mean(axis=0)
        if np.abs(after - weights).max() < _STILL:
            return after
        weights = after
    return weights
