"""Every wrong answer of every model, the most confident first."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl


@dataclass(frozen=True, slots=True)
class Mistake:
    """A wrong answer on one held-out cell; equal ones of several repeats are one, with their mean probabilities.

    Attributes
    ----------
    cell_id, true, answered
        The cell, its label and what the model said.
    probabilities
        One per class, in the study's order.
    confidence
        The probability of the wrong answer.
    times
        In how many repeats it was made.
    """

    cell_id: str
    true: str
    answered: str
    probabilities: tuple[float, ...]
    confidence: float
    times: int


def answers(predictions: pl.DataFrame, classes: tuple[str, ...]) -> pl.DataFrame:
    """Return the predictions with a column ``answered``: the class of the largest probability, the first of equals."""
    best = pl.concat_list(f"p_{name}" for name in classes).list.arg_max()
    names = pl.Series("class", list(classes), dtype=pl.String())
    return predictions.with_columns(
        answered=best.replace_strict(list(range(len(classes))), names, return_dtype=pl.String())
    )


def mistakes(predictions: pl.DataFrame, model: str, classes: tuple[str, ...]) -> list[Mistake]:
    """Return the mistakes of one model."""
    columns = [f"p_{name}" for name in classes]
    wrong = (
        answers(predictions.filter(pl.col("model") == model), classes)
        .filter(pl.col("label") != pl.col("answered"))
        .group_by("cell_id", "label", "answered")
        .agg(pl.col(columns).mean(), times=pl.len())
    )
    found = [
        Mistake(
            cell_id=row["cell_id"],
            true=row["label"],
            answered=row["answered"],
            probabilities=tuple(float(row[name]) for name in columns),
            confidence=float(row[f"p_{row['answered']}"]),
            times=int(row["times"]),
        )
        for row in wrong.iter_rows(named=True)
    ]
    return sorted(found, key=lambda mistake: (-mistake.confidence, mistake.cell_id, mistake.answered))


@dataclass(frozen=True, slots=True)
class Doubtful:
    """A cell on which every model that did not collapse was wrong, each time: its label deserves a second look."""

    cell_id: str
    true: str
    answered: tuple[str, ...]  # one per model, the most frequent answer


def wrong_in_all(predictions: pl.DataFrame, models: tuple[str, ...], classes: tuple[str, ...]) -> list[Doubtful]:
    """Return the cells that all of these models got wrong in every repeat; none when there is but one model."""
    if len(models) < 2:
        return []
    named = answers(predictions.filter(pl.col("model").is_in(list(models))), classes)
    never = (
        named.group_by("cell_id", "label")
        .agg(right=(pl.col("label") == pl.col("answered")).any(), models=pl.col("model").n_unique())
        .filter(~pl.col("right") & (pl.col("models") == len(models)))
        .sort("label", "cell_id")
    )
    found = []
    for cell_id, label in never.select("cell_id", "label").iter_rows():
        of_cell = named.filter(pl.col("cell_id") == cell_id)
        said = tuple(
            str(of_cell.filter(pl.col("model") == model).get_column("answered").mode().sort()[0]) for model in models
        )
        found.append(Doubtful(cell_id=cell_id, true=label, answered=said))
    return found
