"""What a laboratory knows of a slide beside its photographs: identifiers, leukocyte count, time of collection."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

_FIRST_YEAR = 1900


@dataclass(frozen=True, slots=True)
class Particulars:
    """What is to stand in the outputs of one slide; each part may be missing.

    Attributes
    ----------
    specimen, subject
        The laboratory's own identifiers.
    wbc
        Leukocytes, 10⁹/L, measured elsewhere.
    collected
        When the specimen was collected, with its zone.
    accession
        By which a receiver replaces one result of the slide with the next.
    """

    specimen: str | None = None
    subject: str | None = None
    wbc: float | None = None
    collected: datetime | None = None
    accession: str | None = None


def moment(text: str) -> datetime:
    """Return a point in time from ISO 8601; one without a zone is of this computer's.

    Raises
    ------
    ValueError
        It is none, has no time of day, or lies before 1900.

    Examples
    --------
    >>> moment("2025-03-04T09:05+01:00").isoformat()
    '2025-03-04T09:05:00+01:00'
    """
    said = f"expected a date and a time such as 2025-03-04T09:05+01:00, found {text[:40]!r}"
    try:
        date.fromisoformat(text)
    except ValueError:
        pass
    else:
        raise ValueError(f"{said}, which has no time of day")
    try:
        found = datetime.fromisoformat(text)
        if found.year < _FIRST_YEAR:
            raise ValueError(said)
        return found if found.tzinfo is not None else found.astimezone()
    except (ValueError, OverflowError) as error:
        raise ValueError(said) from error
