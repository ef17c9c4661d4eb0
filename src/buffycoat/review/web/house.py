"""Pages about the house: signing in, accounts, tokens, the log."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from fastapi.responses import RedirectResponse, Response

from buffycoat.review import accounts, history, sign_in
from buffycoat.review.faults import NotFound
from buffycoat.review.web.render import page
from buffycoat.review.web_support import AdministratorDep, DeskDep, MaybePersonDep, PersonDep

router = APIRouter()

KindQuery = Annotated[str, Query(max_length=100)]
BeforeQuery = Annotated[int | None, Query(ge=1, le=2**62)]


@router.get("/login")
def login(
    request: Request, desk: DeskDep, who: MaybePersonDep, next_: Annotated[str, Query(alias="next")] = "/"
) -> Response:
    """Show where a person signs in."""
    target = own_path(next_)
    if who is not None or not desk.settings.accounts:
        return RedirectResponse(target, 303)
    return page(request, "login.html", None, target=target)


def own_path(path: str) -> str:
    """Return a path of this desk: whatever leads elsewhere becomes the list of slides.

    Examples
    --------
    >>> own_path("/slides/1?reading=2"), own_path("//evil.example"), own_path("https://evil.example")
    ('/slides/1?reading=2', '/', '/')
    """
    safe = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()
    return path if safe and not path.startswith("/login") else "/"


@router.get("/account")
def account(request: Request, desk: DeskDep, who: PersonDep) -> Response:
    """Show a person's own account: password and tokens."""
    if not desk.settings.accounts:
        raise NotFound("This desk has no accounts.")
    return page(
        request,
        "account.html",
        who,
        here="account",
        tokens=sign_in.tokens(desk, who),
        shortest=desk.settings.shortest_password,
    )


@router.get("/accounts")
def account_list(request: Request, desk: DeskDep, who: AdministratorDep) -> Response:
    """Show all accounts, for an administrator."""
    if not desk.settings.accounts:
        raise NotFound("This desk has no accounts.")
    listed = accounts.listed(desk, who)
    return page(request, "accounts.html", who, here="accounts", listed=listed, shortest=desk.settings.shortest_password)


@router.get("/audit")
def audit(
    request: Request,
    desk: DeskDep,
    who: AdministratorDep,
    kind: KindQuery = "",
    before: BeforeQuery = None,
) -> Response:
    """Show the whole log, newest first."""
    events = history.audit(desk, who, kind=kind, limit=100, before=before)
    return page(request, "audit.html", who, here="audit", events=events, kind=kind, before=before)


@router.get("/pages/audit")
def audit_rows(
    request: Request,
    desk: DeskDep,
    who: AdministratorDep,
    kind: KindQuery = "",
    before: BeforeQuery = None,
) -> Response:
    """Show more lines of the log."""
    events = history.audit(desk, who, kind=kind, limit=100, before=before)
    return page(request, "parts/events.html", who, events=events, more=f"/pages/audit?{urlencode({'kind': kind})}")
