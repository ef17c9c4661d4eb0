"""What the desk answers, to pages and to programs alike."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)

from buffycoat.differential.count import MOST_WBC
from buffycoat.differential.particulars import moment as point_in_time
from buffycoat.records.differential import Identifier, Line, stripped
from buffycoat.records.documents import Estimate

Role = Literal["reader", "reviewer", "administrator"]
SlideState = Literal["empty", "analysing", "to_review", "signed"]
ReadingState = Literal["open", "amending", "signed"]
Name = Line  # what reports take, too


def _with_three_letters(text: str) -> str:
    if len(stripped(text)) < 3:
        raise ValueError("fewer than three letters")
    return stripped(text)


Reason = Annotated[str, StringConstraints(min_length=3, max_length=2000), AfterValidator(_with_three_letters)]
RequestId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{8,64}$")]
Sequence = Annotated[int, Field(ge=0, le=2**31 - 1)]
Pixel = Annotated[int, Field(ge=-(2**20), le=2**20)]
_FOUR = WithJsonSchema({"type": "array", "items": {"type": "integer"}, "minItems": 4, "maxItems": 4})
BoxPx = tuple[Pixel, Pixel, Pixel, Pixel]
FoundBoxPx = Annotated[tuple[int, int, int, int], _FOUR]
"""x0, y0, x1, y1 as answered; described as a list of four, which more readers of OpenAPI understand than a tuple."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def moment(microseconds: int) -> datetime:
    """Return a stored time."""
    return _EPOCH + timedelta(microseconds=microseconds)


class Answer(BaseModel):
    """A document that is answered; never changed once made."""

    model_config = ConfigDict(frozen=True)


