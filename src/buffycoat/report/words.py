"""The sentences of a report, each drawn from the numbers in ``results.json``."""

from __future__ import annotations

from collections.abc import Sequence

from buffycoat.evaluate.verdicts import ALPHA
from buffycoat.records.documents import ClassResult, Cleaning, Comparison, Estimate, ModelResult, Results
from buffycoat.report.mistakes import Mistake
from buffycoat.report.numbers import counted, interval, listed, p_value, share, whole, with_interval

SURE = 0.9
"""From this probability on, a wrong answer counts as a confident one."""


def ranked(results: Results) -> tuple[ModelResult, ...]:
    """Return the models, most accurate first; equal ones in the order of the study."""
    return tuple(sorted(results.models, key=lambda model: -(model.accuracy.value or 0.0)))


def comparison_of(results: Results, first: str, second: str) -> Comparison | None:
    """Return the comparison of two models, whichever way round it is stored."""
    for comparison in results.comparisons:
        if {comparison.first, comparison.second} == {first, second}:
            return comparison
    return None


def headline(results: Results) -> str:
    """Return the answer of the study in a sentence or two."""
    if not results.models:
        return "No model has finished yet."
    models = ranked(results)
    best = models[0]
    start = "On synthetic smears, " if results.synthetic else ""
    if results.leaked:
        start = "With copies of the same cells on both sides of the split" + (
            ", on synthetic smears, " if results.synthetic else ", "
        )
    if best.collapsed is not None:
        return (
            f"{start}no model learned to tell the classes apart: {listed([model.title for model in models])} collapsed."
        )
    asked = f"{best.n} held-out cells correctly"
    if best.n > best.cells > 0:
        asked = f"{best.n} times correctly what {best.cells} held-out cells are"
    text = (
        f"{start}{best.title} named {best.right} of {asked}: "
        f"accuracy {with_interval(best.accuracy)}, against {share(results.majority.accuracy.value)} for always "
        f"answering the largest class."
    )
    if len(models) > 1:
        text += " " + ranking(results)
    return text


def ranking(results: Results) -> str:
    """Say whether the lead of the first model over the second is more than chance."""
    first, second = ranked(results)[:2]
    if second.collapsed is not None:
        return f"{second.title} collapsed: it gave every cell the same answer."
    comparison = comparison_of(results, first.model, second.model)
    if comparison is None:
        return f"{second.title} came next with {share(second.accuracy.value)}."
    lead = f"Its lead over {second.title} ({share(second.accuracy.value)})"
    highest = largest_p(comparison)
    if comparison.settled:
        again = comparison.resampled
        if again is not None and again.p_adjusted >= ALPHA:
            return (
                f"{lead} is unlikely to be chance on these cells (corrected {p_value(highest)}); the test over folds, "
                f"which counts how far trainings differ, does not agree (corrected {p_value(again.p_adjusted)})."
            )
        return f"{lead} is unlikely to be chance (corrected {p_value(highest)})."
    if highest < ALPHA:
        return f"{lead} is not established: the test on cells and the interval of the difference do not agree."
    anew = comparison.with_training
    counted_in = "with the chance of training counted " if anew is not None and anew.p_adjusted == highest else ""
    return f"{lead} is not established: {counted_in}it could be chance (corrected {p_value(highest)})."


def largest_p(comparison: Comparison) -> float:
    """Return the largest corrected p value of the tests that decide a comparison."""
    again, anew = comparison.resampled, comparison.with_training
    deciding = [comparison.p_adjusted]
    if again is not None and again.decides:
        deciding.append(again.p_adjusted)
    if anew is not None:
        deciding.append(anew.p_adjusted)
    return max(deciding)


def test_name(results: Results) -> str:
    """Return a short name of the test on cells: the same for all pairs, as all have the same cells."""
    mcnemar = all(pair.method.startswith("exact McNemar") for pair in results.comparisons)
    return "McNemar" if mcnemar else "sign flips"


def against_majority(results: Results) -> str:
    """Say of which models these cells show that they do better than always naming the largest class."""
    better = [pair for pair in results.against_majority if pair.settled and (pair.difference.value or 0.0) > 0]
    if not better:
        return ""
    titles = {model.model: model.title for model in results.models}
    least = min(better, key=lambda pair: pair.difference.value or 0.0)
    every = len(better) == len(results.models)
    who = (
        "Every model is"
        if every
        else f"{listed([titles[pair.first] for pair in better])} {'is' if len(better) == 1 else 'are'}"
    )
    lead = "its lead is" if len(better) == 1 else "the smallest lead is"
    highest = p_value(max(largest_p(pair) for pair in better))
    return (
        f"{who} better than always answering the largest class; {lead} {with_interval(least.difference)}, the "
        f"{'largest ' if len(better) > 1 else ''}corrected {highest}."
    )


