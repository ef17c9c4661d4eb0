"""A set of drawn smears on disk: images, nucleus masks, labels, and a marker that says what it is."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from buffycoat.errors import OutputError, UsageError, did_you_mean
from buffycoat.files import output_error, write_bytes, write_json, write_text
from buffycoat.synth.smear import Smear, draw_field
from buffycoat.taxonomy import CLASS_NAMES, canonical

MARKER = "SYNTHETIC.json"
LABELS = "labels.csv"
DRAWING_VERSION = 3
"""Raised whenever the same seed draws other pixels."""

MOST_CELLS = 8
COMMON_SHARES: Mapping[str, float] = {
    "neutrophil": 0.50,
    "eosinophil": 0.20,
    "basophil": 0.03,
    "lymphocyte": 0.15,
    "monocyte": 0.12,
}
"""Shares of the types unless asked otherwise: near those of the 410-image set."""

BALANCED_SHARES: Mapping[str, float] = dict.fromkeys(CLASS_NAMES, 0.2)

_SAVE_EVERY = 20
_COLUMNS = ("image", "label", "group", "x0", "y0", "x1", "y1")
_Row = tuple[str, ...]


class Marker(BaseModel):
    """``SYNTHETIC.json``: marks a folder as drawn by the program and says how to draw it again."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    synthetic: bool = True
    drawing_version: int = DRAWING_VERSION
    seed: int
    n: int
    cells_per_field: int
    shares: dict[str, float]
    description: str = (
        "Smears drawn by Buffycoat. images/: photographs; masks/: nuclei (255 the field's first leukocyte, 254 the "
        "second, …; 0 elsewhere); labels.csv: one row per leukocyte. Not photographs of blood: no result on them says "
        "anything about real smears."
    )


def plan_types(n: int, cells_per_field: int, shares: Mapping[str, float], rng: np.random.Generator) -> list[list[str]]:
    """Deal the types over `n` fields so that each gets its share of all cells, to the nearest cell.

    Examples
    --------
    >>> deal = plan_types(10, 1, {"neutrophil": 0.7, "monocyte": 0.3}, np.random.default_rng(0))
    >>> sum(deal, []).count("monocyte")
    3
    """
    total = n * cells_per_field
    names = list(shares)
    exact = np.array([shares[name] for name in names]) * total / sum(shares.values())
    counts = np.floor(exact).astype(int)
    for index in np.argsort(counts - exact, kind="stable")[: total - int(counts.sum())]:  # largest remainders first
        counts[index] += 1
    cells = np.repeat(np.arange(len(names)), counts)
    rng.shuffle(cells)
    return [[names[i] for i in cells[f * cells_per_field : (f + 1) * cells_per_field]] for f in range(n)]


