"""Who is asking; signing in and out; accounts and tokens."""

from __future__ import annotations

import secrets
from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import Field

from buffycoat.review import accounts, sign_in
from buffycoat.review import web_support as support
from buffycoat.review.api.parts import AnyId, faults
from buffycoat.review.documents import AccountView, Answer, Label, Name, NewToken, Person, Role, TokenView
from buffycoat.review.documents import Request as Asked
from buffycoat.review.faults import Conflict, Forbidden
from buffycoat.review.web_support import AdministratorDep, DeskDep, MaybePersonDep, PersonDep

router = APIRouter(tags=["house"])
Password = Annotated[str, Field(max_length=1000)]
Login = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^\s*[^\s\x00-\x1f\x7f]+\s*$")]


class Me(Answer):
    """Who is asking, and what this desk is like."""

    person: Person | None
    accounts: bool
    csrf: str
    labels: tuple[Label, ...]
    most_request_bytes: int
    most_image_bytes: int
    most_pixels: int
    shortest_password: int


class SignIn(Asked):
    """Login and password."""

    login: Annotated[str, Field(max_length=200)]
    password: Password


class NewAccount(Asked):
    """Make an account."""

    login: Login
    name: Name
    role: Role
    password: Password


class AccountChange(Asked):
    """Change an account; what is null stays."""

    name: Name | None = None
    role: Role | None = None
    active: bool | None = None
    password: Password | None = None


class PasswordChange(Asked):
    """Change one's own password."""

    old: Password
    new: Password


class TokenRequest(Asked):
    """Make a token."""

    name: Name


@router.get("/me", responses=faults())
def me(request: Request, desk: DeskDep, who: MaybePersonDep) -> Me:
    """Return who is asking (null: nobody is signed in), the token of this page, and the limits."""
    settings = desk.settings
    return Me(
        person=who,
        accounts=settings.accounts,
        csrf=support.csrf_token(request),
        labels=() if who is None else desk.labels,
        most_request_bytes=settings.most_request_bytes,
        most_image_bytes=settings.most_image_bytes,
        most_pixels=settings.most_pixels,
        shortest_password=settings.shortest_password,
    )


@router.post("/session", status_code=204, responses=faults(409, 429))
def begin_session(request: Request, response: Response, desk: DeskDep, asked: SignIn) -> None:
    """Sign in; the answer sets a cookie. Load the page again afterwards: its token is new."""
    if not desk.settings.accounts:
        raise Conflict("This desk has no accounts.", title="No accounts")
    value = sign_in.sign_in(desk, asked.login, asked.password, support.address_of(request))
    old = request.cookies.get(support.cookie_name(desk, support.SESSION))
    if old:
        sign_in.sign_out(desk, old)
    support.set_cookie(desk, response, support.SESSION, value)
    support.set_cookie(desk, response, support.VISIT, secrets.token_urlsafe(32))


@router.delete("/session", status_code=204, responses=faults())
def end_session(request: Request, response: Response, desk: DeskDep) -> None:
    """Sign out; the browser is told to forget what it keeps of photographs and crops."""
    response.headers["Clear-Site-Data"] = '"cache"'
    value = request.cookies.get(support.cookie_name(desk, support.SESSION))
    if value:
        sign_in.sign_out(desk, value)
    support.drop_cookie(desk, response, support.SESSION)
    support.set_cookie(desk, response, support.VISIT, secrets.token_urlsafe(32))


@router.get("/accounts", responses=faults())
def list_accounts(desk: DeskDep, who: AdministratorDep) -> tuple[AccountView, ...]:
    """Return all accounts."""
    return accounts.listed(desk, who)


@router.post("/accounts", status_code=201, responses=faults(409))
def create_account(desk: DeskDep, who: AdministratorDep, asked: NewAccount) -> AccountView:
    """Make an account."""
    return accounts.create(desk, who, asked.login, asked.name, asked.role, asked.password)


@router.patch("/accounts/{account_id}", responses=faults(404, 409))
def change_account(desk: DeskDep, who: AdministratorDep, account_id: AnyId, asked: AccountChange) -> AccountView:
    """Change an account; a new password or an end also revokes its tokens, another role only signs the person out."""
    return accounts.change(
        desk, who, account_id, name=asked.name, role=asked.role, active=asked.active, password=asked.password
    )


@router.post("/account/password", status_code=204, responses=faults(429))
def change_own_password(desk: DeskDep, who: PersonDep, asked: PasswordChange) -> None:
    """Change one's own password; every browser is signed out, this one too, and every token revoked."""
    if who.local:
        raise Forbidden("This desk has no accounts.")
    accounts.change_own_password(desk, who, asked.old, asked.new)


@router.get("/tokens", responses=faults())
def list_tokens(desk: DeskDep, who: PersonDep) -> tuple[TokenView, ...]:
    """Return the tokens in force."""
    return sign_in.tokens(desk, who)


@router.post("/tokens", status_code=201, responses=faults())
def create_token(desk: DeskDep, who: PersonDep, asked: TokenRequest) -> NewToken:
    """Make a token; its text is answered this once."""
    return sign_in.make_token(desk, who, asked.name)


@router.delete("/tokens/{token_id}", status_code=204, responses=faults(404))
def revoke_token(desk: DeskDep, who: PersonDep, token_id: AnyId) -> None:
    """End a token."""
    sign_in.revoke_token(desk, who, token_id)
