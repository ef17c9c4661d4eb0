"""The control: a network trained shortly on whole fields whose leukocytes are painted out.

What it still gets right it knows from the surroundings. It is not trained as a study trains: it sees whole fields, for
a crop round the cell leaves little of what is asked about; a few epochs, for it shall cost minutes; turned and mirrored
but never lighter, darker or of another colour, for these may be the shortcut; and it answers from one view. The same
training on the same fields with the leukocytes in place stands beside it: a network that learns nothing at all would
pass the control too, and one that learns little passes it easily.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import Field, ValidationError

from buffycoat import taxonomy
from buffycoat.audit.paint import paint_out as painted_out
from buffycoat.clean.recipe import Recipe, apply
from buffycoat.data.dataset import DataSet
from buffycoat.errors import DataError, ImageError, UsageError, did_you_mean
from buffycoat.evaluate.results import evaluate
from buffycoat.imaging.decode import read_image
from buffycoat.imaging.frame import whole_square
from buffycoat.networks.names import resolve
from buffycoat.records.audit import Flag, PaintOut
from buffycoat.records.documents import Document, Estimate, NetworkCard, explain
from buffycoat.records.tables import BOX, prediction_columns, read_table
from buffycoat.split.folds import make_splits
from buffycoat.train.batches import Rows
from buffycoat.train.config import AugmentConfig, TrainConfig
from buffycoat.train.distributed import Processes
from buffycoat.train.fold import FoldJob, run_fold

Progress = Callable[[int, int], None]
Pictures = NDArray[np.uint8]

_LONGER = "train it longer (--set epochs=20) or bring more images"
_MARGIN = 1.25  # fields are kept so much larger than the network's input

WEAK = 0.5
"""Share of the way from chance to all right that the training must go with the leukocytes in place.

