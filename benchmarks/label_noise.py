"""How well label suspects are found: drawn smears with labels made wrong on purpose, so that every wrong one is known.

Run: OMP_NUM_THREADS=1 python benchmarks/label_noise.py [--sets 12] [--n 600] [--jobs 2]; the same with --study 1 2 3
Every set is drawn anew and measured; a share of its labels is made wrong; the classical baseline is trained by 5-fold
cross-validation on what is then written, a tenth of the training rows set aside as a study does; and the labels are
audited from what it says of held-out rows. A label is made wrong in one of three ways:

alike
    neutrophil and eosinophil, lymphocyte and monocyte for one another, each label with the same chance;
any
    any other class, all with the same chance, each label with the same chance;
one-way
    only eosinophils called neutrophils and monocytes called lymphocytes, each of these with the chance at which the
    stated share of all labels is wrong: the share over how common the two are, 0.54 of them for 20 % of all.

Printed are the rows of docs/results/labels.md: how many suspects are really wrong (precision), how many wrong ones are
suspected (recall), both over all sets with 95 % limits that take a set for the independent unit, and what share is
estimated. The sets are the same in every row. With --study, one row of whole quick studies (EfficientNet-Lite0 and the
baseline) on 300 smears a seed, a tenth of the labels made wrong, "alike"; a study is then the independent unit.
"""

from __future__ import annotations

import argparse
import csv
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

import numpy as np
import polars as pl
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedKFold, train_test_split

from buffycoat.data.load import load
from buffycoat.evaluate.shares import share_of
from buffycoat.imaging.crops import CropItem
from buffycoat.labels.audit import audit_labels
from buffycoat.morphology.classify import MeasurementClassifier
from buffycoat.morphology.columns import SCHEMA
from buffycoat.morphology.table import measure_all
from buffycoat.records.documents import Estimate
from buffycoat.records.labels import LabelAudit
from buffycoat.report.numbers import share, with_interval
from buffycoat.synth.write import write_set

CLASSES = ("neutrophil", "eosinophil", "lymphocyte", "monocyte")
SHARES = {"neutrophil": 0.5, "eosinophil": 0.25, "lymphocyte": 0.13, "monocyte": 0.12}
LIKE = np.array([1, 0, 3, 2])
LOSES = (1, 3)  # one-way: eosinophils and monocytes are called what they look like, never the other way round
KINDS = ("alike", "any", "one-way")
NOISE = (0.05, 0.1, 0.2)
BY_LABEL = 0.1  # the noise at which single labels are shown
Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]
Found = TypeVar("Found")


@dataclass(frozen=True)
class Trial:
    """What an audit said of labels whose truth is known.

    Attributes
    ----------
    true, given, suspected
        (n,) class names; an empty one where nothing is suspected.
    right
        Share of the models' answers that are true, if known.
    wrong
        The estimated share of wrong labels: under "" of all, else of those that bear the label.
    """

    true: NDArray[np.str_]
    given: NDArray[np.str_]
    suspected: NDArray[np.str_]
    right: float | None
    wrong: dict[str, Estimate]

    @classmethod
    def of(cls, audit: LabelAudit, cells: pl.DataFrame, right: float | None = None) -> Trial:
        """Return the trial of an audit; `cells` holds ``cell_id``, ``label`` and ``true`` of the cells judged."""
        suspects = {one.cell_id: one.suspected for one in audit.suspects}
        suspected = [suspects.get(cell, "") for cell in cells["cell_id"]]
        wrong = {"": audit.wrong, **{one.name: one.wrong for one in audit.by_class}}
        true, given = (np.array(cells[name].to_list(), np.str_) for name in ("true", "label"))
        return cls(true, given, np.array(suspected, np.str_), right, wrong)


def drawn(n: int, seed: int) -> tuple[Floats, Numbers]:
    """Return the measurements of a drawn set's cells, and their classes."""
    with tempfile.TemporaryDirectory() as folder:
        write_set(Path(folder) / "set", n, seed, shares=SHARES)
        data = load(str(Path(folder) / "set"))
        rows = data.cells.select("cell_id", "image", "label").rows()
        items = [CropItem(cell, data.root / image) for cell, image, _ in rows]
        table = measure_all(items, Path(folder) / "measured", workers=1)
    found = table.select(pl.col(list(SCHEMA)).cast(pl.Float64).fill_null(float("nan"))).to_numpy()
    return found, np.array([CLASSES.index(label) for _, _, label in rows], np.int64)


