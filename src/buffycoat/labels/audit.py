"""The audit of a study's labels, from its stored predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from buffycoat.evaluate.validate import validate_predictions
from buffycoat.labels.blend import Blend, blend
from buffycoat.labels.confident import NOBODY, Numbers, confident_classes, estimate_joint, thresholds
from buffycoat.labels.shares import METHOD, wrong_estimates
from buffycoat.records.documents import Estimate
from buffycoat.records.labels import Asked, ClassLabels, LabelAudit, Suspect


def audit_labels(
    predictions: pl.DataFrame,
    validation: pl.DataFrame | None,
    cells: pl.DataFrame,
    *,
    classes: Sequence[str],
    titles: Mapping[str, str],
) -> LabelAudit:
    """Find the labels that look wrong, and estimate how many are.

    Parameters
    ----------
    predictions
        ``predictions.parquet``: every probability of a cell comes from a model that was not trained on it.
    validation
        ``validation.parquet``, or None.
    cells
        ``cells.parquet``.
    classes
        The study's, in its order.
    titles
        Of the models, by name.

    Raises
    ------
    DataError
        The predictions cannot be trusted.
    """
    table = validate_predictions(predictions, cells, classes)
    found = blend(table, validation, cells, classes)
    limits = thresholds(found.probabilities, found.labels)
    confident = confident_classes(found.probabilities, limits)
    suspects = _suspects(found, confident, cells, classes)
    joint = estimate_joint(found.probabilities, found.labels)
    wrong = wrong_estimates(joint, found.labels, confident, found.groups)
    return LabelAudit(
        classes=tuple(classes),
        cells=len(found.cell_ids),
        of=cells.filter(pl.col("excluded_by").is_null()).height,
        asked=tuple(
            Asked(
                model=name,
                title=titles.get(name, name),
                weight=found.weights[name],
                temperature=found.temperatures[name],
            )
            for name in found.answers
        ),
        joint=tuple(tuple(row) for row in joint.tolist()),
        by_class=tuple(
            ClassLabels(
                name=name,
                cells=int((found.labels == k).sum()),
                wrong=wrong[k + 1],
                suspects=sum(one.label == name for one in suspects),
            )
            for k, name in enumerate(classes)
        ),
        wrong=wrong[0],
        at_best=_complement(wrong[0]),
        suspects=tuple(suspects),
        method=METHOD,
        sentence=_sentence(len(suspects), len(found.cell_ids), wrong[0]),
    )


def _suspects(found: Blend, confident: Numbers, cells: pl.DataFrame, classes: Sequence[str]) -> list[Suspect]:
    """Return the cells whose confident class is not their label, the widest apart first."""
    images: dict[str, str | None] = dict(cells.select("cell_id", "image").iter_rows())
    rows = np.flatnonzero((confident != NOBODY) & (confident != found.labels))
    own = found.probabilities[rows, found.labels[rows]]
    score = found.probabilities[rows, confident[rows]] - own
    suspects = []
    for k in np.argsort(-score, kind="stable"):
        row = int(rows[k])
        asked = [answers[row] for answers in found.answers.values() if answers[row] >= 0]
        suspects.append(
            Suspect(
                cell_id=found.cell_ids[row],
                image=images[found.cell_ids[row]],
                label=classes[found.labels[row]],
                suspected=classes[confident[row]],
                score=float(score[k]),
                self_confidence=float(own[k]),
                agree=sum(int(answer == confident[row]) for answer in asked),
                of=len(asked),
            )
        )
    return suspects


def _complement(wrong: Estimate) -> Estimate:
    limits = wrong.interval
    low, high = (None if end is None else 1 - end for end in (limits.high, limits.low))
    return Estimate(
        value=None if wrong.value is None else 1 - wrong.value,
        interval=limits.model_copy(update={"low": low, "high": high}),
    )


def _sentence(suspects: int, cells: int, wrong: Estimate) -> str:
    if not suspects:
        return f"None of the {cells} labels looks wrong to the models."
    low, high = wrong.interval.low, wrong.interval.high
    limits = "" if low is None or high is None else f" ({100 * low:.0f} to {100 * high:.0f} %)"
    share = wrong.value or 0.0
    return (
        f"{suspects} of the {cells} labels look wrong to models that were not trained on these cells. "
        f"About {100 * share:.0f} %{limits} of all labels may be wrong, or their cells as hard as that: with such "
        f"labels even a faultless classifier would be measured at about {1 - share:.2f}. A person has to look; "
        "nothing was changed."
    )
