"""Templates, and what every page needs to be drawn."""

from __future__ import annotations

import hashlib
from functools import cache
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse, Response
from jinja2 import Environment, PackageLoader, StrictUndefined

from buffycoat.report.colours import DARK, lightened
from buffycoat.review.documents import Label, Person
from buffycoat.review.web import assets, words
from buffycoat.review.web_support import csrf_token, desk_of, person_or_none

_OWN_COLOURS = {"deleted": "#8a8590"}


@cache
def environment() -> Environment:
    """Return the templates; every value is escaped, a name that is not given is an error."""
    made = Environment(
        loader=PackageLoader("buffycoat.review.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(
        count=words.count,
        percent=words.percent,
        limits=words.limits,
        when=words.when,
        day=words.day,
        share=words.share,
        known=words.known,
    )
    made.globals.update(static=assets.address, state_words=words.STATES)
    return made


def page(request: Request, template: str, who: Person | None, *, status: int = 200, **values: Any) -> HTMLResponse:
    """Return a page, or a part of one."""
    desk = desk_of(request)
    drawn = (
        environment()
        .get_template(template)
        .render(
            request=request,
            who=who,
            csrf=csrf_token(request),
            accounts=desk.settings.accounts,
            labels_css=f"/pages/labels.css?v={hashlib.sha256(labels_style(desk.labels).encode()).hexdigest()[:10]}",
            **{"here": "", **values},
        )
    )
    return HTMLResponse(drawn, status, headers={"Cache-Control": "no-store"})


def labels_style(labels: tuple[Label, ...]) -> str:
    """Return the style sheet that gives every label its colour, on light and on dark."""
    colours = {**{label.name: label.colour for label in labels}, **_OWN_COLOURS}
    return "".join(
        f'[data-label="{_escaped(name)}"]{{--k:light-dark({light},{lightened(light, DARK["paper"], 4.5)})}}\n'
        for name, light in colours.items()
    )


def _escaped(name: str) -> str:
    return "".join(letter if letter.isalnum() or letter in " -_" else f"\\{ord(letter):x} " for letter in name)


def error_page(request: Request, status: int, title: str, detail: str) -> Response:
    """Return a refusal as a page."""
    try:
        who = person_or_none(request, desk_of(request))
    except Exception:  # noqa: BLE001 - whoever asks, a refusal must be shown
        who = None
    if not hasattr(request.state, "visit"):  # refused before the guard knew the visit
        request.state.visit = ""
    return page(request, "error.html", who, status=status, code=status, title=title, detail=detail)