def made_wrong(true: Numbers, kind: str, noise: float, rng: np.random.Generator) -> Numbers:
    """Return labels of which about a share `noise` is wrong."""
    chance, other = np.full(len(true), noise), LIKE[true]
    if kind == "any":
        other = (true + rng.integers(1, len(CLASSES), len(true))) % len(CLASSES)
    if kind == "one-way":
        loses = np.isin(true, LOSES)
        chance = np.where(loses, noise / loses.mean(), 0.0)
    return np.where(rng.random(len(true)) < chance, other, true)


def cross_validated(x: Floats, labels: Numbers, seed: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the answers of a 5-fold study to its held-out and to its inner validation rows."""
    held, inner = [], []
    for fold, (train, test) in enumerate(StratifiedKFold(5, shuffle=True, random_state=seed).split(x, labels)):
        fit, aside = train_test_split(train, test_size=0.1, stratify=labels[train], random_state=seed)
        model = MeasurementClassifier(len(CLASSES), seed).fit(x[fit], labels[fit], fit)
        held.append(rows(fold, test, labels, model.probabilities(x[test])))
        inner.append(rows(fold, aside, labels, model.probabilities(x[aside])))
    return pl.concat(held), pl.concat(inner)


def rows(fold: int, places: Numbers, labels: Numbers, odds: Floats) -> pl.DataFrame:
    table = {
        "model": ["measurements"] * len(places),
        "repeat": [0] * len(places),
        "fold": [fold] * len(places),
        "cell_id": [f"c{place:05d}" for place in places],
        "label": [CLASSES[labels[place]] for place in places],
    }
    return pl.DataFrame({**table, **{f"p_{name}": odds[:, k] for k, name in enumerate(CLASSES)}})


def trial(x: Floats, true: Numbers, kind: str, noise: float, seed: int) -> Trial:
    rng = np.random.default_rng([seed, KINDS.index(kind), round(1000 * noise)])
    labels = made_wrong(true, kind, noise, rng)
    held, inner = cross_validated(x, labels, seed)
    ids = [f"c{place:05d}" for place in range(len(true))]
    names = {"label": [CLASSES[k] for k in labels], "true": [CLASSES[k] for k in true]}
    cells = pl.DataFrame({"cell_id": ids, "image": ids, "group": ids, **names})
    found = audit_labels(
        held, inner, cells.with_columns(excluded_by=pl.lit(None, pl.String)), classes=CLASSES, titles={}
    )
    odds = held.sort("cell_id").select([f"p_{name}" for name in CLASSES]).to_numpy()
    return Trial.of(found, cells, float((odds.argmax(axis=1) == true).mean()))


def of_set(seed: int, n: int) -> dict[tuple[str, float], Trial]:
    """Return the trials of one drawn set, by kind and share of wrong labels."""
    x, true = drawn(n, seed)
    asked = [("alike", 0.0), *((kind, noise) for kind in KINDS for noise in NOISE)]
    return {one: trial(x, true, *one, seed) for one in asked}


def of_study(seed: int) -> Trial:
    """Return what a whole study says of its held-out labels."""
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        data, out = Path(folder) / "set", Path(folder) / "study"
        write_set(data, 300, seed)
        with (data / "labels.csv").open(newline="", encoding="utf-8") as stream:
            table = list(csv.DictReader(stream))
        true = pl.DataFrame({"image": [row["image"] for row in table], "true": [row["label"] for row in table]})
        like = {name: CLASSES[LIKE[place]] for place, name in enumerate(CLASSES)}
        for row in table:
            if row["label"] in like and chance.random() < 0.1:
                row["label"] = like[row["label"]]
        with (data / "labels.csv").open("w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, list(table[0]))
            writer.writeheader()
            writer.writerows(table)
        settings = ("split.test_share=0.3", "unlike=false", "train.epochs=12")
        line = f"study {data} --recipe none --preset quick -m efficientnet --out {out} -q".split()
        line += [word for setting in settings for word in ("--set", setting)]
        subprocess.run([sys.executable, "-m", "buffycoat", *line], check=True, stdout=subprocess.DEVNULL)
        held = pl.read_parquet(out / "predictions.parquet").select("cell_id").unique()
        cells = pl.read_parquet(out / "cells.parquet").join(held, on="cell_id", how="semi").join(true, on="image")
        return Trial.of(LabelAudit.read(out / "labels.json"), cells)


def pooled(trials: Sequence[Trial], label: str = "") -> list[str]:
    """Return a row's figures over all trials, of the cells that bear a label, or of all.

    Suspects a trial, precision, recall, wrong ones whose true class is named; the share that is wrong, what is
    estimated (means over the trials), and in how many trials the limits hold the truth.
    """
    true, given, suspected = (
        np.concatenate([getattr(one, name) for one in trials]) for name in ("true", "given", "suspected")
    )
    group = np.repeat(np.arange(len(trials)), [len(one.true) for one in trials])
    judged = (given == label) if label else np.ones(len(given), np.bool_)
    wrong, suspect = judged & (given != true), judged & (suspected != "")
    found = [share_of(wrong, group, suspect), share_of(suspect, group, wrong)]
    named = share_of(suspected == true, group, wrong & suspect)
    truths, estimates, holds, above = [], [], 0, 0
    for number, one in enumerate(trials):
        truth = float(wrong[group == number].sum() / max(judged[group == number].sum(), 1))
        limits = one.wrong[label].interval
        low, high = limits.low or 0.0, 1.0 if limits.high is None else limits.high
        truths.append(truth)
        estimates.append(one.wrong[label].value or 0.0)
        holds += low <= truth <= high
        above += low > truth
    misses = f" ({above} too high, {len(trials) - holds - above} too low)" if holds < len(trials) else ""
    return [
        f"{suspect.sum() / len(trials):.1f}",
        *(with_interval(one, 2) if wrong.any() else "–" for one in found),
        share(named.value, 2) if named.denominator else "–",
        *(share(float(np.mean(values))) for values in (truths, estimates)),
        f"{holds} of {len(trials)}{misses}",
    ]


FIGURES = "| suspects | precision | recall | rightly named | share wrong | estimated | in the interval |"


def table(first: str, lines: Iterable[Sequence[str]]) -> None:
    """Print a table whose columns are those of `first`, and the figures."""
    head = f"| {first} {FIGURES}"
    print(f"{head}\n|{'---|' * (head.count('|') - 1)}")
    for line in lines:
        print(f"| {' | '.join(line)} |", flush=True)


def side_by_side(task: Callable[[int], Found], seeds: Iterable[int], jobs: int) -> Iterator[Found]:
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        for done, found in enumerate(pool.map(task, seeds), 1):
            print(f"{done} done", file=sys.stderr, flush=True)
            yield found


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=600, help="smears in a set")
    parser.add_argument("--sets", type=int, default=12, help="sets, each drawn anew: seeds 1, 2, …")
    parser.add_argument("--jobs", type=int, default=2, help="sets or studies side by side")
    parser.add_argument("--study", type=int, nargs="+", metavar="SEED", help="whole studies instead")
    asked = parser.parse_args(arguments)
    if asked.n < 200:
        parser.error("--n: expected at least 200, since with fewer smears labels are lost that five folds need")
    if asked.study:
        trials = list(side_by_side(of_study, asked.study, asked.jobs))
        judged, flipped = (
            sum(len(one.true) for one in trials),
            sum(int((one.true != one.given).sum()) for one in trials),
        )
        table("held-out labels | wrong", [[str(judged), str(flipped), *pooled(trials)]])
        return
    sets = list(side_by_side(partial(of_set, n=asked.n), range(1, asked.sets + 1), asked.jobs))
    by_row = {key: [one[key] for one in sets] for key in sets[0]}
    table(
        "kind | wrong | accuracy against the truth",
        (
            [
                kind if noise else "–",
                f"{100 * noise:.0f} %",
                share(float(np.mean([one.right for one in of]))),
                *pooled(of),
            ]
            for (kind, noise), of in by_row.items()
        ),
    )
    print()
    lines = ([kind, label, *pooled(by_row[kind, BY_LABEL], label)] for kind in KINDS for label in CLASSES)
    table(f"kind, at {100 * BY_LABEL:.0f} % | labelled", lines)


if __name__ == "__main__":
    main()
