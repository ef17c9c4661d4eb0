"""``results.json`` from ``predictions.parquet``: reads tables only, never a network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from buffycoat.errors import DataError
from buffycoat.evaluate.beaten import MAJORITY, beaten
from buffycoat.evaluate.compare import compare_all
from buffycoat.evaluate.enough import HALF_WIDTHS, sample_sizes
from buffycoat.evaluate.held_out import HeldOut, held_out, largest_classes
from buffycoat.evaluate.model import model_result, one_answer_folds
from buffycoat.evaluate.retrained import Trainings
from buffycoat.evaluate.spread import learning_points, spread_of
from buffycoat.evaluate.strangers import unlike_of
from buffycoat.evaluate.trust import ERROR_RATE, trust
from buffycoat.evaluate.validate import validate_predictions
from buffycoat.records.documents import ModelResult, Results

MAJORITY_TITLE = "Always the largest class"
REPLICATES = 5000


def evaluate(
    predictions: pl.DataFrame,
    cells: pl.DataFrame,
    *,
    classes: Sequence[str],
    titles: Mapping[str, str],
    synthetic: bool,
    seed: int,
    protocol: str,
    majority: pl.DataFrame | Mapping[tuple[int, int], str],
    replicates: int = REPLICATES,
    baselines: Sequence[str] = (),
    validation: pl.DataFrame | None = None,
    unlike: pl.DataFrame | None = None,
    seeds: pl.DataFrame | None = None,
    learning: pl.DataFrame | None = None,
    error_rate: float = ERROR_RATE,
    half_widths: Sequence[float] = HALF_WIDTHS,
    leaked: str | None = None,
) -> Results:
    """Return every figure a report gives about the models, with intervals and comparisons.

    Parameters
    ----------
    predictions
        ``predictions.parquet`` (validated here).
    cells
        The cells they are about, with label and group.
    classes
        The study's classes, in its order.
    titles
        Title of each model for people; its order is the order of the results. A model without one goes by its name.
    synthetic
        Whether the cells were drawn by the program.
    seed
        Of the bootstrap.
    protocol
        One sentence: how the rows were split.
    majority
        The baseline's answer: ``splits.parquet`` (the largest class among each fold's training rows is taken), or
        the class by (repeat, fold).
    replicates
        Number of bootstrap resamples.
    baselines
        Those of the models that are no networks: a network that does not beat one is said not to.
    validation
        ``validation.parquet``: what temperatures are fitted on; without it nothing is said of how far probabilities
        may be trusted.
    unlike, seeds, learning
        ``unlike.parquet``, ``seeds.parquet`` and ``learning.parquet``, where a study has them.
    error_rate
        Share of the answers that may be wrong where the least certain ones are withheld.
    half_widths
        Of the intervals for which the cells needed are told.
    leaked
        Why no figure can be trusted, where the split was allowed to leak: it marks every result.

    Raises
    ------
    DataError
        The predictions cannot be trusted (see :func:`validate_predictions`), or the baseline's answer for a fold
        is missing or unknown.
    """
    table = validate_predictions(predictions, cells, classes)
    found = held_out(table, cells, classes)
    order = [name for name in titles if name in found] + sorted(set(found) - set(titles))
    shown = {name: titles.get(name, name) for name in order} | {MAJORITY: MAJORITY_TITLE}
    models = [found[name] for name in order]
    baseline = _baseline(table, cells, classes, majority)
    options = {"seed": seed, "replicates": replicates}
    results = tuple(model_result(held, title=shown[held.model], classes=classes) for held in models)
    always = model_result(baseline, title=MAJORITY_TITLE, classes=classes)
    trainings = {} if seeds is None else {one.model: Trainings.of(one, seeds, cells, classes) for one in models}
    compared = compare_all([*models, baseline], shown, _trained_on(majority), trainings=trainings, **options)
    against_majority = tuple(pair for pair in compared if pair.second == MAJORITY)
    comparisons = tuple(pair for pair in compared if pair.second != MAJORITY)
    inner = _inner(validation, cells, classes)
    trusted = [trust(held, inner.get(held.model), classes=classes, error_rate=error_rate, **options) for held in models]
    if unlike is not None:
        trusted = [
            None if one is None else one.model_copy(update={"unlike": unlike_of(unlike, cells, one.model)})
            for one in trusted
        ]
    spread = [] if seeds is None else [spread_of(held, seeds, cells, classes, shown[held.model]) for held in models]
    sizes = _training_cells(majority)
    points = [] if learning is None else [learning_points(held, learning, cells, classes, sizes) for held in models]
    measured = [one for one in spread if one is not None]
    return Results(
        classes=tuple(classes),
        synthetic=synthetic,
        seed=seed,
        n=always.cells,
        protocol=protocol,
        majority=always.model_copy(update={"collapsed": None}),  # it is meant to give one answer
        models=results,
        baselines=tuple(name for name in order if name in baselines),
        comparisons=comparisons,
        against_majority=against_majority,
        leaked=leaked,
        remarks=(
            *((leaked,) if leaked else ()),
            *_remarks(results, models, baseline, seeds_measured=bool(measured)),
            *beaten(shown, compared, {*baselines, MAJORITY}),
        ),
        trust=tuple(one for one in trusted if one is not None),
        enough=tuple(size for held in models for size in sample_sizes(held, classes, half_widths)),
        spread=tuple(measured),
        learning=tuple(point for of in points for point in of),
    )


def _named(folds: Sequence[tuple[int, int]], *, repeated: bool) -> str:
    shown = [f"fold {fold + 1}" + (f", repeat {repeat + 1}" if repeated else "") for repeat, fold in folds[:5]]
    return "; ".join(shown) + ("; …" if len(folds) > 5 else "")


def _trained_on(splits: pl.DataFrame | Mapping[tuple[int, int], str]) -> dict[tuple[int, int], int] | None:
    """Return how many rows were trained on, by (repeat, fold); None where that is not known."""
    if not isinstance(splits, pl.DataFrame):
        return None
    counted = splits.filter(pl.col("role") == "train").group_by("repeat", "fold").len()
    return {(repeat, fold): rows for repeat, fold, rows in counted.iter_rows()}


def _training_cells(splits: pl.DataFrame | Mapping[tuple[int, int], str]) -> float:
    """Return the mean number of training rows of a fold of the first repeat."""
    if not isinstance(splits, pl.DataFrame):
        return 0.0
    rows = splits.filter((pl.col("role") == "train") & (pl.col("repeat") == 0))
    return rows.height / max(rows.get_column("fold").n_unique(), 1)


def _inner(validation: pl.DataFrame | None, cells: pl.DataFrame, classes: Sequence[str]) -> dict[str, HeldOut]:
    if validation is None or validation.is_empty():
        return {}
    return held_out(validate_predictions(validation, cells, classes, held_out=False), cells, classes)


def _baseline(
    table: pl.DataFrame,
    cells: pl.DataFrame,
    classes: Sequence[str],
    majority: pl.DataFrame | Mapping[tuple[int, int], str],
) -> HeldOut:
    """Return the baseline's answers to every row that any model was asked."""
    answers = largest_classes(majority, cells, classes) if isinstance(majority, pl.DataFrame) else dict(majority)
    asked = table.unique(["repeat", "fold", "cell_id"], keep="any").with_columns(model=pl.lit(MAJORITY))
    folds = sorted(set(asked.select("repeat", "fold").iter_rows()))
    missing = [fold for fold in folds if answers.get(fold) not in classes]
    if missing:
        repeat, fold = missing[0]
        raise DataError(
            f"the largest training class of repeat {repeat}, fold {fold} is {answers.get((repeat, fold))!r}; "
            f"expected one of {', '.join(classes)}.",
            hint="Give the splits the predictions were made with.",
        )
    place = {name: number for number, name in enumerate(classes)}
    return held_out(asked, cells, classes)[MAJORITY].answering(MAJORITY, {fold: place[answers[fold]] for fold in folds})


