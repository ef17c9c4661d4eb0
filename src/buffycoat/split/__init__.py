"""Splits: stratified by class, whole by group, the same for the same seed whatever the order of the rows."""

from buffycoat.split.check import check_splits
from buffycoat.split.folds import make_splits

__all__ = ["check_splits", "make_splits"]
