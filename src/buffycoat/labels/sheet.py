"""The sheet of suspects: written for a person to correct in any table program, and read back."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from buffycoat.data.csv_file import columns, header, records
from buffycoat.errors import DataError
from buffycoat.files import write_text
from buffycoat.records.labels import LabelAudit
from buffycoat.taxonomy import canonical

COLUMNS = ("cell_id", "image", "label", "suspected", "score", "corrected", "by", "why")
"""The last three are for the person: the right label, a name, a reason. Rows left empty change nothing."""
_READ = ("cell_id", "image", "label", "corrected", "by", "why", "when")
_BEGIN = "Begin with: buffycoat data labels export STUDY --out suspects.csv"
UNCLEAR = "unclear"
"""In the place of a label: the cell has none that can be told, and is left out by the rule "unlabelled"."""


@dataclass(frozen=True, slots=True)
class Correction:
    """One label a person changed.

    Attributes
    ----------
    cell_id, image, label
        The cell, and the label it had (None: unclear by an earlier change).
    corrected
        The label it gets; None where it is unclear.
    by, why
        Who changed it, and the reason.
    when
        Day of the change, as 2026-01-31.
    """

    cell_id: str
    image: str
    label: str | None
    corrected: str | None
    by: str
    why: str
    when: str


def write_sheet(audit: LabelAudit, path: Path) -> int:
    """Write the suspects as CSV, the most suspect first; return how many there are.

    Raises
    ------
    OutputError
        It cannot be written.
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    for one in audit.suspects:
        writer.writerow([one.cell_id, one.image or "", one.label, one.suspected, f"{one.score:.4f}", "", "", ""])
    write_text(path, stream.getvalue())
    return len(audit.suspects)


def read_sheet(path: Path, *, by: str | None = None, today: date | None = None) -> tuple[list[Correction], int]:
    """Read a sheet somebody corrected, or an override file.

    Parameters
    ----------
    by
        Whose corrections they are, where the sheet does not say.
    today
        The day of the change, where the sheet has no column ``when``.

    Returns
    -------
    list[Correction], int
        The corrections in the sheet's order, and how many rows were left as they are.

    Raises
    ------
    DataError
        It is no such sheet, or rows are incomplete; all faults are named together.
    """
    if not path.is_file():
        raise DataError(f"{path} does not exist.", hint=_BEGIN)
    columns(header(path), ("cell_id", "label", "corrected", "by", "why"), path)
    day = (today or date.today()).isoformat()
    found: list[Correction] = []
    faults: list[str] = []
    left = 0
    for line, record in records(path):
        row = {name: record.get(name, "").strip() for name in _READ}
        text = row["corrected"]
        if not text:
            left += 1
            continue
        named, reason = row["by"] or (by or ""), row["why"]
        lacking = [name for name, value in (("cell_id", row["cell_id"]), ("by", named), ("why", reason)) if not value]
        if lacking:
            faults.append(f"row {line} ({row['cell_id'] or 'no cell'}): {' and '.join(lacking)} missing")
        corrected = None if text.casefold() == UNCLEAR else canonical(text)
        label = None if row["label"].casefold() == UNCLEAR else canonical(row["label"])
        found.append(Correction(row["cell_id"], row["image"], label, corrected, named, reason, row["when"] or day))
    if faults:
        raise DataError(
            f"{path} cannot be applied: {'; '.join(faults[:10])}{'; …' if len(faults) > 10 else ''}.",
            hint="Every corrected row says who and why; give --by for a name that goes for all.",
        )
    return found, left