def cautions(results: Results) -> list[str]:
    """Say what the comparisons take in of the training itself and what not, and that training sets share rows."""
    found = []
    settled = any(pair.settled for pair in results.comparisons)
    again = any(pair.resampled for pair in results.comparisons)
    repeated = [model for model in ranked(results) if model.repeats > 1 and model.per_fold_accuracy]
    if any(pair.with_training for pair in results.comparisons):
        found.append(_with_training(results))
    elif settled and results.spread:  # results of an earlier version
        widest = max(results.spread, key=lambda one: one.deviation.value or 0.0)
        found.append(
            f"“Settled” is said of the networks as they were trained here: neither limits nor the p values on cells "
            f"count the seed of training, which moves an accuracy by {share(widest.deviation.value)} (standard "
            f"deviation, {interval(widest.deviation)}; {widest.seeds} seeds). A lead not far beyond that may be the "
            "seed's." + (" The test over folds counts it, as far as it differs from fold to fold." if again else "")
        )
    elif settled:
        once = "trained with one seed" + (" a repeat" if repeated else "")
        found.append(
            f"How far training again would move an accuracy was not measured (each network was {once}): “settled” is "
            "said of the networks as they were trained here."
        )
    folds = max((len(model.per_fold_accuracy) for model in results.models), default=0)
    if results.comparisons and folds > 2 and not repeated:
        text = f"The {folds} folds' training sets share most of their rows, for which p values on cells do not correct"
        if again:
            text += (
                f". The t-test by folds does, but with {folds} folds it seldom finds a difference that is there. Where "
                "the two disagree, repeats would tell (--set split.repeats=3)."
            )
        else:
            text += ": take one just below 0.05 with care."
        found.append(text)
    return found + [_between_repeats(model) for model in repeated]


def _with_training(results: Results) -> str:
    """Say what the limits with the chance of training are, and which models they take as they are."""
    several = {one.model for one in results.spread}
    once = [model for model in results.models if model.model not in several]
    networks = [model.title for model in once if model.model not in results.baselines]
    fixed = [model.title for model in once if model.model in results.baselines]
    split = "the first split's folds" if any(model.repeats > 1 for model in results.models) else "the same folds"
    text = (
        f"With training: the difference of the mean accuracies over the seeds, which trained {split} again. Its limits "
        "and p values count training as well as cells, and a difference is called settled only where they agree. How "
        "far training moves an accuracy is measured fold by fold: every fold's training has a seed of its own."
    )
    if fixed:
        text += f" {listed(fixed)} {'is' if len(fixed) == 1 else 'are'} taken as fitted."
    if networks:
        text += (
            f" {listed(networks)} {'was' if len(networks) == 1 else 'were'} trained with one seed and "
            f"{'is' if len(networks) == 1 else 'are'} taken as trained here: how far training would move "
            f"{'it' if len(networks) == 1 else 'them'} is in no limit."
        )
    return text


