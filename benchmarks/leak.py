"""What a leaking split does to a result: the same classifier under a random and a grouped split.

    python benchmarks/leak.py DATA [--recipe none] [--folds 5] [--repeats 5]
    python benchmarks/leak.py --studies RANDOM GROUPED

The classifier is quick and the same in both: features of EfficientNet-Lite0 as it comes from ImageNet, frozen, and
logistic regression. Groups are those that the audit proposes; the random split takes every file by itself. Two more
rows answer from the fields with the leukocytes painted out. What the leak adds to the accuracy is told with the limits
of a paired difference, groups counting as one: both splits hold out the same files.

The second form compares two studies of the same files that were made before, one by each split, model by model.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from buffycoat import taxonomy
from buffycoat.audit.judge import audit
from buffycoat.audit.leaks import find_leakage
from buffycoat.audit.paint import paint_out
from buffycoat.clean.recipe import apply, named
from buffycoat.data.load import load
from buffycoat.evaluate.compare import Paired
from buffycoat.evaluate.held_out import HeldOut, held_out
from buffycoat.evaluate.results import evaluate
from buffycoat.imaging.decode import read_image
from buffycoat.imaging.frame import frame, whole_square
from buffycoat.networks.build import build
from buffycoat.networks.names import resolve
from buffycoat.records.documents import Estimate, FrameSpec
from buffycoat.report.study_files import read_study
from buffycoat.split.folds import make_splits
from buffycoat.train.augment import Views

SIDE_PX = 128
Floats = NDArray[np.float32]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="?")
    parser.add_argument("--studies", nargs=2, type=Path, metavar=("RANDOM", "GROUPED"))
    parser.add_argument("--recipe", default="none")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args()
    if (given.data is None) == (given.studies is None):
        parser.error("give DATA, or --studies RANDOM GROUPED")
    if given.studies is not None:
        _compare(*given.studies)
        return
    data = load(given.data)
    found, cells = audit(data, named(given.recipe), given.folds)
    cells, _ = apply(named(given.recipe), cells, 7)
    kept = cells.filter(pl.col("excluded_by").is_null() & pl.col("image").is_not_null())
    groups = dict(kept.group_by("label").agg(pl.col("group").n_unique()).iter_rows())
    kept = kept.filter(pl.col("label").is_in([label for label, count in groups.items() if count >= given.folds]))
    kept, crops, painted = _pictures(kept, data.root)
    counts = dict(kept["label"].value_counts().iter_rows())
    print(f"{kept.height} files, {kept['group'].n_unique()} groups, classes {counts}")
    features = {"cells": _features(crops), "painted out": _features(painted)}
    answers: dict[str, list[HeldOut]] = {"cells": [], "painted out": []}
    for title, by_group, what in (
        ("random split", False, "cells"),
        ("grouped split", True, "cells"),
        ("painted out, random split", False, "painted out"),
        ("painted out, grouped split", True, "painted out"),
    ):
        table = kept if by_group else kept.with_columns(group=pl.lit(None, pl.String))
        splits = make_splits(
            table, scheme="kfold", folds=given.folds, repeats=given.repeats, validation_share=0, seed=7, parted="keep"
        )
        leakage = find_leakage(splits, kept, found.pairs)
        accuracy, balanced, held = _judge(features[what], kept, splits)
        answers[what].append(held)
        leak = (
            "no leak" if leakage is None else f"{leakage.share_held_out:.0%} of held-out rows have a copy in training"
        )
        print(f"{title:28s} accuracy {_shown(accuracy)}  balanced {_shown(balanced)}  ({leak})")
    for what, (random, grouped) in answers.items():
        print(f"{what}: accuracy by the random split less that by the grouped one {_apart(random, grouped)}")


def _compare(random: Path, grouped: Path) -> None:
    """Print what each model of two studies gains by the random split."""
    studies = [read_study(folder) for folder in (random, grouped)]
    classes, cells = studies[1].results.classes, studies[1].cells
    if studies[0].results.classes != classes:
        raise SystemExit(f"{random} and {grouped} are not of the same classes.")
    first, second = (held_out(study.predictions, cells, classes) for study in studies)
    for model in studies[1].results.models:
        if model.model in first:
            paired = Paired.of(first[model.model], second[model.model])
            one, other = paired.first.right, paired.second.right
            print(
                f"{model.title}, {len(one)} answers: accuracy {one.mean():.3f} by the random split, {other.mean():.3f} "
                f"by the grouped one, difference {_apart(paired.first, paired.second)}"
            )


def _apart(random: HeldOut, grouped: HeldOut) -> str:
    """Return the paired difference in accuracy with its limits, and how they were made."""
    difference = Paired.of(random, grouped).difference()
    low, high = difference.interval.low or 0, difference.interval.high or 0
    return f"{difference.value or 0:+.3f} ({low:+.3f} to {high:+.3f}); {difference.interval.method}"


def _pictures(
    kept: pl.DataFrame, root: Path
) -> tuple[pl.DataFrame, Sequence[NDArray[np.uint8]], Sequence[NDArray[np.uint8]]]:
    """Return the rows with a leukocyte, their crops, and their whole fields without it."""
    crops, painted, ids = [], [], []
    spec = FrameSpec(stored_px=SIDE_PX, side_px=280)
    for cell_id, image in kept.select("cell_id", "image").iter_rows():
        rgb = read_image(root / image)
        framed, without = frame(rgb, spec, None), paint_out(rgb)
        if framed.crop is not None and without is not None:
            crops.append(framed.crop)
            painted.append(whole_square(without, SIDE_PX))
            ids.append(cell_id)
    return kept.filter(pl.col("cell_id").is_in(ids)), crops, painted


def _features(pictures: Sequence[NDArray[np.uint8]]) -> Floats:
    """Return pooled features, the mean over quarter turns and mirrors."""
    network, _ = build(resolve("efficientnet"), 2, "auto", SIDE_PX)
    network.eval()
    views = Views(1.0, SIDE_PX, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    parts = []
    with torch.no_grad():
        for start in range(0, len(pictures), 32):
            batch = torch.from_numpy(np.stack(pictures[start : start + 32]).transpose(0, 3, 1, 2).copy())
            inputs = views.plain(batch)
            turned = [torch.rot90(inputs, k, (2, 3)) for k in (0, 2)]
            turned += [view.flip(3) for view in turned]
            parts.append(torch.stack([_pooled(network, view) for view in turned]).mean(0).numpy())
    return np.concatenate(parts)


def _pooled(network: torch.nn.Module, inputs: torch.Tensor) -> torch.Tensor:
    found = network.forward_head(network.forward_features(inputs), pre_logits=True)  # type: ignore[operator]
    return torch.as_tensor(found)


def _judge(features: Floats, kept: pl.DataFrame, splits: pl.DataFrame) -> tuple[Estimate, Estimate, HeldOut]:
    classes = taxonomy.order(kept["label"].to_list())
    place = {cell_id: k for k, cell_id in enumerate(kept["cell_id"])}
    labels = np.array([classes.index(label) for label in kept["label"]])
    tables = []
    for (repeat, fold), part in splits.group_by("repeat", "fold", maintain_order=True):
        train = [place[c] for c in part.filter(role="train")["cell_id"]]
        ids = part.filter(role="test")["cell_id"].to_list()
        test = [place[c] for c in ids]
        model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, class_weight="balanced", max_iter=2000))
        model.fit(features[train], labels[train])
        shares = np.zeros((len(test), len(classes)))
        shares[:, model.classes_] = model.predict_proba(features[test])
        tables.append(
            pl.DataFrame(
                {
                    "model": "logistic",
                    "repeat": pl.Series([repeat] * len(ids), dtype=pl.Int32),
                    "fold": pl.Series([fold] * len(ids), dtype=pl.Int32),
                    "cell_id": ids,
                    "label": [classes[labels[row]] for row in test],
                    **{f"p_{name}": shares[:, k] for k, name in enumerate(classes)},
                }
            )
        )
    predictions = pl.concat(tables)
    results = evaluate(
        predictions,
        kept,
        classes=classes,
        titles={"logistic": "frozen features and logistic regression"},
        synthetic=False,
        seed=7,
        protocol="-",
        majority=splits,
    )
    held = held_out(predictions, kept, classes)["logistic"]
    return results.models[0].accuracy, results.models[0].balanced_accuracy, held


def _shown(estimate: Estimate) -> str:
    return f"{estimate.value or 0:.3f} ({estimate.interval.low or 0:.3f}–{estimate.interval.high or 0:.3f})"


if __name__ == "__main__":
    cv2.setNumThreads(1)
    main()
