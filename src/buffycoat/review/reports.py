"""A reading as a differential document and as files: page, table, FHIR, HL7."""

from __future__ import annotations

import json
import re
from collections.abc import Hashable
from typing import Literal

from buffycoat.differential import compare_cells, count
from buffycoat.differential.csv_file import csv_text
from buffycoat.differential.fhir import fhir_document
from buffycoat.differential.gallery import GalleryCell
from buffycoat.differential.hl7 import Processing, hl7_text
from buffycoat.differential.identity import accession
from buffycoat.errors import UsageError
from buffycoat.records.differential import Amendment, CountComparison, Counter, Differential, Review, Signer
from buffycoat.review import networks, readings, views
from buffycoat.review.beside import complete
from buffycoat.review.desk import Desk
from buffycoat.review.documents import CellView, DeskView, Person, ReadingView, SignatureView
from buffycoat.review.faults import Conflict
from buffycoat.review.labels import ARTEFACT
from buffycoat.review.missing import faults_of
from buffycoat.review.networks import Networks
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
    return of_view(desk, readings.view(desk, who, reading_id))


def of_view(desk: Desk, view: DeskView) -> Differential:
    """Return the differential of a reading that was loaded already.

    Until every cell was seen the labels are the program's: what it does not know is not assessed, and there is nothing
    to compare them with.
    """
    reading = view.reading
    assert reading is not None  # noqa: S101 - a view of a reading has one
    with desk.database.read() as session:
        behind = networks.of_slide(desk, session, view.slide.id)
    alive = [cell for cell in view.cells if not cell.deleted]
    analysed = [field for field in view.fields if field.state == "analysed"]
    with_cells = {cell.field_id for cell in alive if cell.label != ARTEFACT}
    review = _review(view, reading, behind)
    signature = reading.signatures[-1] if reading.state == "signed" else None
    return count(
        [cell.label for cell in alive],
        slide=view.slide.name,
        counted_by=Counter(kind="reviewed", name=reading.reader)
        if review.complete
        else Counter(kind="program", name=f"the program, under review by {reading.reader}"[:200]),
        known=None if review.complete else behind.known,
        ranges=desk.ranges,
        status="preliminary" if signature is None else "amended" if reading.amendments else "final",
        signer=None if signature is None else _signer(signature, seal=signature.event_hash),
        fields=len(analysed),
        fields_without=sum(field.id not in with_cells for field in analysed),
        cut_cells=sum(cell.touches_border for cell in alive if cell.label != ARTEFACT),
        faults=faults_of(view.fields, view.not_taken),
        classifier=networks.classifier_of(desk, behind),
        comparison=_comparison(view, reading) if review.complete else None,
        review=review,
        created=None if signature is None else signature.at,
        specimen=view.slide.specimen,
        subject=view.slide.subject,
        wbc=view.slide.wbc,
        collected=view.slide.collected,
        accession=_accession(view, reading),
    )


def _accession(view: DeskView, reading: ReadingView) -> str:
    """Return the laboratory's accession, of the first reading alone: with it the second would replace the first."""
    own = accession("desk", view.slide.id, str(reading.number))
    return own if view.slide.accession is None or reading.number != 1 else view.slide.accession


def _review(view: DeskView, reading: ReadingView, behind: Networks) -> Review:
    """Return how far a reading has come; a signature that stands is not among the earlier ones."""
    signed = reading.state == "signed"
    seen, cells = view.differential.seen, view.differential.cells
    return Review(
        reading=reading.number,
        readings=max(view.slide.readings_wanted, len(view.slide.readings)),
        reader=reading.reader,
        state=reading.state,
        seen=seen,
        cells=cells,
        complete=complete(signed, seen, cells, behind.waiting),
        networks=behind.names,
        signatures=tuple(_signer(one) for one in reading.signatures[: -1 if signed else None]),
        amendments=tuple(Amendment(reason=one.reason, by=one.by, at=one.at) for one in reading.amendments),
    )


def _signer(signature: SignatureView, seal: str | None = None) -> Signer:
    return Signer(name=signature.name, signed_at=signature.at, seal=seal)


def _comparison(view: DeskView, reading: ReadingView) -> CountComparison:
    program: dict[Hashable, str | None] = {
        cell.id: cell.program_label for cell in view.cells if cell.origin == "program"
    }
    person: dict[Hashable, str | None] = {cell.id: cell.label for cell in view.cells if not cell.deleted}
    return compare_cells(program, person, names=("the program", reading.reader))


def write(desk: Desk, who: Person, reading_id: str, form: Form, processing: Processing = "T") -> str:
    """Return a reading's differential in one of the forms.

    Raises
    ------
    Conflict
        HL7 or FHIR is asked for while an amendment is under way: a receiver would put it over the signed result.
    """
    if form == "html":
        return print_page(desk, who, reading_id)
    made = document(desk, who, reading_id)
    if form == "csv":
        return csv_text([made])
    if form == "json":
        return made.model_dump_json(indent=2)
    try:
        if form == "hl7":
            return hl7_text([made], processing=processing)
        return json.dumps(fhir_document([made]), indent=2, ensure_ascii=False)
    except UsageError as error:
        raise Conflict(str(error), title="Amendment under way") from error


def file_name(desk: Desk, who: Person, reading_id: str, form: Form) -> str:
    """Return a report's file name: of the slide, with what tells its readings, and slides of one name, apart."""
    view = readings.view(desk, who, reading_id)
    assert view.reading is not None  # noqa: S101
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", view.slide.name).strip("-.") or "slide"
    return f"{name[:80]}-{view.slide.id[:8]}-reading-{view.reading.number}.{form}"


def print_page(desk: Desk, who: Person, reading_id: str) -> str:
    """Return the page to print: the differential with its cells, complete in one file."""
    from buffycoat.differential.html import html_text

    view = readings.view(desk, who, reading_id)
    made = of_view(desk, view)
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
        was=cell.program_label if cell.origin == "program" and cell.program_label != cell.label else None,
    )
