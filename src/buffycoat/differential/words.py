"""Figures and states of a count as people read them."""

from __future__ import annotations

from buffycoat.records.differential import Differential, Flag, TypeCount
from buffycoat.records.documents import Estimate

MISSING = "–"
STATUS = {
    "preliminary": "Preliminary: not reviewed and not signed",
    "final": "Final",
    "amended": "Amended",
}
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


def state(made: Differential) -> str:
    """Return status and signer in one sentence."""
    if made.signer is None:
        return f"{STATUS[made.status]}."
    when = made.signer.signed_at.strftime("%Y-%m-%d %H:%M %Z").strip()
    return f"{STATUS[made.status]}, signed by {made.signer.name}, {when}."


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


def method(made: Differential) -> str:
    """Return how the cells were named, in one phrase."""
    by = made.counted_by
    network = f", network {made.classifier.title}" if made.classifier is not None else ""
    if by.kind == "program":
        return f"Named by a program from photographs{network}; not reviewed by a person"
    if by.kind == "reviewed":
        return f"Named by a program from photographs{network}, then reviewed by {by.name}"
    return f"Named by {by.name}"
