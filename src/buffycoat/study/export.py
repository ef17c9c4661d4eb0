"""From a study to a bundle: measures the fold networks as they will be used, trains the final one, writes both."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from buffycoat.bundle.read import Bundle
from buffycoat.bundle.words import leaking, rate
from buffycoat.clean.weights import sampling_weights
from buffycoat.errors import DataError, UsageError, did_you_mean
from buffycoat.export.card import (
    INTENDED_USE,
    card_results,
    limitations,
    made_with,
    now,
    quantisation,
    title,
)
from buffycoat.export.folds import CALIBRATION_CROPS, VIEWS, Made, Network, make, trained
from buffycoat.export.measure import FoldRows, FoldSaid, before, gathered, question, result
from buffycoat.export.operating import operating_point, stated_rate
from buffycoat.export.photographs import Cell, Seen, see
from buffycoat.export.quantise import Recipe
from buffycoat.export.write import fingerprinted, refuse_other_folder, write_bundle
from buffycoat.imaging.crops import CropStore
from buffycoat.imaging.view import View
from buffycoat.records.card import BundleCard, CardData, CardNetwork
from buffycoat.records.documents import ModelResult, NetworkCard, Results
from buffycoat.records.tables import BOX, CELLS, read_table
from buffycoat.split.draw import Rows as SplitRows
from buffycoat.split.draw import choose_part
from buffycoat.study.folder import StudyFolder
from buffycoat.study.jobs import fold_jobs
from buffycoat.study.record import StudyRecord
from buffycoat.study.watch import Silent, Watcher
from buffycoat.train.batches import Rows
from buffycoat.train.distributed import join
from buffycoat.train.fold import FoldJob, run_fold

Precision = Literal["fp32", "int8"]
FINAL = "final"
_MUCH_WITHHELD = 0.5
_INNER_DRAW = 1_000_003  # names the draw of the final network's validation rows; no repeat has this number


@dataclass(frozen=True)
class Wanted:
    """What is to be exported, and how.

    Attributes
    ----------
    model
        A network of the study; None: the one with the highest accuracy.
    weights
        ``"final"``: trained on every row of the study; ``"r0f0"``: those of the first fold.
    error_rate
        Share of the answers that may be wrong: the less certain are left unidentified. None: the rate that the study
        was told, or else three quarters of what is wrong when everything is answered (:func:`stated_rate`).
    allow_loss
        Whether 8 bits may cost more than 1 % of balanced accuracy.
    """

    model: str | None = None
    precision: Precision = "int8"
    weights: Literal["final", "r0f0"] = "final"
    error_rate: float | None = None
    allow_loss: bool = False
    licence: str = "Apache-2.0"
    name: str | None = None
    recipe: Recipe = Recipe()  # noqa: RUF009 (frozen)


@dataclass(frozen=True)
class _Study:
    """What an export reads of a study."""

    folder: StudyFolder
    record: StudyRecord
    results: Results
    cells: pl.DataFrame  # the included ones, sorted by cell_id
    jobs: tuple[FoldJob, ...]  # of the network, first repeat
    card: NetworkCard

    @property
    def job(self) -> FoldJob:
        return self.jobs[0]

    @property
    def view(self) -> View:
        return View(self.record.frame, self.job.config.view_px, self.job.config.input_px)

    @property
    def labels(self) -> NDArray[np.int64]:
        place = {name: number for number, name in enumerate(self.record.classes)}
        return np.array([place[label] for label in self.cells.get_column("label")], dtype=np.int64)

    @property
    def groups(self) -> NDArray[np.int64]:
        own = pl.format("cell\0{}", "cell_id")
        return self.cells.select(pl.col("group").fill_null(own).rank("dense")).to_series().to_numpy().astype(np.int64)

    def rows(self, job: FoldJob) -> FoldRows:
        """Return a fold's rows as places in `cells`."""
        place = {name: row for row, name in enumerate(self.cells.get_column("cell_id"))}
        parts = {role: np.array([place[i] for i in part.cell_ids], dtype=np.int64) for role, part in job.rows.items()}
        return FoldRows(job.fold, **parts)


