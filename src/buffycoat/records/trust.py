"""What ``results.json`` holds about a model's probabilities: how far they may be trusted, and when to withhold them."""

from __future__ import annotations

from buffycoat.records.base import Document, Estimate


class ReliabilityRow(Document):
    """Answers of like certainty: how sure they were, and how often right."""

    low: float  # least and largest probability of the answers in the bin
    high: float
    count: int
    right: int
    confidence: float  # mean probability


class Calibration(Document):
    """How well probabilities agree with what happens, before and after temperature scaling."""

    temperatures: tuple[float, ...]  # by repeat, then fold: fitted on validation rows only
    temperature: float  # fitted on all validation rows: for a model used outside the study
    rows: int  # validation rows it was fitted on
    source: str  # where those rows come from, in words
    error_before: Estimate  # expected calibration error of the answers, bins of equal mass
    error_after: Estimate
    error_by_chance: float  # what perfect probabilities would show on so few rows
    brier_before: Estimate
    brier_after: Estimate
    log_loss_before: Estimate
    log_loss_after: Estimate
    bins_before: tuple[ReliabilityRow, ...]
    bins_after: tuple[ReliabilityRow, ...]


class ClassSets(Document):
    """Prediction sets of the cells of one class."""

    name: str
    covered: Estimate  # share whose set holds the class
    threshold: float  # largest 1 − p at which the class belongs to a set, from all held-out rows
    always: bool  # too few rows to set a threshold: the class is in every set


class PredictionSets(Document):
    """Conformal prediction sets, measured on held-out rows whose thresholds came from other rows."""

    level: float  # share of each class's cells whose set shall hold the class
    source: str  # where the thresholds come from, in words
    covered: Estimate
    size: Estimate  # mean number of classes in a set
    single: Estimate  # share of sets with one class
    empty: Estimate  # share of sets with none
    classes: tuple[ClassSets, ...]


class CurvePoint(Document):
    """A point of the risk–coverage curve."""

    coverage: float
    risk: float


class Abstention(Document):
    """Withholding the least certain answers."""

    error_rate: float  # share of the answers that may be wrong
    source: str  # where the thresholds come from, in words
    threshold: float  # from all held-out rows; above 1: nothing may be answered
    answered: Estimate  # share of the held-out rows that got an answer
    wrong: Estimate  # share of those answers that are wrong
    certain_share: float
    certain_accuracy: Estimate  # accuracy on that share of the rows, the most certain ones
    curve: tuple[CurvePoint, ...]
    groups: int | None = None  # fewest independent cells that set a fold's threshold; None: of an earlier version


class UnlikeKind(Document):
    """Pictures of one kind that are no cells of the study's classes, told apart from held-out cells."""

    name: str
    pictures: int
    auroc: Estimate  # chance that such a picture is more unlike the training cells than a held-out cell
    lost: Estimate  # share of right held-out cells that are called unlike when 95 % of these pictures are


class Unlike(Document):
    """A score for pictures unlike the training cells."""

    score: str  # what is measured, in words
    kept: float  # share of held-out cells the threshold shall keep
    kinds: tuple[UnlikeKind, ...]
    detected: tuple[Estimate, ...]  # share of each kind above the threshold, in the order of `kinds`


class Trust(Document):
    """How far one model's probabilities may be trusted."""

    model: str
    calibration: Calibration
    sets: PredictionSets
    abstention: Abstention
    unlike: Unlike | None = None
    missing: tuple[str, ...] = ()  # what could not be measured, and why, in sentences
