"""``card.json``: everything a program or a person has to know about an exported network, and nothing of how to run it.

The shape has a version, ``major.minor``. A reader refuses a major version it does not know. A minor version only
adds fields, so a reader that meets a newer minor version leaves out what it does not know (see docs/bundle.md).
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import from_json

from buffycoat.errors import DataError
from buffycoat.records.documents import ClassResult, Document, Estimate, FrameSpec, explain

SCHEMA_VERSION = "1.1"
MOST_BYTES = 16 << 20
"""A card larger than this is no card."""

SET_LEVEL = "0.90"
"""Level of the conformal set that an answer carries; a card has thresholds for it."""

LEAKING = "LEAKING SPLIT"
"""What the title and the first limitation of a card begin with whose study's split was allowed to leak."""

_NOT_A_CLASS = frozenset({"unidentified"})  # what the program says where it names no class


def _is_share(found: Estimate) -> Estimate:
    if found.value is not None and not 0 <= found.value <= 1:
        raise ValueError(f"{found.value:g} is no share; expected 0 to 1")
    limits = [limit for limit in (found.interval.low, found.interval.high) if limit is not None]
    if not all(math.isfinite(limit) for limit in limits):
        raise ValueError("the interval has a limit that is no number")
    return found


def _is_class_name(name: str) -> str:
    if name != name.strip() or not name or not name.isprintable() or "|" in name:
        raise ValueError(f"{name!r} cannot name a class: expected one line of text without | and outer blanks")
    if name.casefold() in _NOT_A_CLASS:
        raise ValueError(f"{name!r} cannot name a class: it is what the program says of a cell it will not name")
    return name


Share = Annotated[float, Field(ge=0, le=1)]
ShareEstimate = Annotated[Estimate, AfterValidator(_is_share)]
ClassName = Annotated[str, AfterValidator(_is_class_name)]
Level = Annotated[str, Field(pattern=r"^0\.[0-9]{1,6}$")]
Size = Annotated[int, Field(ge=0, le=10**15)]
Spread = Annotated[float, Field(ge=1e-3, le=1e3)]
Offset = Annotated[float, Field(ge=-1e3, le=1e3)]
Colour = tuple[Offset, Offset, Offset]


class _Part(Document):
    """A part of a card; numbers that are no numbers are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class CardExpectation(_Part):
    """What to expect of the answers, measured on held-out cells with thresholds set without them."""

    unidentified: ShareEstimate  # share of cells left unidentified for being uncertain
    error_rate: ShareEstimate  # share of wrong ones among those answered
    coverage: dict[Level, ShareEstimate]  # by level: share of cells whose conformal set holds the true class
    set_size: dict[Level, Annotated[float, Field(ge=0)]]  # by level: mean number of classes in a set
    unlike: ShareEstimate  # share of these cells called unlike the training cells


class StatedRate(_Part):
    """What keeping a stated error rate takes, measured as the expectations are."""

    certain_threshold: Annotated[float, Field(ge=0)]  # above 1: the rate is out of reach
    unidentified: ShareEstimate  # share of cells left unidentified for being uncertain
    error_rate: ShareEstimate  # share of wrong ones among those answered


class OperatingPoint(_Part):
    """How answers are made from logits, and how good they then are, for one number of views.

    Probabilities of the views are averaged, then sharpened or softened: ``p ∝ p ** (1 / temperature)``.
    """

    temperature: Spread  # fitted on inner validation rows
    error_rate: Share  # the stated error rate that `certain_threshold` was chosen for
    certain_threshold: Annotated[float, Field(ge=0)]  # largest calibrated probability below this: "uncertain"
    conformal: dict[Level, tuple[Share, ...]]  # by level ("0.90"), per class: in the set while 1 − p is at most this
    unlike_threshold: Annotated[float, Field(ge=0)]  # unlikeness above this: unidentified, "unlike"
    unlike_kept: Share  # share of held-out cells at or below that threshold
    accuracy: ShareEstimate
    balanced_accuracy: ShareEstimate
    ece: Annotated[float, Field(ge=0)]  # expected calibration error, equal-mass bins, after calibration
    ece_before: Annotated[float, Field(ge=0)]
    ece_by_chance: Annotated[float, Field(ge=0)]  # what perfect probabilities would show on as few cells
    brier: Annotated[float, Field(ge=0)]
    log_loss: Annotated[float, Field(ge=0)]
    expected: CardExpectation
    other_rates: dict[Level, StatedRate] = Field(default_factory=dict)  # by stated error rate; since 1.1


class CardData(_Part):
    """What the network was trained on."""

    name: str
    synthetic: bool
    description: str
    citation: str | None = None
    licence: str | None = None
    cells: dict[str, int]  # by class, those the network learned from
    content_hash: str


class CardNetwork(_Part):
    """The network and where it started."""

    name: str
    title: str
    parameters: Size
    multiply_adds: Size
    weights: str  # what training started from, in words
    trained_on: Literal["all", "fold"]  # every row of the study, or one fold's training rows
    trained_on_words: str
    reference: str


class CardModel(_Part):
    """One network of the study on its held-out cells (in torch, as the study measured it)."""

    model: str
    title: str
    n: int
    cells: int
    groups: int
    accuracy: ShareEstimate
    balanced_accuracy: ShareEstimate
    macro_f1: ShareEstimate
    classes: tuple[ClassResult, ...]
    confusion: tuple[tuple[int, ...], ...]


class CardResults(_Part):
    """The study's results."""

    protocol: str
    seed: int
    measured_on: str  # in words: whose figures these are
    majority: CardModel
    models: Annotated[tuple[CardModel, ...], Field(min_length=1)]
    leaked: str | None = None  # why no figure can be trusted: the split was allowed to leak; since 1.1
    remarks: tuple[str, ...] = ()


