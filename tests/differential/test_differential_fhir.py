"""FHIR: every resource validated by classes made from the specification, every reference resolved."""

from __future__ import annotations

import json
from typing import Any

import pytest
from fhir.resources.R4B.bundle import Bundle
from fhir.resources.R4B.diagnosticreport import DiagnosticReport
from fhir.resources.R4B.observation import Observation

from buffycoat.differential import count
from buffycoat.differential.fhir import fhir_document
from buffycoat.records.differential import Differential
from buffycoat.taxonomy import CELL_TYPES
from tests.differential.differential_cases import DRAWN, NASTY, SEAL, SIGNER, WHEN, full, plain, sealed


def validated(*counts: Differential) -> Any:
    return Bundle.model_validate_json(json.dumps(fhir_document(counts)))


def by_code(bundle: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for entry in bundle.entry:
        if isinstance(entry.resource, Observation):
            coding = entry.resource.code.coding
            found[str(coding[0].code if coding else entry.resource.code.text)] = entry.resource
    return found


@pytest.mark.parametrize(
    "counts",
    [(plain(),), (full(),), (plain(), full()), (count([], slide="empty", created=WHEN),), (count({"blast": 3}),), ()],
)
def test_every_resource_is_valid(counts: tuple[Differential, ...]) -> None:
    bundle = validated(*counts)
    assert bundle.type == "collection"
    assert len(bundle.entry or ()) >= 7 * len(counts)


def test_report_panel_and_types_hang_together() -> None:
    bundle = validated(full())
    resources = {entry.fullUrl: entry.resource for entry in bundle.entry}
    assert len(resources) == len(bundle.entry)
    reports: list[Any] = [resource for resource in resources.values() if isinstance(resource, DiagnosticReport)]
    (report,) = reports
    (panel,) = [resources[reference.reference] for reference in report.result]
    assert report.code.coding[0].code == panel.code.coding[0].code == "69738-3"
    members = [resources[reference.reference] for reference in panel.hasMember]
    assert len(members) == len(resources) - 2
    assert {cell.loinc_percent for cell in CELL_TYPES} <= {member.code.coding[0].code for member in members}
    assert all(resource.code.coding[0].system == "http://loinc.org" for resource in resources.values())


def test_each_type_can_be_read_alone() -> None:
    made = plain()
    found = by_code(validated(made))
    for cell in CELL_TYPES:
        observation, row = found[cell.loinc_percent], made.of(cell.name)
        assert observation.status == "preliminary"
        assert "not a medical device" in observation.note[0].text
        if not row.assessed:
            assert observation.valueQuantity is None
            assert observation.dataAbsentReason.coding[0].code == "unsupported"
            continue
        quantity = observation.valueQuantity
        assert (quantity.system, quantity.code) == ("http://unitsofmeasure.org", "%")
        assert float(quantity.value) == pytest.approx(row.percent.value, abs=0.05)
        parts = {part.code.coding[0].code: part for part in observation.component}
        assert (parts["count"].valueInteger, parts["denominator"].valueInteger) == (row.count, 200)
        assert float(parts["limit-lower"].valueQuantity.value) == pytest.approx(row.percent.interval.low, abs=0.05)
        assert float(parts["limit-upper"].valueQuantity.value) == pytest.approx(row.percent.interval.high, abs=0.05)
        assert f"{row.count} of 200 leukocytes" in observation.note[0].text


def test_absolute_counts_ranges_and_interpretation() -> None:
    found = by_code(validated(full()))
    eosinophils = found["26449-9"]
    assert float(eosinophils.valueQuantity.value) == pytest.approx(0.31)
    assert eosinophils.valueQuantity.code == "10*9/L"
    assert eosinophils.interpretation[0].coding[0].code == "N"
    assert float(eosinophils.referenceRange[0].high.value) == 0.5
    assert "EXAMPLE" in eosinophils.referenceRange[0].text
    assert float(found["26464-8"].valueQuantity.value) == 6.2
    assert not any(observation.interpretation for observation in by_code(validated(plain())).values())


@pytest.mark.parametrize("status", ["preliminary", "final", "amended"])
def test_status_is_the_same_everywhere_and_the_signer_stands_by_it(status: Any) -> None:
    bundle = validated(full(status=status, signer=SIGNER))
    assert {entry.resource.status for entry in bundle.entry} == {status}
    report = bundle.entry[0].resource
    assert report.resultsInterpreter[0].display == SIGNER.name
    assert report.issued == SIGNER.signed_at


def test_a_receiver_knows_the_final_and_the_amended_result_of_a_preliminary_one() -> None:
    first = plain()
    final = full(slide="S1", created=WHEN.replace(hour=12), accession=first.accession)
    amended = full(slide="S1", status="amended", accession=first.accession)

    def named(made: Differential) -> dict[str, str]:
        found = {}
        for entry in validated(made).entry:
            (own,) = [one for one in entry.resource.identifier if one.system == "urn:ietf:rfc:3986"]
            found[str(own.value)] = entry.resource.code.text
        return found

    before, after, last = named(first), named(final), named(amended)
    assert before.items() <= after.items()  # the absolute counts came later
    assert after == last
    assert not before.keys() & named(plain(slide="S2")).keys()
    addresses = [{entry.fullUrl for entry in validated(made).entry} for made in (first, final, amended)]
    assert not addresses[0] & addresses[1]
    assert not addresses[1] & addresses[2]


def test_identifiers_are_references_without_a_patient_and_only_where_given() -> None:
    bundle = validated(full())
    for entry in bundle.entry:
        assert entry.resource.subject.identifier.value == NASTY
        assert entry.resource.subject.reference is None
    assert bundle.entry[0].resource.specimen[0].identifier.value == NASTY
    text = json.dumps(fhir_document([plain()]))
    assert "subject" not in text
    assert "specimen" not in text


def test_the_same_count_gives_the_same_document() -> None:
    assert fhir_document([full()]) == fhir_document([full()])
    assert fhir_document([full()]) != fhir_document([full(wbc=6.3)])


def test_the_report_of_a_signed_count_carries_its_seal() -> None:
    report = validated(sealed()).entry[0].resource
    (extension,) = report.extension
    assert (extension.url, extension.valueString) == ("urn:buffycoat:seal", SEAL)
    for made in (full(), plain()):
        assert all(entry.resource.extension is None for entry in validated(made).entry)


@pytest.mark.parametrize("name", ["A", "12^A|x", NASTY, "&" * 200])
def test_each_report_and_panel_names_its_own_slide(name: str) -> None:
    bundle = validated(plain(slide=name), plain(slide="another"))
    resources: dict[str, Any] = {entry.fullUrl: entry.resource for entry in bundle.entry}
    reports: list[Any] = [one for one in resources.values() if isinstance(one, DiagnosticReport)]
    for report, slide in zip(reports, (name, "another"), strict=True):
        panel = resources[report.result[0].reference]
        for resource in (report, panel):
            (named,) = [one.value for one in resource.identifier if one.system == "urn:buffycoat:slide"]
            assert named == slide
        assert f"Slide: {slide}." in report.conclusion
        assert f"Slide: {slide}." in [note.text for note in panel.note]


def test_the_time_of_the_specimen_is_not_that_of_the_count() -> None:
    for entry in validated(plain(wbc=6.2, collected=DRAWN)).entry:
        assert (entry.resource.effectiveDateTime, entry.resource.issued) == (DRAWN, WHEN)
    for entry in validated(full(collected=DRAWN)).entry:
        assert (entry.resource.effectiveDateTime, entry.resource.issued) == (DRAWN, SIGNER.signed_at)
    for entry in validated(plain(wbc=6.2)).entry:
        assert (entry.resource.effectiveDateTime, entry.resource.issued) == (None, WHEN)


def test_an_accession_of_the_laboratorys_is_an_identifier_and_keeps_the_others() -> None:
    def identifiers(made: Differential) -> list[tuple[str | None, str]]:
        return [(one.system, one.value) for entry in validated(made).entry for one in entry.resource.identifier]

    given = identifiers(plain(accession=NASTY))
    assert given == identifiers(plain(accession=NASTY, created=WHEN.replace(hour=12)))
    assert given.count((None, NASTY)) == 2
    (accession,) = [one for one in validated(plain(accession=NASTY)).entry[0].resource.identifier if one.type]
    assert accession.type.coding[0].code == "ACSN"
    assert not [system for system, _ in identifiers(plain()) if system is None]
