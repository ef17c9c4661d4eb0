"""HL7 v2.5.1: parsed back strictly by a parser of its own, and escaped so that no text ends a field."""

from __future__ import annotations

from typing import Any

import pytest
from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.parser import parse_message
from hypothesis import given
from hypothesis import strategies as st

from buffycoat.differential import count
from buffycoat.differential.hl7 import LOCAL, escaped, hl7_text
from buffycoat.differential.identity import accession_of
from buffycoat.records.differential import Differential, ReferenceRange, ReferenceRanges
from buffycoat.taxonomy import CELL_TYPES
from tests.differential.differential_cases import DRAWN, NASTY, SEAL, SIGNER, WHEN, full, plain, sealed

_BACK = {"F": "|", "S": "^", "R": "~", "T": "&", "E": "\\", ".br": "\n"}


def parsed(made: Differential) -> Any:
    return parse_message(hl7_text([made]), validation_level=VALIDATION_LEVEL.STRICT)


def unescaped(text: str) -> str:
    """Undo the escape sequences of HL7 v2.5.1, chapter 2.7."""
    parts = text.split("\\")
    return "".join(part if k % 2 == 0 else _BACK[part] for k, part in enumerate(parts))


def observations(message: Any) -> list[Any]:
    order = message.oru_r01_patient_result.oru_r01_order_observation
    return [group.obx for group in order.oru_r01_observation]


@pytest.mark.parametrize("made", [plain(), full(), plain(wbc=5.5), count([], slide="empty", created=WHEN)])
def test_a_strict_parser_takes_every_message(made: Differential) -> None:
    message = parsed(made)
    message.validate()
    assert message.msh.msh_9.to_er7() == "ORU^R01^ORU_R01"
    assert message.msh.msh_12.to_er7() == "2.5.1"
    assert message.msh.msh_11.to_er7() == "T"


def test_each_type_has_its_percentage_count_and_limits() -> None:
    made = plain()
    by_code = {obx.obx_3.obx_3_1.to_er7(): obx for obx in observations(parsed(made))}
    for cell in CELL_TYPES:
        obx = by_code[cell.loinc_percent]
        assert obx.obx_3.obx_3_3.to_er7() == "LN"
        assert obx.obx_6.obx_6_1.to_er7() == "%"
        row = made.of(cell.name)
        if not row.assessed:
            assert (obx.obx_5.to_er7(), obx.obx_11.to_er7()) == ("", "X")
            continue
        assert obx.obx_2.to_er7() == "NM"
        assert float(obx.obx_5.to_er7()) == pytest.approx(row.percent.value, abs=0.05)
        assert obx.obx_11.to_er7() == "P"
        counted = by_code[f"{cell.name.upper()}-COUNT"]
        assert int(counted.obx_5.to_er7()) == row.count
        assert counted.obx_4.to_er7() == obx.obx_4.to_er7() != ""
        _, low, dash, high = by_code[f"{cell.name.upper()}-LIMITS"].obx_5.to_er7().split("^")
        assert dash == "-"
        assert float(low) == pytest.approx(row.percent.interval.low, abs=0.05)
        assert float(high) == pytest.approx(row.percent.interval.high, abs=0.05)
    assert by_code["DENOMINATOR"].obx_5.to_er7() == "200"
    assert by_code["UNIDENTIFIED"].obx_5.to_er7() == "4"
    assert by_code["ARTEFACT"].obx_5.to_er7() == "3"
    assert len({obx.obx_1.to_er7() for obx in by_code.values()}) == len(by_code)


def test_absolute_counts_ranges_and_flags() -> None:
    by_code = {obx.obx_3.obx_3_1.to_er7(): obx for obx in observations(parsed(full()))}
    assert by_code["26464-8"].obx_5.to_er7() == "6.2"
    eosinophils = by_code["26449-9"]
    assert float(eosinophils.obx_5.to_er7()) == pytest.approx(0.31)
    assert (eosinophils.obx_7.to_er7(), eosinophils.obx_8.to_er7()) == ("0-0.5", "N")
    assert eosinophils.obx_6.obx_6_1.to_er7() == "10*9/L"


def _doubtful() -> Differential:
    """Return a count with eosinophils perhaps high (limits reach into the range) and neutrophils surely low."""
    ours = [
        ReferenceRange(type="eosinophil", unit="%", high=4.5),
        ReferenceRange(type="neutrophil", unit="%", low=70, high=80),
    ]
    return plain(ranges=ReferenceRanges(name="ours", source="here", population="all", ranges=tuple(ours)))