class Quantisation(_Part):
    """How the network was made 8-bit, and what that cost over the study's held-out cells."""

    method: str
    calibration: str  # what the ranges were taken from, in words
    kept_float: tuple[str, ...]  # layers left in floating point
    cells: int
    before: ShareEstimate  # accuracy in fp32
    after: ShareEstimate
    before_balanced: ShareEstimate
    after_balanced: ShareEstimate
    loss_balanced: float  # before − after
    agreement: Share  # share of cells with the same answer before and after
    allowed_loss: Share


class Explanation(_Part):
    """What the class-activation map means for this network."""

    method: Literal["class-activation", "head-at-each-place", "gradient-times-activation", "strength"]
    sentence: str


class BundleCard(_Part):
    """``card.json``."""

    schema_version: Annotated[str, Field(pattern=r"^\d+\.\d+$")] = SCHEMA_VERSION
    name: Annotated[str, Field(min_length=1)]
    title: str
    classes: Annotated[tuple[ClassName, ...], Field(min_length=2)]  # in the order of the logits
    frame: FrameSpec
    view_px: Annotated[int, Field(gt=0)]  # side of the square seen, in pixels of the reference field
    input_px: Annotated[int, Field(ge=8, le=4096)]
    mean: Colour
    std: tuple[Spread, Spread, Spread]
    colour_order: Literal["RGB"] = "RGB"
    precision: Literal["fp32", "int8"]
    features: Annotated[int, Field(gt=0)]  # length of a feature vector
    operating: dict[Literal["1", "4"], OperatingPoint]
    explanation: Explanation
    network: CardNetwork
    data: CardData
    results: CardResults
    quantisation: Quantisation | None = None
    intended_use: str
    limitations: tuple[str, ...]
    licence: str  # of the bundle, an SPDX identifier where there is one
    created: str  # ISO 8601, UTC
    versions: dict[str, str]
    model_bytes: Annotated[int, Field(gt=0)]
    model_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        count = len(self.classes)
        if len(set(self.classes)) != count:
            raise ValueError("two classes have the same name")
        if "1" not in self.operating:
            raise ValueError("operating: there is no entry for one view")
        if self.precision == "int8" and self.quantisation is None:
            raise ValueError("precision is int8, and quantisation does not say what that cost")
        if self.results.leaked is not None:
            for place, text in (("title", self.title), ("limitations", "".join(self.limitations[:1]))):
                if not text.startswith(LEAKING):
                    raise ValueError(f"{place}: the split leaks, and this does not begin with {LEAKING}")
        for views, point in self.operating.items():
            if SET_LEVEL not in point.conformal:
                raise ValueError(f"operating.{views}.conformal: there is no entry for the level {SET_LEVEL}")
            expected = point.expected
            if expected.coverage.keys() != expected.set_size.keys():
                raise ValueError(f"operating.{views}.expected: coverage and set_size have different levels")
            for level, thresholds in point.conformal.items():
                if len(thresholds) != count:
                    raise ValueError(
                        f"operating.{views}.conformal.{level}: {len(thresholds)} thresholds for {count} classes"
                    )
        return self

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a card.

        Raises
        ------
        DataError
            The file is missing, is not JSON, is of an unknown major version, or misses or garbles a field; every
            fault is named.
        """
        try:
            size = path.stat().st_size
            content = path.read_bytes() if size <= MOST_BYTES else b""
        except OSError as error:
            raise DataError(f"{path} cannot be read: {error.strerror or error}.") from error
        if size > MOST_BYTES:
            raise DataError(f"{path} is no card: {size} bytes, a card has a few thousand.")
        return cls.parse(content, str(path))

    @classmethod
    def parse(cls, content: bytes, where: str) -> Self:
        """Read a card from the bytes of a file called `where`; errors as in :meth:`read`."""
        try:
            found = from_json(content, allow_inf_nan=False)
        except ValueError as error:
            raise DataError(f"{where} is not a JSON document: {error}.") from error
        if not isinstance(found, dict):
            raise DataError(f"{where} is not a card: expected an object, found {type(found).__name__}.")
        newer = _check_version(found.get("schema_version"), where)
        try:
            try:
                return cls.model_validate_json(content)  # as JSON: arrays then count as tuples, strictly
            except ValidationError as error:
                if not newer:
                    raise
                return cls.model_validate_json(_less_unknown(found, error))
        except ValidationError as error:
            raise DataError(f"{where} is damaged or of another version: {explain(error)}.") from error


def _check_version(found: Any, where: str) -> bool:
    """Return whether the card is of a newer minor version."""
    known_major, known_minor = (int(part) for part in SCHEMA_VERSION.split("."))
    parts = found.split(".") if isinstance(found, str) else []
    if len(parts) != 2 or not all(part.isascii() and part.isdigit() and len(part) < 6 for part in parts):
        raise DataError(f"{where} is not a card: schema_version is {found!r}, expected one like {SCHEMA_VERSION!r}.")
    major, minor = (int(part) for part in parts)
    if major != known_major:
        raise DataError(
            f"{where} is of version {found}; this program knows version {known_major}.",
            hint="Use a newer Buffycoat, or export the network again."
            if major > known_major
            else "Export the network again with this Buffycoat.",
        )
    return minor > known_minor


def _less_unknown(found: Any, error: ValidationError) -> bytes:
    """Return the document as JSON, less the fields that validation did not know."""
    for fault in error.errors():
        if fault["type"] == "extra_forbidden":
            *path, last = fault["loc"]
            part = found
            for step in path:
                part = part[step]
            part.pop(last)
    return json.dumps(found).encode()
