"""Cleaning: the recipe that says which rows are trained on, and its account to the row."""

from buffycoat.clean.recipe import RECIPES, Recipe, apply, named
from buffycoat.clean.weights import sampling_weights

__all__ = ["RECIPES", "Recipe", "apply", "named", "sampling_weights"]
