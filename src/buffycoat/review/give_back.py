"""Giving corrections back: signed readings as a labelled set that ``buffycoat study`` trains on.

Only slides whose readings are all signed. What is no leukocyte, was left unnamed, or was named differently by two
readers stays in the table and leaves training by a named rule.
"""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
from sqlalchemy import select

from buffycoat import __version__
from buffycoat.errors import OutputError
from buffycoat.files import write_bytes, write_json, write_parquet, write_text
from buffycoat.imaging.crops import CropItem, build_crops
from buffycoat.records.differential import NOTICE
from buffycoat.records.documents import FrameSpec
from buffycoat.records.tables import CELLS, conform
from buffycoat.review import agreement, log, slides, views
from buffycoat.review.desk import Desk
from buffycoat.review.documents import CellView, Person, moment
from buffycoat.review.faults import Conflict
from buffycoat.review.labels import OUTSIDE
from buffycoat.review.schema import Field, Reading, Slide

ENDINGS = (
    (b"\xff\xd8\xff", ".jpg"),
    (b"\x89PNG", ".png"),
    (b"GIF8", ".gif"),
    (b"BM", ".bmp"),
    (b"II*\0", ".tif"),
    (b"MM\0*", ".tif"),
    (b"RIFF", ".webp"),
)
FURTHER = {
    "person_label": pl.String(),
    "program_label": pl.String(),
    "program_best": pl.String(),
    "program_probability": pl.Float64(),
    "second_label": pl.String(),
    "origin": pl.String(),
    "bundle": pl.String(),
    "signed_at": pl.String(),
}
"""Columns of ``cells.parquet`` beside those every data set has."""


