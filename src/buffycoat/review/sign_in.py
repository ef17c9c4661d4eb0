"""Signing in and out: browsers by cookie, programs by token. The database holds hashes of both, never the things."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import uuid

from sqlalchemy import delete, select, update

from buffycoat.review import accounts, attempts, log
from buffycoat.review.desk import LOCAL, Desk
from buffycoat.review.documents import NewToken, Person, TokenView, moment
from buffycoat.review.faults import Busy, Forbidden, NotFound, NotSignedIn
from buffycoat.review.schema import Account, Token, WebSession

_UNKNOWN = log.Actor("unknown", "unknown")
_NOTE_USE_US = 60_000_000
"""A use is noted once a minute at most: looking at pages is not to write all the time."""

HERE = Person(id=LOCAL.id, login="local", name="Local reader", role="administrator", local=True)
"""The person at a desk without accounts."""


def sign_in(desk: Desk, login: str, password: str, address: str) -> str:
    """Check login and password; returns the cookie's value.

    Attempts are counted per account and per address before they are checked. Failed ones are noted in the log without
    what was typed, refused ones once in a quarter of an hour; both are answered alike whether the account exists or
    not.

    Raises
    ------
    NotSignedIn
        Login or password is wrong.
    Busy
        Too many failed attempts.
    """
    account_key, address_key = ("login-account", accounts.fold(login)[:200]), ("login-address", address)
    attempts.take(
        desk,
        account_key,
        address_key,
        on_refused=lambda: _note(desk, "login.refused", login, {"address": address}),
    )
    try:
        account = accounts.check(desk, login, password)
    except Busy:
        attempts.give_back(desk, account_key, address_key)
        raise
    if account is None:
        _note(desk, "login.failed", login, {"address": address, "why": "wrong login or password"})
        raise NotSignedIn("Login or password is wrong.")
    desk.buckets.forget(*account_key)
    attempts.give_back(desk, address_key)
    value = secrets.token_urlsafe(32)
    with desk.database.write() as session:
        now = log.now_us()
        session.add(WebSession(hash=_hash(value), account_id=account.id, created_at=now, used_at=now))
        session.execute(
            delete(WebSession).where(WebSession.created_at < now - desk.settings.session_seconds * 1_000_000)
        )
        log.append(session, "login.succeeded", log.Actor(account.id, account.name), {"address": address})
    return value


def _note(desk: Desk, kind: str, login: str, body: dict[str, str]) -> None:
    """Write down an attempt under the account's name where there is one; what was typed is not kept."""
    with desk.database.write() as session:
        known = session.scalars(select(Account).where(Account.login == accounts.fold(login))).first()
        log.append(session, kind, _UNKNOWN if known is None else log.Actor(known.id, known.name), body)


def sign_out(desk: Desk, value: str) -> None:
    """End the session of a cookie, if there is one."""
    with desk.database.write() as session:
        found = session.get(WebSession, _hash(value))
        if found is None:
            return
        account = session.get(Account, found.account_id)
        session.delete(found)
        if account is not None:
            log.append(session, "login.ended", log.Actor(account.id, account.name), {})


def by_cookie(desk: Desk, value: str) -> Person | None:
    """Return who a cookie stands for; None when it is unknown or its time is over."""
    digest, now = _hash(value), log.now_us()
    with desk.database.read() as session:
        row = session.execute(
            select(WebSession, Account)
            .join(Account, Account.id == WebSession.account_id)
            .where(WebSession.hash == digest)
        ).first()
        if row is None or not hmac.compare_digest(row[0].hash, digest) or not row[1].active:
            return None
        created, used, person = row[0].created_at, row[0].used_at, accounts.person_of(row[1])
    limits = desk.settings
    if now > created + limits.session_seconds * 1_000_000 or now > used + limits.session_idle_seconds * 1_000_000:
        return None
    if now > used + _NOTE_USE_US:
        with desk.database.touch() as session:
            session.execute(update(WebSession).where(WebSession.hash == digest).values(used_at=now))
    return person


def by_token(desk: Desk, text: str) -> Person | None:
    """Return who a token stands for; the secret part is compared in constant time."""
    token_id, _, secret = text.removeprefix("bc_").partition("_")
    now = log.now_us()
    with desk.database.read() as session:
        token = session.get(Token, token_id) if token_id.isalnum() and token_id.isascii() else None
        stored = token.hash if token is not None else "0" * 64
        right = hmac.compare_digest(stored, _hash(secret))
        if not right or token is None or token.revoked_at is not None:
            return None
        used = token.used_at or 0
        if token.account_id == LOCAL.id:
            person = None if desk.settings.accounts else HERE
        else:
            account = session.get(Account, token.account_id)
            person = accounts.person_of(account) if account is not None and account.active else None
    if person is not None and now > used + _NOTE_USE_US:
        with desk.database.touch() as session:
            session.execute(update(Token).where(Token.id == token_id).values(used_at=now))
    return person


def make_token(desk: Desk, who: Person, name: str) -> NewToken:
    """Make a token that may do what its owner may. Its text is returned this once."""
    token_id, secret = uuid.uuid4().hex, secrets.token_urlsafe(32)
    with desk.database.write() as session:
        now = log.now_us()
        session.add(Token(id=token_id, hash=_hash(secret), name=name, account_id=who.id, created_at=now))
        log.append(session, "token.created", log.Actor(who.id, who.name), {"token": token_id, "name": name})
    return NewToken(
        id=token_id, name=name, owner=who.name, created_at=moment(now), used_at=None, token=f"bc_{token_id}_{secret}"
    )


def tokens(desk: Desk, who: Person) -> tuple[TokenView, ...]:
    """Return the tokens in force: one's own, or everybody's for an administrator."""
    with desk.database.read() as session:
        wanted = select(Token).where(Token.revoked_at.is_(None)).order_by(Token.created_at)
        names = {account.id: account.name for account in session.scalars(select(Account))}
        return tuple(
            TokenView(
                id=token.id,
                name=token.name,
                owner=names.get(token.account_id, who.name),
                created_at=moment(token.created_at),
                used_at=None if token.used_at is None else moment(token.used_at),
            )
            for token in session.scalars(wanted)
            if token.account_id == who.id or who.may_administer
        )


def revoke_token(desk: Desk, who: Person, token_id: str) -> None:
    """End a token."""
    with desk.database.write() as session:
        token = session.get(Token, token_id)
        if token is None or token.revoked_at is not None:
            raise NotFound("There is no such token.")
        if token.account_id != who.id and not who.may_administer:
            raise Forbidden("This token is somebody else's.")
        token.revoked_at = log.now_us()
        log.append(session, "token.revoked", log.Actor(who.id, who.name), {"token": token.id, "name": token.name})


def _hash(value: str) -> str:
    return hashlib.sha256(value.encode("utf-8", "surrogateescape")).hexdigest()