def export_study(path: Path, out: Path, wanted: Wanted, *, watch: Watcher | None = None) -> Bundle:
    """Export a network of a finished study.

    Parameters
    ----------
    path
        The study folder. The final network is trained there, once, and resumed after an interruption.
    out
        The bundle's folder: new, empty, or an older bundle.

    Raises
    ------
    DataError
        The study is unfinished, its photographs are gone, or 8 bits cost too much.
    UsageError
        The study has no such network, or it cannot be written as ONNX.
    OutputError
        The folder cannot be used.
    """
    watch = watch or Silent()
    study = _open(path, wanted)
    refuse_other_folder(out)
    if study.results.leaked is not None:
        watch.say(leaking(study.results.leaked), warning=True)
    with study.folder.alone(), tempfile.TemporaryDirectory(prefix="buffycoat-") as scratch:
        watch.stage("Cutting the cells from their photographs")
        seen = _see(study, Path(scratch) / "views.u8", watch)
        watch.stage(f"Measuring {study.card.title} as it will be used")
        said = _question_folds(study, seen.views, wanted, watch)
        final, job = _final(study, wanted, watch)
        watch.stage("Exporting")
        rows = study.rows(job)
        made = _make(study, final, rows, seen.views, wanted)
    content, digest = fingerprinted(made.model)
    card = _card(study, wanted, made, said, seen, rows).model_copy(
        update={"model_bytes": len(content), "model_sha256": digest}
    )
    _warn_of_silence(card, watch)
    return write_bundle(out, content, card)


def _warn_of_silence(card: BundleCard, watch: Watcher) -> None:
    """Say when the stated error rate leaves most cells without an answer."""
    for views, point in card.operating.items():
        withheld = point.expected.unidentified.value or 0.0
        if withheld > _MUCH_WITHHELD:
            watch.say(
                f"With {views} view{'s' if views != '1' else ''}, {withheld:.0%} of the held-out cells are left "
                f"unidentified to keep the wrong answers within {rate(point.error_rate)}; "
                "a higher --error-rate answers more.",
                warning=True,
            )


def _open(path: Path, wanted: Wanted) -> _Study:
    folder = StudyFolder(path)
    if not (folder / "study.json").is_file():
        raise DataError(f"{path} holds no study.", hint="Run one first: buffycoat study DATA --out DIR.")
    record = StudyRecord.read(folder / "study.json")
    if not (folder / "results.json").is_file():
        raise DataError(f"The study in {path} is not finished.", hint="Run the same study command again: it goes on.")
    results = Results.read(folder / "results.json")
    model = wanted.model or _best(results, record.models)
    if model not in record.models:
        model = next((name for name in record.models if record.config.network(name).title == model), model)
    if model not in record.models:
        raise UsageError(
            f"The study has no network {model!r}; it has {', '.join(record.models)}.",
            hint=did_you_mean(model, record.models),
        )
    jobs = tuple(job for job in fold_jobs(folder, record) if job.network.name == model and job.repeat == 0)
    lacking = [job.fold + 1 for job in jobs if not (job.folder / "weights.safetensors").is_file()]
    if lacking:
        raise DataError(
            f"The weights of {model} are gone for fold {', '.join(map(str, lacking))}.",
            hint="Run the same study command again: what is missing is trained.",
        )
    cells = read_table(folder / "cells.parquet", CELLS).filter(pl.col("excluded_by").is_null()).sort("cell_id")
    return _Study(folder, record, results, cells, jobs, NetworkCard.read(folder.card(model)))


def _best(results: Results, models: tuple[str, ...]) -> str:
    """Return the network with the highest accuracy; what is no network (measurements, the majority) has no weights."""
    networks = [one for one in results.models if one.model in models]
    return max(networks, key=lambda one: one.accuracy.value or 0.0).model


