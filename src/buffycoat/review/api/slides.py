"""Slides, their photographs and cells."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, File, Path, Query, Request, Response, UploadFile
from pydantic import BeforeValidator
from sqlalchemy import select

from buffycoat.review import likeness, readings, slides, taking_out, uploads
from buffycoat.review.api.parts import CellId, FieldId, SlideId, When, faults
from buffycoat.review.documents import (
    AlikeAnswer,
    AlikeQuestion,
    CellView,
    DeskView,
    FieldView,
    NewSlide,
    NotTakenView,
    OpenReading,
    Progress,
    ReadingView,
    SlideChange,
    SlideList,
    SlideRow,
    SlideState,
    UploadResult,
)
from buffycoat.review.door import UPLOAD_SECONDS
from buffycoat.review.faults import NotFound
from buffycoat.review.schema import Cell, Field, Slide
from buffycoat.review.web_support import DeskDep, PersonDep
from buffycoat.review.worker import CROP_PX

router = APIRouter(tags=["slides"])
CropPx = Annotated[
    Literal[160, 320],
    BeforeValidator(lambda given: _SIZES.get(given, given)),
    Query(description="Side of the crop in pixels."),
]
"""The sizes that pages use: each is cut once and kept, so there must not be many."""
_SIZES = {"160": 160, "320": 320}
_FOREVER = {"cache-control": "private, max-age=31536000, immutable"}


@router.get("/slides", responses=faults())
def find_slides(
    desk: DeskDep,
    who: PersonDep,
    text: Annotated[str, Query(max_length=200)] = "",
    state: SlideState | None = None,
    reviewer: Annotated[str, Query(max_length=400)] = "",
    since: When | None = None,
    until: When | None = None,
    sort: slides.Sort = "-created",
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
    offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
) -> SlideList:
    """Find slides."""
    return slides.find(
        desk,
        who,
        text=text,
        state=state,
        reviewer=reviewer,
        since=since,
        until=until,
        sort=sort,
        limit=limit,
        offset=offset,
    )


@router.post("/slides", status_code=201, responses=faults())
def create_slide(desk: DeskDep, who: PersonDep, asked: NewSlide) -> SlideRow:
    """Make an empty slide."""
    return slides.create(desk, who, asked.name, asked.note, asked.readings_wanted, asked.particulars())


@router.post("/slides/alike", responses=faults())
def alike_slides(desk: DeskDep, who: PersonDep, asked: AlikeQuestion) -> AlikeAnswer:
    """Return what there is already of a slide that is to be made: its name, its accession, its photographs."""
    return likeness.alike(desk, who, asked)


@router.get("/slides/{slide_id}", responses=faults(404))
def get_slide(desk: DeskDep, who: PersonDep, slide_id: SlideId) -> SlideRow:
    """Return a slide."""
    return slides.get(desk, who, slide_id)


@router.patch("/slides/{slide_id}", responses=faults(404, 409))
def change_slide(desk: DeskDep, who: PersonDep, slide_id: SlideId, asked: SlideChange) -> SlideRow:
    """Change a slide's name, note, what is known of its specimen, or how many readings are wanted."""
    return slides.change(
        desk,
        who,
        slide_id,
        name=asked.name,
        note=asked.note,
        readings_wanted=asked.readings_wanted,
        particulars=asked.particulars(),
    )


@router.delete("/slides/{slide_id}", status_code=204, responses=faults(404))
def remove_slide(
    desk: DeskDep, who: PersonDep, slide_id: SlideId, reason: Annotated[str, Query(min_length=3, max_length=2000)]
) -> None:
    """Take a slide out of the list; the log keeps it."""
    slides.remove(desk, who, slide_id, reason)


@router.post("/slides/{slide_id}/fields", status_code=202, responses=faults(404, 409, 429))
def upload_fields(
    desk: DeskDep,
    who: PersonDep,
    slide_id: SlideId,
    files: Annotated[
        list[UploadFile], File(min_length=1, description="Photographs, or zip and tar archives of photographs.")
    ],
    folder: Annotated[
        str | None,
        Query(max_length=1000, description="Of archives, take only the photographs that lie in this folder itself."),
    ] = None,
) -> UploadResult:
    """Put photographs on a slide; each is queued for analysis as soon as it was checked."""
    desk.buckets.demand(
        "upload", who.id, desk.settings.uploads_per_minute, UPLOAD_SECONDS, "Too many uploads at once; wait a little."
    )
    return uploads.take_in(desk, who, slide_id, [(one.filename or "", one.file) for one in files], folder)


@router.get("/slides/{slide_id}/not-taken", responses=faults(404))
def list_not_taken(desk: DeskDep, who: PersonDep, slide_id: SlideId) -> tuple[NotTakenView, ...]:
    """Return what was given as a photograph of a slide and could not be used."""
    return taking_out.not_taken(desk, who, slide_id)


@router.delete("/slides/{slide_id}/not-taken/{number}", status_code=204, responses=faults(404, 409))
def dismiss_not_taken(
    desk: DeskDep, who: PersonDep, slide_id: SlideId, number: Annotated[int, Path(ge=1, le=2**62)]
) -> None:
    """Say that a photograph that could not be used is not missing: it was none, or was given again whole."""
    taking_out.dismiss(desk, who, slide_id, number)