def _between_repeats(model: ModelResult) -> str:
    folds = max(1, len(model.per_fold_accuracy) // model.repeats)
    means = [sum(part) / len(part) for part in _parts(model.per_fold_accuracy, folds)]
    return (
        f"{model.title}, over {model.repeats} repeats, each with another split and another seed of training: accuracy "
        f"from {share(min(means))} to {share(max(means))}{' (mean over folds)' if folds > 1 else ''}."
    )


def _parts(values: Sequence[float], size: int) -> list[Sequence[float]]:
    return [values[start : start + size] for start in range(0, len(values), size)]


def conclusion(results: Results) -> list[str]:
    """Return the conclusion, a paragraph per idea; every claim follows from a number or an interval."""
    paragraphs = [*([results.leaked] if results.leaked else []), headline(results)]
    sound = [model for model in ranked(results) if model.collapsed is None]
    collapsed = [model for model in results.models if model.collapsed is not None]
    if collapsed:
        names = listed([f"{model.title} (always “{model.collapsed}”)" for model in collapsed])
        paragraphs.append(
            f"{names} collapsed: one answer for every cell. Its accuracy is the share of that class and says nothing "
            "about the network's ability; it failed to train."
            if len(collapsed) == 1
            else f"{names} collapsed: one answer for every cell. Their accuracies are the shares of those classes and "
            "say nothing about the networks' ability; they failed to train."
        )
    unproven = [model.title for model in sound if not _beats_majority(model, results)]
    if unproven:
        paragraphs.append(
            f"{listed(unproven)} {'is' if len(unproven) == 1 else 'are'} not shown to do better than always answering "
            "the largest class: on these cells, not shown to have learned anything."
        )
    if sound:
        paragraphs += [_hardest(sound[0]), _confused(sound[0], results)]
    if results.synthetic:
        paragraphs.append(
            "These smears were drawn by a program. The figures show that the study works from end to end; "
            "they say nothing about blood."
        )
    else:
        paragraphs.append(
            "The figures hold for photographs like these: the same microscope, stain and labels. "
            "Another laboratory's smears can give other figures, and need a test of their own."
        )
    return [paragraph for paragraph in paragraphs if paragraph]


def cleaning(account: Cleaning) -> str:
    """Say what cleaning did as a whole, and that its counts add up (or that they do not)."""
    removed = sum(step.removed for step in account.steps)
    if not removed:
        text = f"Cleaning by the recipe “{account.recipe}” took out none of the {counted(account.rows_before, 'row')}."
    else:
        text = (
            f"Of the {counted(account.rows_before, 'row')} as found, the recipe “{account.recipe}” took out "
            f"{whole(removed)} and left {whole(account.rows_after)}."
        )
    if account.rows_before - removed == account.rows_after == sum(account.counts_after.values()):
        return f"{text} The counts reconcile to the row; what was taken out stays in the table under its rule's name."
    return f"{text} THE COUNTS DO NOT RECONCILE: do not trust this study before knowing why."


def lines(runs: int) -> str:
    """Say what the lines of a curve are, for a caption."""
    return "by epoch" if runs == 1 else "by epoch: a thin line per fold, a thick one for their mean"


def gallery(model: ModelResult, found: Sequence[Mistake]) -> str:
    """Introduce the gallery of a model's mistakes."""
    if not found:
        return f"{model.title} made none on these cells."
    sure = sum(mistake.confidence >= SURE for mistake in found)
    answers_ = sum(mistake.times for mistake in found)
    text = counted(answers_, "wrong answer")
    if answers_ != len(found):
        text += f" ({whole(len(found))} once equal ones of several repeats are put together)"
    text += f", the most confident first. {'None' if not sure else whole(sure)} of them "
    return (
        text + f"{'was' if sure == 1 else 'were'} given with a probability of {SURE} or more. Violet bars: the "
        "true class; red bars: the answer."
    )


def doubtful(count: int, results: Results) -> str:
    """Introduce the cells that every model got wrong."""
    sound = [model for model in results.models if model.collapsed is None]
    return (
        f"{counted(count, 'cell')} {'was' if count == 1 else 'were'} answered wrongly by all {len(sound)} models"
        f"{' that did not collapse' if len(sound) < len(results.models) else ''}, every time. Either these are hard, "
        "or their labels are wrong: somebody should look."
    )


def _beats_majority(model: ModelResult, results: Results) -> bool:
    pairs = [pair for pair in results.against_majority if pair.first == model.model]
    return all(pair.settled and (pair.difference.value or 0.0) > 0 for pair in pairs)


def _hardest(model: ModelResult) -> str:
    rows = [row for row in model.classes if row.sensitivity.value is not None]
    if len(rows) < 2:
        return ""
    worst = min(rows, key=lambda row: row.sensitivity.value or 0.0)
    best = max(rows, key=lambda row: row.sensitivity.value or 0.0)
    text = (
        f"By class, {model.title} is surest on the {best.name} (sensitivity {_in_brackets(best.sensitivity)}) "
        f"and weakest on the {worst.name} ({_in_brackets(worst.sensitivity)})."
    )
    few = [(row.name, cells) for row in rows if (cells := cells_of(row)) < 30]
    if few:
        counts = listed([f"{name} ({counted(cells, 'cell')})" for name, cells in few])
        text += f" Intervals are wide where cells are few: {counts}."
    return text


def cells_of(row: ClassResult) -> int:
    """Return how many distinct cells of a class were held out; in results of earlier versions, predictions of them."""
    return row.support if row.cells is None else row.cells


def _in_brackets(estimate: Estimate) -> str:
    """Return value and limits for where brackets stand already."""
    return ", ".join(part for part in (share(estimate.value), interval(estimate)) if part)


def _confused(model: ModelResult, results: Results) -> str:
    wrong = model.n - model.right
    if not wrong:
        return f"{model.title} made no mistake on these cells; the interval says how much that proves."
    pairs = {
        (i, j): model.confusion[i][j] + model.confusion[j][i]
        for i in range(len(results.classes))
        for j in range(i + 1, len(results.classes))
    }
    (i, j), count = max(pairs.items(), key=lambda item: item[1])
    return (
        f"Of its {counted(wrong, 'mistake')}, {count} {'is' if count == 1 else 'are'} between {results.classes[i]} "
        f"and {results.classes[j]}, the pair it confuses most."
    )
