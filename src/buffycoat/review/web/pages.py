"""The pages of slides, readings and their results; thin: ask the desk, hand to a template."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import BaseModel, ConfigDict
from pydantic_core import to_json

from buffycoat.review import readings, slides
from buffycoat.review.desk import Desk
from buffycoat.review.documents import CellView, DeskView, Person, ReadingBrief, SlideList, SlideRow
from buffycoat.review.web import assets, house, results
from buffycoat.review.web.render import labels_style, page
from buffycoat.review.web_support import DeskDep, PersonDep

router = APIRouter()
router.include_router(assets.router)
router.include_router(results.router)
router.include_router(house.router)
_PER_PAGE = 50
_SOONEST = 20


class Filters(BaseModel):
    """What the list of slides is narrowed to; what makes no sense is left out, not refused."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    text: str = ""
    state: str = ""
    reviewer: str = ""
    since: str = ""
    until: str = ""
    sort: str = "-created"
    offset: int = 0

    def address(self, **changes: Any) -> str:
        """Return the address of the list with these filters, some of them changed."""
        given = {**self.model_dump(), **changes}
        kept = {key: value for key, value in given.items() if value != Filters.model_fields[key].default}
        return "/" + (f"?{urlencode(kept)}" if kept else "")


def found(desk: Desk, who: Person, asked: Filters) -> SlideList:
    """Return the slides that the filters leave."""
    return slides.find(
        desk,
        who,
        text=asked.text[:200],
        state=asked.state if asked.state in {"empty", "analysing", "to_review", "signed"} else None,  # type: ignore[arg-type]
        reviewer=asked.reviewer[:200],
        since=_day(asked.since),
        until=_day(asked.until, whole=True),
        sort=asked.sort if asked.sort in {"created", "-created", "name", "-name"} else "-created",  # type: ignore[arg-type]
        limit=_PER_PAGE,
        offset=min(max(asked.offset, 0), 2**31 - 1),
    )


def _day(text: str, *, whole: bool = False) -> datetime | None:
    try:
        day = datetime.combine(datetime.fromisoformat(text).date(), time(), UTC)
    except ValueError:
        return None
    return day + timedelta(days=1) if whole and day.year < 9999 else day


@router.get("/")
def slide_list(request: Request, desk: DeskDep, who: PersonDep, asked: Annotated[Filters, Query()]) -> Response:
    """Show all slides, and where new ones are dropped."""
    return page(
        request, "slides.html", who, here="slides", asked=asked, found=found(desk, who, asked), per_page=_PER_PAGE
    )


@router.get("/pages/slides")
def slide_rows(request: Request, desk: DeskDep, who: PersonDep, asked: Annotated[Filters, Query()]) -> Response:
    """Show the list alone, for a change of the filters and while photographs are analysed."""
    answer = page(request, "parts/slides.html", who, asked=asked, found=found(desk, who, asked), per_page=_PER_PAGE)
    answer.headers["HX-Replace-Url"] = asked.address()
    return answer


@router.get("/pages/labels.css")
def labels_css(desk: DeskDep) -> Response:
    """Give every label of this desk its colour."""
    headers = {"Cache-Control": "public, max-age=3600"}
    return Response(labels_style(desk.labels), media_type="text/css", headers=headers)


@router.get("/slides/{slide_id}")
def first_desk(request: Request, desk: DeskDep, who: PersonDep, slide_id: str) -> Response:
    """Show the desk: the person's own reading, or, where there is none, what may be looked at."""
    slide = slides.get(desk, who, slide_id)
    own = own_reading(slide, who, 1)
    if own is None and who.local and slide.readings_wanted > 1 and slide.may_open:
        return _begin(request, who, slide, 1)
    return _desk(request, desk, who, slide, own)


@router.get("/slides/{slide_id}/second")
def second_desk(request: Request, desk: DeskDep, who: PersonDep, slide_id: str) -> Response:
    """Show the desk of the second reading; begin it where it has not begun."""
    slide = slides.get(desk, who, slide_id)
    own = own_reading(slide, who, 2)
    if not who.local:
        return RedirectResponse(f"/slides/{slide_id}", 303)
    return _begin(request, who, slide, 2) if own is None else _desk(request, desk, who, slide, own)


