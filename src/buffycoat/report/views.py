"""What each section of a report shows, gathered from a study; the template only sets it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from buffycoat.records.documents import Comparison, Estimate, ModelResult, NetworkCard, Results
from buffycoat.report.figures.diagrams import diagrams
from buffycoat.report.mistakes import Mistake, mistakes
from buffycoat.report.numbers import counted, listed, share, whole
from buffycoat.report.study_files import Study
from buffycoat.report.svg import Drawing
from buffycoat.report.words import ranked

FRAMINGS = {
    "cell": "round the leukocyte found by its colour",
    "boxed": "round the box given with the data",
    "whole": "whole: the photograph is of one cell",
    "none": "not framed",
}
"""How a crop can be framed, in words."""

_EFFECTIVE = re.compile(r"(?<= groups: )[\d.e+]+(?=; Korn)")
"""The effective number of cells in the name of a method."""

FEW_PAIRS = 6
"""Up to so many comparisons are all shown at once."""


def title(study: Study) -> str:
    """Return the title of the report."""
    networks = study.networks
    names = listed([model.title for model in networks]) if len(networks) <= 4 else f"{len(networks)} networks"
    return f"Telling leukocytes apart: {names} on {study.about.name}"


def opening(study: Study) -> str:
    """Say in two sentences what the study is."""
    results = study.results
    kind = "in smears drawn by a program" if study.synthetic else "in photographs of stained blood smears"
    named = listed(list(results.classes)) if len(results.classes) <= 6 else f"{len(results.classes)} classes"
    networks = counted(len(study.networks), "network")
    return (
        f"This study trained {networks} to tell leukocytes apart {kind} ({named}), and tested each on "
        f"{whole(results.n)} cells it had not been trained on. Every figure is counted from those answers; "
        "accuracies, sensitivities and differences stand with their 95 % intervals."
    )


def stats(study: Study) -> list[tuple[str, str, str]]:
    """Return the figures to be seen first: name, value, and a line below it."""
    results, found = study.results, []
    models = ranked(results)
    if models:
        best = models[0]
        limits = best.accuracy.interval
        below = "" if limits.low is None else f"{share(limits.low)}–{share(limits.high)}, {best.right} of {best.n}"
        found.append((f"accuracy of {best.title}", share(best.accuracy.value), below))
        found.append(("its average sensitivity", share(best.macro_sensitivity.value), "over the classes, equally"))
    found.append(("always the largest class", share(results.majority.accuracy.value), "what looking at nothing scores"))
    found.append(("cells held out", whole(results.n), f"in {counted(len(results.classes), 'class', 'classes')}"))
    return found


def methods(results: Results) -> str:
    """Name the methods of the intervals in the comparison: one that differs by its effective numbers only, once."""
    found: dict[str, list[str]] = {}
    for model in results.models:
        for estimate in (model.accuracy, model.balanced_accuracy):
            method = estimate.interval.method
            found.setdefault(_EFFECTIVE.sub("{}", method), []).extend(_EFFECTIVE.findall(method))
    named = []
    for method, numbers in found.items():
        ends = list(dict.fromkeys((min(numbers, key=float), max(numbers, key=float)))) if numbers else []
        named.append(method.replace("{}", " to ".join(ends)))
    return "; ".join(named) or "none"


@dataclass(frozen=True)
class Finding:
    """How the cells were framed, and what could not be."""

    paragraphs: list[str]
    rows: list[tuple[str, int]]
    total: int
    unreadable: list[tuple[str, str]]
    none: list[str]


def finding(study: Study) -> Finding:
    """Gather what the crops tell of finding the leukocyte."""
    index, spec = study.crops.index, study.about.frame
    paragraphs = [
        "The leukocyte is found by colour: its nucleus holds the darkest violet of the field. A square of "
        f"{spec.side_px} px (in a field {spec.reference_width_px} px wide) round it is cut out, always of the same "
        f"size, and kept at {spec.stored_px} × {spec.stored_px} px. Photographs of single cells are taken whole."
        if spec.mode != "whole"
        else f"Photographs are taken whole and kept at {spec.stored_px} × {spec.stored_px} px.",
    ]
    read = index.filter(pl.col("fault").is_null())
    none = sorted(read.filter(pl.col("framing") == "none").get_column("cell_id").to_list())
    several = read.filter(pl.col("found") > 1).height
    if not index.height:
        paragraphs.append("The study keeps no crops: its folder of crops was removed.")
    elif several:
        paragraphs.append(
            f"In {counted(several, 'field')} more than one leukocyte was found; the most prominent one was taken there."
        )
    counts = dict(read.group_by("framing").len().iter_rows())
    rows = [(words, counts[kind]) for kind, words in FRAMINGS.items() if kind in counts and kind != "none"]
    if none:
        rows.append(("no leukocyte found", len(none)))
    faulty = index.filter(pl.col("fault").is_not_null()).sort("cell_id").select("cell_id", "fault")
    if faulty.height:
        rows.append(("could not be read", faulty.height))
    return Finding(paragraphs, rows, index.height, list(faulty.iter_rows()), none)


@dataclass(frozen=True)
class CardView:
    """A network's card with its paragraphs and drawings; `like` names the card that has shown the same drawing."""

    card: NetworkCard
    paragraphs: list[str]
    drawings: list[tuple[Drawing, str]]
    like: str = ""


def cards(study: Study) -> list[CardView]:
    """Return the cards in the order of the study; a drawing is shown once, on the first card that has it."""
    seen: dict[tuple[str, ...], str] = {}
    views = []
    for card in study.cards.values():
        paragraphs = [part.strip() for part in card.idea.split("\n\n") if part.strip()]
        drawings = diagrams(card, len(study.results.classes))
        what = tuple(drawing.title for drawing, _ in drawings)
        known = seen.setdefault(what, card.title)
        views.append(CardView(card, paragraphs, drawings if known == card.title else [], known))
    return views


