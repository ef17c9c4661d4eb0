"""The card of an export: what was measured, in words a person can check."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib import metadata

import numpy as np
from numpy.typing import NDArray

from buffycoat.bundle.words import leaking
from buffycoat.errors import DataError
from buffycoat.export.operating import Asked
from buffycoat.export.quantise import Recipe
from buffycoat.records.card import LEAKING, CardModel, CardResults, Quantisation
from buffycoat.records.documents import Estimate, ModelResult, Results
from buffycoat.records.versions import versions

ALLOWED_LOSS = 0.01
"""Balanced accuracy that 8 bits may cost."""

INTENDED_USE = (
    "Research and teaching: sorting photographs of stained blood smears by leukocyte type, as a first proposal for a "
    "person who looks at every cell. Not a medical device; not for diagnosis, nor for any decision about a patient."
)


def title(network: str, classes: int, data: str, *, leaked: str | None) -> str:
    """Return the card's title: `predict` and `differential` print it, so that it says first what spoils everything."""
    mark = "" if leaked is None else f"{LEAKING}: "
    return f"{mark}{network}, {classes} leukocyte classes, trained on {data}"


def limitations(classes: tuple[str, ...], data: str, *, synthetic: bool, leaked: str | None = None) -> tuple[str, ...]:
    """Return what every user must know of networks of this kind.

    Parameters
    ----------
    leaked
        Why no figure can be trusted, where the study's split was allowed to leak: it stands first.
    """
    found = [
        f"It knows {len(classes)} classes ({', '.join(classes)}) and calls every other cell one of them, unless it is "
        "uncertain or the picture is unlike the training cells: blasts, immature granulocytes and artefacts, too.",
        f"It was trained on one data set ({data}). Other microscopes, stains and cameras break such networks; measure "
        "it on your own cells first.",
        "The data carry no patients' names: cells of one patient may stand on both sides of a fold, and patients "
        "elsewhere may look different.",
        "The intervals count the held-out cells only; that training varies from run to run is not in them.",
        "Thresholds come from the study's fold networks; the network in the bundle learned from more cells, and may be "
        "a little surer.",
    ]
    if synthetic:
        found.insert(0, "It was trained on smears drawn by a program: it is of no use on real blood.")
    if leaked is not None:
        found.insert(0, leaking(leaked))
    return tuple(found)


def card_results(results: Results, model: str, measured_on: str) -> CardResults:
    """Return the study's results as the card holds them, the exported network first."""
    models = sorted(results.models, key=lambda one: one.model != model)
    return CardResults(
        protocol=results.protocol,
        seed=results.seed,
        measured_on=measured_on,
        majority=card_model(results.majority),
        models=tuple(card_model(one) for one in models),
        leaked=results.leaked,
        remarks=results.remarks,
    )


def card_model(found: ModelResult) -> CardModel:
    """Return a network's results as the card holds them."""
    return CardModel(**{name: getattr(found, name) for name in CardModel.model_fields})


def quantisation(
    recipe: Recipe,
    kept: tuple[str, ...],
    crops: int,
    results: tuple[ModelResult, ModelResult],
    answers: tuple[Asked, NDArray[np.float64]],
    *,
    allow_loss: bool,
) -> Quantisation:
    """Return what 8 bits cost.

    Parameters
    ----------
    results
        In fp32 and in int8, over the same held-out cells.
    answers
        What was answered in int8, and the probabilities in fp32 of the same rows.

    Raises
    ------
    DataError
        They cost more than 1 % of balanced accuracy.
    """
    first, second = results
    asked, odds = answers
    loss = _value(first.balanced_accuracy) - _value(second.balanced_accuracy)
    same = (odds.argmax(1) == asked.probabilities.argmax(1))[asked.test]
    if loss > ALLOWED_LOSS + 1e-9 and not allow_loss:
        raise DataError(
            f"8 bits cost {loss:.1%} of balanced accuracy: {_value(first.balanced_accuracy):.3f} in fp32, "
            f"{_value(second.balanced_accuracy):.3f} in int8, over {second.cells} held-out cells; "
            f"{ALLOWED_LOSS:.0%} is allowed.",
            hint="Export with --precision fp32, or accept the loss with --allow-loss.",
        )
    return Quantisation(
        method=recipe.in_words(len(kept)),
        calibration=f"{crops} of each network's own training cells, no held-out ones",
        kept_float=kept,
        cells=second.cells,
        before=first.accuracy,
        after=second.accuracy,
        before_balanced=first.balanced_accuracy,
        after_balanced=second.balanced_accuracy,
        loss_balanced=loss,
        agreement=float(same.mean()),
        allowed_loss=ALLOWED_LOSS,
    )


def made_with() -> dict[str, str]:
    """Return the versions of everything a bundle's numbers depend on."""
    found = versions()
    for package in ("onnx", "onnxruntime", "onnxscript"):
        found[package] = metadata.version(package)
    return found


def now() -> str:
    """Return the present time, ISO 8601, UTC."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _value(estimate: Estimate) -> float:
    return float("nan") if estimate.value is None else estimate.value
