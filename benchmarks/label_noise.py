"""How well label suspects are found: drawn smears with labels flipped on purpose, so that every wrong one is known.

Run: python benchmarks/label_noise.py [--n 600] [--seeds 3]
Draws smears, measures their cells, flips a share of the labels (neutrophil and eosinophil, lymphocyte and monocyte for
one another), trains the classical baseline by 5-fold cross-validation on the flipped labels, and counts how many
suspects are really flipped (precision), how many flipped ones are suspected (recall), and what share is estimated.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedKFold

from buffycoat.data.load import load
from buffycoat.imaging.crops import CropItem
from buffycoat.labels.confident import NOBODY, confident_classes, estimate_joint, thresholds
from buffycoat.labels.shares import wrong_estimates
from buffycoat.morphology.classify import MeasurementClassifier
from buffycoat.morphology.columns import SCHEMA
from buffycoat.morphology.table import measure_all
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


def out_of_fold(x: NDArray[np.float64], labels: Numbers, seed: int) -> NDArray[np.float64]:
    odds = np.zeros((len(labels), len(CLASSES)))
    for train, test in StratifiedKFold(5, shuffle=True, random_state=seed).split(x, labels):
        model = MeasurementClassifier(len(CLASSES), seed).fit(x[train], labels[train], train)
        odds[test] = model.probabilities(x[test])
    return odds


def trial(x: NDArray[np.float64], true: Numbers, noise: float, seed: int) -> dict[str, Any]:
    rng = np.random.default_rng([seed, round(1000 * noise)])
    labels = np.where(rng.random(len(true)) < noise, LIKE[true], true)
    odds = out_of_fold(x, labels, seed)
    confident = confident_classes(odds, thresholds(odds, labels))
    suspect, wrong = (confident != NOBODY) & (confident != labels), labels != true
    estimated = wrong_estimates(estimate_joint(odds, labels), labels, confident, np.arange(len(labels)))[0]
    low, high = estimated.interval.low or 0.0, estimated.interval.high or 0.0
    return {
        "accuracy": float((odds.argmax(axis=1) == true).mean()),
        "flipped": int(wrong.sum()),
        "suspects": int(suspect.sum()),
        "precision": float((suspect & wrong).sum() / max(suspect.sum(), 1)),
        "recall": float((suspect & wrong).sum() / wrong.sum()) if wrong.any() else float("nan"),
        "right_class": float((confident == true)[suspect & wrong].mean()) if (suspect & wrong).any() else float("nan"),
        "share": float(wrong.mean()),
        "estimated": estimated.value or 0.0,
        "within": bool(low <= wrong.mean() <= high),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=600)
    parser.add_argument("--seeds", type=int, default=3)
    asked = parser.parse_args(arguments)
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
