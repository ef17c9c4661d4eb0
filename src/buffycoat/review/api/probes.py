"""Whether the desk lives, whether it can work, and its figures."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from buffycoat.errors import BuffycoatError
from buffycoat.review.api.parts import faults
from buffycoat.review.database import reachable
from buffycoat.review.migrate import current, newest
from buffycoat.review.web_support import DeskDep, PersonDep

router = APIRouter(tags=["probes"])


@router.get("/health")
def health() -> dict[str, str]:
    """Answer: the process lives."""
    return {"status": "alive"}


@router.get("/ready", responses={503: {"description": "Not ready; the answer says what is missing."}})
def ready(desk: DeskDep) -> JSONResponse:
    """Answer whether the desk can work: database, its shape, the bundle."""
    checks = {"database": reachable(desk.database) is None}
    checks["schema"] = checks["database"] and current(desk.database) == newest()
    try:
        checks["bundle"] = bool(desk.classifier.classes)
    except BuffycoatError:
        checks["bundle"] = False
    return JSONResponse({"ready": all(checks.values()), "checks": checks}, 200 if all(checks.values()) else 503)


@router.get("/metrics", responses={200: {"content": {"text/plain": {}}}, **faults()})
def metrics(request: Request, _who: PersonDep) -> Response:
    """Return the figures in Prometheus' text format; with accounts they need a token."""
    return Response(request.app.state.metrics.text(), media_type="text/plain; version=0.0.4")
