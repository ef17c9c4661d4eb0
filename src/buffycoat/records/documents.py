"""The JSON documents that pass between rooms, as strict pydantic models.

Unknown keys are refused, so that a document from another version fails with its reason and not later.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from buffycoat.records.base import Document, Estimate, Interval, explain
from buffycoat.records.evidence import LearningPoint, ResampledTest, SampleSize, Spread, WithTraining
from buffycoat.records.trust import Trust

__all__ = ["Document", "Estimate", "Interval", "explain"]  # known by this name elsewhere


class Fault(Document):
    """One thing found wrong in the data while reading them, and what was done about it."""

    file: str
    row: int | None = None  # line number in that file, from 1, the header being line 1
    problem: str
    action: str


class FrameSpec(Document):
    """How crops are cut: the same for training and for use, so it travels with the model.

    ``side_px`` is in pixels of a field `reference_width_px` wide; a wider or narrower field scales it, so that
    a cell fills the same share of the crop whatever the size its photograph was stored in.
    """

    mode: Literal["auto", "cell", "whole"] = "auto"  # auto: single-cell photographs whole, fields by cell
    side_px: int = Field(default=320, gt=0)  # side of the square taken from the field
    reference_width_px: int = Field(default=640, gt=0)
    stored_px: int = Field(default=224, gt=0)  # side of the crop as stored


class ClassResult(Document):
    """How one class fared, one against the rest."""

    name: str
    support: int  # held-out predictions of cells of this class
    sensitivity: Estimate  # also called recall
    specificity: Estimate
    precision: Estimate
    f1: Estimate
    cells: int | None = None  # distinct cells: fewer than `support` where they were held out several times


class ModelResult(Document):
    """One model's results, pooled over every held-out prediction."""

    model: str
    title: str
    n: int  # held-out predictions (cells × repeats)
    cells: int  # distinct held-out cells
    groups: int  # distinct groups those cells belong to: the independent units of the intervals
    right: int
    accuracy: Estimate
    balanced_accuracy: Estimate
    macro_sensitivity: Estimate
    macro_specificity: Estimate
    macro_precision: Estimate
    macro_f1: Estimate
    classes: tuple[ClassResult, ...]
    confusion: tuple[tuple[int, ...], ...]  # rows: true class, columns: predicted, both in the study's order
    collapsed: str | None = None  # the one class every prediction names, or None
    per_fold_accuracy: tuple[float, ...] = ()  # by repeat, then fold
    repeats: int = 1  # how often rows were held out anew


class Comparison(Document):
    """Two models on the same held-out cells."""

    first: str
    second: str
    difference: Estimate  # accuracy of the first minus accuracy of the second
    first_only_right: int  # answers; over repeats a cell counts as often as it was held out
    second_only_right: int
    p_value: float
    p_adjusted: float  # after Holm's correction over all comparisons of the study
    settled: bool  # every corrected p-value is below 0.05 and the interval leaves out nought
    method: str  # of the p-value; the interval names its own
    sentence: str
    resampled: ResampledTest | None = None  # where folds share training rows
    images_needed: int | None = None  # to settle a difference as large as this in four of five studies
    bootstrap: Interval | None = None  # of the difference, by resampling groups of cells; for who asks for it
    with_training: WithTraining | None = None  # where a model was trained with several seeds; "settled" takes it


class Results(Document):
    """``results.json``: everything a report says about models, recomputed from ``predictions.parquet``."""

    schema_version: Literal[1] = 1
    classes: tuple[str, ...]
    synthetic: bool
    seed: int
    n: int  # distinct held-out cells
    protocol: str  # one sentence: how the rows were split
    majority: ModelResult  # always answering the largest class of the training rows
    models: tuple[ModelResult, ...]
    baselines: tuple[str, ...] = ()  # those of the models that are no networks
    comparisons: tuple[Comparison, ...]
    against_majority: tuple[Comparison, ...] = ()  # of each model with always answering the largest class
    leaked: str | None = None  # why no result can be trusted: the split was allowed to leak
    remarks: tuple[str, ...] = ()
    trust: tuple[Trust, ...] = ()  # of the models that have validation rows
    enough: tuple[SampleSize, ...] = ()  # cells needed for narrower intervals, of each model
    spread: tuple[Spread, ...] = ()  # of each model trained with several seeds
    learning: tuple[LearningPoint, ...] = ()  # of each model trained on smaller shares


class CleaningStep(Document):
    """What one rule of the recipe did."""

    rule: str  # short name, as in `excluded_by`
    description: str
    applied: bool
    removed: int
    counts_after: dict[str, int]  # rows left, by label (unlabelled and two-cell rows under those names)


class Cleaning(Document):
    """``cleaning.json``: the recipe's account; the counts reconcile to the row."""

    recipe: str
    counts_before: dict[str, int]
    steps: tuple[CleaningStep, ...]
    counts_after: dict[str, int]
    sampling_weights: dict[str, float]  # how often a row of a class is drawn in training, relative to once
    rows_before: int
    rows_after: int


class NetworkCard(Document):
    """What a report says of a network without touching it."""

    name: str  # timm or family name as resolved, e.g. "resnet18"
    title: str  # e.g. "ResNet-18"
    family: str  # "resnet", "efficientnet", "alexnet" or "other"
    idea: str  # a few sentences: plain paragraphs, no markup
    block: str  # caption of the block diagram
    reference: str  # the paper
    parameters: int
    multiply_adds: int  # at `input_px`
    input_px: int
    weights: str  # where the weights came from, in words; "none: trained from scratch"
    weights_fallback: str | None = None  # why `auto` found no weights, if it did not
    pretrained: bool


class BaselineCard(Document):
    """What a report says of a classifier that is no network."""

    name: str
    title: str
    idea: str  # plain paragraphs, no markup
    method: str
    measurements: int  # how many it is given
    reference: str


class DataSummary(Document):
    """Where a study's data came from."""

    name: str
    root: str
    synthetic: bool
    description: str
    citation: str | None = None
    licence: str | None = None
    files: int
    content_hash: str
