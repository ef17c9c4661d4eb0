"""Evaluation: every figure about a model, computed from stored predictions alone."""

from buffycoat.evaluate.results import evaluate
from buffycoat.evaluate.validate import validate_predictions

__all__ = ["evaluate", "validate_predictions"]
