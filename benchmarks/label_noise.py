"""How well label suspects are found: drawn smears with labels flipped on purpose, so that every wrong one is known.

Run: python benchmarks/label_noise.py [--n 600] [--seeds 3]; python benchmarks/label_noise.py --study 11 12 13
Draws smears, measures their cells, flips a share of the labels (neutrophil and eosinophil, lymphocyte and monocyte for
one another), trains the classical baseline by 5-fold cross-validation on the flipped labels, a tenth of the training
rows set aside as a study does, and audits the labels from what it says of held-out rows: how many suspects are really
flipped (precision), how many flipped ones are suspected (recall), and what share is estimated. With --study, the same
of a whole quick study (EfficientNet-Lite0 and the baseline) on 300 smears a seed, a tenth of the labels flipped.
"""

from __future__ import annotations

import argparse
import csv
import random
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedKFold, train_test_split

from buffycoat.data.load import load
from buffycoat.imaging.crops import CropItem
from buffycoat.labels.audit import audit_labels
from buffycoat.morphology.classify import MeasurementClassifier
from buffycoat.morphology.columns import SCHEMA
from buffycoat.morphology.table import measure_all
from buffycoat.records.labels import LabelAudit
from buffycoat.synth.write import write_set

CLASSES = ("neutrophil", "eosinophil", "lymphocyte", "monocyte")
SHARES = {"neutrophil": 0.5, "eosinophil": 0.25, "lymphocyte": 0.13, "monocyte": 0.12}
LIKE = np.array([1, 0, 3, 2])
Numbers = NDArray[np.int64]


def drawn(n: int, seed: int) -> tuple[NDArray[np.float64], Numbers]:
    with tempfile.TemporaryDirectory() as folder:
        write_set(Path(folder) / "set", n, seed, shares=SHARES)
        data = load(str(Path(folder) / "set"))
        rows = data.cells.select("cell_id", "image", "label").rows()
        table = measure_all([CropItem(cell, data.root / image) for cell, image, _ in rows], Path(folder) / "measured")
    found = table.select(pl.col(list(SCHEMA)).cast(pl.Float64).fill_null(float("nan"))).to_numpy()
    return found, np.array([CLASSES.index(label) for _, _, label in rows], np.int64)