@router.get("/slides/{slide_id}/fields", responses=faults(404))
def list_fields(desk: DeskDep, who: PersonDep, slide_id: SlideId) -> tuple[FieldView, ...]:
    """Return the photographs of a slide."""
    return slides.fields(desk, who, slide_id)


@router.get("/slides/{slide_id}/progress", responses=faults(404))
def slide_progress(desk: DeskDep, who: PersonDep, slide_id: SlideId) -> Progress:
    """Return how far a slide is analysed."""
    return slides.progress(desk, who, slide_id)


@router.get("/slides/{slide_id}/desk", responses=faults(404))
def look_at_slide(desk: DeskDep, who: PersonDep, slide_id: SlideId) -> DeskView:
    """Return a slide's desk for looking."""
    return readings.look(desk, who, slide_id)


@router.get("/slides/{slide_id}/cells", responses=faults(404))
def list_cells(desk: DeskDep, who: PersonDep, slide_id: SlideId) -> tuple[CellView, ...]:
    """Return the cells of a slide as one's own reading leaves them."""
    return readings.look(desk, who, slide_id).cells


@router.post("/slides/{slide_id}/readings", responses=faults(404, 409))
def open_reading(desk: DeskDep, who: PersonDep, slide_id: SlideId, asked: OpenReading) -> ReadingView:
    """Begin to read a slide, or go on."""
    return readings.open_reading(desk, who, slide_id, asked.number, asked.reader_name)


@router.delete("/fields/{field_id}", status_code=204, responses=faults(404, 409))
def take_field_out(
    desk: DeskDep,
    who: PersonDep,
    field_id: FieldId,
    reason: Annotated[str, Query(max_length=2000)] = "",
) -> None:
    """Take a photograph out of a slide that is not signed, with its cells; the log keeps it."""
    taking_out.take_out(desk, who, field_id, reason)


@router.post("/fields/{field_id}/retry", status_code=202, responses=faults(404, 409))
def retry_field(desk: DeskDep, who: PersonDep, field_id: FieldId) -> FieldView:
    """Analyse a failed photograph again."""
    return slides.retry(desk, who, field_id)


@router.get("/fields/{field_id}/image", responses={200: {"content": {"image/*": {}}}, **faults(404)})
def field_image(request: Request, desk: DeskDep, _who: PersonDep, field_id: FieldId) -> Response:
    """Return a photograph, as JPEG or PNG."""
    with desk.database.read() as session:
        found = session.get(Field, field_id)
        if found is None:
            raise NotFound("There is no such field.")
        slides.load(session, found.slide_id)
        digest = found.image
    if (same := _unchanged(request, digest)) is not None:
        return same
    content, kind = desk.images.for_browser(digest)
    return Response(content, media_type=kind, headers={**_FOREVER, "etag": f'"{digest}"'})


@router.get("/cells/{cell_id}", responses=faults(404))
def get_cell(desk: DeskDep, who: PersonDep, cell_id: CellId) -> CellView:
    """Return a cell as one's own reading leaves it."""
    return readings.cell(desk, who, cell_id)


@router.get("/cells/{cell_id}/crop", responses={200: {"content": {"image/jpeg": {}}}, **faults(404)})
def cell_crop(
    request: Request,
    desk: DeskDep,
    who: PersonDep,
    cell_id: CellId,
    px: CropPx = CROP_PX,
) -> Response:
    """Return the square round a cell, as JPEG."""
    digest, box = _where(desk, who, cell_id)
    tag = f"{cell_id}-{px}"
    if (same := _unchanged(request, tag)) is not None:
        return same
    content = desk.images.crop(digest, box, px)
    return Response(content, media_type="image/jpeg", headers={**_FOREVER, "etag": f'"{tag}"'})


@router.get("/cells/{cell_id}/explanation", responses={200: {"content": {"image/png": {}}}, **faults(404)})
def cell_explanation(desk: DeskDep, who: PersonDep, cell_id: CellId) -> Response:
    """Return the cell under the map of what speaks for its class, as PNG."""
    from buffycoat.review.images import encode_png

    digest, box = _where(desk, who, cell_id)
    shown = desk.classifier.explain(desk.images.pixels(digest), box)
    if shown is None:
        raise NotFound("This bundle has no map of what speaks for a class.")
    return Response(encode_png(shown), media_type="image/png", headers={"cache-control": "private, max-age=3600"})


def _where(desk: DeskDep, who: PersonDep, cell_id: str) -> tuple[str, tuple[int, int, int, int]]:
    place = (Field.image, Cell.reading_id, Cell.x0, Cell.y0, Cell.x1, Cell.y1)
    asked = select(*place).join(Field, Field.id == Cell.field_id).join(Slide, Slide.id == Cell.slide_id)
    with desk.database.read() as session:
        found = session.execute(asked.where(Cell.id == cell_id, Slide.removed.is_(False))).first()
        if found is None:
            raise NotFound("There is no such cell.")
        image, drawn_in, *box = found
        if drawn_in is not None:  # a box that a reader drew, whom another may not see yet
            readings.load_cell(session, who, cell_id)
        return image, (box[0], box[1], box[2], box[3])


def _unchanged(request: Request, tag: str) -> Response | None:
    if request.headers.get("if-none-match") == f'"{tag}"':
        return Response(status_code=304, headers={**_FOREVER, "etag": f'"{tag}"'})
    return None
