"""What a walk over the sources passes by."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Passed:
    """What was passed over on the way, filled while the sources are walked.

    Attributes
    ----------
    others
        Files in folders that do not end like a photograph.
    empty
        Folders, archives and patterns that gave nothing, by name.
    """

    others: int = 0
    empty: list[str] = field(default_factory=list)