def write_set(
    out: Path,
    n: int,
    seed: int,
    *,
    shares: Mapping[str, float] = COMMON_SHARES,
    cells_per_field: int = 1,
    on_progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write `n` drawn fields; an interrupted set is finished, a finished one is left as it is.

    Parameters
    ----------
    out
        Folder to write: new, empty, or holding the same set.
    n, seed
        Number of fields, and the seed that fixes every byte of them (for one version of the libraries).
    shares
        Relative frequency of each type.
    cells_per_field
        Leukocytes in every field, 0 to 8.
    on_progress
        Called with (fields done, fields in all).

    Raises
    ------
    UsageError
        A number is out of range, a type is unknown, or the shares add up to nothing.
    OutputError
        The folder holds something else, another set, or cannot be written.
    """
    marker = _marker(n, seed, shares, cells_per_field)
    rows = _begin(out, marker)
    deal = plan_types(n, cells_per_field, marker.shares, np.random.default_rng([seed, n, cells_per_field]))
    unsaved = 0
    for index, types in enumerate(deal):
        stem = f"{index + 1:05d}"
        if stem not in rows or not _intact(out, stem):
            smear = draw_field(np.random.default_rng([seed, index]), types)
            rows[stem] = _write_field(out, stem, smear, quality=78 + (seed + 7 * index) % 17)
            unsaved += 1
        if unsaved >= _SAVE_EVERY or (unsaved and index == n - 1):
            _write_labels(out, rows)
            unsaved = 0
        if on_progress is not None:
            on_progress(index + 1, n)


def _marker(n: int, seed: int, shares: Mapping[str, float], cells_per_field: int) -> Marker:
    faults = []
    if n < 1:
        faults.append(f"the number of fields should be 1 or more, got {n}")
    if seed < 0:
        faults.append(f"the seed should be 0 or more, got {seed}")
    if not 0 <= cells_per_field <= MOST_CELLS:
        faults.append(f"the leukocytes per field should be 0 to {MOST_CELLS}, got {cells_per_field}")
    named = {canonical(name): float(share) for name, share in shares.items()}
    unknown = [name for name in named if name not in CLASS_NAMES]
    faults += [f"{name!r} is not a type that can be drawn" for name in unknown]
    if any(not np.isfinite(share) or share < 0 for share in named.values()) or not sum(named.values()) > 0:
        faults.append("the shares of the types should be 0 or more, and not all 0")
    if faults:
        hint = did_you_mean(unknown[0], CLASS_NAMES) if unknown else None
        raise UsageError(f"cannot draw such a set: {'; '.join(faults)}.", hint=hint)
    ordered = {name: named[name] for name in CLASS_NAMES if named.get(name)}
    return Marker(seed=seed, n=n, cells_per_field=cells_per_field, shares=ordered)


def _begin(out: Path, marker: Marker) -> dict[str, list[_Row]]:
    """Claim the folder and return the rows already written, by field."""
    advice = "Choose another folder, or delete this one."
    try:
        names = {entry.name for entry in out.iterdir()} if out.exists() else set()
    except OSError as error:
        raise output_error(out, error) from error
    if not names:
        write_json(out / MARKER, marker.model_dump())
        return {}
    if MARKER not in names:
        raise OutputError(f"{out} is not empty and is no set of drawn smears (it has no {MARKER}).", hint=advice)
    try:
        found = Marker.model_validate_json((out / MARKER).read_bytes())
    except (ValidationError, OSError) as error:
        raise OutputError(
            f"{out / MARKER} cannot be read as the marker of a set of drawn smears.", hint=advice
        ) from error
    if found != marker:
        old, new = found.model_dump(), marker.model_dump()
        differs = "; ".join(
            f"{key} {_said(old[key])}, asked for {_said(new[key])}" for key in new if old[key] != new[key]
        )
        raise OutputError(f"{out} holds another set of drawn smears: {differs}.", hint=advice)
    return _read_labels(out / LABELS)


def _said(value: object) -> str:
    return json.dumps(value) if isinstance(value, dict) else str(value)


def _read_labels(path: Path) -> dict[str, list[_Row]]:
    rows: dict[str, list[_Row]] = {}
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            for row in csv.reader(stream):
                if len(row) == len(_COLUMNS) and tuple(row) != _COLUMNS:
                    rows.setdefault(row[2], []).append(tuple(row))
    except (OSError, UnicodeDecodeError, csv.Error):
        return {}  # nothing is lost: the fields are drawn again, to the same bytes
    return rows


def _intact(out: Path, stem: str) -> bool:
    """Tell whether both files of a field are there from first to last byte."""
    for path, start, end in (
        (out / "images" / f"{stem}.jpg", b"\xff\xd8", b"\xff\xd9"),
        (out / "masks" / f"{stem}.png", b"\x89PNG", b"IEND\xaeB`\x82"),
    ):
        try:
            content = path.read_bytes()
        except OSError:
            return False
        if not (content.startswith(start) and content.endswith(end)):
            return False
    return True


def _write_field(out: Path, stem: str, smear: Smear, *, quality: int) -> list[_Row]:
    height, width = smear.rgb.shape[:2]
    mask = np.zeros((height, width), dtype=np.uint8)
    for index, cell in enumerate(smear.cells):
        mask[cell.nucleus_mask] = 255 - index
    image = np.ascontiguousarray(smear.rgb[..., ::-1])
    write_bytes(out / "images" / f"{stem}.jpg", _encoded(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality]))
    write_bytes(out / "masks" / f"{stem}.png", _encoded(".png", mask, []))
    name = f"images/{stem}.jpg"
    if not smear.cells:
        return [(name, "", stem, "", "", "", "")]
    return [(name, cell.label, stem, *(str(edge) for edge in cell.box)) for cell in smear.cells]


def _encoded(kind: str, picture: NDArray[np.uint8], options: list[int]) -> bytes:
    done, content = cv2.imencode(kind, picture, options)
    if not done:
        raise OutputError(f"OpenCV cannot write {kind} files here.", hint="Reinstall opencv-python-headless.")
    return bytes(content)


def _write_labels(out: Path, rows: Mapping[str, list[_Row]]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for stem in sorted(rows):
        writer.writerows(rows[stem])
    write_text(out / LABELS, text.getvalue())


def labels_of(out: Path) -> list[str]:
    """Return the label of every leukocyte in a written set."""
    return [row[1] for rows in _read_labels(out / LABELS).values() for row in rows if row[1]]
