"""The tables of a study's results as Markdown, for a document that is to quote them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from buffycoat.records.documents import ModelResult, Results
from buffycoat.report.evidence import evidence_view
from buffycoat.report.numbers import markdown, p_number, share, whole, with_interval
from buffycoat.report.trust import trust_view
from buffycoat.report.words import cautions, cells_of, ranked, test_name


def tables(results: Results, command: str = "") -> str:
    """Return every table of the results as Markdown, best model first, each with what it takes to read it.

    Parameters
    ----------
    command
        The command that made the study, if it is to stand above the tables.
    """
    parts = [_opening(results, command), _models(results), _classes(results), _pairs(results)]
    parts += [_trust(results), _unlike(results), _evidence(results)]
    parts.append("Research software, not a medical device.")
    return "\n\n".join(part for part in parts if part) + "\n"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---", *["--:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _opening(results: Results, command: str) -> str:
    text = f"{results.n} held-out cells, seed {results.seed}. {markdown(results.protocol)}"
    if results.synthetic:
        text = f"**SYNTHETIC:** drawn by the program, no evidence about blood. {text}"
    if results.leaked:
        text = f"**LEAKING SPLIT, allowed on purpose:** {markdown(results.leaked)}\n\n{text}"
    text += "".join(f"\n\nNote: {markdown(remark)}" for remark in results.remarks if remark != results.leaked)
    return f"`{command}`\n\n{text}" if command else text


def _models(results: Results) -> str:
    mark = " (leaking split)" if results.leaked else ""

    def row(model: ModelResult) -> list[str]:
        name = markdown(model.title) + (" (collapsed)" if model.collapsed else "") + mark
        figures = (model.accuracy, model.balanced_accuracy, model.macro_specificity, model.macro_f1)
        return [name, f"{model.right}/{model.n}", *map(with_interval, figures)]

    head = ["model", "right", "accuracy (95 %)", "balanced accuracy", "mean specificity", "mean F1"]
    return _table(head, [row(model) for model in (*ranked(results), results.majority)])


def _classes(results: Results) -> str:
    rows = [
        [markdown(model.title), *(with_interval(one.sensitivity) for one in model.classes)]
        for model in ranked(results)
        if model.collapsed is None
    ]
    counts = [f"{one.name} ({cells_of(one)})" for one in results.majority.classes]
    return _table(["sensitivity", *counts], rows) if rows else ""


def _pairs(results: Results) -> str:
    if not results.comparisons:
        return ""
    titles = {model.model: markdown(model.title) for model in (*results.models, results.majority)}
    shown = (*results.comparisons, *results.against_majority)
    again, anew = any(pair.resampled for pair in shown), any(pair.with_training for pair in shown)
    head = ["pair", "alone right", "difference (95 %)", f"p, {test_name(results)}, Holm"]
    rows = []
    for pair in shown:
        cells = [
            f"{titles[pair.first]} − {titles[pair.second]}",
            f"{pair.first_only_right} : {pair.second_only_right}",
            with_interval(pair.difference),
            p_number(pair.p_adjusted),
        ]
        if again:
            cells.append(p_number(pair.resampled.p_adjusted) if pair.resampled else "–")
        if anew:
            found = pair.with_training
            cells += [with_interval(found.difference), p_number(found.p_adjusted)] if found else ["–", "–"]
        rows.append([*cells, "yes" if pair.settled else f"no{_needed(pair.images_needed)}"])
    head += ["p, corrected t-test, Holm"] if again else []
    head += [*(["with training (95 %)", "p, with training, Holm"] if anew else []), "settled"]
    sentences = "\n".join(f"- {markdown(pair.sentence)}" for pair in results.comparisons)
    more = "".join(f"\n\n{markdown(caution)}" for caution in cautions(results))
    return f"{_table(head, rows)}\n\n{sentences}{more}"


def _needed(images: int | None) -> str:
    return "" if images is None else f"; about {whole(images)} images would"


def _trust(results: Results) -> str:
    view = trust_view(results)
    if not view.rows:
        return "\n".join(view.missing)
    head = ["model", "calibration error before", "after", "by chance", "Brier before", "after", "log loss before"]
    probabilities = []
    for row in view.rows:
        found = row.trust.calibration
        probabilities.append(
            [
                markdown(row.model.title),
                with_interval(found.error_before),
                with_interval(found.error_after),
                share(found.error_by_chance),
                with_interval(found.brier_before),
                with_interval(found.brier_after),
                with_interval(found.log_loss_before),
                with_interval(found.log_loss_after),
            ]
        )
    decisions = []
    for row in view.rows:
        sets, withheld = row.trust.sets, row.trust.abstention
        decisions.append(
            [
                markdown(row.model.title),
                with_interval(sets.covered),
                *(with_interval(one.covered) for one in sets.classes),
                with_interval(sets.size),
                with_interval(withheld.answered),
                with_interval(withheld.wrong),
                with_interval(withheld.certain_accuracy),
            ]
        )
    first = view.rows[0].trust
    beside = [
        *("model", f"{100 * first.sets.level:.0f} % sets cover", *results.classes, "classes in a set"),
        *(f"answered at {100 * first.abstention.error_rate:.0f} % errors", "wrong among them"),
        f"accuracy on the most certain {100 * first.abstention.certain_share:.0f} %",
    ]
    sentences = "\n".join(f"- {markdown(text)}" for text in (view.calibration, view.sets, view.abstention))
    return f"{_table([*head, 'after'], probabilities)}\n\n{_table(beside, decisions)}\n\n{sentences}"


def _unlike(results: Results) -> str:
    rows = [
        [markdown(row.model.title), kind.name, str(kind.pictures), with_interval(kind.auroc), with_interval(kind.lost)]
        for row in trust_view(results).rows
        if row.trust.unlike is not None
        for kind in row.trust.unlike.kinds
    ]
    return _table(["model", "pictures of", "number", "AUROC (95 %)", "right cells lost"], rows) if rows else ""


def _evidence(results: Results) -> str:
    return "\n\n".join(part for part in _evidence_parts(results) if part)


def _evidence_parts(results: Results) -> Iterator[str]:
    view = evidence_view(results)
    yield markdown(view.sentence)
    if view.sizes:
        widths = [name for target in view.sizes[0].targets for name in (f"cells for ± {target.half_width}", "in all")]
        yield _table(
            [f"{markdown(view.title)}", "as measured", "cells", "known to within", *widths],
            [
                [
                    "accuracy" if size.name is None else f"sensitivity of {size.name}",
                    share(size.share),
                    str(size.cells),
                    f"± {share(size.half_width)}",
                    *(whole(count) for target in size.targets for count in (target.cells, target.in_all)),
                ]
                for size in view.sizes
            ],
        )
    yield "\n".join(f"- {markdown(one.sentence)}" for _, one in view.spread)
    titles = {model.model: markdown(model.title) for model in results.models}
    if view.learning:
        yield _table(
            ["model", "share", "training cells", "accuracy", *results.classes],
            [
                [
                    titles[point.model],
                    f"{point.share:g}",
                    f"{point.training_cells:.0f}",
                    with_interval(point.accuracy),
                    *map(with_interval, point.sensitivity),
                ]
                for point in view.learning
            ],
        )
    yield "\n".join(f"- {markdown(text)}" for text in view.missing)