@dataclass(frozen=True)
class Split:
    """The parts of each fold, and sentences about them."""

    paragraphs: list[str]
    rows: list[tuple[int, int, int, int]]
    repeats: int


def split(study: Study) -> Split:
    """Gather the sizes of the splits and check that no group stands on both sides of one."""
    table = study.splits.join(study.cells.select("cell_id", "group"), on="cell_id", how="left")
    repeats = table.get_column("repeat").n_unique() if table.height else 0
    counts = (
        table.filter(pl.col("repeat") == table.get_column("repeat").min())
        .group_by("fold")
        .agg(*((pl.col("role") == role).sum().alias(role) for role in ("train", "validation", "test")))
        .sort("fold")
    )
    held = table.filter(pl.col("role") == "test").select("repeat", "fold", "group").unique()
    seen = table.filter(pl.col("role") != "test").select("repeat", "fold", "group").unique()
    both = held.join(seen, on=["repeat", "fold", "group"], how="inner").drop_nulls("group").height
    paragraphs = [
        "Everything photographed from one cell, slide or patient is a group, as far as the data tell; "
        + (
            "no group stands on both sides of any split (counted for this report)."
            if not both
            else f"{counted(both, 'group')} stand on both sides of a split: the results are too good to be true."
        ),
        "Rare classes are drawn more often and pictures are varied in training rows only; training stops by the "
        "validation cells, which come from the training side. The test cells decide nothing about training.",
    ]
    return Split(paragraphs, [tuple(row) for row in counts.iter_rows()], repeats)


def effort(study: Study) -> list[tuple[str, int, str, str]]:
    """Return for each model: title, runs, epochs of a run, and time in all."""
    rows = []
    for model in study.results.models:
        runs = (
            study.history.filter(pl.col("model") == model.model)
            .group_by("repeat", "fold")
            .agg(pl.col("epoch").max(), pl.col("seconds").sum())
        )
        if not runs.height:
            continue
        low, high = (int(epochs) for epochs in (min(runs["epoch"]), max(runs["epoch"])))
        epochs = f"{low}" if low == high else f"{low}–{high}"
        rows.append((model.title, runs.height, epochs, duration(float(runs["seconds"].sum()))))
    return rows


def duration(seconds: float) -> str:
    """Return a time in the unit that suits it.

    Examples
    --------
    >>> duration(41), duration(780), duration(7500)
    ('41 s', '13 min', '2 h 5 min')
    """
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"


def model_words(model: ModelResult, study: Study) -> str:
    """Say in a sentence or two what a model scored."""
    repeats = f" ({whole(model.cells)} cells, each tested several times)" if model.n > model.cells else ""
    text = f"The number of right predictions is {whole(model.right)} of {whole(model.n)}{repeats}. "
    limits = model.accuracy.interval
    text += f"The accuracy is {share(model.accuracy.value)}"
    if limits.low is not None:
        text += f" (95 % interval {share(limits.low)} to {share(limits.high)}, {limits.method})"
    text += f", the balanced accuracy {share(model.balanced_accuracy.value)}."
    if len(model.per_fold_accuracy) > 1:
        low, high = min(model.per_fold_accuracy), max(model.per_fold_accuracy)
        text += f" Fold by fold the accuracy lies between {share(low)} and {share(high)}."
    card = study.cards.get(model.model)
    if card is not None and card.weights_fallback:
        text += " It was trained from scratch, since no pretrained weights could be had."
    return text


def mistakes_by_model(study: Study) -> Iterator[tuple[ModelResult, list[Mistake]]]:
    """Yield each model, most accurate first, with its mistakes, the most confident first."""
    for model in ranked(study.results):
        yield model, mistakes(study.predictions, model.model, study.results.classes)


def pairs(study: Study) -> list[Comparison]:
    """Return the comparisons to show, the better model of each first: all of a few, of many those with the best."""
    found = [_turned(pair) if (pair.difference.value or 0.0) < 0 else pair for pair in study.results.comparisons]
    if len(found) <= FEW_PAIRS:
        return found
    places = {model.model: place for place, model in enumerate(ranked(study.results))}
    best = [pair for pair in found if min(places[pair.first], places[pair.second]) == 0]
    return sorted(best, key=lambda pair: max(places[pair.first], places[pair.second]))


def _turned(pair: Comparison) -> Comparison:
    anew = pair.with_training
    if anew is not None:
        anew = anew.model_copy(update={"difference": _minus(anew.difference), "seeds": anew.seeds[::-1]})
    return pair.model_copy(
        update={
            "first": pair.second,
            "second": pair.first,
            "first_only_right": pair.second_only_right,
            "second_only_right": pair.first_only_right,
            "difference": _minus(pair.difference),
            "with_training": anew,
        }
    )


def _minus(difference: Estimate) -> Estimate:
    def minus(value: float | None) -> float | None:
        return None if value is None else -value

    old = difference.interval
    limits = old.model_copy(update={"low": minus(old.high), "high": minus(old.low)})
    return difference.model_copy(update={"value": minus(difference.value), "interval": limits})


def ordered_pairs(study: Study) -> tuple[list[str], list[str]]:
    """Return the comparisons' sentences: those to be read first, and the others."""
    first = [pair.sentence for pair in pairs(study)[:FEW_PAIRS]]
    return first, [pair.sentence for pair in study.results.comparisons if pair.sentence not in first]


def left_after(steps: Sequence[Mapping[str, int]]) -> list[int]:
    """Return the rows left after each step."""
    return [sum(step.values()) for step in steps]
