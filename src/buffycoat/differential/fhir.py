"""A count as FHIR R4: DiagnosticReport → panel Observation → one Observation per type, in one Bundle.

Each Observation can be read alone: its note and components carry count, denominator and limits. Subject and specimen,
where given, are logical references (an identifier only): no patient is created.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from buffycoat import __version__
from buffycoat.differential import codes, words
from buffycoat.differential.identity import given_accession, identifier, lasting_identifier, refuse_unsettled
from buffycoat.records.differential import Differential, Flag, TypeCount
from buffycoat.records.documents import Estimate
from buffycoat.taxonomy import cell_type

Resource = dict[str, Any]

_TERMS = "http://terminology.hl7.org/CodeSystem"
_INTERPRETATION = {"low": ("L", "Low"), "within": ("N", "Normal"), "high": ("H", "High")}
_LOCAL = "urn:buffycoat:differential"

SEAL = "urn:buffycoat:seal"
"""The extension of a DiagnosticReport that holds the seal of its signature."""

SLIDE = "urn:buffycoat:slide"
"""The system of the identifier that is the slide's name, on report and panel."""


def fhir_document(counts: Sequence[Differential]) -> Resource:
    """Return a Bundle (type "collection") of all counts, ready for JSON; UsageError while an amendment is under way."""
    refuse_unsettled(counts)
    entries = [entry for made in counts for entry in _entries(made)]
    bundle: Resource = {"resourceType": "Bundle", "type": "collection"}
    if counts:
        bundle["timestamp"] = max(made.created for made in counts).isoformat()
        bundle["entry"] = entries
    return bundle


def _entries(made: Differential) -> list[Resource]:
    members = [(f"percent/{row.name}", _share(made, row)) for row in made.types]
    members += [
        (f"absolute/{row.name}", _absolute(made, row, row.absolute)) for row in made.types if row.absolute is not None
    ]
    if made.wbc is not None:
        members.append(("leukocytes", _leukocytes(made, made.wbc)))
    panel = {
        **_observation(made, codes.PANEL, "Differential count"),
        "identifier": [_identifier(made, "observation/Differential count"), *_names(made)],
        "hasMember": [{"reference": _address(made, role)} for role, _ in members],
        "component": [
            _number("denominator", "Leukocytes named (denominator)", made.denominator),
            _number("unidentified", "Cells left unidentified, outside the denominator", made.unidentified),
            _number("artefacts", "Artefacts, outside the count", made.artefacts),
        ],
        "note": [{"text": text} for text in _notes(made)],
    }
    found = [("report", _report(made)), ("panel", panel), *members]
    return [{"fullUrl": _address(made, role), "resource": resource} for role, resource in found]


def _report(made: Differential) -> Resource:
    report: Resource = {
        "resourceType": "DiagnosticReport",
        "identifier": [_identifier(made, "report"), *_names(made)],
        "status": made.status,
        "category": [{"coding": [{"system": f"{_TERMS}/v2-0074", "code": "HM", "display": "Hematology"}]}],
        "code": _loinc(codes.PANEL, "Differential count"),
        **_subject(made),
        **_times(made),
        "result": [{"reference": _address(made, "panel")}],
        "conclusion": " ".join(
            [
                *(made.notice, words.slide(made), words.state(made), words.apart(made)),
                *(*words.review_sentences(made), *made.warnings),
            ]
        ),
    }
    if made.specimen is not None:
        report["specimen"] = [_specimen(made.specimen)]
    if made.signer is not None:
        report["resultsInterpreter"] = [{"display": made.signer.name}]
        if made.signer.seal is not None:
            report["extension"] = [{"url": SEAL, "valueString": made.signer.seal}]
    return report


def _observation(made: Differential, code: tuple[str, str] | None, text: str) -> Resource:
    resource: Resource = {
        "resourceType": "Observation",
        "identifier": [_identifier(made, f"observation/{text}")],
        "status": made.status,
        "category": [
            {"coding": [{"system": f"{_TERMS}/observation-category", "code": "laboratory", "display": "Laboratory"}]}
        ],
        "code": {"text": text} if code is None else _loinc(code, text),
        **_subject(made),
        **_times(made),
        "method": {"text": words.method(made)},
        "device": {"display": f"Buffycoat {__version__} (research software)"},
    }
    if made.specimen is not None:
        resource["specimen"] = _specimen(made.specimen)
    if made.signer is not None:
        resource["performer"] = [{"display": made.signer.name}]
    return resource


def _share(made: Differential, row: TypeCount) -> Resource:
    known = cell_type(row.name)
    text = f"{row.name.capitalize()}s per 100 leukocytes"
    # The display is left to the receiver's own LOINC release: it was reworded between releases.
    resource = _observation(made, None if known is None else (known.loinc_percent, ""), text)
    resource["note"] = [{"text": f"{words.basis(row, made)} {made.notice}"}]
    if row.percent.value is None:
        absent = ("unsupported", "Unsupported") if not row.assessed else ("not-performed", "Not Performed")
        resource["dataAbsentReason"] = _coded(f"{_TERMS}/data-absent-reason", *absent)
        return resource
    resource["valueQuantity"] = _quantity(row.percent.value, "%", 1)
    resource["component"] = [
        _number("count", f"{row.name.capitalize()}s counted", row.count),
        _number("denominator", "Leukocytes named (denominator)", made.denominator),
        *_limits(row.percent, "%", 1, made.level),
    ]
    return _judged(resource, [flag for flag in row.flags if flag.unit == "%"], made)