def test_a_flag_that_counting_error_may_have_made_says_perhaps() -> None:
    message = parsed(_doubtful())
    message.validate()
    notes: dict[str, list[str]] = {}
    for group in message.oru_r01_patient_result.oru_r01_order_observation.oru_r01_observation:
        notes[group.obx.obx_8.to_er7()] = [note.nte_3.to_er7() for note in group.nte]
    assert notes["H"] == ["Perhaps high: the limits reach into the reference range."]
    assert notes["L"] == []


@pytest.mark.parametrize(("status", "code"), [("preliminary", "P"), ("final", "F"), ("amended", "C")])
def test_status_stands_in_order_and_results(status: Any, code: str) -> None:
    message = parsed(full(status=status, signer=SIGNER))
    assert message.oru_r01_patient_result.oru_r01_order_observation.obr.obr_25.to_er7() == code
    assert {obx.obx_11.to_er7() for obx in observations(message)} <= {code, "X"}


def test_delimiters_in_texts_come_back_as_they_were() -> None:
    message = parsed(full())
    result = message.oru_r01_patient_result
    assert unescaped(result.oru_r01_patient.pid.pid_3.pid_3_1.to_er7()) == NASTY
    order = result.oru_r01_order_observation
    assert unescaped(order.oru_r01_specimen.spm.spm_2.to_er7()) == NASTY
    assert unescaped(order.obr.obr_32.to_er7()).lstrip("&") == SIGNER.name
    notes = [unescaped(nte.nte_3.to_er7()) for nte in order.nte]
    assert any("not a medical device" in note for note in notes)
    assert any("agree on 9 of 10 cells" in note for note in notes)
    assert any(note.startswith("Reference ranges: EXAMPLE") for note in notes)


def test_without_identifiers_nobody_is_named() -> None:
    text = hl7_text([plain()])
    assert "\rPID|" not in text
    assert "\rSPM|" not in text


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
def test_escaped_text_holds_no_delimiter_and_comes_back(text: str) -> None:
    made = escaped(text)
    assert not set(made) & set("|^~&\r\n\x0b\x1c")
    expected = text.replace("\r\n", "\n").replace("\r", "\n")
    assert unescaped(made) == "".join(c for c in expected if c.isprintable() or c == "\n")


def test_a_receiver_knows_the_final_and_the_amended_result_of_a_preliminary_one() -> None:
    first = plain()
    later = WHEN.replace(hour=12)
    final = full(slide="S1", created=later, accession=first.accession)
    amended = full(slide="S1", status="amended", created=later, accession=first.accession, wbc=6.3)
    other = plain(slide="S2")
    messages = [parsed(made) for made in (first, final, amended, other)]
    orders = [one.oru_r01_patient_result.oru_r01_order_observation.obr for one in messages]
    numbers = [order.obr_3.obr_3_1.to_er7() for order in orders]
    assert numbers[0] == numbers[1] == numbers[2] == first.accession
    assert numbers[3] != numbers[0]
    assert [order.obr_25.to_er7() for order in orders[:3]] == ["P", "F", "C"]
    assert len({one.msh.msh_10.to_er7() for one in messages}) == 4
    reread = Differential.model_validate_json(first.model_dump_json())
    assert accession_of(reread.model_copy(update={"accession": None})) == first.accession


def test_several_slides_make_a_batch_and_the_same_count_the_same_message() -> None:
    first, second = plain(), full()
    batch = hl7_text([first, second])
    segments = batch.split("\r")
    assert segments[0].startswith("BHS|^~\\&|")
    assert segments[-2] == "BTS|2"
    assert [line[:3] for line in segments].count("MSH") == 2
    assert hl7_text([first]) in batch
    assert hl7_text([first]) == hl7_text([plain()])
    controls = {line.split("|")[9] for line in segments if line.startswith("MSH")}
    assert len(controls) == 2
    assert all(len(control) <= 20 for control in controls)


def test_a_signed_count_carries_its_seal() -> None:
    message = parsed(sealed())
    message.validate()
    (obx,) = [obx for obx in observations(message) if obx.obx_3.obx_3_1.to_er7() == "SEAL"]
    assert (obx.obx_2.to_er7(), obx.obx_3.obx_3_3.to_er7(), obx.obx_5.to_er7()) == ("ST", LOCAL, SEAL)
    assert obx.obx_11.to_er7() == "F"
    for made in (full(), plain()):
        assert "SEAL" not in {obx.obx_3.obx_3_1.to_er7() for obx in observations(parsed(made))}


def of_code(made: Differential) -> dict[str, Any]:
    return {obx.obx_3.obx_3_1.to_er7(): obx for obx in observations(parsed(made))}


