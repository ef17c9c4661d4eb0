"""Events in words, for people."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from typing import Any

Body = dict[str, Any]
Numbers = Mapping[str, int]
"""The numbers that cells and photographs have on the desk, by their ids."""

_MOST_SHOWN = 40  # runs of cells in one line
_MOST_LETTERS = 200  # of a name or a note

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
    "slide.changed": "changed {change}",
    "slide.removed": "removed the slide: {reason}",
    "field.added": "added photograph {number} ({name})",
    "field.analysed": "found {found} on {which} with {bundle}",
    "field.failed": "could not analyse {which}: {reason}",
    "field.retried": "asked for {which} to be analysed again",
    "field.removed": "took out photograph {number} ({name}) with its cells{why}",
    "photograph.refused": "gave {name}, which could not be used: {reason}",
    "photograph.dismissed": "said that {name}, which could not be used ({reason}), is not missing",
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
    "account.changed": "changed the account {login}: {change}",
    "token.created": "made the token {name}",
    "token.revoked": "revoked the token {name}",
}
_NAMES = {
    "readings_wanted": "how many readings are wanted",
    "wbc": "leukocyte count (10⁹/L)",
    "collected": "time of collection",
}


def step_words(kind: str, body: Body) -> str:
    """Return what undoing or redoing a step would be about: "move of 3 cells to eosinophil"."""
    return _STEPS[kind].format(cells=_cells(len(body["changes"])), label=body.get("label"))


def event_words(kind: str, body: Body, numbers: Numbers | None = None) -> str:
    """Return what happened: what was changed, from what and to what.

    Parameters
    ----------
    numbers
        Of the cells and photographs of the slide; those without one were taken out since.
    """
    known = numbers or {}
    if kind in _STEPS:
        return f"{step_words(kind, body)}{_which(kind, body, known)}"
    said: Body = {**body}
    if "after" in body:
        said["change"] = _change(body.get("before", {}), body["after"])
    if "cells" in body:
        said["found"] = _cells(len(body["cells"]))
    if "field" in body:
        said["which"] = f"photograph {known[body['field']]}" if body["field"] in known else "a photograph"
    if kind == "field.removed":
        said["why"] = f": {body['reason']}" if body["reason"] else ""
    if kind in {"reading.undone", "reading.redone"}:
        said["step"] = (
            f"{step_words(body['kind'], body)}{_which(body['kind'], body, known, back=kind.endswith('undone'))}"
        )
    return _EVENTS[kind].format_map(said)


def _change(before: Body, after: Body) -> str:
    """Return changes as "name from “a” to “b”"."""
    parts = []
    for name in sorted(after):
        shown = _NAMES.get(name, name)
        parts.append(f"{shown} from {_value(before[name])} to {_value(after[name])}" if name in before else shown)
    return ", ".join(parts)


def _value(value: object) -> str:
    if value is None or value == "":
        return "nothing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = str(value)
    if not isinstance(value, str):
        return text
    return f"“{text if len(text) <= _MOST_LETTERS else text[:_MOST_LETTERS] + '…'}”"


def _which(kind: str, body: Body, numbers: Numbers, *, back: bool = False) -> str:
    """Return which cells a step changed, by what they were before: " (cells 3–5, 9 were eosinophil)"."""
    if not numbers:
        return ""
    by_label: dict[str, list[int | None]] = {}
    for change in body["changes"]:
        label = change["after" if back else "before"][0]
        by_label.setdefault(label, []).append(numbers.get(change["cell"]))
    parts, shown = [], 0
    for label, found in by_label.items():
        runs = _runs(sorted(number for number in found if number is not None))
        gone = sum(number is None for number in found)
        room = max(0, _MOST_SHOWN - shown)
        shown += len(runs)
        names = [*runs[:room], *(["…"] if len(runs) > room else [])]
        names += [f"{gone} taken out since"] if gone else []
        parts.append(f"{', '.join(names)}{_state(kind, label, len(found), back=back)}")
    word = "cell" if len(body["changes"]) == 1 else "cells"
    place = numbers.get(body["field"]) if kind == "cell.drawn" and "field" in body else None
    where = "" if place is None else f" on photograph {place}"
    return f"{where} ({word} {'; '.join(parts)})"


def _state(kind: str, label: str, n: int, *, back: bool) -> str:
    if back:
        return f", again {label}" if kind == "cells.moved" else f", {label}"
    if kind == "cells.moved":
        return f", {'was' if n == 1 else 'were'} {label}"
    return f", {label}"


def _runs(numbers: list[int]) -> list[str]:
    """Return numbers in order as runs: ["3–5", "9"]."""
    runs = []
    for _, run in groupby(enumerate(numbers), lambda pair: pair[1] - pair[0]):
        found = [number for _, number in run]
        runs.append(str(found[0]) if len(found) == 1 else f"{found[0]}–{found[-1]}")
    return runs


def _cells(n: int) -> str:
    return f"{n} cell{'s' * (n != 1)}"