def _absolute(made: Differential, row: TypeCount, absolute: Estimate) -> Resource:
    text = f"{row.name.capitalize()}s, absolute count"
    resource = _observation(made, codes.ABSOLUTE.get(row.name), text)
    resource["note"] = [{"text": f"{words.basis(row, made)} Times {made.wbc:g} 10*9/L leukocytes. {made.notice}"}]
    if absolute.value is None:
        resource["dataAbsentReason"] = _coded(f"{_TERMS}/data-absent-reason", "unsupported", "Unsupported")
        return resource
    resource["valueQuantity"] = _quantity(absolute.value, "10*9/L", 2)
    resource["component"] = _limits(absolute, "10*9/L", 2, made.level)
    return _judged(resource, [flag for flag in row.flags if flag.unit == "10*9/L"], made)


def _leukocytes(made: Differential, wbc: float) -> Resource:
    resource = _observation(made, codes.LEUKOCYTES, "Leukocytes, absolute count (measured elsewhere, as given)")
    del resource["method"]
    return {**resource, "valueQuantity": _quantity(wbc, "10*9/L", 3)}


def _judged(resource: Resource, flags: list[Flag], made: Differential) -> Resource:
    for flag in flags:
        resource["interpretation"] = [_coded(f"{_TERMS}/v3-ObservationInterpretation", *_INTERPRETATION[flag.level])]
        between: Resource = {
            key: _quantity(value, flag.unit, 3)
            for key, value in (("low", flag.low), ("high", flag.high))
            if value is not None
        }
        if made.ranges is not None:
            between["text"] = f"{made.ranges.name}; {made.ranges.population}; {made.ranges.source}"
        resource["referenceRange"] = [between]
        if words.flag_text(flag):
            resource["note"].append({"text": f"Reference range {words.range_text(flag)}: {words.flag_text(flag)}."})
    return resource


def _notes(made: Differential) -> list[str]:
    found = [made.notice, words.slide(made), words.apart(made), *words.review_sentences(made), *made.warnings]
    return found + list(made.comparison.sentences if made.comparison is not None else ())


def _subject(made: Differential) -> Resource:
    return {} if made.subject is None else {"subject": {"type": "Patient", "identifier": {"value": made.subject}}}


def _times(made: Differential) -> Resource:
    """Return the specimen's time, where it is known, and that of the count or its signature."""
    issued = (made.signer.signed_at if made.signer else made.created).isoformat()
    return ({} if made.collected is None else {"effectiveDateTime": made.collected.isoformat()}) | {"issued": issued}


def _specimen(name: str) -> Resource:
    return {"type": "Specimen", "identifier": {"value": name}}


def _limits(estimate: Estimate, unit: str, digits: int, level: float) -> list[Resource]:
    limits = estimate.interval
    if limits.low is None or limits.high is None:
        return []
    return [
        {**_component(f"limit-{side}", f"{side.capitalize()} {100 * level:g} % limit, {limits.method}"), **value}
        for side, value in (
            ("lower", {"valueQuantity": _quantity(limits.low, unit, digits)}),
            ("upper", {"valueQuantity": _quantity(limits.high, unit, digits)}),
        )
    ]


def _number(code: str, text: str, value: int) -> Resource:
    return {**_component(code, text), "valueInteger": value}


def _component(code: str, text: str) -> Resource:
    return {"code": {"coding": [{"system": _LOCAL, "code": code}], "text": text}}


def _quantity(value: float, unit: str, digits: int) -> Resource:
    return {"value": round(value, digits), "unit": unit, "system": codes.UCUM, "code": unit}


def _loinc(code: tuple[str, str], text: str) -> Resource:
    coding = {"system": codes.LOINC, "code": code[0]} | ({"display": code[1]} if code[1] else {})
    return {"coding": [coding], "text": text}


def _coded(system: str, code: str, display: str) -> Resource:
    return {"coding": [{"system": system, "code": code, "display": display}]}


def _identifier(made: Differential, role: str) -> Resource:
    return {"system": "urn:ietf:rfc:3986", "value": f"urn:uuid:{lasting_identifier(made, f'identifier/{role}')}"}


def _names(made: Differential) -> list[Resource]:
    """Return the names by which people know a count: its slide's, and the laboratory's accession where it has one."""
    found: list[Resource] = [{"use": "secondary", "system": SLIDE, "value": made.slide}]
    own = given_accession(made)
    if own is not None:
        found.append({"use": "usual", "type": _coded(f"{_TERMS}/v2-0203", "ACSN", "Accession ID"), "value": own})
    return found


def _address(made: Differential, role: str) -> str:
    return f"urn:uuid:{identifier(made, role)}"
