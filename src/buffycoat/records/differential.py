"""A differential count as a document: what was counted, how sure the count is, who counted and who signed.

Shares are in percent of the leukocytes that were named; absolute counts in 10⁹/L. Every figure has its limits.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, AwareDatetime, Field, StringConstraints, model_validator

from buffycoat.records.documents import Document, Estimate, Fault

NOTICE: Literal["Research software, not a medical device. Not for diagnosis."] = (
    "Research software, not a medical device. Not for diagnosis."
)
"""Stands on everything that shows a differential."""

UNIDENTIFIED = "unidentified"
"""The label of a cell that nobody named; outside the denominator."""

ARTEFACT = "artefact"
"""The label of a find that is no leukocyte; outside the count."""

Status = Literal["preliminary", "final", "amended"]
Unit = Literal["%", "10*9/L"]
Level = Literal["low", "within", "high"]


def stripped(text: str) -> str:
    """Return text without the blanks around it.

    Raises
    ------
    ValueError
        Nothing is left.
    """
    if not text.strip():
        raise ValueError("nothing but blanks")
    return text.strip()


# Blanks are stripped after the rest was checked, so that the pattern says all of what is taken.
Line = Annotated[
    str,
    StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f\u2028\u2029]+$"),
    AfterValidator(stripped),
]
"""Text on one line, without control characters."""

Identifier = Annotated[
    str,
    StringConstraints(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f\x7f\u2028\u2029]+$"),
    AfterValidator(stripped),
]
"""What a laboratory calls a specimen or subject; taken as it is, never interpreted."""

Seal = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
"""SHA-256 of a signature's line in the review desk's log, and so of every line before it."""

Count = Annotated[int, Field(ge=0)]


class ReferenceRange(Document):
    """One type's range in one unit; either limit may be missing."""

    type: Line
    unit: Unit
    low: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    high: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        if self.low is None and self.high is None:
            raise ValueError("a range needs low, high or both")
        if self.low is not None and self.high is not None and self.low >= self.high:
            raise ValueError(f"low ({self.low:g}) must lie below high ({self.high:g})")
        if self.unit == "%" and max(self.low or 0, self.high or 0) > 100:
            raise ValueError("a range in % ends at 100")
        return self


class ReferenceRanges(Document):
    """A laboratory's reference ranges: configuration, never constants of the program."""

    name: Line
    source: Line
    population: Line
    example: bool = False  # True: for trying things out only; every output then says so
    ranges: tuple[ReferenceRange, ...]

    @model_validator(mode="after")
    def _no_type_twice(self) -> Self:
        seen: set[tuple[str, str]] = set()
        for one in self.ranges:
            if (one.type, one.unit) in seen:
                raise ValueError(f"two ranges for {one.type} in {one.unit}")
            seen.add((one.type, one.unit))
        return self


class Flag(Document):
    """Where a figure stands against its reference range."""

    unit: Unit
    low: float | None
    high: float | None
    level: Level
    beyond_counting_error: bool  # both limits of the figure lie on the same side of the range as the figure


class TypeCount(Document):
    """One leukocyte type in a count."""

    name: Line
    count: Count
    assessed: bool = True  # False: the classifier does not know this type and so cannot have found it
    percent: Estimate  # of the denominator, 0 to 100; undefined where not assessed or nothing was named
    absolute: Estimate | None = None  # 10⁹/L, limits of the counting alone
    flags: tuple[Flag, ...] = ()


class Signer(Document):
    """Who stands for a count."""

    name: Line
    signed_at: AwareDatetime
    seal: Seal | None = None  # of a count signed at the review desk


class Counter(Document):
    """Who or what gave the labels."""

    # reviewed: the program first, then a person saw every cell; until then the labels are the program's
    kind: Literal["program", "reviewed", "person"]
    name: Line


class Classifier(Document):
    """The network behind a program's labels."""

    name: str
    title: str
    sha256: str
    classes: tuple[str, ...]
    accuracy: Estimate  # share of held-out cells named right, 0 to 1
    error_rate: Estimate | None = None  # share of wrong ones among those it did name, 0 to 1
    trained_on: str


class Amendment(Document):
    """Why a signed count was opened again, and by whom."""

    reason: Annotated[str, Field(min_length=1, max_length=2000)]
    by: Line
    at: AwareDatetime


