"""Photographs coming in: checked by decoding, kept by the hash of their bytes, queued for analysis.

What a file is called decides nothing. A name is shown to people, cleaned of everything that is not print, and never
becomes a path.
"""

from __future__ import annotations

import io
import json
import unicodedata
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import BinaryIO

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from buffycoat.errors import ImageError
from buffycoat.imaging.decode import read_image
from buffycoat.review import jobs, log, slides, views
from buffycoat.review.archives import WHOLE, is_archive, members
from buffycoat.review.desk import Desk
from buffycoat.review.documents import FieldView, Person, Refusal, UploadResult
from buffycoat.review.faults import Refused
from buffycoat.review.schema import Event, Field

_LONGEST_NAME = 200
_NO_PHOTOGRAPHS = frozenset(
    {*(".csv", ".doc", ".docx", ".htm", ".html", ".ini", ".json", ".log", ".md", ".odt", ".pdf", ".rtf", ".toml")}
    | {*(".tsv", ".txt", ".xls", ".xlsx", ".xml", ".yaml", ".yml")}
)
"""Endings of what nobody means as a photograph: that it cannot be used is told, and no cells are missing for it."""


@dataclass(slots=True)
class _Outcome:
    added: list[FieldView] = field(default_factory=list)
    skipped: list[Refusal] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)
    images: list[str] = field(default_factory=list)  # of those added
    folders: dict[str, None] = field(default_factory=dict)


def take_in(
    desk: Desk, who: Person, slide_id: str, files: Sequence[tuple[str, BinaryIO]], folder: str | None = None
) -> UploadResult:
    """Put photographs, or archives of photographs, on a slide.

    Each photograph is on the slide, and queued, as soon as it was checked: what is broken in a later one loses
    nothing of the earlier. What was meant as a photograph and cannot be used is kept by name and reason.

    Parameters
    ----------
    folder
        Of archives, only what lies in this folder itself is taken.

    Raises
    ------
    Refused
        No file could be used.
    """
    slides.need_reviewer(who)
    with desk.database.read() as session:
        slides.refuse_signed(session, slides.load(session, slide_id))
    outcome = _Outcome()
    for name, stream in files:
        for shown, content, fault in _photographs(desk, name, stream, folder, outcome.folders):
            if fault is not None or content is None:
                outcome.refused.append(Refusal(name=shown, reason=fault or "empty file"))
            else:
                _take_one(desk, who, slide_id, shown, content, outcome)
    _keep_refused(desk, who, slide_id, outcome.refused)
    if not outcome.added and not outcome.skipped:
        reasons = [one.model_dump() for one in outcome.refused[:100]]
        first = f": {outcome.refused[0].reason}" if len(outcome.refused) == 1 else ""
        raise Refused(f"No photograph could be used{first}.", refused=reasons)
    with desk.database.read() as session:
        elsewhere = views.elsewhere(session, outcome.images, slide_id)
    return UploadResult(
        added=tuple(outcome.added),
        skipped=tuple(outcome.skipped),
        refused=tuple(outcome.refused),
        elsewhere=elsewhere,
        folders=tuple(outcome.folders),
    )


def _photographs(
    desk: Desk, name: str, stream: BinaryIO, folder: str | None, folders: dict[str, None]
) -> Iterator[tuple[str, bytes | None, str | None]]:
    """Yield (name to show, bytes, fault) of a file, or of every file in an archive; notes the archive's folders."""
    if is_archive(stream):
        for inside, content, fault in members(stream, desk.settings):
            lies_in = folder_of(inside)
            if content is not None and meant_as_photograph(inside):
                folders[lies_in] = None
            if folder is not None and lies_in != folder and inside != WHOLE:
                continue
            yield clean_name(inside), content, fault
        return
    content = stream.read(desk.settings.most_image_bytes + 1)
    if len(content) > desk.settings.most_image_bytes:
        yield clean_name(name), None, f"larger than {desk.settings.most_image_bytes / 1e6:.0f} MB"
    else:
        yield clean_name(name), content, None


