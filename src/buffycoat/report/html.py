"""``report.html``: one file that needs nothing else, neither a network nor a script."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from itertools import count
from typing import Any

import numpy as np
import polars as pl
from jinja2 import Environment, PackageLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup, escape
from numpy.typing import NDArray

from buffycoat import __version__
from buffycoat.explore.document import CHANNELS, Histogram
from buffycoat.morphology.summary import summarise
from buffycoat.records.documents import ModelResult
from buffycoat.report import numbers, views, words
from buffycoat.report.audit import audit_view
from buffycoat.report.colours import class_roles, palettes, variables
from buffycoat.report.evidence import evidence_view
from buffycoat.report.exploration import Exploration
from buffycoat.report.figures.bars import before_after, ordered
from buffycoat.report.figures.confusion import confusion_matrix
from buffycoat.report.figures.curves import curve
from buffycoat.report.figures.diagrams import finding
from buffycoat.report.figures.forest import accuracy_forest, difference_forest, sensitivity_forest
from buffycoat.report.figures.pixels import pixel_distribution
from buffycoat.report.figures.spreads import number as measured_number
from buffycoat.report.figures.spreads import spread, title_of
from buffycoat.report.labels import labels
from buffycoat.report.mistakes import Mistake, wrong_in_all
from buffycoat.report.pictures import data_uri, encoded
from buffycoat.report.study_files import Study
from buffycoat.report.svg import Drawing
from buffycoat.report.trust import always_named, trust_view

GALLERY_BYTES = 8_000_000
"""Room for the pictures of all galleries together, as text; the file stays below 15 MB."""
GALLERY_MOST = 1500
"""Mistakes shown in all, however small their pictures."""
EXAMPLES = 6
_DRAWN = 8


def render_html(study: Study) -> str:
    """Return the report of a study as one HTML document."""
    results = study.results
    explored = study.exploration.document.histograms if study.exploration else {}
    names = class_names(study)
    roles = class_roles(names)
    light, dark = palettes(names)
    pairs, other_pairs = views.ordered_pairs(study)
    doubtful = _doubtful(study)
    cards = views.cards(study)
    label_view = labels(study)
    trusted = trust_view(results)
    lacking = [model.title for model in study.networks if model.model not in study.cards]
    context: dict[str, Any] = {
        "number": numbering(),
        "synthetic": study.synthetic,
        "title": views.title(study),
        "opening": views.opening(study),
        "headline": words.headline(results),
        "stats": views.stats(study),
        "methods": views.methods(results),
        "about": study.about,
        "data": study.about.data,
        "results": results,
        "ranked": words.ranked(results),
        "pairs": pairs,
        "other_pairs": other_pairs,
        "comparisons": views.pairs(study),
        "again": next((pair.resampled.method for pair in study.results.comparisons if pair.resampled), ""),
        "anew": [pair for pair in views.pairs(study) if pair.with_training],
        "cautions": words.cautions(study.results),
        "against_majority": words.against_majority(study.results),
        "titles": {model.model: model.title for model in results.models},
        "faults": study.faults,
        "audit": audit_view(study.audit),
        "cleaning": study.cleaning,
        "cleaning_words": words.cleaning(study.cleaning),
        "steps": list(
            zip(
                study.cleaning.steps,
                views.left_after([step.counts_after for step in study.cleaning.steps]),
                strict=True,
            )
        ),
        "labels": ordered(study.cleaning.counts_before, study.cleaning.counts_after),
        "exploration": study.exploration.document if study.exploration else None,
        "exploration_classes": [name for name in names if name in explored],
        "finding": views.finding(study),
        "cards": [
            {"card": c.card, "paragraphs": c.paragraphs, "like": c.like, "drawings": _inlined(c.drawings)}
            for c in cards
        ],
        "baselines": study.baseline_cards,
        "missing_cards": numbers.listed(lacking),
        "split": views.split(study),
        "effort": views.effort(study),
        "figures": _figures(study),
        "models": _models(study),
        "roles": roles,
        "trust": trusted,
        "always": always_named(trusted.rows[0].trust) if trusted.rows else "",
        "evidence": evidence_view(results),
        "doubtful": doubtful,
        "label_audit": label_view,
        **_measured(study, roles),
        "doubtful_words": words.doubtful(len(doubtful), results),
        "conclusion": words.conclusion(results),
        "contents": _contents(study, doubtful=bool(doubtful), audited=label_view is not None),
        "light": Markup(variables(light)),  # noqa: S704 (our own)
        "dark": Markup(variables(dark)),  # noqa: S704 (our own)
        "css": Markup(_template("report.css")),  # noqa: S704 (our own)
        "js": Markup(_template("sort.js") + _template("print.js")),  # noqa: S704 (our own)
        "version": __version__,
        **_exploration(study, study.exploration, roles),
    }
    return environment(autoescape=True).get_template("report.html.j2").render(context)


def class_names(study: Study) -> list[str]:
    """Return the study's classes, then those seen in exploration alone: colours are numbered in this order."""
    explored = study.exploration.document.histograms if study.exploration else {}
    classes = study.results.classes
    return [*classes, *(name for name in ordered(dict.fromkeys(explored, 0)) if name not in classes)]


