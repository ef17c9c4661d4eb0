"""A card as a model card in the layout of Hugging Face: a YAML head that machines read, then prose and tables.

Layout: huggingface.co/docs/hub/model-cards (head: license, library_name, tags, metrics, model-index).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from buffycoat.bundle.words import NOT_FOR_DIAGNOSIS, figure, leaking, megabytes, percent, rate, threshold
from buffycoat.records.card import BundleCard, CardModel, OperatingPoint


def markdown(card: BundleCard) -> str:
    """Return the model card."""
    leaked = card.results.leaked
    parts = [
        _head(card),
        f"# {card.title}",
        *([f"> **{leaking(leaked)}**"] if leaked is not None else []),
        f"> **{NOT_FOR_DIAGNOSIS}**" + (" **Trained on drawn smears, not on blood.**" if card.data.synthetic else ""),
        _what(card),
        _use(card),
        _data(card),
        _evaluation(card),
        _answers(card),
        _limits(card),
        _technical(card),
    ]
    return "\n\n".join(parts) + "\n"


def _mark(card: BundleCard) -> str:
    """Return what every heading above figures ends with."""
    return "" if card.results.leaked is None else " (leaking split)"


def _head(card: BundleCard) -> str:
    leaks = card.results.leaked is not None
    lines = [
        "---",
        f"license: {_yaml(card.licence.lower())}",
        "library_name: buffycoat",
        "pipeline_tag: image-classification",
        "tags:",
        *(f"- {tag}" for tag in ("onnx", "hematology", "blood-smear", "leukocyte", "microscopy")),
        *(["- leaking-split"] if leaks else []),
        f"- {_yaml(card.network.name)}",
    ]
    # Machines rank by these figures and read no warning: those of a split that leaks are left out.
    return "\n".join([*lines, *([] if leaks else _metrics(card)), "---"])


def _metrics(card: BundleCard) -> list[str]:
    point = card.operating["1"]
    metrics = [
        ("accuracy", "Accuracy", point.accuracy.value),
        ("balanced_accuracy", "Balanced accuracy", point.balanced_accuracy.value),
        ("expected_calibration_error", "Expected calibration error", point.ece),
    ]
    lines = [
        "metrics:",
        *(f"- {kind}" for kind, _, value in metrics if value is not None),
        "model-index:",
        f"- name: {_yaml(card.name)}",
        "  results:",
        "  - task:",
        "      type: image-classification",
        "      name: Leukocyte types in stained smears",
        "    dataset:",
        f"      type: {_yaml(card.data.name)}",
        f"      name: {_yaml(card.data.name)}",
        f"      split: {_yaml(card.results.protocol)}",
        "    metrics:",
    ]
    for kind, name, value in metrics:
        if value is not None:
            lines += [f"    - type: {kind}", f"      name: {name}", f"      value: {value:.4f}"]
    return lines


def _what(card: BundleCard) -> str:
    quick = "\n".join(
        [
            "```bash",
            "pip install buffycoat",
            "buffycoat predict --bundle FOLDER photograph.jpg",
            "```",
        ]
    )
    return (
        f"A network that tells {len(card.classes)} leukocyte types apart in photographs of stained blood smears: "
        f"{_listed(card.classes)}. It is {card.network.title} ({card.network.parameters:,} parameters), as ONNX, "
        f"{card.precision}, {megabytes(card.model_bytes)}; no PyTorch is needed.\n\n{quick}"
    )


def _use(card: BundleCard) -> str:
    return f"## Intended use\n\n{card.intended_use}"


def _data(card: BundleCard) -> str:
    counts = _table(("class", "cells"), ((name, str(count)) for name, count in card.data.cells.items()))
    facts = [card.data.description]
    if card.data.citation:
        facts.append(card.data.citation)
    if card.data.licence:
        facts.append(f"Licence of the data: {card.data.licence}.")
    return "\n\n".join(
        [
            "## Training data",
            " ".join(facts),
            f"Cells the network learned from:\n\n{counts}",
            f"{card.network.trained_on_words} Training started from: {card.network.weights}.",
            f"Content hash of the data: `{card.data.content_hash}`.",
        ]
    )


def _evaluation(card: BundleCard) -> str:
    rows = []
    for views, point in sorted(card.operating.items()):
        expected = point.expected
        rows += [
            (views, "accuracy", figure(point.accuracy)),
            (views, "balanced accuracy", figure(point.balanced_accuracy)),
            (
                views,
                "calibration error (ECE), before → after; perfect probabilities on as few cells",
                f"{point.ece_before:.3f} → {point.ece:.3f}; {point.ece_by_chance:.3f}",
            ),
            (views, "Brier score, log loss", f"{point.brier:.3f}, {point.log_loss:.3f}"),
            (views, "left unidentified (uncertain)", percent(expected.unidentified)),
            (views, "wrong among the answered", percent(expected.error_rate)),
            (views, "called unlike the training cells", percent(expected.unlike)),
        ]
        rows += [
            (
                views,
                f"{float(level):.0%} sets: true class inside; classes in a set",
                f"{percent(inside)}; {expected.set_size[level]:.2f}",
            )
            for level, inside in expected.coverage.items()
        ]
    mark = _mark(card)
    parts = [
        f"## Evaluation{mark}",
        f"{card.results.protocol} {card.results.measured_on} Intervals are 95 %.",
        _table(("views", "figure", "value (95 % interval)"), rows),
        f"### Networks of the study{mark}\n\n{_models((*card.results.models, card.results.majority))}",
        f"### By class, {card.results.models[0].title}{mark}\n\n{_classes(card.results.models[0])}",
    ]
    if card.quantisation is not None:
        cost = card.quantisation
        table = _table(
            ("", "fp32", "int8"),
            (
                ("accuracy", figure(cost.before), figure(cost.after)),
                ("balanced accuracy", figure(cost.before_balanced), figure(cost.after_balanced)),
            ),
        )
        parts.append(
            f"### What 8 bits cost{mark}\n\n{table}\n\nOver {cost.cells} held-out cells, each by the network of its "
            f"fold; the same answer for {100 * cost.agreement:.1f} % of them. {cost.method} Ranges from "
            f"{cost.calibration}."
        )
    remarks = [remark for remark in card.results.remarks if remark != card.results.leaked]
    if remarks:
        parts.append("\n".join(f"- {remark}" for remark in remarks))
    return "\n\n".join(parts)


def _models(models: Sequence[CardModel]) -> str:
    return _table(
        ("network", "cells", "accuracy", "balanced accuracy", "macro F1"),
        (
            (one.title, str(one.cells), figure(one.accuracy), figure(one.balanced_accuracy), figure(one.macro_f1))
            for one in models
        ),
    )


def _classes(model: CardModel) -> str:
    return _table(
        ("class", "cells", "sensitivity", "specificity", "precision"),
        (
            (one.name, str(one.support), figure(one.sensitivity), figure(one.specificity), figure(one.precision))
            for one in model.classes
        ),
    )


def _answers(card: BundleCard) -> str:
    rates = [row for views, point in sorted(card.operating.items()) for row in _rates(views, point)]
    head = ("views", "stated error rate", "certain from", "left unidentified", "wrong among the answered")
    return "\n\n".join(
        [
            f"## How it answers{_mark(card)}",
            "Each probability is calibrated by one temperature, fitted on cells set aside inside the training folds. A "
            "cell is left *unidentified* when its largest probability is below the threshold chosen for the stated "
            "error rate, or when its features lie farther from every class than those of nearly all held-out cells.",
            _table(
                ("views", "temperature", "certain from", "stated error rate", "unlike above"),
                (_point(views, point) for views, point in sorted(card.operating.items())),
            ),
            *([f"What keeping other error rates would take:\n\n{_table(head, rates)}"] if rates else []),
            f"Explanation maps: {card.explanation.sentence}",
        ]
    )


def _point(views: str, point: OperatingPoint) -> tuple[str, ...]:
    return (
        views,
        f"{point.temperature:.3f}",
        threshold(point.certain_threshold),
        rate(point.error_rate),
        f"{point.unlike_threshold:.1f}",
    )


def _rates(views: str, point: OperatingPoint) -> list[tuple[str, ...]]:
    return [
        (
            views,
            rate(float(stated)),
            threshold(kept.certain_threshold),
            percent(kept.unidentified),
            percent(kept.error_rate),
        )
        for stated, kept in sorted(point.other_rates.items())
    ]


def _limits(card: BundleCard) -> str:
    return "## Limitations\n\n" + "\n".join(f"- {limit}" for limit in card.limitations)


def _technical(card: BundleCard) -> str:
    frame = card.frame
    facts = [
        ("input", f"`crops`, float32 (N, 3, {card.input_px}, {card.input_px}), {card.colour_order}"),
        ("mean, deviation", f"{card.mean}, {card.std} (of values 0–1)"),
        (
            "framing",
            f"{frame.mode}: squares of {frame.side_px} px in fields {frame.reference_width_px} px wide, "
            f"the middle {card.view_px} px seen",
        ),
        ("outputs", f"`logits` (N, {len(card.classes)}), `features` (N, {card.features}), `cam`, `unlikeness` (N)"),
        ("work", f"{card.network.multiply_adds / 1e6:.0f} million multiply-adds a cell"),
        ("SHA-256 of model.onnx", f"`{card.model_sha256}`"),
        ("card version, made", f"{card.schema_version}, {card.created}"),
        ("made with", ", ".join(f"{name} {version}" for name, version in sorted(card.versions.items()))),
        ("architecture", card.network.reference),
        ("licence", card.licence),
    ]
    return "## Technical\n\n" + _table(("", ""), facts)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _yaml(value: Any) -> str:
    """Return a scalar as YAML reads it: JSON strings are YAML strings."""
    return json.dumps(value, ensure_ascii=False)
