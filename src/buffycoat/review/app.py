"""The web application of one desk."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from sqlalchemy.exc import DataError, OperationalError
from starlette.exceptions import HTTPException

from buffycoat import __version__
from buffycoat.errors import BuffycoatError, ImageError
from buffycoat.review.api import house, predict, probes, readings, results, slides
from buffycoat.review.classifier import Looked
from buffycoat.review.desk import Desk
from buffycoat.review.faults import NotSignedIn, ReviewFault
from buffycoat.review.gate import Gate
from buffycoat.review.guard import Guard
from buffycoat.review.metrics import Metrics
from buffycoat.review.signing import note_missing_seals
from buffycoat.review.web_support import is_api, sign_in_needed
from buffycoat.review.workers import Workers

_logger = logging.getLogger("buffycoat.review")


def create_app(desk: Desk) -> FastAPI:
    """Return the application that serves a desk: API, probes, and the pages where they are installed."""

    def look(contents: Sequence[bytes]) -> list[Looked | ImageError]:
        return desk.classifier.look_at(contents)  # which may not be loaded yet

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        settings = desk.settings
        app.state.gate = Gate(
            look,
            settings.predict_at_once,
            settings.predict_waiting,
            settings.predict_wait_seconds,
        )
        note_missing_seals(desk)
        workers = Workers(settings, app.state.metrics) if settings.workers else None
        if workers is not None:
            workers.start()
        try:
            yield
        finally:
            app.state.gate.close()
            if workers is not None:
                workers.stop()

    app = FastAPI(
        title="Buffycoat review desk",
        version=__version__,
        description="Research software, not a medical device.",
        openapi_url="/api/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        max_body_size=None,  # the guard's business
        telemetry={  # spans and records are nobody's but ours
            "tracing": False,
            "metrics": False,
            "logs": False,
            "operation_spans": False,
            "auto_configure": False,
        },
    )
    app.state.desk = desk
    app.state.metrics = Metrics(desk.database)
    api = APIRouter(prefix="/api/v1")
    for part in (predict, slides, readings, results, house):  # tried in this order: what is asked most comes first
        api.include_router(part.router)
    app.include_router(api)
    app.include_router(probes.router)
    pages = _pages()
    if pages is not None:
        app.include_router(pages.router, include_in_schema=False)
    _add_faults(app, pages)
    app.add_middleware(Guard, desk=desk, metrics=app.state.metrics)
    return app


def _pages() -> Any:
    return import_module("buffycoat.review.web") if find_spec("buffycoat.review.web") is not None else None


def _add_faults(app: FastAPI, pages: Any) -> None:
    page = getattr(pages, "error_page", None)

    def answer(request: Request, status: int, body: dict[str, Any], headers: dict[str, str]) -> Response:
        if page is not None and not is_api(request):
            shown: Response = page(request, status, body["title"], body["detail"])
            shown.headers.update(headers)
            return shown
        return JSONResponse(body, status, headers)

    @app.exception_handler(ReviewFault)
    def _fault(request: Request, fault: ReviewFault) -> Response:
        if isinstance(fault, NotSignedIn) and not is_api(request) and request.method in {"GET", "HEAD"}:
            return sign_in_needed(request)
        hint = {} if fault.hint is None else {"hint": fault.hint}
        headers = {**fault.headers, **({"WWW-Authenticate": "Bearer"} if fault.status == 401 else {})}
        return answer(
            request, fault.status, {"title": fault.title, "detail": fault.detail, **hint, **fault.extra}, headers
        )

    @app.exception_handler(BuffycoatError)
    def _trouble(request: Request, error: BuffycoatError) -> Response:
        _logger.error("not ready", extra={"fault": type(error).__name__})  # its words may name a slide
        body = {"title": "Not ready", "detail": "The desk cannot do this now."}
        return answer(request, 503, body, {"Retry-After": "30"})

    @app.exception_handler(RequestValidationError)
    def _malformed(request: Request, error: RequestValidationError) -> Response:
        faults = [{"where": ".".join(map(str, one["loc"])), "what": one["msg"]} for one in error.errors()]
        first = f"{faults[0]['where']}: {faults[0]['what']}" if faults else "malformed"
        return answer(request, 422, {"title": "Malformed request", "detail": first, "errors": faults}, {})

    @app.exception_handler(HTTPException)
    def _http(request: Request, error: HTTPException) -> Response:
        title = {404: "Not found", 405: "Not possible here", 413: "Too large"}.get(
            error.status_code, "That cannot be done"
        )
        return answer(
            request, error.status_code, {"title": title, "detail": str(error.detail)}, dict(error.headers or {})
        )

    @app.exception_handler(OperationalError)
    def _database(request: Request, error: OperationalError) -> Response:
        _logger.error("database trouble", extra={"fault": type(error.orig).__name__})
        body = {"title": "Busy", "detail": "The database does not answer; try again in a moment."}
        return answer(request, 503, body, {"Retry-After": "5"})

    @app.exception_handler(DataError)
    def _unkept(request: Request, _error: DataError) -> Response:
        body = {"title": "Malformed request", "detail": "Something in it cannot be kept by the database."}
        return answer(request, 422, body, {})

    @app.exception_handler(Exception)
    def _defect(request: Request, _error: Exception) -> Response:
        body = {"title": "A defect", "detail": "Something went wrong inside the desk; its log says what."}
        return answer(request, 500, body, {})
