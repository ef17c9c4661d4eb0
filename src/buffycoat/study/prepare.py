"""From data to splits: everything before training, each step a file in the study folder."""

from __future__ import annotations

from dataclasses import replace

import polars as pl

from buffycoat import taxonomy
from buffycoat.clean.recipe import apply
from buffycoat.data.dataset import DataSet
from buffycoat.errors import DataError
from buffycoat.explore.survey import explore
from buffycoat.files import write_json, write_parquet
from buffycoat.imaging.crops import CropItem, CropStore, build_crops
from buffycoat.morphology.table import measure_all
from buffycoat.networks.start import StartWeights
from buffycoat.records.documents import DataSummary, Fault
from buffycoat.records.tables import BOX
from buffycoat.records.versions import versions
from buffycoat.study.config import SplitConfig, StudyConfig
from buffycoat.study.folder import StudyFolder
from buffycoat.study.presets import PRESETS
from buffycoat.study.record import StudyRecord
from buffycoat.study.splitting import audit_first, split
from buffycoat.study.watch import Watcher
from buffycoat.train.precision import choose

UNREADABLE = "unreadable"
NO_LEUKOCYTE = "no-leukocyte"


def prepare(
    data: DataSet,
    config: StudyConfig,
    out: StudyFolder,
    command: str,
    threads: int,
    watch: Watcher,
    weights: dict[str, StartWeights],
) -> None:
    """Frame, clean, split and explore; write what the later stages read.

    Parameters
    ----------
    weights
        What each network starts from, for ``study.json``.

    Raises
    ------
    DataError
        Too little is left to learn from: one class, or a class with fewer groups than folds.
    """
    summary = data.summary()  # of the data as they came: the audit changes groups
    checked, grouped = audit_first(data, config, out, watch)
    data = replace(data, cells=grouped)
    watch.stage("Finding and framing the cells")
    crops = build_crops(_items(data), config.frame, out / "crops", on_progress=watch.count)
    cells, faults = _with_faults(data, crops)
    write_json(out / "faults.json", [fault.model_dump(mode="json") for fault in (*data.faults, *faults)])
    watch.stage("Cleaning and splitting")
    cells, cleaning = apply(config.recipe, cells, config.seed)
    cleaning.write(out / "cleaning.json")
    kept = cells.filter(pl.col("excluded_by").is_null())
    splits, leakage = split(kept, config, checked, watch)
    checked.model_copy(update={"leakage": leakage}).write(out / "audit.json")
    folds = splits.filter((pl.col("repeat") == 0) & (pl.col("role") == "test")).select(
        "cell_id", pl.col("fold").alias("_fold")
    )
    cells = cells.join(folds, on="cell_id", how="left", maintain_order="left")
    cells = cells.with_columns(fold=pl.col("_fold")).drop("_fold")
    if config.baseline:
        watch.stage("Measuring nucleus and cytoplasm")
        measured = measure_all(_items(data), out / "morphology", on_progress=watch.count)
        cells = cells.join(measured, on="cell_id", how="left", maintain_order="left")
    write_parquet(out / "cells.parquet", cells)
    write_parquet(out / "splits.parquet", splits)
    watch.stage("Exploring")
    explore(cells, data.root, crops, out / "explore", seed=config.seed, spec=config.frame, on_progress=watch.count)
    record = _record(data, summary, config, taxonomy.order(kept.get_column("label")), command, threads)
    record = record.model_copy(update={"weights": weights})
    if (out / "study.json").exists():
        record = _going_on(StudyRecord.read(out / "study.json"), record, watch)
    record.write(out / "study.json")


def _going_on(before: StudyRecord, now: StudyRecord, watch: Watcher) -> StudyRecord:
    """Return the record of a study that is gone on with: its command is the one that asks for all of it."""
    changed = sorted(name for name, version in now.versions.items() if before.versions.get(name) != version)
    if changed:
        watch.say(f"Begun with other versions of {', '.join(changed)}; finished folds are kept.", warning=True)
    if before.threads != now.threads:
        watch.say(
            f"Begun with {before.threads} threads a fold, gone on with {now.threads}: figures may differ a little from "
            "those of a study that was not interrupted.",
            warning=True,
        )
    return now.model_copy(update={"command": before.command}) if before.config == now.config else now


def protocol(split: SplitConfig, preset: str) -> str:
    """Return one sentence that says how rows were parted."""
    if split.scheme == "given":
        how = "The data set's own split into training and test rows"
    elif split.scheme == "holdout":
        how = f"One stratified hold-out of {split.test_share:.0%} of the rows"
    else:
        how = f"Stratified {split.folds}-fold cross-validation, every cell tested once"
    if split.repeats > 1:
        how += f", repeated {split.repeats} times"
    return (
        f"{how}; {_apart(split)}; {split.validation_share:.0%} of the training rows set aside for early stopping "
        f"(preset {preset}: {PRESETS[preset].title})."  # type: ignore[index]
    )


def _apart(split: SplitConfig) -> str:
    if split.leaks == "drop":
        return "training rows whose group is held out left out"
    if split.leaks == "allow" and (split.groups == "none" or split.scheme == "given"):
        return "groups NOT kept together"
    return {"audited": "groups never parted", "given": "groups as given never parted", "none": "rows taken one by one"}[
        split.groups
    ]


def _items(data: DataSet) -> list[CropItem]:
    there = data.cells.filter(pl.col("image").is_not_null())
    items = []
    for cell_id, image, *corners in there.select("cell_id", "image", *BOX).iter_rows():
        box = None if any(corner is None for corner in corners) else tuple(corners)
        items.append(CropItem(cell_id, data.root / image, box))
    return items


def _with_faults(data: DataSet, crops: CropStore) -> tuple[pl.DataFrame, list[Fault]]:
    """Mark the rows whose image could not be read or shows no leukocyte; return the table and the faults."""
    index = crops.index.select("cell_id", "framing", "fault")
    cells = data.cells.join(index, on="cell_id", how="left", maintain_order="left")
    unreadable = pl.col("fault").is_not_null()
    empty = pl.col("framing").eq("none") & ~unreadable
    cells = cells.with_columns(
        excluded_by=pl.when(pl.col("excluded_by").is_not_null())
        .then(pl.col("excluded_by"))
        .when(unreadable)
        .then(pl.lit(UNREADABLE))
        .when(empty)
        .then(pl.lit(NO_LEUKOCYTE))
    )
    faults = [
        Fault(file=image, problem=problem or "no leukocyte was found", action="left out")
        for image, problem in cells.filter(unreadable | empty).select("image", "fault").iter_rows()
    ]
    if cells.filter(pl.col("image").is_not_null() & ~(unreadable | empty).fill_null(value=False)).is_empty():
        raise DataError(
            f"None of the {len(faults)} images of {data.name} could be used: {faults[0].problem} ({faults[0].file})."
            if faults
            else f"{data.name} holds no image."
        )
    return cells.drop("framing", "fault"), faults


def _record(
    data: DataSet, summary: DataSummary, config: StudyConfig, classes: tuple[str, ...], command: str, threads: int
) -> StudyRecord:
    return StudyRecord(
        name=data.name,
        data=summary,
        preset=config.preset,
        protocol=protocol(config.split, config.preset),
        seed=config.seed,
        models=config.models,
        classes=classes,
        frame=config.frame,
        recipe=config.recipe.title,
        config=config,
        versions=versions(),
        threads=threads,
        precision={model: choose(train.precision) for model, train in config.train.items()},
        command=command,
    )
