"""What ``results.json`` holds about how much the data can tell: overlapping folds, seeds, and numbers of cells."""

from __future__ import annotations

from buffycoat.records.base import Document, Estimate, Interval


class ResampledTest(Document):
    """The corrected resampled t-test on the difference in accuracy by fold."""

    statistic: float
    degrees: int
    p_value: float
    p_adjusted: float  # after Holm's correction over all comparisons of the study
    interval: Interval  # of the difference
    method: str
    decides: bool = True  # whether "settled" takes it; not in one run of folds, where it has few degrees of freedom


class WithTraining(Document):
    """A difference in accuracy of which the limits count the chance of training, too."""

    difference: Estimate  # of the means over the seeds, on the first split
    seeds: tuple[int, int]  # trainings of each fold, of the first and the second model; 1: taken as it is
    from_cells: float  # standard deviation of the difference from one sample of cells to another
    from_training: float  # what training the same folds again adds to it
    p_value: float
    p_adjusted: float  # after Holm's correction over all comparisons of the study


class Target(Document):
    """How many cells an interval of some width takes."""

    half_width: float
    cells: int  # of the class, or of all classes for a figure over all
    in_all: int  # of all classes, shared out as in these data


class SampleSize(Document):
    """A share as measured, and how many cells would narrow its interval to a chosen width."""

    model: str
    figure: str  # "accuracy" or "sensitivity"
    name: str | None  # the class, or None
    share: float
    cells: int
    half_width: float
    targets: tuple[Target, ...]


class Spread(Document):
    """How much of an accuracy's spread comes from the seed of training."""

    model: str
    seeds: int
    accuracies: tuple[float, ...]  # by seed, the study's own first
    deviation: Estimate  # standard deviation from training to training, on the same cells
    from_cells: float  # standard deviation from one sample of cells to another, training left out
    share: float  # variance of training as a share of both
    share_interval: Interval | None = None  # None: of an earlier version
    interval: Interval  # of the accuracy, with both
    sentence: str


class LearningPoint(Document):
    """A model trained on a share of the training rows."""

    model: str
    share: float
    training_cells: float  # mean over the folds
    accuracy: Estimate
    sensitivity: tuple[Estimate, ...]  # by class, in the study's order
