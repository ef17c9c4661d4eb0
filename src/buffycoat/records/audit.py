"""``audit.json``: what is wrong with a data set before anything is trained on it, and what to do about it."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from buffycoat.records.documents import Document, Estimate

Flag = Literal["sound", "look", "serious"]
"""``sound``: nothing found; ``look``: somebody should look; ``serious``: results cannot be trusted as it is."""


class Finding(Document):
    """One thing found: a file, files that belong together, or a class or measure where no file is to blame."""

    files: tuple[str, ...] = ()  # relative to the data set's root
    score: float = Field(ge=0, le=1)  # 0 worst, 1 sound
    note: str
    labels: tuple[str, ...] = ()


class Problem(Document):
    """One kind of problem: its score, its flag, the files, and what to do."""

    name: str  # short and stable, as "near-duplicates"
    title: str
    flag: Flag
    score: float = Field(ge=0, le=1)  # 1: nothing found; else the share of the set that is free of it, or as said
    sentence: str  # for people who are no statisticians
    advice: str  # what to do
    found: int = Field(ge=0)
    findings: tuple[Finding, ...] = ()


class CopyPair(Document):
    """Two files that show the same cell."""

    first: str
    second: str
    kind: Literal["identical", "picture", "cell"]  # same bytes, same whole picture, same cell in another field
    similarity: float = Field(ge=-1, le=1)  # correlation of the pixels once laid over each other
    turned_deg: float  # anti-clockwise, of the second against the first
    mirrored: bool


class GroupProposal(Document):
    """Files that the data set kept in several groups and that show the same cell: kept together from now on."""

    group: str  # the group they share now
    given: tuple[str, ...]  # the groups they came with
    files: tuple[str, ...]
    labels: tuple[str, ...]


class ClassSpread(Document):
    """How a measure is spread over the independent groups of one class."""

    label: str
    groups: int
    images: int
    mean: float
    deviation: float  # between groups; 0 where there is one


class Shortcut(Document):
    """A measure that has nothing to do with the cell, and how far it tells the class."""

    name: str  # "background-colour", "sharpness" …
    title: str
    unit: str
    effect: float  # omega squared over groups: share of the spread that lies between classes, 0 where none
    p_value: float  # by permuting the classes of whole groups
    flag: Flag
    sentence: str
    classes: tuple[ClassSpread, ...]
    odd_groups: tuple[str, ...] = ()  # groups far from all others


MEASURED = ("red", "green", "blue", "sharpness", "contrast", "width")
"""Columns of :class:`GroupMeasures` that hold measures."""


class GroupMeasures(Document):
    """Light, colour and sharpness of every group: a table by columns, one entry in each a group and class.

    Kept by columns so that thousands of groups take little room, in memory and in the file. Photographs that cannot be
    read, are blank, or bear no label or several are left out.
    """

    group: tuple[str, ...]
    label: tuple[str, ...]
    images: tuple[int, ...]  # photographs the means are of
    red: tuple[float, ...]  # of the empty background, 0–255, as the next two
    green: tuple[float, ...]
    blue: tuple[float, ...]
    sharpness: tuple[float, ...]  # finest structure over edges
    contrast: tuple[float, ...]  # deviation of the grey levels over the background
    width: tuple[float, ...]  # px

    @model_validator(mode="after")
    def _is_a_table(self) -> Self:
        for name in ("label", "images", *MEASURED):
            if len(getattr(self, name)) != len(self.group):
                raise ValueError(f"{name} holds {len(getattr(self, name))} entries for {len(self.group)} groups")
        return self


class Background(Document):
    """How well the class can be told from light, colour and sharpness of the surroundings alone."""

    balanced_accuracy: Estimate
    chance: float
    p_value: float
    groups: int
    flag: Flag
    sentence: str


class PaintOut(Document):
    """The control: a network trained shortly on whole fields whose leukocytes are painted out."""

    network: str
    title: str
    epochs: int
    folds: int
    input_px: int
    weights: str
    seed: int
    images: int
    groups: int
    left_out: int  # photographs in which no leukocyte was found, so that none could be painted out
    classes: tuple[str, ...]
    chance: float
    painted: Estimate  # balanced accuracy, leukocytes painted out
    whole: Estimate | None  # the same fields, training and folds with the leukocytes in place
    flag: Flag
    sentence: str


class Leakage(Document):
    """A split that puts copies of one cell, or one group, on both sides, and was allowed to."""

    pairs: int  # pairs of files that show the same cell and stand on two sides of a fold
    groups: int  # groups parted
    share_held_out: float  # of the held-out rows: those with a copy or a fellow of their group in training
    shown: tuple[str, ...]  # the first pairs, in words
    sentence: str


class Audit(Document):
    """``audit.json``."""

    schema_version: Literal[1] = 1
    name: str
    synthetic: bool
    content_hash: str
    images: int  # distinct files named by the table
    readable: int
    distinct: int  # photographs that show different cells, copies counted once
    groups_given: int
    groups_used: int
    recipe: str
    folds: int
    problems: tuple[Problem, ...]
    pairs: tuple[CopyPair, ...]  # enough to join every copy to its set, not every pair there is
    proposals: tuple[GroupProposal, ...]
    shortcuts: tuple[Shortcut, ...]
    groups: GroupMeasures | None = None  # what the shortcuts were judged by; audits of earlier versions have none
    background: Background | None
    paint_out: PaintOut | None = None
    leakage: Leakage | None = None
    remarks: tuple[str, ...] = ()

    def problem(self, name: str) -> Problem:
        """Return the problem of this name."""
        return next(problem for problem in self.problems if problem.name == name)

    @property
    def flag(self) -> Flag:
        """The worst flag of all."""
        flags = [problem.flag for problem in self.problems]
        return "serious" if "serious" in flags else "look" if "look" in flags else "sound"