def own_reading(slide: SlideRow, who: Person, number: int) -> ReadingBrief | None:
    """Return the person's reading of a slide; without accounts, the one of that number."""
    return next((one for one in slide.readings if one.mine and (not who.local or one.number == number)), None)


def _begin(request: Request, who: Person, slide: SlideRow, number: int) -> Response:
    return page(request, "begin.html", who, here="slides", slide=slide, number=number)


def _desk(request: Request, desk: Desk, who: Person, slide: SlideRow, own: ReadingBrief | None) -> Response:
    view = readings.look(desk, who, slide.id) if own is None else readings.view(desk, who, own.id)
    reading = view.reading
    may_edit = reading.can_edit if reading is not None else slide.may_open
    return page(
        request,
        "desk.html",
        who,
        here="slides",
        view=view,
        may_edit=may_edit,
        data=view_json(view),
        modules=_modules(),
        soonest=_soonest(view),
        looking_words=_looking_words(view, who),
        nothing_words=_nothing_words(view),
        second_words=_second_words(slide, who, own),
    )


def view_json(view: DeskView) -> str:
    """Return a desk as JSON that can stand inside a page: no `<` ends the script early.

    Thousands of cells are most of a page. They stand there in less than half of the bytes: as rows under one list of
    names, probabilities in one order of the classes and to five digits, and without what follows from the rest.
    ``board.js`` makes cells of them again.
    """
    classes = sorted({name for cell in view.cells for name in cell.probabilities})
    rows = [
        [
            *(getattr(cell, name) for name in _AS_THEY_ARE),
            _short(cell.probability),
            [_short(cell.probabilities.get(name)) for name in classes],
        ]
        for cell in view.cells
    ]
    names = (*_AS_THEY_ARE, "probability", "probabilities")
    document = view.model_dump(mode="json", exclude={"cells"})
    document["cells"] = {"names": names, "classes": classes, "rows": rows}
    text = to_json(document).decode()
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


_AS_THEY_ARE = tuple(
    name for name in CellView.model_fields if name not in {"probability", "probabilities", "unlikeness", "crop_url"}
)
"""Fields of a cell; how unlike the training cells it is stands nowhere on the page."""


def _short(probability: float | None) -> float | None:
    return None if probability is None else round(probability, 5)


def _soonest(view: DeskView) -> list[str]:
    """Return the crops that stand first on the desk: they are asked for while the scripts still load."""
    wells = {label.name: place for place, label in enumerate(view.labels)}
    alive = [cell for cell in view.cells if not cell.deleted]
    alive.sort(key=lambda cell: (wells.get(cell.label, len(wells)), -cell.doubt, cell.number))
    return [cell.crop_url for cell in alive[:_SOONEST]]


def _modules() -> list[str]:
    elsewhere = {"js/slides.js", "js/folders.js", "js/account.js"}
    return [name for name in assets.assets().files if name.startswith("js/") and name not in elsewhere]


def _looking_words(view: DeskView, who: Person) -> str:
    if view.reading is not None:
        return f"This is the reading of {view.reading.reader}. You are looking only."
    if view.slide.blinded:
        return "Others read this slide. What they found is shown when all have signed; these are the program’s labels."
    if not who.may_review:
        return "Nobody has reviewed this slide yet: these are the program’s labels. You are looking only."
    return "These are the program’s labels. You are looking only."


def _nothing_words(view: DeskView) -> str:
    if not view.fields:
        return "No photograph has been added to this slide yet."
    if all(field.state == "failed" for field in view.fields):
        return "None of the photographs could be analysed; “About” says why."
    return "The program found no cell. Open “Fields” to look for yourself and draw what it missed."


def _second_words(slide: SlideRow, who: Person, own: ReadingBrief | None) -> str:
    if not who.local or own is None or own.number != 1 or slide.readings_wanted < 2:
        return ""
    return "Second reading" if len(slide.readings) > 1 else "Begin the second reading"
