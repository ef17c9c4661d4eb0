"""What comes of readings: agreement, accuracy, history, reports, and the labelled set."""

from __future__ import annotations

import shutil
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query, Response
from fastapi.responses import FileResponse
from starlette.background import BackgroundTask

from buffycoat.differential.hl7 import Processing
from buffycoat.review import accuracy, agreement, give_back, history, reports
from buffycoat.review.api.parts import ReadingId, SlideId, When, faults
from buffycoat.review.documents import AccuracyView, AgreementView, HistoryPage
from buffycoat.review.faults import Refused
from buffycoat.review.web_support import AdministratorDep, DeskDep, PersonDep

router = APIRouter(tags=["results"])
Before = Annotated[int | None, Query(ge=1, le=2**62)]
Day = Annotated[str, Query(pattern=r"^(20[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01]))?$")]
Limit = Annotated[int, Query(ge=1, le=1000)]
REPORT_CSP = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'self'"


@router.get("/slides/{slide_id}/agreement", responses=faults(404))
def slide_agreement(desk: DeskDep, who: PersonDep, slide_id: SlideId) -> AgreementView:
    """Return how far two readers agree; not ready before both have signed."""
    return agreement.of_slide(desk, who, slide_id)


@router.get("/slides/{slide_id}/history", responses=faults(404))
def slide_history(
    desk: DeskDep, who: PersonDep, slide_id: SlideId, limit: Limit = 200, before: Before = None
) -> HistoryPage:
    """Return what happened to a slide, newest first."""
    return history.of_slide(desk, who, slide_id, limit, before)


@router.get("/audit", responses=faults())
def audit(
    desk: DeskDep,
    who: AdministratorDep,
    kind: Annotated[str, Query(max_length=40)] = "",
    limit: Limit = 200,
    before: Before = None,
) -> HistoryPage:
    """Return log-ins and changes of accounts, tokens and slides, newest first."""
    return history.audit(desk, who, kind, limit, before)


@router.get("/accuracy", responses=faults())
def program_accuracy(
    desk: DeskDep,
    who: PersonDep,
    since: When | None = None,
    until: When | None = None,
    by: accuracy.By = "week",
) -> AccuracyView:
    """Return the program's accuracy against the reviewers; where a slide has two readings, against the first."""
    return accuracy.over_time(desk, who, since=since, until=until, by=by)


@router.get(
    "/readings/{reading_id}/report.{form}",
    responses={200: {"content": {kind.split(";")[0]: {} for kind in reports.MEDIA_TYPES.values()}}, **faults(404, 409)},
    response_class=Response,
)
def report(
    desk: DeskDep,
    who: PersonDep,
    reading_id: ReadingId,
    form: reports.Form,
    processing: Processing = "T",
) -> Response:
    """Return a reading's differential as a page to print, CSV, JSON, FHIR R4 or HL7 v2.5.1.

    While an amendment is under way there is no FHIR and no HL7: it would replace the signed result.
    """
    text = reports.write(desk, who, reading_id, form, processing)
    headers = {"content-security-policy": REPORT_CSP} if form == "html" else _attached(desk, who, reading_id, form)
    return Response(text.encode(), media_type=reports.MEDIA_TYPES[form], headers=headers)


@router.get(
    "/give-back.zip", responses={200: {"content": {"application/zip": {}}}, **faults(409)}, response_class=Response
)
def give_back_zip(desk: DeskDep, who: PersonDep, since: Day = "", until: Day = "") -> FileResponse:
    """Return corrections as a set that ``buffycoat study`` trains on: signed from one day to another, both included."""
    first, last = _day(since), _day(until)
    end = None if last is None else last + timedelta(days=1)
    place = Path(tempfile.mkdtemp(prefix="buffycoat-"))
    try:
        give_back.write(desk, who, place / "corrections", since=first, until=end)
        made = shutil.make_archive(str(place / "corrections"), "zip", place, "corrections")
    except BaseException:
        shutil.rmtree(place, ignore_errors=True)
        raise
    return FileResponse(
        made,
        media_type="application/zip",
        filename="corrections.zip",
        background=BackgroundTask(shutil.rmtree, place, ignore_errors=True),
    )


def _day(given: str) -> datetime | None:
    try:
        return datetime.fromisoformat(given).replace(tzinfo=UTC) if given else None
    except ValueError as error:
        raise Refused(f"{given} is in no calendar.") from error


def _attached(desk: DeskDep, who: PersonDep, reading_id: str, form: reports.Form) -> dict[str, str]:
    name = reports.file_name(desk, who, reading_id, form)
    return {"content-disposition": f'attachment; filename="{name}"'}
