"""Figures and states of a count as people read them."""

from __future__ import annotations

from datetime import datetime

from buffycoat.differential.cautions import cells, listed
from buffycoat.records.differential import CountComparison, Differential, Flag, Signer, TypeCount
from buffycoat.records.documents import Estimate

MISSING = "–"
_SIGNED = {"final": "Final", "amended": "Amended"}
_ORDINALS = {1: "First", 2: "Second"}
UNIT = {"%": "%", "10*9/L": "10⁹/L"}


def percent_text(row: TypeCount) -> str:
    """Return a type's share, one decimal: ``"55.0"``, or a dash."""
    return MISSING if row.percent.value is None else f"{row.percent.value:.1f}"


def limits_text(estimate: Estimate | None, digits: int = 1) -> str:
    """Return limits: ``"47.8–62.0"``, or a dash."""
    if estimate is None or estimate.interval.low is None or estimate.interval.high is None:
        return MISSING
    return f"{estimate.interval.low:.{digits}f}–{estimate.interval.high:.{digits}f}"


def absolute_text(row: TypeCount) -> str:
    """Return a type's absolute count, two decimals, or a dash."""
    return MISSING if row.absolute is None or row.absolute.value is None else f"{row.absolute.value:.2f}"


def range_text(flag: Flag) -> str:
    """Return a reference range: ``"40–75 %"``, ``"≤ 6 %"``."""
    unit = UNIT[flag.unit]
    if flag.low is None:
        return f"≤ {flag.high:g} {unit}"
    if flag.high is None:
        return f"≥ {flag.low:g} {unit}"
    return f"{flag.low:g}–{flag.high:g} {unit}"


def flag_text(flag: Flag) -> str:
    """Return a flag in a word: ``"high"``; ``"perhaps high"`` where the limits reach into the range; else nothing."""
    if flag.level == "within":
        return ""
    return flag.level if flag.beyond_counting_error else f"perhaps {flag.level}"


def perhaps(made: Differential) -> str:
    """Return what "perhaps" means, where a flag says it."""
    doubted = any(flag.level != "within" and not flag.beyond_counting_error for row in made.types for flag in row.flags)
    return "Perhaps: the limits reach into the reference range." if doubted else ""


def slide(made: Differential) -> str:
    """Return which slide was counted, in one sentence."""
    return f"Slide: {made.slide}."


def status(made: Differential) -> str:
    """Return how far a count is settled, in a few words."""
    review = made.review
    if made.status != "preliminary":
        return _SIGNED[made.status]
    if review is not None and review.state == "amending":
        return "Amendment under way: not signed"
    if review is not None and not review.complete:
        return f"Preliminary: {seen(made)}, not signed"
    return f"Preliminary: {'not reviewed and ' if made.counted_by.kind == 'program' else ''}not signed"


def state(made: Differential) -> str:
    """Return status and signer in one sentence."""
    if made.signer is not None:
        return f"{status(made)}, signed by {_signature(made.signer)}."
    if made.review is not None and made.review.state == "amending":
        return f"{status(made)}. Last signed by {_signature(made.review.signatures[-1])}."
    return f"{status(made)}."


def seen(made: Differential) -> str:
    """Return how many cells the reader at the review desk has seen: ``"2 of 44 cells seen"``; nothing elsewhere."""
    review = made.review
    return "" if review is None else f"{review.seen:,} of {review.cells:,} cells seen"


def reading(made: Differential) -> str:
    """Return whose reading of a slide it is: ``"Second reading, by A. Reader"``; nothing elsewhere."""
    review = made.review
    if review is None:
        return ""
    number = "Reading" if review.readings == 1 else f"{_ORDINALS.get(review.reading, review.reading)} reading"
    return f"{number}, by {review.reader}"


def amendments(made: Differential) -> tuple[str, ...]:
    """Return why a signed count was opened again, by whom and when, each in one sentence, the first first."""
    review = made.review
    return tuple(
        f"Opened again by {one.by}, {when(one.at)}, for this reason: “{_line(one.reason)}”."
        for one in (review.amendments if review is not None else ())
    )


def earlier(made: Differential) -> tuple[str, ...]:
    """Return the signatures that a later one replaces or is to replace, each in one sentence."""
    review = made.review
    return tuple(f"Earlier signature: {_signature(one)}." for one in (review.signatures if review is not None else ()))


def review_sentences(made: Differential) -> tuple[str, ...]:
    """Return what is to be said of a reading at the review desk, in sentences; nothing of other counts."""
    if made.review is None:
        return ()
    networks = made.review.networks
    named = (f"The program's labels are of {networks_words(networks)}.",) if networks else ()
    return (f"{reading(made)}: {seen(made)}.", *named, *amendments(made), *earlier(made))


def networks_words(networks: tuple[str, ...]) -> str:
    """Return networks by name and hash: ``"the network cells 3f786850e387"``."""
    return f"the network{'' if len(networks) == 1 else 's'} {listed(list(networks))}"


def when(at: datetime) -> str:
    """Return a time to the minute, with its zone."""
    return at.strftime("%Y-%m-%d %H:%M %Z").strip()


def _signature(signer: Signer) -> str:
    return f"{signer.name}, {when(signer.signed_at)}"


def _line(text: str) -> str:
    """Return text on one line, without control characters."""
    return "".join(c for c in " ".join(text.split()) if c.isprintable())


def apart(made: Differential) -> str:
    """Return what stands outside the denominator, in one sentence."""
    parts = []
    if made.unidentified:
        reasons = ", ".join(f"{n} {reason}" for reason, n in sorted(made.unidentified_reasons.items()) if n)
        parts.append(f"{made.unidentified} left unidentified" + (f" ({reasons})" if reasons else ""))
    if made.artefacts:
        parts.append(f"{made.artefacts} {'artefact' if made.artefacts == 1 else 'artefacts'}")
    return f"Outside the denominator: {', '.join(parts)}." if parts else "Nothing was left outside the denominator."


def basis(row: TypeCount, made: Differential) -> str:
    """Return count, denominator, limits and what they cover, for the note of a figure that travels alone."""
    if not row.assessed:
        return "Not assessed: the classifier does not know this type."
    limits = row.percent.interval
    said = f"{row.count} of {made.denominator} leukocytes"
    if limits.low is not None and limits.high is not None:
        said += (
            f"; {100 * made.level:g} % limits {limits.low:.1f} to {limits.high:.1f} % "
            "(exact binomial, Clopper-Pearson; counting error only)"
        )
    return said + "."


def compared(found: CountComparison) -> str:
    """Return of what the percentages of a comparison are, so that its columns can be subtracted."""
    if found.design == "same cells":
        n = found.compared
        return f"Percent of the {cells(n)} that both named; difference: second less first."
    return "Percent of the cells each named; difference: second less first."


def method(made: Differential) -> str:
    """Return how the cells were named, in one phrase."""
    by = made.counted_by
    if by.kind == "person":
        return f"Named by {by.name}"
    network = f", network {made.classifier.title}" if made.classifier is not None else ""
    said = f"Named by a program from photographs{network}"
    if by.kind == "reviewed":
        return f"{said}, then reviewed by {by.name}"
    if made.review is not None and made.review.seen:
        return f"{said}; {seen(made)} by {made.review.reader}, the others by nobody yet"
    return f"{said}; not reviewed by a person"
