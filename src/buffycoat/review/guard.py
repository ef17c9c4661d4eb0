"""The guard at the door: every request passes it before any route sees it.

Refuses other hosts' names (DNS rebinding), requests forged by other sites, bodies that are too large, photographs of
people who may not bring any (:mod:`.door`); gives browsers the headers that keep other sites out; counts, times and
logs, without contents and without names.
"""

from __future__ import annotations

import hmac
import json
import logging
import re
import secrets
import time
from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import unquote, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from buffycoat.review import door
from buffycoat.review.desk import Desk
from buffycoat.review.metrics import Metrics
from buffycoat.review.settings import LOOPBACK
from buffycoat.review.web_support import CSRF_HEADER, VISIT, cookie_name, token_for

_logger = logging.getLogger("buffycoat.review.requests")
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_VISIT_VALUE = re.compile(r"[A-Za-z0-9_-]{43}")
_ANYWHERE = frozenset({"0.0.0.0", "::", ""})  # noqa: S104 - compared with, not bound to

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "font-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": CSP,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
}


class Guard:
    """ASGI middleware; see the module."""

    def __init__(self, app: ASGIApp, desk: Desk, metrics: Metrics) -> None:
        self.app, self.desk, self.metrics = app, desk, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = time.monotonic()
        request_id = secrets.token_hex(8)
        visit, fresh = self._visit(scope)
        scope.setdefault("state", {}).update(visit=visit, request_id=request_id)
        status = 500

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                self._dress(scope, message, request_id, visit if fresh else None)
            await send(message)

        with self.metrics.in_flight.track_inprogress():
            try:
                refusal = self._refusal(scope, visit)
                if refusal is not None:
                    await _refuse(answer, *refusal)
                elif (fault := await door.refusal(self.desk, scope)) is not None:
                    await _refuse(answer, fault.status, fault.title, fault.detail, fault.headers)
                else:
                    await self.app(scope, _Limited(receive, door.most_bytes(self.desk, scope)), answer)
            finally:
                self._note(scope, status, time.monotonic() - began, request_id)

    def _visit(self, scope: Scope) -> tuple[str, bool]:
        value = _cookies(scope).get(cookie_name(self.desk, VISIT), "")
        if _VISIT_VALUE.fullmatch(value):
            return value, False
        return secrets.token_urlsafe(32), _is_browser(scope)

    def _refusal(self, scope: Scope, visit: str) -> tuple[int, str, str] | None:
        headers = Headers(scope=scope)
        if not self._known_host(headers.get("host", "")):
            return 400, "Unknown host", "This desk does not answer under that name; see --allowed-host."
        if "\0" in unquote(scope["path"]) or "\0" in unquote(scope["query_string"].decode("latin-1")):
            return 400, "Bad request", "A zero character makes no sense here."
        length = headers.get("content-length", "")
        if length and (not length.isdigit() or int(length) > door.most_bytes(self.desk, scope)):
            return 413, "Too large", "The request is larger than this desk accepts."
        if scope["method"] not in _SAFE and (why := self._forged(headers, visit)) is not None:
            return 403, "Not from this page", why
        return None

    def _forged(self, headers: Headers, visit: str) -> str | None:
        """Return why an unsafe request is refused.

        A request with a bearer token carries nothing that a browser adds on its own. At a desk without accounts a
        program need not say anything, but whatever looks like a browser must show the page's token.
        """
        if headers.get("authorization"):
            return None
        origin, site = headers.get("origin"), headers.get("sec-fetch-site")
        if origin is not None and _netloc(origin) != headers.get("host", "").casefold():
            return "The request comes from another site."
        if site is not None and site not in {"same-origin", "none"}:
            return "The request comes from another site."
        browser = origin is not None or site is not None or headers.get("cookie") or headers.get("referer")
        if not browser and not self.desk.settings.accounts:
            return None
        sent = headers.get(CSRF_HEADER, "")
        if not hmac.compare_digest(sent.encode(), token_for(self.desk, visit).encode()):
            return "The page's token is missing or old; load the page again."
        return None

    def _known_host(self, host: str) -> bool:
        name = _hostname(host)
        settings = self.desk.settings
        if name in LOOPBACK or name in {one.casefold() for one in settings.allowed_hosts}:
            return True
        if settings.loopback:
            return False
        return (settings.host in _ANYWHERE and not settings.allowed_hosts) or name == settings.host.casefold()

    def _dress(self, scope: Scope, message: Message, request_id: str, visit: str | None) -> None:
        headers = MutableHeaders(scope=message)
        for name, value in HEADERS.items():
            headers.setdefault(name, value)
        headers["x-request-id"] = request_id
        if not scope["path"].startswith("/static/"):
            headers.setdefault("cache-control", "no-store")
        if self.desk.settings.secure_cookies:
            headers.setdefault("strict-transport-security", "max-age=31536000")
        if visit is not None and not any(name == b"set-cookie" for name, _ in message["headers"]):
            secure = "; Secure" if self.desk.settings.secure_cookies else ""
            name = cookie_name(self.desk, VISIT)
            headers.append("set-cookie", f"{name}={visit}; Path=/; HttpOnly; SameSite=Strict{secure}")

    def _note(self, scope: Scope, status: int, seconds: float, request_id: str) -> None:
        route = getattr(scope.get("route"), "path", None) or "unmatched"
        method = scope["method"] if scope["method"] in _METHODS else "other"
        self.metrics.requests.labels(method, route, str(status)).inc()
        self.metrics.seconds.labels(method, route).observe(seconds)
        if not route.startswith(("/health", "/ready", "/metrics")):
            facts = {"method": method, "route": route, "status": status, "ms": round(1000 * seconds, 1)}
            _logger.info("request", extra={**facts, "request": request_id})


def _netloc(origin: str) -> str | None:
    """Return host and port of an origin; None of what is no address."""
    try:
        return urlsplit(origin).netloc.casefold()
    except ValueError:
        return None


def _hostname(host: str) -> str | None:
    """Return the name in a Host header, without its port; None of what is no address."""
    try:
        return (urlsplit(f"//{host}").hostname or "").casefold()
    except ValueError:
        return None


def _is_browser(scope: Scope) -> bool:
    """Return whether to begin a visit: a script that keeps cookies is not to be taken for a page later."""
    headers = Headers(scope=scope)
    asks_for_page = "text/html" in headers.get("accept", "") or "sec-fetch-mode" in headers
    return asks_for_page or bool(scope["path"] == "/api/v1/me")


_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"})


class BodyTooLarge(HTTPException):
    """A body went on beyond its limit."""

    def __init__(self) -> None:
        super().__init__(413, "The request is larger than this desk accepts.")


class _Limited:
    """Receives a body and stops where it gets too large, whatever its header said."""

    def __init__(self, receive: Receive, most: int) -> None:
        self._receive, self._left = receive, most

    async def __call__(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self._left -= len(message.get("body", b""))
            if self._left < 0:
                raise BodyTooLarge
        return message


def _cookies(scope: Scope) -> dict[str, str]:
    try:
        jar: SimpleCookie = SimpleCookie(Headers(scope=scope).get("cookie", ""))
    except CookieError:
        return {}
    return {name: morsel.value for name, morsel in jar.items()}


async def _refuse(send: Send, status: int, title: str, detail: str, more: Mapping[str, str] | None = None) -> None:
    body: dict[str, Any] = {"title": title, "detail": detail}
    content = json.dumps(body).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
    headers += [(name.lower().encode(), value.encode()) for name, value in (more or {}).items()]
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    if status == 413:
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})
