"""What the routes of the API share: the shape of identifiers, and the answers they may give."""

from __future__ import annotations

import re
from typing import Annotated, Any

from fastapi import Path
from pydantic import AwareDatetime, BaseModel, BeforeValidator


class Fault(BaseModel):
    """What is answered when something cannot be done."""

    title: str
    detail: str
    hint: str | None = None


SlideId = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$", description="A slide's id.")]
FieldId = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$", description="A field's id.")]
ReadingId = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$", description="A reading's id.")]
CellId = Annotated[str, Path(pattern=r"^[0-9a-f]{32}\.[0-9a-z]{1,20}$", description="A cell's id.")]
AnyId = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$")]

_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")


def _no_number(given: object) -> object:
    if isinstance(given, str) and not _RFC_3339.fullmatch(given):
        raise ValueError("expected a time as 2025-06-01T12:00:00Z")
    return given


When = Annotated[AwareDatetime, BeforeValidator(_no_number)]
"""A time with its offset from UTC; a bare number is not taken for one."""

_WORDS = {
    400: "The request makes no sense.",
    401: "Nobody is signed in, or the token is not valid.",
    403: "The person may not do this, or the request does not come from our own page.",
    404: "There is no such thing for this person.",
    409: "Its state, or somebody else's change, does not allow this.",
    413: "Too many bytes.",
    422: "Understood, and cannot be used.",
    429: "Too many requests; see Retry-After.",
    503: "Busy or not ready; see Retry-After.",
}


def faults(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the description of the faults a route may answer, for OpenAPI."""
    always = {400, 401, 403, 413, 422, 503}
    return {status: {"model": Fault, "description": _WORDS[status]} for status in sorted({*always, *statuses})}
