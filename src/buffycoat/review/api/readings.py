"""Readings: the desk, moves, signatures and amendments."""

from __future__ import annotations

from fastapi import APIRouter, Request

from buffycoat.review import readings, signing
from buffycoat.review.api.parts import ReadingId, SlideId, faults
from buffycoat.review.documents import (
    AmendRequest,
    DeskView,
    DifferentialView,
    Move,
    MoveResult,
    ReadingView,
    SignRequest,
)
from buffycoat.review.web_support import DeskDep, PersonDep

router = APIRouter(tags=["readings"])


@router.get("/readings/{reading_id}", responses=faults(404))
def get_reading(desk: DeskDep, who: PersonDep, reading_id: ReadingId) -> DeskView:
    """Return the desk of a reading."""
    return readings.view(desk, who, reading_id)


@router.post("/readings/{reading_id}/moves", responses=faults(404, 409))
def move(request: Request, desk: DeskDep, who: PersonDep, reading_id: ReadingId, asked: Move) -> MoveResult:
    """Do one action: move, see, delete, draw, undo, redo …; the same request_id again does nothing."""
    done = readings.move(desk, who, reading_id, asked)
    if not done.repeated:
        request.app.state.metrics.moves.labels(asked.action).inc()
    return done


@router.post("/readings/{reading_id}/sign", responses=faults(404, 409, 429))
def sign(desk: DeskDep, who: PersonDep, reading_id: ReadingId, asked: SignRequest) -> ReadingView:
    """Sign a reading in which every cell was seen; it is read-only from then on."""
    return signing.sign(desk, who, reading_id, asked)


@router.post("/readings/{reading_id}/amend", responses=faults(404, 409))
def amend(desk: DeskDep, who: PersonDep, reading_id: ReadingId, asked: AmendRequest) -> ReadingView:
    """Open a signed reading again, for a reason that is kept."""
    return signing.amend(desk, who, reading_id, asked.reason, asked.request_id)


@router.get("/readings/{reading_id}/differential", responses=faults(404))
def reading_differential(desk: DeskDep, who: PersonDep, reading_id: ReadingId) -> DifferentialView:
    """Return the differential of a reading."""
    return readings.view(desk, who, reading_id).differential


@router.get("/slides/{slide_id}/differential", responses=faults(404))
def slide_differential(desk: DeskDep, who: PersonDep, slide_id: SlideId) -> DifferentialView:
    """Return the differential of a slide: of the reading one may see, else the program's."""
    return readings.look(desk, who, slide_id).differential