def _take_one(desk: Desk, who: Person, slide_id: str, name: str, content: bytes, outcome: _Outcome) -> None:
    try:
        height, width = read_image(content, max_pixels=desk.settings.most_pixels).shape[:2]
    except ImageError as error:
        outcome.refused.append(Refusal(name=name, reason=error.reason))
        return
    digest = desk.images.keep(content)
    with desk.database.write() as session:
        slide = slides.load(session, slide_id)
        slides.refuse_signed(session, slide)
        if session.scalar(select(Field.id).where(Field.slide_id == slide_id, Field.image == digest)) is not None:
            outcome.skipped.append(Refusal(name=name, reason="the same photograph is on this slide already"))
            return
        last = _last_number(session, slide_id)
        if last >= desk.settings.most_fields:
            outcome.refused.append(Refusal(name=name, reason=f"a slide holds {desk.settings.most_fields} photographs"))
            return
        field_id = uuid.uuid4().hex
        body = {
            "field": field_id,
            "number": last + 1,
            "name": name,
            "image": digest,
            "width": int(width),
            "height": int(height),
        }
        log.append(session, "field.added", slides.actor(who), body, slide_id=slide_id)
        jobs.put(session, field_id, slide_id, digest)
        found = session.get(Field, field_id)
        assert found is not None  # noqa: S101 - written a moment ago
        outcome.added.append(views.field_view(found, 0, 0))
        outcome.images.append(digest)


def _last_number(session: Session, slide_id: str) -> int:
    """Return the highest number that a photograph of the slide has or had: a number means one photograph."""
    last = session.scalar(select(func.max(Field.number)).where(Field.slide_id == slide_id)) or 0
    gone = session.scalars(select(Event.body).where(Event.slide_id == slide_id, Event.kind == "field.removed"))
    return max([last, *(int(json.loads(body)["number"]) for body in gone)])


def _keep_refused(desk: Desk, who: Person, slide_id: str, refused: Sequence[Refusal]) -> None:
    """Note what was meant as a photograph and could not be used; the same file sent again is noted once."""
    meant = [one for one in refused if meant_as_photograph(one.name)]
    if not meant:
        return
    with desk.database.write() as session:
        slides.refuse_signed(session, slides.load(session, slide_id))
        known = {(one.name, one.reason) for one in views.not_taken(session, slide_id)}
        for one in meant:
            body = {"name": one.name, "reason": one.reason[:400]}
            if (body["name"], body["reason"]) in known:
                continue
            known.add((body["name"], body["reason"]))
            log.append(session, "photograph.refused", slides.actor(who), body, slide_id=slide_id)


def meant_as_photograph(name: str) -> bool:
    """Return whether cells may be missing where a file of this name cannot be used: all but what is plainly text.

    Examples
    --------
    >>> meant_as_photograph("field 3.JPG"), meant_as_photograph("field 4"), meant_as_photograph("notes.txt")
    (True, True, False)
    """
    return PurePosixPath(name).suffix.lower() not in _NO_PHOTOGRAPHS


def folder_of(member: str) -> str:
    r"""Return the folder that a member of an archive lies in, as its parts with slashes between; "" at the top.

    Examples
    --------
    >>> folder_of("./slides/12/a.jpg"), folder_of("12\\a.jpg"), folder_of("a.jpg")
    ('slides/12', '12', '')
    """
    *parts, _ = member.replace("\\", "/").split("/")
    return "/".join(part for part in parts if part not in {"", "."})


def clean_name(name: str) -> str:
    r"""Return the last part of a name as it can be shown: print only, of bounded length.

    Examples
    --------
    >>> clean_name("../../etc/pass\x00wd"), clean_name("C:\\a\\b.jpg"), clean_name("")
    ('passwd', 'b.jpg', 'photograph')
    """
    last = name.replace("\\", "/").rstrip("/").rpartition("/")[2]
    shown = "".join(
        letter
        for letter in unicodedata.normalize("NFC", last)
        if unicodedata.category(letter)[0] not in "CZ" or letter == " "
    ).strip()
    return shown[-_LONGEST_NAME:] or "photograph"


def from_bytes(files: Sequence[tuple[str, bytes]]) -> list[tuple[str, BinaryIO]]:
    """Return files at hand as the streams that :func:`take_in` reads."""
    return [(name, io.BytesIO(content)) for name, content in files]
