"""``page/``: the study as a Hugo page bundle, ``index.md`` with its pictures beside it.

Plain Markdown without shortcodes or HTML, so that Hugo builds it under its default settings, whatever the theme.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from buffycoat.files import output_error, write_bytes, write_text
from buffycoat.report import views, words
from buffycoat.report.audit import audit_view
from buffycoat.report.colours import class_roles, palettes
from buffycoat.report.evidence import evidence_view
from buffycoat.report.figures.bars import before_after
from buffycoat.report.figures.confusion import confusion_matrix
from buffycoat.report.figures.curves import curve
from buffycoat.report.figures.diagrams import finding
from buffycoat.report.figures.forest import accuracy_forest
from buffycoat.report.figures.pixels import pixel_sheet
from buffycoat.report.html import class_names, environment, example_pictures, numbering
from buffycoat.report.labels import labels as label_view
from buffycoat.report.mistakes import Mistake
from buffycoat.report.numbers import markdown
from buffycoat.report.photographs import averages_sheet, examples_sheet, mistakes_sheet
from buffycoat.report.pictures import encoded, sheet
from buffycoat.report.study_files import Study
from buffycoat.report.svg import Drawing
from buffycoat.report.trust import TrustView, trust_view

SHOWN_MISTAKES = 15
"""Mistakes on the page, for each model; the report shows them all."""
_EXAMPLES = 5
_PREFIX = "fig-"
_FEATURED = "featured.jpg"


@dataclass(frozen=True)
class _Files:
    """The pictures of a page: what the template knows of them by key, and what is written by file name."""

    palette: dict[str, str]
    known: dict[str, dict[str, str]] = field(default_factory=dict)
    contents: dict[str, str] = field(default_factory=dict)

    def add(self, key: str, drawing: Drawing, caption: str, head: str = "") -> str:
        name = f"{_PREFIX}{re.sub(r'[^a-z0-9]+', '-', key.lower()).strip('-')}.svg"
        while name in self.contents:
            name = name.replace(".svg", "-.svg")
        self.contents[name] = drawing.standalone(self.palette)
        alt = markdown(drawing.title).replace('"', "&quot;")
        quoted = markdown(caption).replace('"', "&quot;")
        self.known[key] = {"name": name, "alt": alt, "caption": quoted, "head": markdown(head)}
        return key


def write_page(study: Study, folder: Path) -> None:
    """Write the bundle; pictures of an earlier one that are no longer shown are removed.

    Raises
    ------
    OutputError
        The folder cannot be written.
    """
    files = _Files(palettes(class_names(study))[0])
    context = _context(study, files)
    featured = _featured(study)
    context["front_matter"] = _front_matter(study, featured is not None)
    for name, content in files.contents.items():
        write_text(folder / name, content)
    if featured is not None:
        write_bytes(folder / _FEATURED, featured)
    text = environment(autoescape=False).get_template("page.md.j2").render(context)
    write_text(folder / "index.md", re.sub(r"\n{3,}", "\n\n", text).lstrip("\n"))
    try:
        for old in folder.glob(f"{_PREFIX}*.svg"):
            if old.name not in files.contents:
                old.unlink()
    except OSError as error:
        raise output_error(folder, error) from error


def _context(study: Study, files: _Files) -> dict[str, Any]:
    results, spec, cleaning = study.results, study.about.frame, study.cleaning
    files.add(
        "cleaning",
        before_after(cleaning.counts_before, cleaning.counts_after, "Rows by label"),
        "Dataset distribution before and after cleaning.",
    )
    files.add(
        "finding",
        finding(spec.side_px, spec.reference_width_px, spec.stored_px),
        "How a crop is cut: the same piece of the field for every cell. Drawn, not photographed.",
    )
    if results.models:
        files.add("forest", accuracy_forest(results), "Accuracy and balanced accuracy with their 95 % intervals.")
    trusted, evidence = trust_view(results), evidence_view(results)
    left = views.left_after([step.counts_after for step in cleaning.steps])
    return {
        "files": files.known,
        "number": numbering(),
        "synthetic": study.synthetic,
        "about": study.about,
        "data": study.about.data,
        "opening": markdown(views.opening(study)),
        "headline": markdown(words.headline(results)),
        "faults": study.faults,
        "audit": audit_view(study.audit),
        "cleaning": cleaning,
        "cleaning_words": words.cleaning(cleaning),
        "steps": list(zip(cleaning.steps, left, strict=True)),
        "explored": _explored(study, files),
        "exploration_remark": study.exploration.document.remark if study.exploration else "",
        "finding": views.finding(study),
        "cards": [_card(view, files) for view in views.cards(study)],
        "baselines": study.baseline_cards,
        "split": views.split(study),
        "results": results,
        "ranked": words.ranked(results),
        "methods": views.methods(study.results),
        "models": [
            _model(study, place, files, *found) for place, found in enumerate(views.mistakes_by_model(study), 1)
        ],
        "pairs": views.ordered_pairs(study)[0],
        "trust": trusted,
        "trust_figures": _trust(trusted, files),
        "label_audit": label_view(study, pictures=False),
        "evidence": evidence,
        "evidence_figures": [
            files.add(f"learning-{place}", drawing, f"Learning curve of {name}: accuracy and sensitivities.")
            for place, (name, drawing) in enumerate(evidence.curves, 1)
        ],
        "conclusion": words.conclusion(results),
    }


def _trust(trusted: TrustView, files: _Files) -> list[str]:
    """Add the reliability diagrams of the most accurate model, and the risk–coverage curve."""
    if not trusted.rows or trusted.curve is None:
        return []
    best = trusted.rows[0]
    name = best.model.title
    caption = f"How often {name} was right against how sure it was, {{}} scaling."
    curve = "Share of wrong answers when only the most certain cells are answered."
    return [
        files.add("reliability-before", best.before, caption.format("before"), "Before scaling"),
        files.add("reliability-after", best.after, caption.format("after"), "After scaling"),
        files.add("risk-coverage", trusted.curve, curve, "Withholding answers"),
    ]


def _front_matter(study: Study, featured: bool) -> str:
    made = datetime.fromtimestamp((study.folder / "results.json").stat().st_mtime, tz=UTC)
    tags = ["Deep Learning", "Hematology", *(["Synthetic"] if study.synthetic else [])]
    image = {"filename": _FEATURED, "caption": "Examples of the classes", "focal_point": "Smart"} if featured else None
    entries = {
        "title": ("Synthetic: " if study.synthetic else "") + views.title(study),
        "summary": words.headline(study.results),
        "tags": tags,
        "date": made.strftime("%Y-%m-%dT%H:%M:%SZ"),
        **({"image": image} if image else {}),
    }
    return "".join(f"{key}: {json.dumps(value, ensure_ascii=False)}\n" for key, value in entries.items())


def _explored(study: Study, files: _Files) -> list[str]:
    exploration = study.exploration
    if exploration is None:
        return []
    document, names = exploration.document, class_names(study)
    examples = {name: example_pictures(study, exploration, name)[:_EXAMPLES] for name in document.examples}
    examples = {name: pictures for name, pictures in examples.items() if pictures}
    if examples:
        caption = "Examples of each class as found, drawn at random with the study's seed."
        files.add("examples", examples_sheet(examples, document.counts_before), caption)
    keys = []
    for kind, what in (("field", "whole field"), ("cell", "located cell")):
        pictures = {name: exploration.of(kind)[name] for name in names if name in exploration.of(kind)}
        if pictures:
            caption = f"Average images for each class: {what}s."
            keys.append(files.add(f"average-{kind}", averages_sheet(pictures, what), caption, f"Average {what}"))
    for kind, what in (("histograms", "whole fields"), ("cell_histograms", "located cells")):
        if histograms := getattr(document, kind):
            drawing = pixel_sheet(histograms, class_roles(names))
            caption = f"Pixel distribution of {what} by colour channel and class, on a square-root scale."
            keys.append(files.add(f"pixels-{what}", drawing, caption, f"Pixels of {what}"))
    return keys


def _card(view: views.CardView, files: _Files) -> dict[str, Any]:
    keys = [
        files.add(f"network-{view.card.name}-{place}", drawing, caption)
        for place, (drawing, caption) in enumerate(view.drawings, 1)
    ]
    return {"card": view.card, "paragraphs": view.paragraphs, "drawings": keys}


def _model(study: Study, place: int, files: _Files, model: Any, found: list[Mistake]) -> dict[str, Any]:
    history = study.history.filter(pl.col("model") == model.model)
    curves = [
        files.add(
            f"{what}-{place}-{model.model}",
            curve(history, model.title, what),
            f"The {what} of {model.title} by epoch.",
            what.capitalize(),
        )
        for what in (("loss", "accuracy") if history.height else ())
    ]
    confusion = files.add(
        f"confusion-{place}-{model.model}",
        confusion_matrix(model.confusion, study.results.classes, model.title),
        f"The confusion matrix of {model.title}: counts, and the share of the row.",
    )
    shown = [(mistake, study.crops.picture(mistake.cell_id)) for mistake in found[:SHOWN_MISTAKES]]
    rest = f"; the report shows all {len(found)}" if len(found) > len(shown) else ""
    caption = f"The most confident mistakes of {model.title}: true class, answer and its probability, cell{rest}."
    drawn = files.add(f"mistakes-{place}-{model.model}", mistakes_sheet(shown, model.title), caption) if shown else ""
    return {
        "model": model,
        "curves": curves,
        "lines": words.lines(history.select("repeat", "fold").n_unique()),
        "confusion": confusion,
        "mistakes": drawn,
    }


def _featured(study: Study) -> bytes | None:
    if study.exploration is None:
        return None
    pictures = [
        picture
        for name in study.exploration.document.examples
        for picture in example_pictures(study, study.exploration, name)[:2]
    ]
    if not pictures:
        return None
    return encoded(sheet(pictures, columns=5), kind="JPEG", most_px=1200, quality=85)
