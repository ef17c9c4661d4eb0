"""Backing a desk up into one file, and making a desk from one: any database to any database.

The file is a zip: every table as JSON lines, every photograph, the seals. It is taken from one moment of the
database while the desk goes on working; photographs are only ever added, so those the tables name are there.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Table, func, select
from sqlalchemy.orm import Session

from buffycoat import __version__
from buffycoat.errors import DataError, OutputError
from buffycoat.files import replacing, write_bytes
from buffycoat.review import log
from buffycoat.review.desk import Desk
from buffycoat.review.images import OWNER_ALONE
from buffycoat.review.migrate import newest
from buffycoat.review.schema import DERIVED, Account, Event, Field, Job, Token, table
from buffycoat.review.seals import SEALS
from buffycoat.review.verify import fill, rebuild

FORMAT = 1
_KEPT: tuple[Table, ...] = tuple(table(model) for model in (Event, Job, Account, Token))
"""What is not derived. Sessions of browsers are left out: after a restore everybody signs in again."""

_SAME_KEPT = ("0001",)
"""Earlier shapes whose kept tables are those of today: what differs is derived, and derived anew."""


def back_up(desk: Desk, out: Path) -> dict[str, int]:
    """Write a backup; returns what it holds.

    Raises
    ------
    OutputError
        The file is there already, or cannot be written.
    """
    if out.exists():
        raise OutputError(f"{out} is there already.", hint="Choose another name; old backups are not overwritten.")
    held: dict[str, int] = {}
    with (
        replacing(out, mode=OWNER_ALONE, durable=True) as temporary,
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        with desk.database.read() as session:
            for one in _KEPT:
                held[one.name] = _write_table(archive, session, one)
            digests = sorted(set(session.scalars(select(Field.image))))
            head = log.head(session)
        for digest in digests:
            archive.write(desk.images.path(digest), f"images/{digest}", zipfile.ZIP_STORED)
        held["images"] = len(digests)
        seals = desk.settings.folder / SEALS
        if seals.is_file():
            archive.writestr(SEALS, seals.read_bytes())
        about = {
            "format": FORMAT,
            "schema": newest(),
            "buffycoat": __version__,
            "made": datetime.now(UTC).isoformat(),
            "head": list(head),
            "held": held,
        }
        archive.writestr("about.json", json.dumps(about, indent=2))
    return held


def restore(desk: Desk, source: Path) -> dict[str, int]:
    """Fill an empty desk from a backup and derive its tables; returns what it held. Check it with verify.

    Raises
    ------
    DataError
        The file is no backup of this shape, or the desk is not empty.
    """
    try:
        with zipfile.ZipFile(source) as archive:
            return _restore(desk, archive, source)
    except FileNotFoundError as error:
        raise DataError(f"{source} does not exist.") from error
    except (zipfile.BadZipFile, KeyError, ValueError) as error:
        raise DataError(f"{source} is not a backup of a review desk, or is damaged ({error}).") from error


def _restore(desk: Desk, archive: zipfile.ZipFile, source: Path) -> dict[str, int]:
    about = json.loads(archive.read("about.json"))
    if about["format"] != FORMAT or about["schema"] not in {newest(), *_SAME_KEPT}:
        raise DataError(
            f"{source} was made by Buffycoat {about['buffycoat']} (schema {about['schema']}); this one has {newest()}.",
            hint="Restore it with the version that made it, then start the newer one on it.",
        )
    with desk.database.read() as session:
        if any(session.scalar(select(func.count()).select_from(one)) for one in (*_KEPT, *DERIVED)):
            raise DataError("This desk is not empty.", hint="Restore into a new --folder and an empty database.")
    for name in archive.namelist():
        if name.startswith("images/"):
            content = archive.read(name)
            if desk.images.keep(content) != name.removeprefix("images/"):
                raise DataError(f"{source}: the photograph {name} is damaged.")
    with desk.database.write() as session:
        for one in _KEPT:
            fill(session, one, list(_read_table(archive, one)))
        if list(log.head(session)) != about["head"]:
            raise DataError(f"{source}: the log in it does not end where it should.")
    rebuild(desk)
    if SEALS in archive.namelist():
        write_bytes(desk.settings.folder / SEALS, archive.read(SEALS), mode=OWNER_ALONE, durable=True)
    held: dict[str, int] = about["held"]
    return held


def _write_table(archive: zipfile.ZipFile, session: Session, one: Table) -> int:
    written = 0
    with archive.open(f"{one.name}.jsonl", "w", force_zip64=True) as stream:
        for row in session.execute(select(one).order_by(*one.primary_key), execution_options={"yield_per": 1000}):
            stream.write(json.dumps(dict(row._mapping), separators=(",", ":")).encode() + b"\n")
            written += 1
    return written


def _read_table(archive: zipfile.ZipFile, one: Table) -> Iterator[dict[str, Any]]:
    with archive.open(f"{one.name}.jsonl") as stream:
        for line in stream:
            yield json.loads(line)
