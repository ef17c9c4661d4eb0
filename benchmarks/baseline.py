"""The classical baseline alone, without a network: measurements of nucleus and cytoplasm under a study's folds.

Run: python benchmarks/baseline.py [--data bccd] [--seed 101] [--repeats 1]
Cleans by the usual recipe, splits as a study with this seed does (5 folds), fits on training rows only, and prints
what a study would: counts, intervals, sensitivities, and the time a field takes to be measured.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import polars as pl

from buffycoat import taxonomy
from buffycoat.clean.recipe import apply, named
from buffycoat.data.load import load
from buffycoat.evaluate import evaluate
from buffycoat.imaging.crops import CropItem
from buffycoat.imaging.decode import read_image
from buffycoat.morphology.classify import MeasurementClassifier
from buffycoat.morphology.columns import SCHEMA
from buffycoat.morphology.measure import measure
from buffycoat.morphology.table import measure_all
from buffycoat.records.tables import conform, prediction_columns
from buffycoat.report.numbers import with_interval
from buffycoat.split.folds import make_splits
from buffycoat.study.baseline import NAME, TITLE
from buffycoat.train.seeds import derive


def predicted(cells: pl.DataFrame, splits: pl.DataFrame, classes: tuple[str, ...], seed: int) -> pl.DataFrame:
    place = {name: k for k, name in enumerate(classes)}
    own = pl.format("cell\0{}", "cell_id")
    rows = splits.join(cells.select("cell_id", "label", pl.col("group").fill_null(own), *SCHEMA), on="cell_id")
    parts = []
    for (repeat, fold), part in rows.sort("repeat", "fold", "cell_id").group_by("repeat", "fold", maintain_order=True):
        train, test = part.filter(pl.col("role") == "train"), part.filter(pl.col("role") == "test")
        x, held = (
            one.select(pl.col(list(SCHEMA)).cast(pl.Float64).fill_null(float("nan"))).to_numpy()
            for one in (train, test)
        )
        labels = np.array([place[label] for label in train["label"]], np.int64)
        model = MeasurementClassifier(len(classes), derive(seed, NAME, repeat, fold))
        odds = model.fit(x, labels, train["group"].to_numpy()).probabilities(held)
        parts.append(
            test.select(pl.lit(NAME).alias("model"), "repeat", "fold", "cell_id", "label").with_columns(
                **{f"p_{name}": pl.Series(odds[:, k]) for name, k in place.items()}
            )
        )
    return conform(pl.concat(parts), prediction_columns(classes), "predictions")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="bccd")
    parser.add_argument("--seed", type=int, default=101)
    parser.add_argument("--repeats", type=int, default=1)
    asked = parser.parse_args(arguments)
    data = load(asked.data)
    there = data.cells.filter(pl.col("image").is_not_null())
    items = [CropItem(cell, data.root / image) for cell, image in there.select("cell_id", "image").iter_rows()]
    with tempfile.TemporaryDirectory() as folder:
        measured = measure_all(items, Path(folder))
    cells, _ = apply(
        named("seeds"), data.cells.join(measured, on="cell_id", how="left", maintain_order="left"), asked.seed
    )
    kept = cells.filter(pl.col("excluded_by").is_null())
    splits = make_splits(
        kept, seed=asked.seed, scheme="kfold", folds=5, repeats=asked.repeats, test_share=0.2, validation_share=0.1
    )
    classes = taxonomy.order(kept["label"])
    results = evaluate(
        predicted(kept, splits, classes, asked.seed),
        cells,
        classes=classes,
        titles={NAME: TITLE},
        synthetic=data.synthetic,
        seed=asked.seed,
        protocol="",
        majority=splits,
        baselines=(NAME,),
    )
    (model,) = results.models
    print(f"seed {asked.seed}: {model.right} of {model.n} right ({model.cells} cells, {model.groups} groups)")
    print(f"accuracy {with_interval(model.accuracy)}; balanced {with_interval(model.balanced_accuracy)}")
    print(f"always the largest class {with_interval(results.majority.accuracy)}")
    for one, row in zip(model.classes, model.confusion, strict=True):
        print(f"  {one.name:12s} n {one.support:4d}  sensitivity {with_interval(one.sensitivity)}  called {row}")
    images = [read_image(item.path) for item in items[:40] if item.path.is_file()]
    cv2.setNumThreads(1)
    times = []
    for image in images:
        rounds = []
        for _ in range(3):
            begin = time.process_time()
            measure(image)
            rounds.append(time.process_time() - begin)
        times.append(min(rounds))
    print(
        f"measuring a field, the leukocyte found included: median {1000 * float(np.median(times)):.1f} ms of one core"
    )


if __name__ == "__main__":
    main()