def study(x: NDArray[np.float64], labels: Numbers, seed: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the answers of a 5-fold study to its held-out and to its inner validation rows."""
    held, inner = [], []
    for fold, (train, test) in enumerate(StratifiedKFold(5, shuffle=True, random_state=seed).split(x, labels)):
        fit, aside = train_test_split(train, test_size=0.1, stratify=labels[train], random_state=seed)
        model = MeasurementClassifier(len(CLASSES), seed).fit(x[fit], labels[fit], fit)
        held.append(rows(fold, test, labels, model.probabilities(x[test])))
        inner.append(rows(fold, aside, labels, model.probabilities(x[aside])))
    return pl.concat(held), pl.concat(inner)


def rows(fold: int, places: Numbers, labels: Numbers, odds: NDArray[np.float64]) -> pl.DataFrame:
    table = {
        "model": ["measurements"] * len(places),
        "repeat": [0] * len(places),
        "fold": [fold] * len(places),
        "cell_id": [f"c{place:05d}" for place in places],
        "label": [CLASSES[labels[place]] for place in places],
    }
    return pl.DataFrame({**table, **{f"p_{name}": odds[:, k] for k, name in enumerate(CLASSES)}})


def trial(x: NDArray[np.float64], true: Numbers, noise: float, seed: int) -> dict[str, Any]:
    rng = np.random.default_rng([seed, round(1000 * noise)])
    labels = np.where(rng.random(len(true)) < noise, LIKE[true], true)
    held, inner = study(x, labels, seed)
    ids = [f"c{place:05d}" for place in range(len(true))]
    cells = pl.DataFrame(
        {"cell_id": ids, "image": ids, "label": [CLASSES[label] for label in labels], "group": ids},
    ).with_columns(excluded_by=pl.lit(None, pl.String))
    found = audit_labels(held, inner, cells, classes=CLASSES, titles={})
    wrong = {cell for cell, given, right in zip(ids, labels, true, strict=True) if given != right}
    suspects = {one.cell_id: one.suspected for one in found.suspects}
    hit = wrong & set(suspects)
    odds = held.sort("cell_id").select([f"p_{name}" for name in CLASSES]).to_numpy()
    share, limits = len(wrong) / len(true), found.wrong.interval
    return {
        "accuracy": float((odds.argmax(axis=1) == true).mean()),
        "flipped": len(wrong),
        "suspects": len(suspects),
        "precision": len(hit) / len(suspects) if suspects else float("nan"),
        "recall": len(hit) / len(wrong) if wrong else float("nan"),
        "share": share,
        "estimated": found.wrong.value or 0.0,
        "within": (limits.low or 0.0) <= share <= (1.0 if limits.high is None else limits.high),
    }


def of_study(seed: int) -> tuple[int, int, int]:
    """Return how many held-out labels are flipped, how many are suspected, and how many are both."""
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        data, out = Path(folder) / "set", Path(folder) / "study"
        write_set(data, 300, seed)
        with (data / "labels.csv").open(newline="", encoding="utf-8") as stream:
            table = list(csv.DictReader(stream))
        like = {name: CLASSES[LIKE[place]] for place, name in enumerate(CLASSES)}
        flips = {row["image"] for row in table if row["label"] in like and chance.random() < 0.1}
        for row in table:
            row["label"] = like[row["label"]] if row["image"] in flips else row["label"]
        with (data / "labels.csv").open("w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, list(table[0]))
            writer.writeheader()
            writer.writerows(table)
        settings = ("split.test_share=0.3", "unlike=false", "train.epochs=12")
        line = [
            "study",
            str(data),
            "--recipe",
            "none",
            "--preset",
            "quick",
            "-m",
            "efficientnet",
            "--out",
            str(out),
            "-q",
        ]
        line += [option for setting in settings for option in ("--set", setting)]
        subprocess.run([sys.executable, "-m", "buffycoat", *line], check=True, stdout=subprocess.DEVNULL)
        suspects = {one.cell_id for one in LabelAudit.read(out / "labels.json").suspects}
        cells = pl.read_parquet(out / "cells.parquet")
        held = pl.read_parquet(out / "predictions.parquet").get_column("cell_id").unique().to_list()
        wrong = set(cells.filter(pl.col("image").is_in(list(flips)) & pl.col("cell_id").is_in(held))["cell_id"])
    return len(wrong), len(suspects), len(wrong & suspects)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=600)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--study", type=int, nargs="+", metavar="SEED")
    asked = parser.parse_args(arguments)
    if asked.study:
        flips, suspected, both = np.sum([of_study(seed) for seed in asked.study], axis=0)
        print(f"{flips} of the held-out labels flipped, {suspected} suspected, {both} of them flipped")
        return
    x, true = drawn(asked.n, 7)
    print(f"{len(true)} drawn cells, means over {asked.seeds} seeds")
    print("noise  accuracy(true)  flipped  suspects  precision  recall  share  estimated  within interval")
    for noise in (0.0, 0.05, 0.1, 0.2):
        found = [trial(x, true, noise, seed) for seed in range(asked.seeds)]
        mean = {name: float(np.mean([one[name] for one in found])) for name in found[0]}
        print(
            f"{noise:5.0%}  {mean['accuracy']:14.3f}  {mean['flipped']:7.1f}  {mean['suspects']:8.1f}  "
            f"{mean['precision']:9.2f}  {mean['recall']:6.2f}  {mean['share']:5.3f}  {mean['estimated']:9.3f}  "
            f"{sum(one['within'] for one in found)}/{asked.seeds}"
        )


if __name__ == "__main__":
    main()