@lru_cache(maxsize=2)
def environment(*, autoescape: bool) -> Environment:
    """Return the templates with the filters they use; a name a template misspells is an error."""
    found = Environment(
        loader=PackageLoader("buffycoat.report", "templates"),
        autoescape=autoescape,  # noqa: S701 (off for Markdown only)
        undefined=StrictUndefined,
        trim_blocks=not autoescape,
        lstrip_blocks=not autoescape,
        keep_trailing_newline=True,
    )
    found.filters |= {
        "unbroken": _unbroken,
        "share": numbers.share,
        "interval": numbers.interval,
        "with_interval": numbers.with_interval,
        "whole": numbers.whole,
        "short": numbers.short,
        "counted": numbers.counted,
        "p_number": numbers.p_number,
        "figures": measured_number,
        "listed": numbers.listed,
        "cell": numbers.markdown,
        "drawn": _inline,
    }
    return found


@pass_context
def _unbroken(context: Context, text: str) -> Markup:
    """Return a text in which neither the names of the models nor intervals are parted at the end of a line."""
    found = str(escape(text))
    for name in sorted({str(escape(model.title)) for model in context["results"].models}, key=len):
        if "-" in name:
            found = re.sub(rf"(?<![\w>-]){re.escape(name)}(?![\w-])", rf'<span class="nw">{name}</span>', found)
    found = re.sub(r"\d\.\d+–\d\.\d+", r'<span class="nw">\g<0></span>', found)
    return Markup(found)  # noqa: S704 (escaped above)


def _template(name: str) -> str:
    return resources.files("buffycoat.report").joinpath("templates", name).read_text(encoding="utf-8")


def numbering() -> Callable[[str], str]:
    """Return a function that counts by kind: ``Figure 1``, ``Table 1``, ``Figure 2``, and so on."""
    counters: dict[str, count[int]] = {}

    def number(kind: str) -> str:
        return f"{kind} {next(counters.setdefault(kind, count(1)))}"

    return number


def _inline(drawing: Drawing) -> Markup:
    return Markup(drawing.inline())  # noqa: S704 (every text in a drawing is escaped by the kit)


def _inlined(drawings: Sequence[tuple[Drawing, str]]) -> list[tuple[Markup, str]]:
    return [(_inline(drawing), caption) for drawing, caption in drawings]


def _figures(study: Study) -> dict[str, Markup]:
    results, spec = study.results, study.about.frame
    titles = {model.model: model.title for model in results.models}
    drawings = {
        "cleaning": before_after(study.cleaning.counts_before, study.cleaning.counts_after, "Rows by label"),
        "finding": finding(spec.side_px, spec.reference_width_px, spec.stored_px),
    }
    if results.models:
        drawings |= {"forest": accuracy_forest(results), "sensitivity": sensitivity_forest(results)}
    if results.comparisons and results.models:
        drawings["differences"] = difference_forest(views.pairs(study), titles)
    return {name: _inline(drawing) for name, drawing in drawings.items()}


@dataclass(frozen=True)
class Case:
    """A mistake in the gallery: its picture and its probabilities, the largest first."""

    mistake: Mistake
    uri: str | None
    bars: list[tuple[str, float]]


