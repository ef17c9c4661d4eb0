"""Events in words, for people."""

from __future__ import annotations

from typing import Any

Body = dict[str, Any]

_STEPS = {
    "cells.moved": "move of {cells} to {label}",
    "cells.seen": "{cells} marked seen",
    "cells.unseen": "{cells} marked not seen",
    "cells.deleted": "{cells} deleted",
    "cells.restored": "{cells} restored",
    "cell.drawn": "a box drawn",
}
_EVENTS = {
    "slide.created": "made the slide",
    "slide.changed": "changed {after}",
    "slide.removed": "removed the slide: {reason}",
    "field.added": "added photograph {number}",
    "field.analysed": "found {found} with {bundle}",
    "field.failed": "could not analyse a photograph: {reason}",
    "field.retried": "asked for a photograph to be analysed again",
    "reading.opened": "began reading {number}",
    "reading.undone": "took back: {step}",
    "reading.redone": "did again: {step}",
    "reading.signed": "signed as {name}: {meaning}",
    "reading.amended": "opened the signed reading again: {reason}",
    "login.succeeded": "signed in from {address}",
    "login.failed": "failed to sign in from {address}: {why}",
    "login.refused": "was refused from {address}: too many attempts to sign in",
    "login.ended": "signed out",
    "password.failed": "gave a wrong password when asked for it again",
    "password.refused": "was refused: too many wrong passwords when asked for it again",
    "account.created": "made the account {login} ({role})",
    "account.changed": "changed {after} of the account {login}",
    "token.created": "made the token {name}",
    "token.revoked": "revoked the token {name}",
}
_NAMES = {"readings_wanted": "how many readings are wanted"}


def step_words(kind: str, body: Body) -> str:
    """Return what undoing or redoing a step would be about: "move of 3 cells to eosinophil"."""
    return _STEPS[kind].format(cells=_cells(len(body["changes"])), label=body.get("label"))


def event_words(kind: str, body: Body) -> str:
    """Return what happened, in a few words."""
    if kind in _STEPS:
        return step_words(kind, body)
    known: Body = {**body, "after": ", ".join(_NAMES.get(name, name) for name in sorted(body.get("after", ())))}
    if "cells" in body:
        known["found"] = _cells(len(body["cells"]))
    if kind in {"reading.undone", "reading.redone"}:
        known["step"] = step_words(body["kind"], body)
    return _EVENTS[kind].format_map(known)


def _cells(n: int) -> str:
    return f"{n} cell{'s' * (n != 1)}"
