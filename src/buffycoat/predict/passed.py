"""What a walk over the sources passes by."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Passed:
    """What was passed over on the way, filled while the sources are walked.

    Attributes
    ----------
    others
        Files in folders that do not end like a photograph.
    """

    others: int = 0
