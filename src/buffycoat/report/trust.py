"""What a report says of how far probabilities may be trusted, one plain sentence for each measure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from buffycoat.evaluate.abstention import fewest_answers
from buffycoat.records.documents import ModelResult, Results
from buffycoat.records.trust import Trust
from buffycoat.report.figures.trust import reliability_diagram, risk_coverage_figure
from buffycoat.report.numbers import counted, listed, percent, share, whole, with_interval
from buffycoat.report.svg import Drawing
from buffycoat.report.words import ranked

COUNT_AGAIN = "buffycoat evaluate STUDY"
"""The command that counts from stored predictions what an earlier version did not."""
FEW = 20
"""Pictures of a kind with fewer are in the table, but no sentence is built on them."""


@dataclass(frozen=True)
class TrustRow:
    """One model: its result, its trust and its diagrams."""

    model: ModelResult
    trust: Trust
    before: Drawing
    after: Drawing


@dataclass(frozen=True)
class TrustView:
    """The section about trust.

    Attributes
    ----------
    rows
        The models that were measured, most accurate first; empty where none was.
    calibration, sets, abstention, unlike
        One sentence each that needs no statistics.
    curve
        The risk–coverage figure.
    missing
        What was not measured, and what to do.
    """

    rows: tuple[TrustRow, ...]
    calibration: str
    sets: str
    abstention: str
    unlike: str
    curve: Drawing | None
    kinds: tuple[str, ...]
    missing: tuple[str, ...]


def trust_view(results: Results) -> TrustView:
    """Gather what is known of how far the models' probabilities may be trusted."""
    known = {one.model: one for one in results.trust}
    models = [model for model in ranked(results) if model.model in known and model.collapsed is None]
    rows = tuple(_row(model, known[model.model]) for model in models)
    missing = _missing(results, [row.model.model for row in rows])
    if not rows:
        return TrustView((), "", "", "", "", None, (), missing)
    best = rows[0]
    with_unlike = next((row for row in rows if row.trust.unlike is not None), None)
    return TrustView(
        rows=rows,
        calibration=calibration_sentence(best.model.title, best.trust),
        sets=sets_sentence(best.model.title, best.trust),
        abstention=abstention_sentence(best.model.title, best.trust),
        unlike=unlike_sentence(with_unlike.model.title, with_unlike.trust) if with_unlike else "",
        curve=risk_coverage_figure([(row.model.title, row.trust.abstention) for row in rows]),
        kinds=tuple(kind.name for kind in with_unlike.trust.unlike.kinds)
        if with_unlike and with_unlike.trust.unlike
        else (),
        missing=missing,
    )


def _row(model: ModelResult, trust: Trust) -> TrustRow:
    found = trust.calibration
    return TrustRow(
        model,
        trust,
        reliability_diagram(found.bins_before, model.title, "before"),
        reliability_diagram(found.bins_after, model.title, "after"),
    )


def _missing(results: Results, shown: Sequence[str]) -> tuple[str, ...]:
    if not results.trust:
        return (
            "It was not measured: these results were counted by an earlier version, or the study kept no validation "
            f"predictions. Where it kept them, {COUNT_AGAIN} counts it from the stored predictions.",
        )
    if all(model.collapsed is not None for model in results.models):
        return ("Every model collapsed: its probabilities mean nothing, whatever is done to them.",)
    lacking = [model.title for model in results.models if model.model not in shown and model.collapsed is None]
    found = [sentence for one in results.trust for sentence in one.missing]
    if lacking:
        found.append(f"{listed(lacking)}: no validation predictions to fit a temperature on.")
    if not any(one.unlike for one in results.trust):
        found.append(
            "How well pictures unlike the training cells are told apart was not measured in this study. It takes the "
            "trained networks: run the study's command again."
        )
    return tuple(dict.fromkeys(found))


