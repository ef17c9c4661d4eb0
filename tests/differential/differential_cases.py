"""Counts that the tests of every output share."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from buffycoat.differential import compare_cells, count, read_ranges
from buffycoat.records.differential import Counter, Differential, Signer

WHEN = datetime(2025, 3, 4, 5, 6, 7, tzinfo=UTC)
DRAWN = datetime(2025, 3, 3, 21, 5, tzinfo=timezone(timedelta(hours=1)))
FOUR = ("neutrophil", "eosinophil", "lymphocyte", "monocyte")
SIGNER = Signer(name="O'Neil & Söhne | <b>", signed_at=datetime(2025, 3, 4, 9, 0, tzinfo=UTC))
SEAL = "0123456789abcdef" * 4
NASTY = "S|1^2~3&4\\5 <i>ß</i>"


def sealed(**changes: Any) -> Differential:
    """Return a count signed at the review desk."""
    return full(signer=SIGNER.model_copy(update={"seal": SEAL}), **changes)


def plain(**changes: Any) -> Differential:
    """Return a program's preliminary count of 200 cells that does not know basophils."""
    labels = {"neutrophil": 110, "eosinophil": 10, "lymphocyte": 70, "monocyte": 10, "unidentified": 4, "artefact": 3}
    options: dict[str, Any] = {"slide": "S1", "known": FOUR, "created": WHEN, "reasons": {"uncertain": 3, "unlike": 1}}
    return count(labels, **{**options, **changes})


def full(**changes: Any) -> Differential:
    """Return a signed count with everything a count can hold, its texts full of delimiters."""
    comparison = compare_cells(["neutrophil"] * 9 + ["eosinophil"], ["neutrophil"] * 8 + ["eosinophil"] * 2)
    options: dict[str, Any] = {
        "slide": NASTY,
        "specimen": NASTY,
        "subject": NASTY,
        "status": "final",
        "signer": SIGNER,
        "counted_by": Counter(kind="reviewed", name=SIGNER.name),
        "wbc": 6.2,
        "ranges": read_ranges("example"),
        "comparison": comparison,
    }
    return plain(**{**options, **changes})
