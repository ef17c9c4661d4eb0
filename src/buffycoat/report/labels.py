"""What a report says of labels that look wrong, and of those a person changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import polars as pl

from buffycoat.records.labels import LabelAudit, Suspect
from buffycoat.report.pictures import data_uri, encoded
from buffycoat.report.study_files import Study

SHOWN = 40
"""Suspects with a picture; the rest are named."""


@dataclass(frozen=True)
class LabelView:
    """The section on labels.

    Attributes
    ----------
    audit
        ``labels.json``.
    shown
        Suspects with their picture's address (None: no crop kept), the most suspect first.
    rest
        The others.
    changed
        Cell, label before, label, who, why, when: changes by hand, by cell.
    """

    audit: LabelAudit
    shown: list[tuple[Suspect, str | None]]
    rest: tuple[Suspect, ...]
    changed: list[tuple[Any, ...]]

    @property
    def named(self) -> tuple[Suspect, ...]:
        """Suspects to name where no pictures are shown."""
        return self.audit.suspects[:SHOWN]


def labels(study: Study, *, pictures: bool = True) -> LabelView | None:
    """Gather the section, with or without pictures; None where the study's labels were not audited."""
    path = study.folder / "labels.json"
    if not path.is_file():
        return None
    audit = LabelAudit.read(path)
    shown = []
    for one in audit.suspects[:SHOWN]:
        picture = study.crops.picture(one.cell_id) if pictures else None
        shown.append((one, None if picture is None else data_uri(encoded(picture, most_px=224))))
    return LabelView(audit, shown, audit.suspects[SHOWN:], _changed(study.cells))


def _changed(cells: pl.DataFrame) -> list[tuple[Any, ...]]:
    if "label_by" not in cells.columns:
        return []
    made = cells.filter(pl.col("label_by").is_not_null()).sort("cell_id")
    return made.select("cell_id", "label_before", "label", "label_by", "label_why", "label_when").rows()