def _see(study: _Study, file: Path, watch: Watcher) -> Seen:
    root = Path(study.record.data.root)
    cells = [
        Cell(cell_id, root / image, None if corners[0] is None else tuple(corners))
        for cell_id, image, *corners in study.cells.select("cell_id", "image", *BOX).iter_rows()
    ]
    crops = CropStore.open(study.folder / "crops")
    stored = crops.images[crops.rows(cell.cell_id for cell in cells)]
    seen = see(cells, stored, study.view, file, on_progress=watch.count)
    if seen.elsewhere:
        watch.say(f"{seen.elsewhere} of {len(cells)} cells are not found where the study framed them.", warning=True)
    return seen


def _question_folds(study: _Study, pictures: NDArray[np.uint8], wanted: Wanted, watch: Watcher) -> list[FoldSaid]:
    said = []
    for place, job in enumerate(study.jobs):
        rows = study.rows(job)
        made = _make(study, trained(job), rows, pictures, wanted)
        said.append(question(made, rows, job.network, pictures))
        watch.count(place + 1, len(study.jobs))
    return said


def _make(study: _Study, network: Network, rows: FoldRows, pictures: NDArray[np.uint8], wanted: Wanted) -> Made:
    return make(
        network,
        study.job.network,
        study.job.config.input_px,
        pictures[rows.train],
        study.labels[rows.train],
        recipe=wanted.recipe if wanted.precision == "int8" else None,
        seed=study.record.seed,
    )


def _final(study: _Study, wanted: Wanted, watch: Watcher) -> tuple[Network, FoldJob]:
    """Return the network to export and the job it was trained by."""
    if wanted.weights != FINAL:
        return trained(study.job), study.job
    job = final_job(study.folder, study.record, study.job, study.cells)
    watch.stage(f"Training {study.card.title} on every cell of the study")

    def on_epoch(epoch: int, epochs: int, _: object) -> None:
        watch.count(epoch, epochs)

    run_fold(job, CropStore.open(study.folder / "crops").images, join(), on_epoch=on_epoch)
    card = NetworkCard.read(job.folder / "network.json")
    if card.weights != study.card.weights:
        raise DataError(
            f"The final network would start from {card.weights}, the study's started from {study.card.weights}.",
            hint="Bring the same weights, or export a fold's network with --model-weights r0f0.",
        )
    return trained(job), job


def final_job(folder: StudyFolder, record: StudyRecord, like: FoldJob, cells: pl.DataFrame) -> FoldJob:
    """Return the job that trains on every included cell; as large a share as in the study is set aside to judge by."""
    table = cells.sort("cell_id")
    inner = choose_part(
        SplitRows.of(table), record.config.split.validation_share, (record.seed, _INNER_DRAW), needs=3, least=2
    )
    crops = CropStore.open(folder / "crops")
    place = {name: number for number, name in enumerate(record.classes)}

    def rows(mask: NDArray[np.bool_]) -> Rows:
        part = table.filter(pl.Series(mask))
        ids = part.get_column("cell_id").to_list()
        labels = np.array([place[label] for label in part.get_column("label")], dtype=np.int64)
        return Rows(crops.rows(ids), labels, tuple(ids))

    parts = {"train": rows(~inner), "validation": rows(inner), "test": rows(np.zeros_like(inner))}
    training = [record.classes[label] for label in parts["train"].labels]
    return replace(
        like,
        rows=parts,
        sampling=sampling_weights(record.config.recipe, training),
        fold=record.config.split.folds,  # a number of its own, and so seeds of its own
        folder=folder.path / "models" / like.network.name / FINAL,
    )