def calibration_sentence(title: str, trust: Trust) -> str:
    """Say how far probabilities are off, in percentage points."""
    found = trust.calibration
    before, after, chance = (
        round(100 * (value or 0.0))
        for value in (found.error_before.value, found.error_after.value, found.error_by_chance)
    )
    kind = _direction(trust)
    return (
        f"How sure {title} says it is differs from how often it is right by {before} percentage points on average"
        f"{kind}, and by {after} after scaling; on so few cells, perfect probabilities would show {chance}."
    )


def _direction(trust: Trust) -> str:
    rows = trust.calibration.bins_before
    total = sum(one.count for one in rows)
    lead = sum(one.count * one.confidence - one.right for one in rows) / total if total else 0.0
    if abs(lead) < 0.02:
        return ""
    return " (it is too sure of itself)" if lead > 0 else " (it is right more often than it says)"


def sets_sentence(title: str, trust: Trust) -> str:
    """Say what prediction sets promise and hold."""
    sets = trust.sets
    size = sets.size.value or 0.0
    return (
        f"Where {title} may name more than one class, its answer was promised to hold the true one for "
        f"{percent(sets.level)} of the cells, and did for {percent(sets.covered.value)}; it names {size:.2f} classes "
        f"on average, and one alone for {percent(sets.single.value)} of the cells."
    )


def abstention_sentence(title: str, trust: Trust) -> str:
    """Say what withholding the least certain answers buys."""
    one = trust.abstention
    if not one.answered.numerator and one.groups is not None and one.groups < fewest_answers(one.error_rate):
        return (
            f"No threshold can promise errors within {percent(one.error_rate)} of the answers of {title}: it would be "
            f"set by {whole(one.groups)} independent cells, and it takes {whole(fewest_answers(one.error_rate))} at "
            "least, all of them right. That says nothing against the model: bring more cells, or allow more errors "
            "(--error-rate)."
        )
    if not one.answered.numerator:
        return (
            f"No threshold keeps the errors of {title} within {percent(one.error_rate)} of its answers: it would have "
            "to leave every cell unidentified."
        )
    return (
        f"Told to leave cells unidentified so that no more than {percent(one.error_rate)} of its answers are wrong, "
        f"{title} left {percent(1 - (one.answered.value or 0.0))} unidentified, and {percent(one.wrong.value, 1)} of "
        "the answers it gave were wrong."
    )


def unlike_sentence(title: str, trust: Trust) -> str:
    """Say how well pictures that are no cells of the classes are told apart."""
    if trust.unlike is None or not trust.unlike.kinds:
        return ""
    many = [kind for kind in trust.unlike.kinds if kind.pictures >= FEW] or trust.unlike.kinds
    hardest = min(many, key=lambda kind: kind.auroc.value or 0.0)
    easiest = max(many, key=lambda kind: kind.auroc.value or 0.0)
    return (
        f"{title} tells {easiest.name} from its cells best and {hardest.name} worst: to turn away 95 % of "
        f"{hardest.name}, it would also turn away {percent(hardest.lost.value)} of the cells it names rightly."
    )


def always_named(trust: Trust) -> str:
    """Say which classes have too few cells for a threshold of their own, or nothing."""
    names = [one.name for one in trust.sets.classes if one.always]
    if not names:
        return ""
    kind = counted(len(names), "class", "classes").split(" ", 1)[1]
    return f"Too few cells to set a threshold for the {kind} {listed(names)}: named in every set of some folds."


def terminal_line(results: Results) -> str | None:
    """Return one line about the most accurate model that was measured, or None."""
    view = trust_view(results)
    if not view.rows:
        return None
    best = view.rows[0]
    found = best.trust
    return (
        f"{best.model.title}: calibration error {with_interval(found.calibration.error_after, 2)} after scaling; "
        f"{percent(found.sets.level)} sets hold the true class for {share(found.sets.covered.value, 2)} "
        f"({share(found.sets.size.value, 2)} classes on average); accuracy on the most certain "
        f"{percent(found.abstention.certain_share)} of the cells {with_interval(found.abstention.certain_accuracy)}."
    )
