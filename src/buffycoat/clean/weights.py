"""How often each class is drawn in training: rare classes get more weight, never more rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from buffycoat import taxonomy

if TYPE_CHECKING:
    from buffycoat.clean.recipe import Recipe


def sampling_weights(recipe: Recipe, labels: Sequence[str]) -> dict[str, float]:
    """Return how often a row of each class is drawn in training, relative to the largest class's once.

    Parameters
    ----------
    recipe
        Its ``sampling`` and ``balance`` decide.
    labels
        The labels of the training rows, and of no others.

    Examples
    --------
    >>> from buffycoat.clean import RECIPES
    >>> sampling_weights(RECIPES["seeds"], ["neutrophil"] * 4 + ["monocyte"])
    {'neutrophil': 1.0, 'monocyte': 4.0}
    """
    found = Counter(labels)
    classes = taxonomy.order(found)
    if isinstance(recipe.sampling, dict):
        return {name: float(recipe.sampling.get(name, 1.0)) for name in classes}
    if recipe.sampling == "none" or not found:
        return dict.fromkeys(classes, 1.0)
    largest = max(found.values())
    return {name: float((largest / found[name]) ** recipe.balance) for name in classes}
