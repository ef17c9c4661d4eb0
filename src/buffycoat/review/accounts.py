"""Accounts: who may sign in, as what, and the passwords (Argon2id) that prove it."""

from __future__ import annotations

import uuid
from functools import lru_cache
from typing import TYPE_CHECKING

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from buffycoat.errors import UsageError
from buffycoat.review import attempts, log
from buffycoat.review.desk import Desk
from buffycoat.review.documents import AccountView, Person, Role, moment
from buffycoat.review.faults import Busy, Conflict, Forbidden, NotFound, Refused
from buffycoat.review.schema import Account, Token, WebSession

if TYPE_CHECKING:
    from argon2 import PasswordHasher

_LONGEST_PASSWORD = 1000


@lru_cache(maxsize=1)
def _hasher() -> PasswordHasher:
    from argon2 import PasswordHasher

    return PasswordHasher(time_cost=3, memory_cost=65_536, parallelism=4)  # RFC 9106's second recommendation


@lru_cache(maxsize=1)
def _nobody() -> str:
    """Return the hash of no password: an unknown login takes as long as a wrong password."""
    return _hasher().hash(uuid.uuid4().hex)


def _hashed(password: str) -> str:
    with attempts.turn():
        return _hasher().hash(password)


def person_of(account: Account) -> Person:
    """Return the person behind an account."""
    return Person(id=account.id, login=account.login, name=account.name, role=account.role)


def check(desk: Desk, login: str, password: str) -> Account | None:
    """Return the account whose login and password these are, or None; takes as long either way."""
    from argon2.exceptions import InvalidHashError, VerificationError

    with desk.database.read() as session:
        account = session.scalars(select(Account).where(Account.login == fold(login))).first()
        if account is not None:
            session.expunge(account)
    stored = account.password if account is not None and account.active else None
    try:
        with attempts.turn():
            _hasher().verify(_nobody() if stored is None else stored, password[:_LONGEST_PASSWORD])
    except (VerificationError, InvalidHashError):
        return None
    return account if account is not None and account.active else None


def confirm(desk: Desk, who: Person, password: str | None) -> None:
    """Make sure the person at the keyboard is the one signed in: the password once more.

    Raises
    ------
    Forbidden
        It is missing or wrong.
    Busy
        It was wrong too often.
    """
    if who.local:
        return
    wrong = Forbidden("Signing needs your own password, and this is not it.", title="Wrong password")
    if not password:
        raise wrong
    key = ("confirm", who.id)
    attempts.take(desk, key, on_refused=lambda: _note(desk, "password.refused", who))
    try:
        right = check(desk, who.login, password) is not None
    except Busy:
        attempts.give_back(desk, key)
        raise
    if not right:
        _note(desk, "password.failed", who)
        raise wrong
    attempts.give_back(desk, key)


def _note(desk: Desk, kind: str, who: Person) -> None:
    with desk.database.write() as session:
        log.append(session, kind, log.Actor(who.id, who.name), {})


def fold(login: str) -> str:
    """Return a login as it is stored: case does not matter."""
    return login.strip().casefold()


def listed(desk: Desk, who: Person) -> tuple[AccountView, ...]:
    """Return all accounts."""
    _need_administrator(who)
    with desk.database.read() as session:
        return tuple(_view(account) for account in session.scalars(select(Account).order_by(Account.login)))


def any_accounts(desk: Desk) -> bool:
    """Return whether somebody could sign in as an administrator."""
    with desk.database.read() as session:
        wanted = select(func.count()).select_from(Account)
        return bool(session.scalar(wanted.where(Account.role == "administrator", Account.active.is_(True))))


def create(desk: Desk, who: Person | None, login: str, name: str, role: Role, password: str) -> AccountView:
    """Make an account; `who` is None for the one made on the command line.

    Raises
    ------
    Conflict
        The login is taken.
    Refused
        The password is too short, or is the login.
    """
    if who is not None:
        _need_administrator(who)
    refuse_weak(desk, login, password)
    hashed = _hashed(password)
    with desk.database.write() as session:
        if session.scalar(select(Account.id).where(Account.login == fold(login))) is not None:
            raise Conflict("There is an account with this login.", title="Login taken")
        account = Account(
            id=uuid.uuid4().hex,
            login=fold(login),
            name=name,
            role=role,
            password=hashed,
            active=True,
            created_at=log.now_us(),
        )
        session.add(account)
        session.flush()
        body = {"account": account.id, "login": account.login, "name": name, "role": role}
        log.append(session, "account.created", _actor(who), body)
        return _view(account)


