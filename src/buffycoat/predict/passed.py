"""What a walk over the sources passes by."""

from __future__ import annotations

from dataclasses import dataclass

from buffycoat.predict.listing import ends_like_archive


@dataclass(slots=True)
class Passed:
    """What was passed over on the way, filled while the sources are walked.

    Attributes
    ----------
    others
        Files in folders and members of archives that do not end like a photograph.
    archives
        Archives in folders: they are opened where they are named.
    nested
        Archives inside archives: they are not opened.
    """

    others: int = 0
    archives: int = 0
    nested: int = 0

    def member(self, name: str) -> None:
        """Count a member of an archive."""
        if ends_like_archive(name):
            self.nested += 1
        else:
            self.others += 1