Below it the control is weak. A training that finds less than half of what the cells show, which it sees whole, would
miss a shortcut that is fainter than they are; that it falls to chance without them then proves little.
"""


class Plan(Document):
    """How the control is trained: shortly, on whole fields, their colours left alone, for they may be the shortcut."""

    network: str = "efficientnet"
    weights: str = "auto"
    epochs: int = Field(default=5, ge=1)
    folds: int = Field(default=3, ge=2)
    input_px: int = Field(default=128, ge=16)
    most: int = Field(default=600, ge=8)  # fields, drawn evenly from the classes
    reference: bool = True  # train with the leukocytes in place as well
    seed: int = Field(default=7, ge=0)

    @classmethod
    def of(cls, settings: Iterable[str], seed: int) -> Plan:
        """Read ``key=value`` settings.

        Raises
        ------
        UsageError
            A setting is unknown or of another kind.
        """
        values: dict[str, str | int] = {"seed": seed}
        for text in settings:
            key, equals, value = text.partition("=")
            if not equals or key not in cls.model_fields:
                raise UsageError(f"--set {text}: expected key=value.", hint=did_you_mean(key, cls.model_fields))
            values[key] = value
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise UsageError(f"the control cannot be trained so: {explain(error)}.") from error

    def training(self) -> TrainConfig:
        """Return the training of one fold."""
        return TrainConfig(
            epochs=self.epochs,
            input_px=self.input_px,
            view_px=self.input_px,
            averaging=0.9,
            patience=0,
            views=1,
            augment=AugmentConfig(scale=0, shift=0, stain=0, colour=0, light=0),
        )


@dataclass(frozen=True)
class _Fields:
    """The fields of the control: with the leukocytes painted out and in place, (n, S, S, 3) each."""

    cells: pl.DataFrame
    painted: Pictures
    whole: Pictures
    left_out: int


def paint_out(
    data: DataSet, cells: pl.DataFrame, recipe: Recipe, plan: Plan, *, on_progress: Progress | None = None
) -> PaintOut:
    """Train on fields without leukocytes, and beside it on the same fields with them.

    Parameters
    ----------
    cells
        The table with the groups to split by.
    recipe
        What is left out before.
    plan
        How it is trained.
    on_progress
        Called with (epochs done, epochs in all).

    Raises
    ------
    DataError
        Fewer than two classes have as many groups as there are folds.
    """
    report = on_progress or (lambda _done, _all: None)
    fields = _fields(data, _enough(apply(recipe, cells, plan.seed)[0], plan), plan)
    splits = make_splits(
        fields.cells, scheme="kfold", folds=plan.folds, validation_share=0.1, seed=plan.seed, parted="drop"
    )
    runs = 2 if plan.reference else 1
    total = plan.epochs * plan.folds * runs
    estimates, card = [], None
    for run, pictures in enumerate((fields.painted, fields.whole)[:runs]):

        def told(done: int, run: int = run) -> None:
            report(run * plan.epochs * plan.folds + done, total)

        estimate, card = _train(pictures, fields.cells, splits, plan, told)
        estimates.append(estimate)
    assert card is not None  # noqa: S101 (at least one run)
    classes = taxonomy.order(fields.cells.get_column("label").to_list())
    painted, whole = estimates[0], estimates[1] if runs == 2 else None
    flag, sentence = verdict(painted, whole, 1 / len(classes), card.title)
    return PaintOut(
        network=card.name,
        title=card.title,
        epochs=plan.epochs,
        folds=plan.folds,
        input_px=plan.input_px,
        weights=card.weights,
        seed=plan.seed,
        images=fields.cells.height,
        groups=fields.cells.get_column("group").n_unique(),
        left_out=fields.left_out,
        classes=classes,
        chance=1 / len(classes),
        painted=painted,
        whole=whole,
        flag=flag,
        sentence=sentence,
    )


def verdict(painted: Estimate, whole: Estimate | None, chance: float, title: str) -> tuple[Flag, str]:
    """Return the flag and the plain conclusion of the control; a weak control (:data:`WEAK`) is said to be one."""
    low, high = painted.interval.low, painted.interval.high
    limits = "" if low is None or high is None else f" ({low:.2f}–{high:.2f})"
    value = painted.value or 0.0
    beside = "" if whole is None or whole.value is None else f"; with them in place it reaches {whole.value:.2f}"
    found = f"a balanced accuracy of {value:.2f}{limits}, chance being {chance:.2f}{beside}"
    start = f"With every leukocyte painted out {title}"
    weak = _weakness(whole, chance)
    if low is not None and low > chance:
        flag: Flag = "serious" if low > chance + 0.05 else "look"
        more = f" The control is weak, so there may be more of it: {weak}." if weak else ""
        return flag, (
            f"{start} still reaches {found}: something besides the cell tells the class, and an accuracy measured on "
            f"these data does not show that a network knows cells.{more}"
        )
    if whole is not None and (whole.interval.low is None or whole.interval.low <= chance):
        return "look", (
            f"{start} reaches {found}. It learned nothing there either, so the control shows nothing: {_LONGER}."
        )
    if whole is None:
        return "look", (
            f"{start} reaches {found}. What it reaches with them in place was not measured, so it may have learned "
            "nothing at all: --set reference=true measures it."
        )
    if high is None or high > chance + 0.15:
        more = f" The control is weak besides: {weak}." if weak else ""
        return "look", f"{start} reaches {found}: no shortcut was shown, but so few images cannot rule one out.{more}"
    if weak:
        return "look", (
            f"{start} falls to chance, {found}. This proves little, for the control is weak: {weak}, and would hardly "
            f"have found a faint shortcut: {_LONGER}."
        )
    return "sound", f"{start} falls to chance, {found}: no shortcut besides the cell was found."


def _weakness(whole: Estimate | None, chance: float) -> str | None:
    """Return what makes the control weak, or None where it is not, or where that was not measured."""
    if whole is None or whole.value is None:
        return None
    gone = (whole.value - chance) / (1 - chance)
    if gone >= WEAK:
        return None
    return f"with the leukocytes in place it went {int(100 * max(gone, 0.0))} % of the way from chance to all right"


def _enough(cleaned: pl.DataFrame, plan: Plan) -> pl.DataFrame:
    """Return the rows that take part: classes with a group for every fold, drawn evenly where there are many."""
    kept = cleaned.filter(pl.col("excluded_by").is_null() & pl.col("image").is_not_null())
    groups = dict(kept.group_by("label").agg(pl.col("group").n_unique()).iter_rows())
    classes = [label for label, count in groups.items() if count >= plan.folds]
    if len(classes) < 2:
        shown = ", ".join(f"{label} ({groups[label]})" for label in taxonomy.order(groups))
        raise DataError(
            f"the control takes two classes with at least {plan.folds} groups each; there are {shown or 'none'}.",
            hint="Fewer folds may do: --set folds=2.",
        )
    each = max(1, plan.most // len(classes))
    order = np.random.default_rng(plan.seed).permutation(kept.height)
    return (
        kept.sort("cell_id")
        .with_columns(_order=pl.Series(order))
        .filter(pl.col("label").is_in(classes))
        .sort("_order")
        .group_by("label", maintain_order=True)
        .head(each)
        .drop("_order")
        .sort("cell_id")
    )


def _fields(data: DataSet, rows: pl.DataFrame, plan: Plan) -> _Fields:
    side = round(plan.input_px * _MARGIN)
    painted, whole, kept = [], [], []
    for cell_id, image, *corners in rows.select("cell_id", "image", *BOX).iter_rows():
        try:
            rgb = read_image(data.root / image)
        except ImageError:
            continue
        box = None if any(corner is None for corner in corners) else (corners[0], corners[1], corners[2], corners[3])
        without = painted_out(rgb, box)
        if without is None:
            continue
        painted.append(whole_square(without, side))
        whole.append(whole_square(rgb, side))
        kept.append(cell_id)
    if not kept:
        raise DataError("no leukocyte was found in any field, so none could be painted out.")
    cells = rows.join(pl.DataFrame({"cell_id": kept}), on="cell_id", how="semi", maintain_order="left")
    return _Fields(cells, np.stack(painted), np.stack(whole), rows.height - len(kept))


def _train(
    pictures: Pictures, cells: pl.DataFrame, splits: pl.DataFrame, plan: Plan, told: Callable[[int], None]
) -> tuple[Estimate, NetworkCard]:
    """Return the balanced accuracy over all folds, and the network's card."""
    classes = taxonomy.order(cells.get_column("label").to_list())
    with TemporaryDirectory(prefix="buffycoat-control-") as name:
        jobs = _jobs(cells, splits, classes, plan, Path(name))
        for place, job in enumerate(jobs):

            def on_epoch(done: int, _most: int, _figures: object, place: int = place) -> None:
                told(place * plan.epochs + done)

            run_fold(job, pictures, Processes(), on_epoch=on_epoch)
            told((place + 1) * plan.epochs)
        columns = prediction_columns(classes)
        predictions = pl.concat([read_table(job.folder / "predictions.parquet", columns) for job in jobs])
        card = NetworkCard.read(jobs[0].folder / "network.json")
    results = evaluate(
        predictions,
        cells,
        classes=classes,
        titles={card.name: card.title},
        synthetic=False,
        seed=plan.seed,
        protocol="the control",
        majority={(0, fold): classes[0] for fold in range(plan.folds)},
    )
    return results.models[0].balanced_accuracy, card