def _remarks(
    results: Sequence[ModelResult],
    models: Sequence[HeldOut],
    baseline: HeldOut,
    *,
    seeds_measured: bool,
) -> list[str]:
    remarks = ["Intervals count the held-out cells only; that training varies from run to run is not in them."]
    if seeds_measured:
        remarks = [
            "Intervals count the held-out cells only; how far training varies was measured, stands apart, and is "
            "counted where two models are compared."
        ]
    for result, held in zip(results, models, strict=True):
        if result.collapsed:
            remarks.append(f"{result.title} collapsed: it calls every cell {result.collapsed}.")
        elif folds := one_answer_folds(held):
            remarks.append(
                f"{result.title} collapsed in {len(folds)} of {len(result.per_fold_accuracy)} trainings: it gave every "
                f"held-out cell of {_named(folds, repeated=result.repeats > 1)} the same answer."
            )
        if len(held.cell) < len(baseline.cell):
            remarks.append(
                f"{result.title} has predictions for {len(held.cell)} of {len(baseline.cell)} held-out rows; "
                "comparisons use the rows both models have."
            )
    empty = [one.name for one in results[0].classes if one.support == 0]
    if empty:
        remarks.append(f"No held-out cell is of class {', '.join(empty)}: averages over all classes are undefined.")
    return remarks