class Request(BaseModel):
    """A document that is asked with; what is unknown in it is refused, and so is a zero character anywhere."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _no_zero_character(cls, given: Any) -> Any:
        if holds_zero(given):
            raise ValueError("a zero character makes no sense here")  # and PostgreSQL keeps none
        return given


def holds_zero(given: Any) -> bool:
    """Return whether a zero character stands in any of the strings of a document."""
    if isinstance(given, str):
        return "\0" in given
    if isinstance(given, dict):
        return any(holds_zero(key) or holds_zero(value) for key, value in given.items())
    return isinstance(given, (list, tuple)) and any(holds_zero(one) for one in given)


class Person(Answer):
    """Who is asking."""

    id: str
    login: str
    name: str
    role: Role
    local: bool = False  # at a desk without accounts

    @property
    def may_review(self) -> bool:
        """Whether the person may upload, move and sign."""
        return self.role in {"reviewer", "administrator"}

    @property
    def may_administer(self) -> bool:
        """Whether the person may keep accounts."""
        return self.role == "administrator"


class Label(Answer):
    """A name a person can give to a cell."""

    name: str
    title: str
    letter: str
    colour: str
    counted: bool


def _collected(given: object) -> object:
    if isinstance(given, str):
        return point_in_time(given)
    if given is None or isinstance(given, datetime):
        return given
    raise ValueError("expected a date and a time such as 2025-03-04T09:05+01:00")


Collected = Annotated[
    AwareDatetime,
    BeforeValidator(_collected),
    WithJsonSchema(
        {"type": "string", "description": "ISO 8601, with a time; without a zone it is taken in that of the server."}
    ),
]
Leukocytes = Annotated[
    float,
    Field(
        gt=0,
        strict=True,
        allow_inf_nan=False,
        description=f"10⁹/L, measured elsewhere; at most {MOST_WBC:g}: cells per µL are to be divided by 1000.",
    ),
]


class ReadingBrief(Answer):
    """A reading in a list; figures only for those who may see it."""

    id: str
    number: int
    state: ReadingState
    reader: str
    mine: bool
    visible: bool
    seen: int | None
    cells: int | None
    signed_at: datetime | None


class SlideRow(Answer):
    """A slide in the list."""

    id: str
    name: str
    note: str
    state: SlideState
    created_at: datetime
    created_by: str
    readings_wanted: int
    fields: int
    fields_done: int
    fields_failed: int
    cells: int
    unidentified: int
    readings: tuple[ReadingBrief, ...]
    reviewer: str
    signed_at: datetime | None
    may_open: bool
    blinded: bool
    specimen: str | None = None
    subject: str | None = None
    accession: str | None = None
    collected: datetime | None = None
    wbc: float | None = None
    not_taken: int = 0  # photographs that were given and could not be used


class SlideList(Answer):
    """A page of slides."""

    slides: tuple[SlideRow, ...]
    total: int
    limit: int
    offset: int
    states: dict[SlideState, int]
    reviewers: tuple[str, ...]


class FieldView(Answer):
    """A photograph of a slide."""

    id: str
    number: int
    name: str
    state: Literal["queued", "analysed", "failed"]
    reason: str | None
    width: int
    height: int
    cells: int
    image_url: str
    attempts: int


class NotTakenView(Answer):
    """A file that was given as a photograph of a slide and could not be used."""

    number: int  # by which it is named: that of its line in the log
    name: str
    reason: str


class CellView(Answer):
    """A cell on the desk."""

    id: str
    field_id: str
    number: int
    box: FoundBoxPx
    origin: Literal["program", "person"]
    label: str
    program_label: str
    best: str | None
    probability: float | None
    probabilities: dict[str, float]
    conformal: tuple[str, ...]
    reason: str | None
    unlikeness: float | None
    touches_border: bool
    seen: bool
    deleted: bool
    doubt: float
    changed: int
    crop_url: str


class SignatureView(Answer):
    """A signature."""

    name: str
    at: datetime
    meaning: str
    event_hash: str


class AmendmentView(Answer):
    """Why a signed reading was opened again."""

    reason: str
    by: str
    at: datetime


class ReadingView(Answer):
    """A reading."""

    id: str
    slide_id: str
    number: int
    state: ReadingState
    reader: str
    mine: bool
    sequence: int
    can_edit: bool
    seen: int
    cells: int
    signatures: tuple[SignatureView, ...]
    amendments: tuple[AmendmentView, ...]
    can_sign: bool
    why_not: tuple[str, ...]


class DiffRow(Answer):
    """One type in the differential beside the desk."""

    label: str
    title: str
    colour: str
    count: int
    percent: float | None
    low: float | None
    high: float | None
    program_count: int
    program_percent: float | None
    program_knows: bool  # False: the program cannot have found this type
    assessed: bool  # False: nor has a person, who has not seen every cell yet
    flag: str | None


class DifferentialView(Answer):
    """The differential beside the desk: person against program."""

    rows: tuple[DiffRow, ...]
    denominator: int
    unidentified: int
    artefacts: int
    cells: int
    seen: int
    changed: int
    program_denominator: int
    program_unidentified: int
    warnings: tuple[str, ...]
    waiting: int  # photographs that are still to be analysed
    status: Literal["preliminary", "final"]


class DeskView(Answer):
    """All of a desk."""

    slide: SlideRow
    reading: ReadingView | None
    labels: tuple[Label, ...]
    fields: tuple[FieldView, ...]
    not_taken: tuple[NotTakenView, ...] = ()
    cells: tuple[CellView, ...]
    differential: DifferentialView
    undo: str | None
    redo: str | None


class Move(Request):
    """One action of a reader."""

    action: Literal["move", "see", "unsee", "delete", "restore", "draw", "undo", "redo"]
    request_id: RequestId
    sequence: Sequence
    cells: Annotated[tuple[Annotated[str, Field(max_length=96)], ...], Field(max_length=20_000)] = ()
    label: Annotated[str, Field(max_length=100)] | None = None
    field_id: Annotated[str, Field(max_length=64)] | None = None
    box: BoxPx | None = None
    with_differential: bool = True


class Overlap(Answer):
    """A cell that a box just drawn lies over."""

    cell_id: str
    number: int
    label: str
    share: float  # of the two boxes' union, 0 to 1


class MoveResult(Answer):
    """What an action changed."""

    sequence: int
    event_id: int
    repeated: bool
    cells: tuple[CellView, ...]
    differential: DifferentialView | None
    undo: str | None
    redo: str | None
    seen: int
    total: int
    overlaps: tuple[Overlap, ...] = ()


class OpenReading(Request):
    """Ask to read a slide."""

    number: Literal[1, 2] | None = None
    reader_name: Name | None = None


class SignRequest(Request):
    """Sign a reading."""

    name: Annotated[Name | None, Field(description="Needed without accounts; else it is the account's own name.")] = (
        None
    )
    password: Annotated[str, Field(max_length=1000)] | None = None
    sequence: Sequence
    cells_sha256: Annotated[
        Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None,
        Field(
            description="SHA-256 of what the signer saw, as compact ASCII JSON: [[cell id, label], …] of the cells "
            "that are not deleted, sorted by id. Where it is given and is not what would be signed, the answer is 409."
        ),
    ] = None
    request_id: RequestId
    meaning: Name = "reviewed and released"


class AmendRequest(Request):
    """Open a signed reading again."""

    reason: Reason
    request_id: RequestId | None = None


class SlideParticulars(Request):
    """What a laboratory knows of a slide; all of it may be missing."""

    specimen: Identifier | None = None
    subject: Identifier | None = None
    accession: Identifier | None = None
    collected: Collected | None = None
    wbc: Leukocytes | None = None

    def particulars(self) -> dict[str, Any]:
        """Return those that were sent."""
        names = SlideParticulars.model_fields.keys() & self.model_fields_set
        return {name: getattr(self, name) for name in names}


class NewSlide(SlideParticulars):
    """Make a slide."""

    name: Name
    note: Annotated[str, Field(max_length=10_000)] = ""
    readings_wanted: Literal[1, 2] = 1


class SlideChange(SlideParticulars):
    """Change a slide.

    What is not sent stays, and so do name, note and readings where they are null. Of what is known of the specimen,
    null takes away.
    """

    name: Name | None = None
    note: Annotated[str, Field(max_length=10_000)] | None = None
    readings_wanted: Literal[1, 2] | None = None


class Refusal(Answer):
    """A file that was not taken, and why."""

    name: str
    reason: str


class SlideBrief(Answer):
    """A slide in an answer about others."""

    id: str
    name: str
    signed: bool  # a reading of it is


class Elsewhere(Answer):
    """A slide that holds some of the same photographs."""

    slide: SlideBrief
    photographs: int


class UploadResult(Answer):
    """What became of the files of an upload."""

    added: tuple[FieldView, ...]
    skipped: tuple[Refusal, ...]
    refused: tuple[Refusal, ...]
    elsewhere: tuple[Elsewhere, ...] = ()  # other slides that hold photographs of those added
    folders: tuple[str, ...] = ()  # of archives: those that photographs were taken from


class AlikeQuestion(Request):
    """Ask what there is already of a slide that is to be made."""

    name: Name | None = None
    accession: Identifier | None = None
    images: Annotated[
        tuple[Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")], ...],
        Field(max_length=20_000, description="SHA-256 of the photographs' bytes."),
    ] = ()


class AlikeAnswer(Answer):
    """What there is already: slides of the same name, of the same accession, and with the same photographs."""

    named: tuple[SlideBrief, ...]
    of_accession: tuple[SlideBrief, ...]
    photographs: tuple[Elsewhere, ...]


class Progress(Answer):
    """How far a slide is analysed."""

    state: SlideState
    fields: int
    done: int
    failed: int
    cells: int


class Disagreement(Answer):
    """A cell that two readers name differently."""

    cell_id: str
    first: str
    second: str


class AgreementView(Answer):
    """Two readers of one slide."""

    ready: bool
    why_not: str | None
    labels: tuple[str, ...] = ()
    matrix: tuple[tuple[int, ...], ...] = ()
    n: int = 0
    agreed: int = 0
    percent_agreement: Estimate | None = None
    kappa: Estimate | None = None
    only_first: int = 0
    only_second: int = 0
    readers: tuple[str, ...] = ()
    amended_after_unblinding: bool = False
    cells: tuple[Disagreement, ...] = ()


class Period(Answer):
    """Accuracy of the program in one stretch of time."""

    start: datetime
    end: datetime
    n: int
    right: int
    unidentified: int
    accuracy: Estimate


class ClassAccuracy(Answer):
    """How one class fared against the reviewers."""

    label: str
    title: str
    support: int
    sensitivity: Estimate
    precision: Estimate


class Drift(Answer):
    """Whether the program does worse than it did, or than its card says."""

    warning: bool
    sentence: str
    baseline: Estimate | None
    recent: Estimate | None
    p_value: float | None


class AccuracyView(Answer):
    """The program against the reviewers, signed readings only; of a slide with two, the first."""

    periods: tuple[Period, ...]
    overall: Estimate
    unidentified: Estimate  # left so by the program, of all cells it found
    classes: tuple[ClassAccuracy, ...]
    labels: tuple[str, ...]
    matrix: tuple[tuple[int, ...], ...]  # rows: reviewers, columns: program
    expected: Estimate | None
    drift: Drift
    bundles: tuple[str, ...]
    slides: int
    cells: int
    missed: int  # cells drawn by reviewers that the program had not found
    false_cells: int  # boxes of the program that reviewers deleted or called artefacts


class HistoryEvent(Answer):
    """A line of the log in words."""

    id: int
    at: datetime
    actor: str
    kind: str
    words: str
    slide_id: str | None
    reading_id: str | None
    hash: str


class HistoryPage(Answer):
    """Lines of the log, newest first."""

    events: tuple[HistoryEvent, ...]
    next_before: int | None


class AccountView(Answer):
    """An account, without its password."""

    id: str
    login: str
    name: str
    role: Role
    active: bool
    created_at: datetime


class TokenView(Answer):
    """A token, without its text."""

    id: str
    name: str
    owner: str
    created_at: datetime
    used_at: datetime | None


class NewToken(TokenView):
    """A token just made: its text is shown this once."""

    token: str


class PredictedCell(Answer):
    """A cell of a photograph that was not kept."""

    number: int
    box: FoundBoxPx
    label: str
    best: str
    probability: float
    probabilities: dict[str, float]
    conformal: tuple[str, ...]
    reason: str | None
    unlikeness: float
    touches_border: bool


class PredictAnswer(Answer):
    """What the program says of one photograph."""

    width: int
    height: int
    framing: str
    cells: tuple[PredictedCell, ...]
    bundle: str
    notice: str = "Research software, not a medical device."