class Review(Document):
    """How far a reading at the review desk has come, and what was signed before."""

    reading: Annotated[int, Field(ge=1)]  # 1: the first of its slide
    readings: Annotated[int, Field(ge=1)]  # how many the slide is to have
    reader: Line
    state: Literal["open", "amending", "signed"]
    seen: Count
    cells: Count  # boxes that are not deleted: all of them are to be seen before the count is signed
    complete: bool  # every cell was seen, and no photograph waits
    networks: tuple[str, ...] = ()  # behind the program's labels: name and beginning of the SHA-256
    signatures: tuple[Signer, ...] = ()  # earlier ones, which this count does not stand under
    amendments: tuple[Amendment, ...] = ()

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        if self.seen > self.cells:
            raise ValueError(f"{self.seen} of {self.cells} cells were seen")
        if self.state == "amending" and not (self.amendments and self.signatures):
            raise ValueError("an amendment under way needs its reason and the signature that it replaces")
        return self


class Caution(Document):
    """Something to know before the count is used; `code` is stable, the sentence is for people."""

    code: Literal[
        "few-cells",
        "nothing-named",
        "leukocyte-count",
        "classifier-error",
        "unknown-type",
        "unidentified",
        "unreadable",
        "copies",
        "cut-cells",
        "overlap",
        "example-ranges",
        "no-absolute",
    ]
    sentence: str


class TypeDifference(Document):
    """One type in two counts."""

    name: Line
    first: Estimate  # percent; same cells: of those that both named, so that second - first is the difference
    second: Estimate
    difference: Estimate  # second minus first, percentage points
    first_only: Count | None = None  # same cells: named so by the first only
    second_only: Count | None = None
    p_value: float
    p_adjusted: float  # after Holm's correction over the types
    differs: bool
    sentence: str


class CountComparison(Document):
    """Two counts of one slide: of the same cells, or of cells each chose."""

    first: Line
    second: Line
    design: Literal["same cells", "independent counts"]
    first_denominator: Count
    second_denominator: Count
    compared: Count  # same cells: those both named; independent counts: the sum of both denominators
    agreed: Count | None = None  # same cells: given the same type by both
    level: float
    alpha: float
    method: str
    types: tuple[TypeDifference, ...]
    sentences: tuple[str, ...]


class Differential(Document):
    """A differential count of one slide."""

    schema_version: Literal[1] = 1
    notice: Literal["Research software, not a medical device. Not for diagnosis."] = NOTICE
    slide: Line
    specimen: Identifier | None = None
    subject: Identifier | None = None
    accession: Identifier | None = None  # the same from the preliminary result of a count to its amended ones
    status: Status = "preliminary"
    signer: Signer | None = None
    counted_by: Counter
    created: AwareDatetime  # when it was counted
    collected: AwareDatetime | None = None  # when the specimen was
    denominator: Count  # leukocytes that were named: the types' counts add up to it
    types: tuple[TypeCount, ...]
    unidentified: Count = 0
    unidentified_reasons: dict[str, Count] = Field(default_factory=dict)
    artefacts: Count = 0
    fields: Count | None = None  # photographs read
    fields_without: Count | None = None  # of these, without a leukocyte
    cut_cells: Count | None = None  # counted leukocytes that a field's border cuts
    wbc: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None  # leukocytes, 10⁹/L, measured elsewhere
    level: Annotated[float, Field(gt=0, lt=1)] = 0.95
    ranges: ReferenceRanges | None = None
    classifier: Classifier | None = None
    cautions: tuple[Caution, ...] = ()
    faults: tuple[Fault, ...] = ()
    comparison: CountComparison | None = None
    review: Review | None = None  # of a count from the review desk
    versions: dict[str, str] = Field(default_factory=dict)

    @property
    def found(self) -> int:
        """Everything taken for a leukocyte at first: named, unidentified and artefacts."""
        return self.denominator + self.unidentified + self.artefacts

    @property
    def warnings(self) -> tuple[str, ...]:
        """The cautions' sentences."""
        return tuple(caution.sentence for caution in self.cautions)

    def of(self, name: str) -> TypeCount:
        """Return the row of a type; KeyError where there is none."""
        for row in self.types:
            if row.name == name:
                return row
        raise KeyError(name)

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        names = [row.name for row in self.types]
        if len(set(names)) != len(names):
            raise ValueError("a type stands twice")
        total = sum(row.count for row in self.types)
        if total != self.denominator:
            raise ValueError(f"the counts add up to {total}, the denominator is {self.denominator}")
        if sum(self.unidentified_reasons.values()) > self.unidentified:
            raise ValueError("more reasons than unidentified cells")
        if any(row.count and not row.assessed for row in self.types):
            raise ValueError("a type was counted that is said not to be assessed")
        if self.status != "preliminary" and self.signer is None:
            raise ValueError(f"a {self.status} count needs a signer")
        return self


class Differentials(Document):
    """Several slides in one file."""

    schema_version: Literal[1] = 1
    notice: Literal["Research software, not a medical device. Not for diagnosis."] = NOTICE
    slides: tuple[Differential, ...]