def _card(study: _Study, wanted: Wanted, made: Made, said: list[FoldSaid], seen: Seen, rows: FoldRows) -> BundleCard:
    record, job, classes = study.record, study.job, study.record.classes
    final = wanted.weights == FINAL
    answers = {views: gathered(said, views, study.labels, study.groups) for views in VIEWS}
    found = {views: result(asked, asked.probabilities, classes, study.card.title) for views, asked in answers.items()}
    stated = _error_rate(study, wanted, found[1])
    points = {
        str(views): operating_point(asked, found[views], error_rate=stated, seed=record.seed)
        for views, asked in answers.items()
    }
    cost = None
    if wanted.precision == "int8":
        asked, odds = answers[1], before(said)
        whole = result(asked, odds, classes, study.card.title)
        cost = quantisation(
            wanted.recipe,
            made.kept,
            min(CALIBRATION_CROPS, len(rows.train)),
            (whole, found[1]),
            (asked, odds),
            allow_loss=wanted.allow_loss,
        )
    learned = np.concatenate([rows.train, rows.validation]) if final else rows.train
    counts = np.bincount(study.labels[learned], minlength=len(classes))
    name = wanted.name or f"{record.name}-{job.network.name}"
    return BundleCard(
        name=name,
        title=title(study.card.title, len(classes), record.data.name, leaked=study.results.leaked),
        classes=classes,
        frame=record.frame,
        view_px=job.config.view_px,
        input_px=job.config.input_px,
        mean=job.network.mean,
        std=job.network.std,
        precision=wanted.precision,
        features=made.features,
        operating=points,  # type: ignore[arg-type]
        explanation=made.explanation,
        network=CardNetwork(
            name=job.network.name,
            title=study.card.title,
            parameters=study.card.parameters,
            multiply_adds=study.card.multiply_adds,
            weights=study.card.weights,
            trained_on="all" if final else "fold",
            trained_on_words=_trained_on(len(learned), len(rows.validation), final=final),
            reference=study.card.reference,
        ),
        data=CardData(
            name=record.data.name,
            synthetic=record.data.synthetic,
            description=record.data.description,
            citation=record.data.citation,
            licence=record.data.licence,
            cells={label: int(counts[place]) for place, label in enumerate(classes)},
            content_hash=record.data.content_hash,
        ),
        results=card_results(study.results, job.network.name, _measured_on(study, seen, final=final)),
        quantisation=cost,
        intended_use=INTENDED_USE,
        limitations=limitations(
            classes, record.data.name, synthetic=record.data.synthetic, leaked=study.results.leaked
        ),
        licence=wanted.licence,
        created=now(),
        versions=made_with(),
        model_bytes=1,
        model_sha256="0" * 64,
    )


def _error_rate(study: _Study, wanted: Wanted, found: ModelResult) -> float:
    """Return the error rate to keep: the one asked for, else the one the study was told, else one within reach."""
    told = study.record.config.error_rate if wanted.error_rate is None else wanted.error_rate
    return stated_rate(found) if told is None else told


def _trained_on(cells: int, judged: int, *, final: bool) -> str:
    if final:
        return (
            f"Trained on all {cells} cells of the study, {judged} of them set aside to judge when to stop. No cell is "
            "left to test this very network: the figures are those of the study's fold networks, trained the same way "
            "on four fifths or so of the cells and tested on the others."
        )
    return (
        f"The network of the study's first fold, trained on {cells} cells; its held-out cells are among those tested."
    )


def _measured_on(study: _Study, seen: Seen, *, final: bool) -> str:
    tested = sum(len(job.rows["test"]) for job in study.jobs)
    words = (
        f"The operating points and the cost of 8 bits were measured on {tested} held-out cells of the study's first "
        f"repeat, each by the network of the fold it was held out of, cut from the original photographs and run as "
        f"`buffycoat predict` does. The table of networks is the study's own, in PyTorch with "
        f"{study.job.config.views} views."
    )
    if final:
        words += " None of these figures is of the bundle's own network, which has seen every cell."
    if seen.elsewhere:
        words += f" {seen.elsewhere} cells are not found where the study framed them; they were cut there all the same."
    return words
