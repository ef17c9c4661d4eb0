"""A reading as a differential document and as files: page, table, FHIR, HL7."""

from __future__ import annotations

import json
from collections.abc import Hashable
from typing import Literal

from buffycoat.differential import compare_cells, count
from buffycoat.differential.csv_file import csv_text
from buffycoat.differential.fhir import fhir_document
from buffycoat.differential.gallery import GalleryCell
from buffycoat.differential.hl7 import Processing, hl7_text
from buffycoat.differential.identity import accession
from buffycoat.records.differential import Counter, Differential, Signer
from buffycoat.records.documents import Fault
from buffycoat.review import readings, views
from buffycoat.review.desk import Desk
from buffycoat.review.documents import CellView, DeskView, Person
from buffycoat.review.labels import ARTEFACT
from buffycoat.review.worker import CROP_PX

Form = Literal["html", "csv", "json", "fhir.json", "hl7"]
MEDIA_TYPES: dict[Form, str] = {
    "html": "text/html; charset=utf-8",
    "csv": "text/csv; charset=utf-8",
    "json": "application/json",
    "fhir.json": "application/fhir+json",
    "hl7": "application/hl7-v2; charset=utf-8",
}


def document(desk: Desk, who: Person, reading_id: str) -> Differential:
    """Return a reading's differential: preliminary until it is signed, amended where it was signed again."""
    return _document(desk, readings.view(desk, who, reading_id))


def _document(desk: Desk, view: DeskView) -> Differential:
    reading = view.reading
    assert reading is not None  # noqa: S101 - a view of a reading has one
    alive = [cell for cell in view.cells if not cell.deleted]
    program: dict[Hashable, str | None] = {
        cell.id: cell.program_label for cell in view.cells if cell.origin == "program"
    }
    person: dict[Hashable, str | None] = {cell.id: cell.label for cell in alive}
    analysed = [field for field in view.fields if field.state == "analysed"]
    with_cells = {cell.field_id for cell in alive if cell.label != ARTEFACT}
    signed = reading.state == "signed"
    signature = reading.signatures[-1] if signed else None
    return count(
        [cell.label for cell in alive],
        slide=view.slide.name,
        counted_by=Counter(kind="reviewed", name=reading.reader),
        ranges=desk.ranges,
        status="preliminary" if not signed else "amended" if reading.amendments else "final",
        signer=None
        if signature is None
        else Signer(name=signature.name, signed_at=signature.at, seal=signature.event_hash),
        fields=len(analysed),
        fields_without=sum(field.id not in with_cells for field in analysed),
        cut_cells=sum(cell.touches_border for cell in alive if cell.label != ARTEFACT),
        faults=[
            Fault(file=field.name, problem=field.reason or "unreadable", action="left out")
            for field in view.fields
            if field.state == "failed"
        ],
        comparison=compare_cells(program, person, names=("the program", reading.reader)),
        created=None if signature is None else signature.at,
        accession=accession("desk", view.slide.id, str(reading.number)),
    )


def write(desk: Desk, who: Person, reading_id: str, form: Form, processing: Processing = "T") -> str:
    """Return a reading's differential in one of the forms."""
    if form == "html":
        return print_page(desk, who, reading_id)
    made = document(desk, who, reading_id)
    if form == "csv":
        return csv_text([made])
    if form == "json":
        return made.model_dump_json(indent=2)
    if form == "hl7":
        return hl7_text([made], processing=processing)
    return json.dumps(fhir_document([made]), indent=2, ensure_ascii=False)


def print_page(desk: Desk, who: Person, reading_id: str) -> str:
    """Return the page to print: the differential with its cells, complete in one file."""
    from buffycoat.differential.html import html_text

    view = readings.view(desk, who, reading_id)
    made = _document(desk, view)
    with desk.database.read() as session:
        images = views.images_of(session, view.slide.id)
    names = {field.id: field.name for field in view.fields}
    shown = [_gallery(desk, cell, images[cell.field_id], names) for cell in view.cells if not cell.deleted]
    return html_text([made], {made.slide: shown})


def _gallery(desk: Desk, cell: CellView, image: str, names: dict[str, str]) -> GalleryCell:
    return GalleryCell(
        label=cell.label,
        picture=desk.images.crop(image, cell.box, CROP_PX),
        field=names[cell.field_id],
        number=cell.number,
        probability=cell.probability,
        best=cell.best if cell.best != cell.label else None,
        reason=cell.reason,
        touches_border=cell.touches_border,
    )
