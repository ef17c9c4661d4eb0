r"""A count as an HL7 v2.5.1 message, ORU^R01: unsolicited observation results.

The first OBX names the slide: messages of a batch are told apart by it. One OBX per type holds the percentage (NM,
LOINC); cell count, limits and absolute count follow as OBX of their own, tied to it by the sub-identifier (OBX-4).
The time of collection stands in OBR-7, OBX-14 and SPM-17, that of the count in OBX-19 and OBR-22. Text is escaped:
``|^~\&`` and line ends can never end a field.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Literal

from buffycoat.differential import codes, words
from buffycoat.differential.identity import accession_of, given_accession, identifier, refuse_unsettled
from buffycoat.records.differential import Differential, Flag, TypeCount
from buffycoat.taxonomy import cell_type

Processing = Literal["P", "T", "D"]

LOCAL = "99BUFFYCOAT"
"""The coding system of what LOINC has no code for; names that begin with 99 are local by the standard."""

_MOST_ST = 199  # characters that a field of type ST may have, escapes counted
_ESCAPES = {"\\": "\\E\\", "|": "\\F\\", "^": "\\S\\", "~": "\\R\\", "&": "\\T\\"}
_STATUS = {"preliminary": "P", "final": "F", "amended": "C"}
_FLAGS = {"low": "L", "within": "N", "high": "H"}


def hl7_text(counts: Sequence[Differential], *, processing: Processing = "T") -> str:
    """Return one message for each count; several stand in a batch (BHS … BTS).

    Parameters
    ----------
    counts
        The differentials.
    processing
        MSH-11: "T" training, "D" debugging, "P" production. The default keeps a receiving system from filing the
        result as a patient's: this is research software.

    Returns
    -------
    Segments, each ended by a carriage return; encode as UTF-8.

    Raises
    ------
    UsageError
        A count's amendment is under way.
    """
    refuse_unsettled(counts)
    messages = [_message(made, processing) for made in counts]
    if len(messages) == 1:
        return messages[0]
    stamp = _time(max((made.created for made in counts), default=datetime.now().astimezone()))
    head = _segment("BHS", r"^~\&", "BUFFYCOAT", "", "", "", stamp)
    return "".join([head, *messages, _segment("BTS", str(len(messages)))])


def escaped(text: str) -> str:
    r"""Return text for a field: delimiters as escape sequences, line ends as ``\.br\``, control characters dropped.

    Examples
    --------
    >>> print(escaped("A|B & C^D"))
    A\F\B \T\ C\S\D
    """
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    clean = ("".join(c for c in line if c.isprintable()) for line in lines)
    return "\\.br\\".join("".join(_ESCAPES.get(c, c) for c in line) for line in clean)


def _message(made: Differential, processing: Processing) -> str:
    stamp = _time(made.created)
    control = identifier(made, "message").hex[:20].upper()
    parts = [
        _segment(
            *("MSH", r"^~\&", "BUFFYCOAT", "", "", "", stamp, "", "ORU^R01^ORU_R01", control, processing, "2.5.1"),
            *("", "", "", "", "", "UNICODE UTF-8"),
        )
    ]
    if made.subject is not None:
        # A name is required by the standard and not known here: type U, unspecified.
        parts.append(_segment("PID", "1", "", escaped(made.subject), "", "^^^^^^U"))
    signer = made.signer
    signed = "" if signer is None else _time(signer.signed_at)
    parts.append(
        _segment(
            *("OBR", "1", escaped(given_accession(made) or ""), f"{escaped(accession_of(made))}^BUFFYCOAT"),
            # The standard requires OBR-7 in a report: where the specimen's time is not known it holds the count's.
            *(_code(*codes.PANEL), "", "", _time(made.collected or made.created)),
            *([""] * 14),
            *(signed or stamp, "", "HM", _STATUS[made.status]),
            *([""] * 6),
            "" if signer is None else f"&{_name(signer.name)}",
        )
    )
    notes = [
        made.notice,
        words.slide(made),
        words.state(made),
        f"{words.method(made)}.",
        words.apart(made),
        *words.review_sentences(made),
        *made.warnings,
    ]
    if made.ranges is not None:
        notes.append(f"Reference ranges: {made.ranges.name}; {made.ranges.population}; {made.ranges.source}.")
    notes += made.comparison.sentences if made.comparison is not None else ()
    parts += [_segment("NTE", str(k), "L", escaped(note)) for k, note in enumerate(notes, 1)]
    for place, (fields, flag) in enumerate(_observations(made), 1):
        parts.append(_segment("OBX", str(place), *fields))
        if flag is not None and flag.level != "within" and not flag.beyond_counting_error:
            said = f"{words.flag_text(flag).capitalize()}: the limits reach into the reference range."
            parts.append(_segment("NTE", "1", "L", escaped(said)))  # OBX-8 has no word for it
    if made.specimen is not None:
        collected = "" if made.collected is None else _time(made.collected)
        parts.append(_segment("SPM", "1", escaped(made.specimen), "", "BLD^Blood^HL70487", *([""] * 12), collected))
    return "".join(parts)


Observed = tuple[list[str], Flag | None]
"""The fields of an OBX, from OBX-2 on, and the flag it carries."""


def _observations(made: Differential) -> Iterable[Observed]:
    slide = escaped(made.slide)
    yield _obx(made, "ST" if len(slide) <= _MOST_ST else "TX", _code("SLIDE", "Slide", LOCAL), "", slide, "")
    if made.wbc is not None:
        value = f"{made.wbc:g}"
        yield _obx(made, "NM", _code(*codes.LEUKOCYTES), "", value, "10*9/L^10*9/L^UCUM", elsewhere=True)
    for place, row in enumerate(made.types, 1):
        yield from _type(made, row, str(place))
    for name, title, n in (
        ("DENOMINATOR", "Leukocytes named (denominator)", made.denominator),
        ("UNIDENTIFIED", "Cells left unidentified, outside the denominator", made.unidentified),
        ("ARTEFACT", "Artefacts, outside the count", made.artefacts),
    ):
        yield _obx(made, "NM", _code(name, title, LOCAL), "", str(n), "{cells}^cells^UCUM")
    if made.signer is not None and made.signer.seal is not None:
        yield _obx(made, "ST", _code("SEAL", "Seal of the signature (SHA-256)", LOCAL), "", made.signer.seal, "")


def _type(made: Differential, row: TypeCount, sub: str) -> Iterable[Observed]:
    known = cell_type(row.name)
    local = "".join(c if c.isascii() and c.isalnum() else "-" for c in row.name.upper())
    title = f"{row.name.capitalize()}s/100 leukocytes in Blood"
    code = _code(f"{local}-PERCENT", title, LOCAL) if known is None else _code(known.loinc_percent, title)
    flags = {flag.unit: flag for flag in row.flags}
    if row.percent.value is None:
        yield _obx(made, "NM", code, sub, "", "%^percent^UCUM", status="X")
        return
    yield _obx(made, "NM", code, sub, f"{row.percent.value:.1f}", "%^percent^UCUM", flag=flags.get("%"))
    plural = f"{row.name.capitalize()}s"
    yield _obx(
        made, "NM", _code(f"{local}-COUNT", f"{plural} counted", LOCAL), sub, str(row.count), "{cells}^cells^UCUM"
    )
    limits = row.percent.interval
    if limits.low is not None and limits.high is not None:
        title = f"{plural}, {100 * made.level:g} % limits (exact binomial, counting error only)"
        between = f"^{limits.low:.1f}^-^{limits.high:.1f}"
        yield _obx(made, "SN", _code(f"{local}-LIMITS", title, LOCAL), sub, between, "%^percent^UCUM")
    if row.absolute is not None and row.absolute.value is not None:
        named = codes.ABSOLUTE.get(row.name)
        code = _code(f"{local}-ABSOLUTE", f"{plural}, absolute", LOCAL) if named is None else _code(*named)
        value = f"{row.absolute.value:.2f}"
        yield _obx(made, "NM", code, sub, value, "10*9/L^10*9/L^UCUM", flag=flags.get("10*9/L"))
        limits = row.absolute.interval
        if limits.low is not None and limits.high is not None:
            title = f"{plural}, absolute, {100 * made.level:g} % limits (exact binomial, counting error only)"
            between = f"^{limits.low:.2f}^-^{limits.high:.2f}"
            code = _code(f"{local}-ABSOLUTE-LIMITS", title, LOCAL)
            yield _obx(made, "SN", code, sub, between, "10*9/L^10*9/L^UCUM")


def _obx(
    made: Differential,
    kind: str,
    code: str,
    sub: str,
    value: str,
    unit: str,
    *,
    flag: Flag | None = None,
    status: str | None = None,
    elsewhere: bool = False,
) -> Observed:
    between = "" if flag is None else _range(flag)
    abnormal = "" if flag is None else _FLAGS[flag.level]
    collected = "" if made.collected is None else _time(made.collected)
    analysed = "" if elsewhere else _time(made.created)
    state = status or _STATUS[made.status]
    fields = [kind, code, sub, value, unit, between, abnormal, "", "", state, "", "", collected]
    return [*fields, "", "", "", "", analysed], flag


def _range(flag: Flag) -> str:
    if flag.low is None:
        return f"<={flag.high:g}"
    return f">={flag.low:g}" if flag.high is None else f"{flag.low:g}-{flag.high:g}"


def _code(code: str, title: str, system: str = "LN") -> str:
    return f"{code}^{escaped(title)}^{system}"


def _name(name: str) -> str:
    """Return a signer's name as a subcomponent (family name: the name is not taken apart)."""
    return escaped(name)


def _time(moment: datetime) -> str:
    return moment.strftime("%Y%m%d%H%M%S%z")


def _segment(*fields: str) -> str:
    # MSH-1 and BHS-1 are the separator itself: joining puts it there.
    return "|".join(fields).rstrip("|") + "\r"
