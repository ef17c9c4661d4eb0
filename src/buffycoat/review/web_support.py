"""What every route leans on: the desk, who is asking, and the token that shows a request came from our own page."""

from __future__ import annotations

import hashlib
import hmac
from typing import Annotated
from urllib.parse import quote

import anyio.to_thread
from fastapi import Depends, Request
from fastapi.responses import RedirectResponse, Response

from buffycoat.review import sign_in
from buffycoat.review.desk import Desk
from buffycoat.review.documents import Person
from buffycoat.review.faults import Forbidden, NotSignedIn

SESSION = "buffycoat_session"
VISIT = "buffycoat_visit"
CSRF_HEADER = "x-csrf-token"


def desk_of(request: Request) -> Desk:
    """Return the desk this application serves."""
    desk: Desk = request.app.state.desk
    return desk


async def _desk(request: Request) -> Desk:
    return desk_of(request)  # awaited: what is not would be sent to a thread of its own, for nothing


DeskDep = Annotated[Desk, Depends(_desk)]


async def who_asks(request: Request, desk: DeskDep) -> Person | None:
    """Return who is asking, as :func:`person_or_none`; asked for once in a request, on a thread where it must be."""
    known = request.state
    if not hasattr(known, "who"):
        if desk.settings.accounts or "authorization" in request.headers:
            known.who = await anyio.to_thread.run_sync(person_or_none, request, desk)
        else:
            known.who = sign_in.HERE
    who: Person | None = known.who
    return who


def person_or_none(request: Request, desk: Desk) -> Person | None:
    """Return who is asking: by bearer token where one is sent, else by cookie, else whoever sits here.

    A token that is wrong is refused, whatever cookie comes with it: only requests without a token are guarded against
    forgery.
    """
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    if scheme:
        person = sign_in.by_token(desk, value.strip()) if scheme.casefold() == "bearer" else None
        if person is None:
            raise NotSignedIn("The token is not valid.")
        return person
    if not desk.settings.accounts:
        return sign_in.HERE
    cookie = request.cookies.get(cookie_name(desk, SESSION))
    return sign_in.by_cookie(desk, cookie) if cookie else None


async def person(found: Annotated[Person | None, Depends(who_asks)]) -> Person:
    """Return who is asking, or raise NotSignedIn (pages are sent to /login instead)."""
    if found is None:
        raise NotSignedIn("This needs an account.")
    return found


async def administrator(who: Annotated[Person, Depends(person)]) -> Person:
    """Return who is asking, an administrator."""
    if not who.may_administer:
        raise Forbidden("This needs the role of an administrator.")
    return who


PersonDep = Annotated[Person, Depends(person)]
AdministratorDep = Annotated[Person, Depends(administrator)]
MaybePersonDep = Annotated[Person | None, Depends(who_asks)]


def cookie_name(desk: Desk, name: str) -> str:
    """Return a cookie's name; over https browsers are told to keep it to this host."""
    return f"__Host-{name}" if desk.settings.secure_cookies else name


def csrf_token(request: Request) -> str:
    """Return the token that an unsafe request of this browser must carry in `X-CSRF-Token`."""
    visit: str = request.state.visit
    return token_for(desk_of(request), visit)


def token_for(desk: Desk, visit: str) -> str:
    """Return the token that belongs to a browser's visit."""
    return hmac.new(desk.secret, b"csrf\0" + visit.encode("utf-8", "surrogateescape"), hashlib.sha256).hexdigest()


def set_cookie(desk: Desk, response: Response, name: str, value: str) -> None:
    """Set a cookie that scripts cannot read and other sites' requests do not carry."""
    response.set_cookie(
        cookie_name(desk, name), value, httponly=True, samesite="strict", secure=desk.settings.secure_cookies, path="/"
    )


def drop_cookie(desk: Desk, response: Response, name: str) -> None:
    """Make the browser forget a cookie."""
    response.delete_cookie(
        cookie_name(desk, name), httponly=True, samesite="strict", secure=desk.settings.secure_cookies, path="/"
    )


def sign_in_needed(request: Request) -> Response:
    """Return what a page answers to somebody who is not signed in."""
    place = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return RedirectResponse(f"/login?next={quote(place)}", status_code=303)


def is_api(request: Request) -> bool:
    """Return whether a program asks, and not a person with a browser's address bar."""
    return request.url.path.startswith(("/api/", "/health", "/ready", "/metrics"))


def address_of(request: Request) -> str:
    """Return the address a request comes from; a trusted proxy's word is believed, nobody else's."""
    peer = request.client.host if request.client else "unknown"
    trusted = desk_of(request).settings.trusted_proxies
    if peer not in trusted:
        return peer
    for hop in reversed([part.strip() for part in request.headers.get("x-forwarded-for", "").split(",")]):
        if hop and hop not in trusted:
            return hop[:64]
    return peer