@pytest.mark.parametrize("name", ["A", "12^A|x", NASTY])
def test_each_message_of_a_batch_names_its_own_slide(name: str) -> None:
    batch = hl7_text([plain(slide=name), plain(slide="another")])
    messages = [f"MSH{text}".partition("\rBTS")[0] for text in batch.split("MSH")[1:]]
    for text, slide in zip(messages, (name, "another"), strict=True):
        message = parse_message(text, validation_level=VALIDATION_LEVEL.STRICT)
        message.validate()
        first = observations(message)[0]
        assert (first.obx_2.to_er7(), first.obx_3.to_er7()) == ("ST", f"SLIDE^Slide^{LOCAL}")
        assert unescaped(first.obx_5.to_er7()) == slide
        notes = message.oru_r01_patient_result.oru_r01_order_observation.nte
        assert f"Slide: {slide}." in [unescaped(note.nte_3.to_er7()) for note in notes]


@pytest.mark.parametrize(("name", "kind"), [("&" * 66, "ST"), ("x" * 199, "ST"), ("&" * 67, "TX"), ("x" * 200, "TX")])
def test_a_name_too_long_for_a_string_is_text(name: str, kind: str) -> None:
    # The strict parser takes every OBX-5 for an ST, whatever OBX-2 says.
    first = observations(parse_message(hl7_text([plain(slide=name)]), validation_level=VALIDATION_LEVEL.TOLERANT))[0]
    assert (first.obx_2.to_er7(), unescaped(first.obx_5.to_er7())) == (kind, name)


def test_absolute_counts_have_their_limits() -> None:
    made = full()
    found = of_code(made)
    for row in made.types:
        if row.absolute is None or row.absolute.value is None:
            assert f"{row.name.upper()}-ABSOLUTE-LIMITS" not in found
            continue
        obx = found[f"{row.name.upper()}-ABSOLUTE-LIMITS"]
        _, low, dash, high = obx.obx_5.to_er7().split("^")
        assert (obx.obx_2.to_er7(), obx.obx_6.obx_6_1.to_er7(), dash) == ("SN", "10*9/L", "-")
        assert obx.obx_4.to_er7() == found[f"{row.name.upper()}-COUNT"].obx_4.to_er7()
        assert float(low) == pytest.approx(row.absolute.interval.low, abs=0.005)
        assert float(high) == pytest.approx(row.absolute.interval.high, abs=0.005)
    assert not any("ABSOLUTE" in code for code in of_code(plain()))


def test_the_time_of_the_specimen_is_not_that_of_the_count() -> None:
    message = parsed(full(collected=DRAWN))
    message.validate()
    order = message.oru_r01_patient_result.oru_r01_order_observation
    drawn, counted = "20250303210500+0100", "20250304050607+0000"
    assert order.obr.obr_7.to_er7() == drawn
    assert order.obr.obr_22.to_er7() == "20250304090000+0000", "signed"
    assert order.oru_r01_specimen.spm.spm_17.to_er7() == drawn
    for obx in observations(message):
        elsewhere = obx.obx_3.obx_3_1.to_er7() == "26464-8"
        assert (obx.obx_14.to_er7(), obx.obx_19.to_er7()) == (drawn, "" if elsewhere else counted)


def test_without_the_specimens_time_only_the_field_that_must_be_filled_holds_the_counts() -> None:
    message = parsed(plain(specimen="25-0417"))
    order = message.oru_r01_patient_result.oru_r01_order_observation
    counted = "20250304050607+0000"
    assert (order.obr.obr_7.to_er7(), order.obr.obr_22.to_er7()) == (counted, counted)
    assert order.oru_r01_specimen.spm.spm_17.to_er7() == ""
    assert {(obx.obx_14.to_er7(), obx.obx_19.to_er7()) for obx in observations(message)} == {("", counted)}


def test_an_accession_of_the_laboratorys_stands_as_its_own_and_as_the_programs_number() -> None:
    def numbers(made: Differential) -> tuple[str, str]:
        obr = parsed(made).oru_r01_patient_result.oru_r01_order_observation.obr
        return unescaped(obr.obr_2.obr_2_1.to_er7()), unescaped(obr.obr_3.obr_3_1.to_er7())

    for own in ("25-0417", NASTY):
        again = plain(accession=own, created=WHEN.replace(hour=12))
        assert numbers(plain(accession=own)) == numbers(again) == (own, own)
    first = plain()
    assert numbers(first) == ("", first.accession), "a placer never gave it"
    assert numbers(plain(accession=first.accession, created=WHEN.replace(hour=12))) == ("", first.accession)
