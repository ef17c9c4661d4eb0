"""Pages about results: report, agreement, accuracy over time, giving corrections back, what happened to a slide."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from buffycoat.differential import words
from buffycoat.records.differential import Differential
from buffycoat.review import accuracy, agreement, history, readings, reports, slides, taking_out
from buffycoat.review.desk import Desk
from buffycoat.review.documents import CellView, Person
from buffycoat.review.faults import NotFound
from buffycoat.review.web.charts import accuracy_chart
from buffycoat.review.web.render import page
from buffycoat.review.web_support import DeskDep, PersonDep

router = APIRouter()
_HISTORY = 100


@router.get("/slides/{slide_id}/report")
def report(
    request: Request,
    desk: DeskDep,
    who: PersonDep,
    slide_id: str,
    number: Annotated[int, Query(alias="reading", ge=1, le=2)] = 1,
) -> Response:
    """Show a reading's differential as it is reported, and the forms in which it can be had."""
    slide = slides.get(desk, who, slide_id)
    seen = [one for one in slide.readings if one.visible]
    chosen = next((one for one in seen if one.number == number), seen[0] if seen else None)
    if chosen is None:
        raise NotFound("There is no reading of this slide to report yet.")
    view = readings.view(desk, who, chosen.id)
    made = reports.of_view(desk, view)
    return page(
        request,
        "report.html",
        who,
        here="slides",
        slide=slide,
        view=view,
        chosen=chosen,
        readings=seen,
        made=made,
        method=words.method(made),
        networks=words.networks_words(made.review.networks) if made.review and made.review.networks else None,
        references=_references(made),
        absolute=_absolute(made, {row.label: row.title for row in view.differential.rows}),
        ranges_file=_ranges_file(desk),
    )


def _references(made: Differential) -> dict[str, str]:
    """Return the reference range of each type's percentage, in words."""
    return {row.name: words.range_text(flag) for row in made.types for flag in row.flags if flag.unit == "%"}


def _absolute(made: Differential, titles: Mapping[str, str]) -> list[dict[str, str]]:
    """Return the absolute counts in words, a row for each type that has one."""
    rows = []
    for row in made.types:
        if row.absolute is None or row.absolute.value is None:
            continue
        flag = next((flag for flag in row.flags if flag.unit != "%"), None)
        rows.append(
            {
                "label": row.name,
                "title": titles.get(row.name, row.name),
                "value": words.absolute_text(row),
                "limits": words.limits_text(row.absolute, 2),
                "reference": "" if flag is None else words.range_text(flag),
                "flag": "" if flag is None else words.flag_text(flag),
            }
        )
    return rows


def _ranges_file(desk: Desk) -> str | None:
    """Return the name of the file the laboratory's ranges stand in; None for the example."""
    given = desk.settings.ranges
    return None if given is None or given == "example" else Path(given).name


@router.get("/slides/{slide_id}/agreement")
def agreed(request: Request, desk: DeskDep, who: PersonDep, slide_id: str) -> Response:
    """Show how far two readers agree, once both have signed."""
    slide = slides.get(desk, who, slide_id)
    view = agreement.of_slide(desk, who, slide_id)
    cells: dict[str, CellView] = {}
    if view.ready:
        cells = {cell.id: cell for cell in readings.look(desk, who, slide_id).cells}
    titles = {label.name: label.title for label in desk.labels}
    return page(request, "agreement.html", who, here="slides", slide=slide, view=view, cells=cells, titles=titles)


@router.get("/slides/{slide_id}/history")
def about(request: Request, desk: DeskDep, who: PersonDep, slide_id: str) -> Response:
    """Show a slide's details, its photographs, and everything that happened to it."""
    return page(
        request,
        "about.html",
        who,
        here="slides",
        slide=slides.get(desk, who, slide_id),
        events=history.of_slide(desk, who, slide_id, limit=_HISTORY),
        **_photographs(desk, who, slide_id),
    )


@router.get("/pages/slides/{slide_id}/history")
def about_events(
    request: Request,
    desk: DeskDep,
    who: PersonDep,
    slide_id: str,
    before: Annotated[int | None, Query(ge=1, le=2**62)] = None,
) -> Response:
    """Show earlier lines of a slide's log."""
    events = history.of_slide(desk, who, slide_id, limit=_HISTORY, before=before)
    return page(request, "parts/events.html", who, events=events, more=f"/pages/slides/{slide_id}/history?")


@router.get("/pages/slides/{slide_id}/fields")
def about_fields(request: Request, desk: DeskDep, who: PersonDep, slide_id: str) -> Response:
    """Show the photographs of a slide, while they are analysed."""
    slide = slides.get(desk, who, slide_id)
    return page(request, "parts/fields.html", who, slide=slide, **_photographs(desk, who, slide_id))


def _photographs(desk: Desk, who: Person, slide_id: str) -> dict[str, Any]:
    """Return the photographs of a slide, those that could not be used, and what this person may do with them."""
    readings_of_it = slides.get(desk, who, slide_id).readings
    may = who.may_review and not any(one.state == "signed" for one in readings_of_it)
    return {
        "fields": slides.fields(desk, who, slide_id),
        "not_taken": taking_out.not_taken(desk, who, slide_id),
        "may_dismiss": may,
        "may_take_out": may and (who.may_administer or all(one.mine for one in readings_of_it)),
    }


@router.get("/accuracy")
def accuracy_page(
    request: Request,
    desk: DeskDep,
    who: PersonDep,
    by: Annotated[Literal["day", "week", "month"], Query()] = "week",
) -> Response:
    """Show the program against the reviewers, over time and by class."""
    view = accuracy.over_time(desk, who, by=by)
    titles = {label.name: label.title for label in desk.labels}
    chart = accuracy_chart(view)
    return page(request, "accuracy.html", who, here="accuracy", view=view, chart=chart, by=by, titles=titles)


@router.get("/give-back")
def give_back(request: Request, desk: DeskDep, who: PersonDep) -> Response:
    """Show what signed readings can be given back to train on."""
    view = accuracy.over_time(desk, who, by="month")
    today = datetime.now(UTC).date().isoformat()
    return page(request, "give_back.html", who, here="give-back", view=view, today=today)