def change(
    desk: Desk,
    who: Person | None,
    account_id: str,
    *,
    name: str | None = None,
    role: Role | None = None,
    active: bool | None = None,
    password: str | None = None,
) -> AccountView:
    """Change an account. A new password, another role or an end signs the person out everywhere.

    A new password and an end also revoke the person's tokens: whoever knew the one may have made the other.
    """
    if who is not None:
        _need_administrator(who)
    with desk.database.read() as session:
        known = _load(session, account_id)
        if password is not None:
            refuse_weak(desk, known.login, password)
    hashed = None if password is None else _hashed(password)
    with desk.database.write() as session:
        account = _load(session, account_id)
        given = {"name": name, "role": role, "active": active}
        after = {key: value for key, value in given.items() if value is not None and value != getattr(account, key)}
        before = {key: getattr(account, key) for key in after}
        for key, value in after.items():
            setattr(account, key, value)
        if hashed is not None:
            account.password = hashed
        session.flush()
        _refuse_no_administrator(session, before)
        if hashed is not None or after.keys() & {"role", "active"}:
            end_sessions(session, account.id)
        if hashed is not None or active is False:
            revoke_tokens(session, account.id, _actor(who))
        if after or hashed is not None:
            body = {
                "account": account.id,
                "login": account.login,
                "before": before,
                "after": {**after, **({"password": "changed"} if hashed is not None else {})},
            }
            log.append(session, "account.changed", _actor(who), body)
        return _view(account)


def change_own_password(desk: Desk, who: Person, old: str, new: str) -> None:
    """Change one's own password; every browser is signed out and every token revoked."""
    confirm(desk, who, old)
    refuse_weak(desk, who.login, new)
    hashed = _hashed(new)
    with desk.database.write() as session:
        account = _load(session, who.id)
        account.password = hashed
        end_sessions(session, account.id)
        revoke_tokens(session, account.id, _actor(who))
        body = {"account": account.id, "login": account.login, "before": {}, "after": {"password": "changed"}}
        log.append(session, "account.changed", _actor(who), body)


def end_sessions(session: Session, account_id: str) -> None:
    """Sign an account out everywhere."""
    from sqlalchemy import delete

    session.execute(delete(WebSession).where(WebSession.account_id == account_id))


def revoke_tokens(session: Session, account_id: str, actor: log.Actor) -> None:
    """End all tokens of an account."""
    in_force = (
        select(Token).where(Token.account_id == account_id, Token.revoked_at.is_(None)).order_by(Token.created_at)
    )
    for token in session.scalars(in_force).all():
        token.revoked_at = log.now_us()
        log.append(session, "token.revoked", actor, {"token": token.id, "name": token.name})


def refuse_weak(desk: Desk, login: str, password: str) -> None:
    """Raise Refused for a password that is too short or is the login."""
    shortest = desk.settings.shortest_password
    if len(password) < shortest:
        raise Refused(f"A password has at least {shortest} characters.")
    if len(password) > _LONGEST_PASSWORD:
        raise Refused(f"A password has at most {_LONGEST_PASSWORD} characters.")
    if fold(password) == fold(login) or len(set(password)) < 4:
        raise Refused("This password is too easy to guess.")


def need_somebody(desk: Desk) -> None:
    """Raise UsageError where accounts are wanted and nobody could administer them."""
    if desk.settings.accounts and not any_accounts(desk):
        raise UsageError(
            "There is no account with the role administrator yet.",
            hint="Make one: buffycoat review account add LOGIN --role administrator",
        )


def _refuse_no_administrator(session: Session, before: dict[str, object]) -> None:
    left = session.scalar(
        select(func.count()).select_from(Account).where(Account.role == "administrator", Account.active.is_(True))
    )
    if before and not left:
        raise Conflict("One administrator must remain.", title="Last administrator")


def _load(session: Session, account_id: str) -> Account:
    account = session.get(Account, account_id)
    if account is None:
        raise NotFound("There is no such account.")
    return account


def _need_administrator(who: Person) -> None:
    if not who.may_administer:
        raise Forbidden("This needs the role of an administrator.")


def _actor(who: Person | None) -> log.Actor:
    return log.Actor("console", "the console") if who is None else log.Actor(who.id, who.name)


def _view(account: Account) -> AccountView:
    return AccountView(
        id=account.id,
        login=account.login,
        name=account.name,
        role=account.role,
        active=account.active,
        created_at=moment(account.created_at),
    )
