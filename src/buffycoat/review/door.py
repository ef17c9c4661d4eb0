"""The door for photographs: who sends them, and whether there is room, is asked before any of them is read."""

from __future__ import annotations

import re

from sqlalchemy.exc import OperationalError
from starlette.requests import Request
from starlette.types import Scope

from buffycoat.review.desk import Desk
from buffycoat.review.documents import Person
from buffycoat.review.faults import Busy, NotSignedIn, ReviewFault
from buffycoat.review.slides import need_reviewer
from buffycoat.review.web_support import who_asks

_FIELDS = re.compile(r"/api/v1/slides/[^/]+/fields")
_PREDICT = "/api/v1/predict"
_SMALL_BODY_BYTES = 4 << 20
_FORM_BYTES = 1 << 20  # what a form says beside its one photograph
UPLOAD_SECONDS = 60


def most_bytes(desk: Desk, scope: Scope) -> int:
    """Return how large the body of a request may be."""
    if _FIELDS.fullmatch(scope["path"]):
        return desk.settings.most_request_bytes
    if scope["path"] == _PREDICT:
        return desk.settings.most_image_bytes + _FORM_BYTES
    return _SMALL_BODY_BYTES


async def refusal(desk: Desk, scope: Scope) -> ReviewFault | None:
    """Return why a request that brings photographs is turned away, or None; other requests are not asked."""
    fields = _FIELDS.fullmatch(scope["path"]) is not None
    if scope["method"] != "POST" or not (fields or scope["path"] == _PREDICT):
        return None
    try:
        request = Request(scope)
        _admit(desk, await who_asks(request, desk), fields=fields)
        if fields:
            del request.state.who  # asked again when all of them have come: that may take long
        gate = getattr(scope["app"].state, "gate", None)
        if not fields and gate is not None:
            gate.refuse_full()
    except ReviewFault as fault:
        return fault
    except OperationalError:
        return Busy("The database does not answer; try again in a moment.", 5, status=503)
    return None


def _admit(desk: Desk, who: Person | None, *, fields: bool) -> None:
    if who is None:
        raise NotSignedIn("This needs an account.")
    if not fields:
        return
    need_reviewer(who)
    pause = desk.buckets.wait("upload", who.id, desk.settings.uploads_per_minute, UPLOAD_SECONDS, take=0)
    if pause > 0:
        raise Busy("Too many uploads at once; wait a little.", pause)
