"""What a laboratory knows of a slide, on its way into the log: as text and figures, and such as a report can hold."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from buffycoat.differential.particulars import Particulars
from buffycoat.differential.sheet import trial
from buffycoat.errors import UsageError
from buffycoat.review.faults import Refused
from buffycoat.review.replay import PARTICULARS


def differs(name: str, one: Any, other: Any) -> bool:
    """Return whether two values differ; the same moment said in another zone does not."""
    if name == "collected" and one is not None and other is not None:
        return datetime.fromisoformat(one) != datetime.fromisoformat(other)
    return bool(one != other)


def stored(particulars: Mapping[str, Any]) -> dict[str, Any]:
    """Return particulars as the log keeps them: a time as text, with the zone it was given in."""
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in particulars.items()}


def hold(name: str, known: Mapping[str, Any]) -> None:
    """Raise Refused where no report could be made of a slide with these particulars."""
    said = {key: known.get(key) for key in PARTICULARS}
    if said["collected"] is not None:
        said["collected"] = datetime.fromisoformat(said["collected"])
    try:
        trial(Particulars(**said), name)
    except UsageError as error:
        raise Refused(error.what, hint=error.hint) from error