def _models(study: Study) -> list[dict[str, Any]]:
    classes, crops = study.results.classes, study.crops
    count_of = max(len(study.results.models), 1)
    addresses: dict[str, str | None] = {}
    sections = []
    for model, found in views.mistakes_by_model(study):
        history = study.history.filter(pl.col("model") == model.model)
        room, shown = GALLERY_BYTES // count_of, list[Case]()
        for mistake in found[: GALLERY_MOST // count_of]:
            if mistake.cell_id not in addresses:  # encoded once: hard cells are mistaken by several models
                picture = crops.picture(mistake.cell_id)
                addresses[mistake.cell_id] = None if picture is None else data_uri(encoded(picture, most_px=224))
            address = addresses[mistake.cell_id]
            room -= len(address or "")
            if room < 0:
                break
            bars = sorted(zip(classes, mistake.probabilities, strict=True), key=lambda bar: -bar[1])
            shown.append(Case(mistake, address, bars))
        sections.append(
            {
                "model": model,
                "words": views.model_words(model, study),
                "lines": words.lines(history.select("repeat", "fold").n_unique()),
                "loss": _inline(curve(history, model.title, "loss")) if history.height else None,
                "accuracy": _inline(curve(history, model.title, "accuracy")) if history.height else None,
                "confusion": _inline(confusion_matrix(model.confusion, classes, model.title)),
                "shown": shown,
                "hidden": len(found) - len(shown),
                "gallery_words": words.gallery(model, found),
            }
        )
    return sections


def _doubtful(study: Study) -> list[tuple[Any, str | None]]:
    sound: list[ModelResult] = [model for model in words.ranked(study.results) if model.collapsed is None]
    found = wrong_in_all(study.predictions, tuple(model.model for model in sound), study.results.classes)
    shown = []
    for place, doubt in enumerate(found):
        picture = study.crops.picture(doubt.cell_id) if place < 30 else None
        shown.append((doubt, None if picture is None else data_uri(encoded(picture, most_px=224))))
    return shown


def _exploration(study: Study, exploration: Exploration | None, roles: dict[str, str]) -> dict[str, Any]:
    if exploration is None:
        return {"examples": [], "averages": [], "pixels": []}
    document = exploration.document
    examples = []
    for name, cell_ids in document.examples.items():
        pictures = example_pictures(study, exploration, name)[:EXAMPLES]
        if pictures:
            uris = [data_uri(encoded(picture, most_px=224)) for picture in pictures]
            examples.append((name, document.counts_before.get(name, len(cell_ids)), uris))
    names = [name for name in roles if name in exploration.of("cell") or name in exploration.of("field")]
    averages = [_average(exploration, name) for name in names]
    size = -(-len(averages) // max(1, -(-len(averages) // 6)))  # rows of equal length, six classes at most in each
    captions = {
        "histograms": "Pixel distribution of whole fields by colour channel and class: the share of pixels of each "
        "brightness, on a square-root scale so that the few dark ones show. Most of it is background and red cells.",
        "cell_histograms": "The same of the located cells, where the classes should differ.",
    }
    pixels = [
        (words_, [_inline(drawing) for drawing in channel_drawings(getattr(document, kind), roles)])
        for kind, words_ in captions.items()
        if getattr(document, kind)
    ]
    blocks = [averages[start : start + size] for start in range(0, len(averages), size)] if averages else []
    return {"examples": examples, "averages": blocks, "pixels": pixels}


def _measured(study: Study, roles: dict[str, str]) -> dict[str, Any]:
    """Return the measurements by class, drawn and as a table: name, meaning, medians with quartiles, what it tells."""
    found = summarise(study.cells, study.results.classes)
    rows = []
    for one in found:
        spreads = [one.spreads.get(name) for name in study.results.classes]
        cells = [
            None if s is None else (measured_number(s.percentiles[2]), *map(measured_number, s.percentiles[1:4:2]))
            for s in spreads
        ]
        rows.append((title_of(one.name, one.unit), one.meaning, cells, one.tells, f"{one.area:.2f}"))
    drawings = [_inline(spread(one, roles)) for one in found[:_DRAWN]]
    return {"measured": rows, "measured_drawings": drawings}


def channel_drawings(histograms: dict[str, Histogram], roles: dict[str, str]) -> list[Drawing]:
    """Draw the pixel distribution of each colour channel."""
    return [pixel_distribution(histograms, channel, roles) for channel in CHANNELS]


def example_pictures(study: Study, exploration: Exploration, name: str) -> list[NDArray[np.uint8]]:
    """Return the example crops of a class: as the study keeps them, or the small ones of the exploration."""
    small = list(exploration.of("example").get(name, ()))
    kept = [study.crops.picture(cell_id) for cell_id in exploration.document.examples.get(name, ())]
    found = [large if large is not None else (small[k] if k < len(small) else None) for k, large in enumerate(kept)]
    return [picture for picture in found if picture is not None]


def _average(exploration: Exploration, name: str) -> dict[str, Any]:
    field, cell = exploration.of("field").get(name), exploration.of("cell").get(name)
    return {
        "name": name,
        "field": None if field is None else data_uri(encoded(field, most_px=360, quality=88)),
        "field_size": (320, 240) if field is None else (field.shape[1], field.shape[0]),
        "cell": None if cell is None else data_uri(encoded(cell, most_px=240, quality=88)),
    }


def _contents(study: Study, *, doubtful: bool, audited: bool) -> list[tuple[str, str, list[tuple[str, str]]]]:
    models = [(f"model-{k}", model.title) for k, model in enumerate(words.ranked(study.results), 1)]
    entries: list[tuple[str, str, list[tuple[str, str]]]] = [
        ("result", "Which network does best", []),
        ("data", "The data", []),
        ("audit", "Are the data sound?", []),
        ("cleaning", "Cleaning", []),
        ("exploration", "Looking at the images", []),
        ("finding", "Finding the leukocyte", []),
        ("networks", "The networks", []),
        ("training", "How it was split and trained", []),
        ("models", "Results, model by model", models),
        ("trust", "How far the probabilities can be trusted", []),
        ("evidence", "How much these data can tell", []),
        ("doubtful", "Cells that deserve a second look", []),
        ("labels", "Labels that look wrong", []),
        ("conclusion", "Conclusion", []),
        ("repeat", "How to repeat it", []),
    ]
    absent = {"exploration"} if study.exploration is None else set[str]()
    if study.audit is None:
        absent.add("audit")
    if not doubtful:
        absent.add("doubtful")
    if not audited:
        absent.add("labels")
    return [entry for entry in entries if entry[0] not in absent]