def write(
    desk: Desk,
    who: Person,
    out: Path,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> dict[str, int]:
    """Write the set into a new or empty folder; returns how many cells have each label, and how many were left out.

    ``images/`` holds the photographs, ``labels.csv`` and ``cells.parquet`` the boxes and labels (the person's and the
    program's), ``crops/`` every cell framed, ``give_back.json`` the account.

    Raises
    ------
    OutputError
        The folder holds something.
    Conflict
        No reading is signed yet.
    """
    slides.need_reviewer(who)
    if out.exists() and any(out.iterdir()):
        raise OutputError(f"{out} is not empty.", hint="Choose a new folder.")
    rows, images, head = _collect(desk, who, since, until)
    if not rows:
        raise Conflict("No slide is signed yet in this time: there is nothing to give back.", title="Nothing signed")
    names = {}
    for digest in sorted(images):
        content = desk.images.path(digest).read_bytes()
        names[digest] = f"images/{digest[:24]}{_ending(content)}"
        write_bytes(out / names[digest], content)
    for row in rows:
        row["image"] = names[row.pop("digest")]
    schema = {**CELLS, **FURTHER}
    table = conform(pl.DataFrame(rows, schema=schema), schema, "the cells")
    write_parquet(out / "cells.parquet", table)
    kept = [row for row in rows if row["excluded_by"] is None]
    write_text(out / "labels.csv", _csv(kept))
    items = [
        CropItem(row["cell_id"], out / row["image"], tuple(row[side] for side in ("x0", "y0", "x1", "y1")))
        for row in rows
    ]
    build_crops(items, FrameSpec(mode="cell"), out / "crops", on_progress=on_progress)
    counts = dict(Counter(row["label"] for row in kept))
    left_out = dict(Counter(row["excluded_by"] for row in rows if row["excluded_by"] is not None))
    write_json(out / "give_back.json", _account(counts, left_out, len(names), head))
    return {**counts, **{f"left out: {rule}": n for rule, n in left_out.items()}}


def _collect(
    desk: Desk, who: Person, since: datetime | None, until: datetime | None
) -> tuple[list[dict[str, Any]], set[str], tuple[int, str]]:
    rows: list[dict[str, Any]] = []
    images: set[str] = set()
    whose: dict[str, list[Hashable]] = {}
    with desk.database.read() as session:
        signed = (
            select(Slide)
            .join(Reading, Reading.slide_id == Slide.id)
            .where(Reading.number == 1, Reading.state == "signed", Slide.removed.is_(False))
        )
        for slide in session.scalars(signed.order_by(Reading.signed_at, Slide.id)).all():
            known = views.readings_of(session, [slide.id])[slide.id]
            at = moment(known[0].signed_at or 0)
            if not views.all_signed(slide.readings_wanted, known) or not _within(at, since, until):
                continue
            if not all(views.may_see(one, slide, known, who) for one in known):
                continue
            fields = {one.id: one for one in session.scalars(select(Field).where(Field.slide_id == slide.id))}
            readings = [views.cells_of(session, slide.id, one.id) for one in known]
            given = (("subject", slide.subject), ("specimen", slide.specimen))
            whose[f"review:{slide.id}"] = [(kind, value) for kind, value in given if value]
            for row in _rows(slide, readings, fields):
                row["signed_at"] = at.isoformat()
                images.add(row["digest"])
                rows.append(row)
        head = log.head(session)
    _join_groups(rows, whose)
    return rows, images, head


def _rows(slide: Slide, readings: list[tuple[CellView, ...]], fields: dict[str, Field]) -> list[dict[str, Any]]:
    second: dict[str, str] = {}
    drawn: list[CellView] = []  # by the second reader alone
    if len(readings) > 1:
        pairs, _, only_second = agreement.paired(readings[0], readings[1])
        second = {cell: other for cell, _, other in pairs} | {cell.id: cell.label for cell in only_second}
        drawn = [cell for cell in only_second if cell.origin == "person"]
    rows = []
    for cell in readings[0]:
        if cell.deleted and cell.origin == "person":
            continue  # drawn and taken back: it never was
        other = second.get(cell.id)
        excluded = _excluded(cell, other, blinded=len(readings) > 1)
        rows.append(_row(slide, fields[cell.field_id], cell, cell.label, other, excluded))
    rows += [_row(slide, fields[cell.field_id], cell, None, cell.label, "readers disagree") for cell in drawn]
    return rows


def _row(
    slide: Slide, field: Field, cell: CellView, person: str | None, other: str | None, excluded: str | None
) -> dict[str, Any]:
    """Return a cell's row: the first reader's label, else the second's, is the one it bears."""
    label = person or other
    return {
        "cell_id": cell.id,
        "digest": field.image,
        **dict(zip(("x0", "y0", "x1", "y1"), cell.box, strict=True)),
        "label": label,
        "label_raw": label,
        "label_count": 1,
        "group": slide.id,
        "source": f"review:{slide.id}",
        "excluded_by": excluded,
        "fold": None,
        "person_label": person,
        "program_label": cell.program_label if cell.origin == "program" else None,
        "program_best": cell.best,
        "program_probability": cell.probability,
        "second_label": other,
        "origin": cell.origin,
        "bundle": field.bundle,
    }


def _join_groups(rows: list[dict[str, Any]], whose: Mapping[str, Iterable[Hashable]]) -> None:
    """Let slides that share a photograph, a subject or a specimen be one group.

    Neither a photograph nor a person's cells may stand on both sides of a split. `whose` are subject and specimen of
    each slide, where they are known.
    """
    joined: dict[str, str] = {}

    def root(group: str) -> str:
        while joined.get(group, group) != group:
            group = joined[group]
        return group

    first: dict[Hashable, str] = {}  # the slide on which a photograph, subject or specimen was met first
    for row in rows:
        for shared in (row["digest"], *whose.get(row["source"], ())):
            joined[root(row["group"])] = root(first.setdefault(shared, row["group"]))
    for row in rows:
        row["group"] = root(row["group"])


def _excluded(cell: CellView, other: str | None, *, blinded: bool) -> str | None:
    if cell.deleted:
        return "deleted box"
    if cell.label in OUTSIDE:
        return cell.label
    if blinded and other != cell.label:
        return "readers disagree"
    return None


def _csv(rows: list[dict[str, Any]]) -> str:
    columns = ("image", "label", "group", "x0", "y0", "x1", "y1", "program_label", "cell_id")
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([row[name] for name in columns] for row in rows)
    return stream.getvalue()


def _account(
    counts: dict[str, int], left_out: dict[str, int], photographs: int, head: tuple[int, str]
) -> dict[str, Any]:
    return {
        "schema_version": 1,
        "notice": NOTICE,
        "buffycoat": __version__,
        "made": datetime.now(UTC).replace(microsecond=0).isoformat(),
        "photographs": photographs,
        "cells": counts,
        "left_out": left_out,
        "log_head": {"event": head[0], "hash": head[1]},
    }


def _within(at: datetime, since: datetime | None, until: datetime | None) -> bool:
    return (since is None or at >= since) and (until is None or at < until)


def _ending(content: bytes) -> str:
    return next((ending for mark, ending in ENDINGS if content.startswith(mark)), ".img")


def account_of(out: Path) -> dict[str, Any]:
    """Return the account of a set that was written."""
    found: dict[str, Any] = json.loads((out / "give_back.json").read_text(encoding="utf-8"))
    return found