def _jobs(cells: pl.DataFrame, splits: pl.DataFrame, classes: Sequence[str], plan: Plan, folder: Path) -> list[FoldJob]:
    place = {cell_id: row for row, cell_id in enumerate(cells.get_column("cell_id"))}
    code = {name: number for number, name in enumerate(classes)}
    labels = dict(cells.select("cell_id", "label").iter_rows())
    jobs = []
    for fold in range(plan.folds):
        rows = {}
        for role in ("train", "validation", "test"):
            ids = splits.filter(fold=fold, role=role).get_column("cell_id").to_list()
            rows[role] = Rows(
                np.array([place[cell_id] for cell_id in ids], np.int64),
                np.array([code[labels[cell_id]] for cell_id in ids], np.int64),
                tuple(ids),
            )
        counts = np.bincount(rows["train"].labels, minlength=len(classes))
        jobs.append(
            FoldJob(
                network=resolve(plan.network),
                weights=plan.weights,
                config=plan.training(),
                classes=tuple(classes),
                rows=rows,
                sampling={name: float(counts.max() / max(counts[number], 1)) for name, number in code.items()},
                stored_side_px=plan.input_px,
                data_hash="the control",
                seed=plan.seed,
                repeat=0,
                fold=fold,
                folder=folder / f"f{fold}",
            )
        )
    return jobs
