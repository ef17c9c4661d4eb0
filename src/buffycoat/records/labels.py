"""``labels.json``: which labels of a study look wrong, and how many there may be."""

from __future__ import annotations

from typing import Literal

from buffycoat.records.documents import Document, Estimate


class Suspect(Document):
    """A cell whose label looks wrong."""

    cell_id: str
    image: str | None
    label: str
    suspected: str
    score: float  # probability of the suspected class minus that of the label: the more, the more suspect
    self_confidence: float  # probability of the label
    agree: int  # models that name the suspected class on their own
    of: int  # models asked


class ClassLabels(Document):
    """What the labels of one class are worth."""

    name: str
    cells: int  # labelled so
    wrong: Estimate  # share of them that may be of another class
    suspects: int


class Asked(Document):
    """A model's part in the judgement."""

    model: str
    title: str
    weight: float  # of its probabilities, mean over the folds
    temperature: float  # its probabilities were brought to, mean over the folds; from their inner validation rows


class LabelAudit(Document):
    """``labels.json``."""

    schema_version: Literal[1] = 1
    classes: tuple[str, ...]
    cells: int  # judged: every held-out cell
    of: int  # cells the study used
    asked: tuple[Asked, ...]
    joint: tuple[tuple[float, ...], ...]  # estimated share of cells by given (row) and true class (column)
    by_class: tuple[ClassLabels, ...]
    wrong: Estimate  # share of wrong labels in all
    at_best: Estimate  # accuracy that a classifier without fault would be measured to have with these labels
    suspects: tuple[Suspect, ...]  # the most suspect first
    method: str
    sentence: str  # for somebody who is no statistician
    leaked: str | None = None  # why the models had seen copies of the cells they judged, if they had
