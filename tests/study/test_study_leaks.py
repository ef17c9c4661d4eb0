from __future__ import annotations

import json
import random
from collections import defaultdict
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from scipy.stats import binomtest
from sklearn.neighbors import KNeighborsClassifier
from typer.testing import CliRunner

from buffycoat.audit.judge import with_control, write
from buffycoat.audit.leaks import find_leakage, refuse, without_leaks
from buffycoat.audit.picture import look_at
from buffycoat.audit.polar import invariants
from buffycoat.clean.recipe import apply
from buffycoat.cli.main import app
from buffycoat.data import kaggle
from buffycoat.data.dataset import DataSet
from buffycoat.data.load import load
from buffycoat.errors import DataError, OutputError
from buffycoat.imaging.decode import read_image
from buffycoat.records.audit import Audit, PaintOut
from buffycoat.records.documents import Estimate, Interval, Results
from buffycoat.records.labels import LabelAudit
from buffycoat.records.tables import SPLITS
from buffycoat.split import make_splits
from buffycoat.study.conduct import conduct
from buffycoat.study.config import configure
from buffycoat.study.folder import StudyFolder
from buffycoat.study.presets import Preset
from buffycoat.study.splitting import audit_first, split
from buffycoat.study.watch import Silent
from tests.study.conftest import MODELS, TINY

COPIES = 4


@pytest.fixture(scope="module")
def copied(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return 24 drawn fields, each in four attitudes, under labels drawn by a coin: the truth is exactly one half."""
    root = tmp_path_factory.mktemp("copied") / "set"
    coin = random.Random(3)
    labels = [("neutrophil", "lymphocyte")[k % 2] for k in range(24)]
    coin.shuffle(labels)
    for k, path in enumerate(sorted((drawn / "images").iterdir())[:24]):
        rgb = read_image(path)
        for turn in range(COPIES):
            picture = np.rot90(rgb[:, ::-1] if turn % 2 else rgb, turn)
            target = root / labels[k] / f"{k:02d}-{turn}.jpg"
            target.parent.mkdir(parents=True, exist_ok=True)
            assert cv2.imwrite(str(target), cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2BGR))
    return root


def _split(
    data: DataSet, out: Path, *settings: str, preset: Preset = "standard"
) -> tuple[pl.DataFrame, pl.DataFrame, Audit]:
    config = configure(preset=preset, models=MODELS, weights="none", recipe="none", settings=settings)
    out.mkdir(parents=True, exist_ok=True)
    found, cells = audit_first(data, config, StudyFolder(out), Silent())
    kept = apply(config.recipe, cells, config.seed)[0].filter(pl.col("excluded_by").is_null())
    splits, leakage = split(kept, config, found, Silent())
    return splits, cells, found.model_copy(update={"leakage": leakage})


def _accuracy(features: NDArray[np.float32], splits: pl.DataFrame, cells: pl.DataFrame) -> dict[str, list[bool]]:
    """Return for each group whether the nearest neighbour named its cells right, over all folds."""
    place = {cell_id: k for k, cell_id in enumerate(cells["cell_id"])}
    labels, groups = cells["label"].to_numpy(), cells["group"].to_list()
    right: dict[str, list[bool]] = {}
    for fold in splits["fold"].unique().sort():
        train, test = (
            [place[c] for c in splits.filter((pl.col("fold") == fold) & (pl.col("role") == "test").eq(held))["cell_id"]]
            for held in (False, True)
        )
        model = KNeighborsClassifier(1).fit(features[train], labels[train])
        for row, answer in zip(test, model.predict(features[test]), strict=True):
            right.setdefault(groups[row], []).append(bool(answer == labels[row]))
    return right


@pytest.mark.slow
def test_a_leaked_split_inflates_by_exactly_what_is_known(copied: Path, tmp_path: Path) -> None:
    data = load(str(copied))
    honest, cells, found = _split(data, tmp_path / "honest")
    assert found.distinct == found.groups_used == 24, "every copy is found, and nothing else"
    leaky, _, marked = _split(data, tmp_path / "leaky", "split.groups=none", "split.leaks=allow")
    assert marked.leakage is not None and marked.leakage.groups == 24 and marked.leakage.share_held_out > 0.95
    looks = [look_at(data.root / image) for image in cells["image"]]
    features = invariants(np.stack([look.cells[0].rings for look in looks]))
    by_group = _accuracy(features, honest, cells)
    right = sum(sum(answers) > len(answers) / 2 for answers in by_group.values())
    assert binomtest(right, len(by_group), 0.5).pvalue > 0.01, "labels by a coin: the truth is one half"
    flattered = [answer for answers in _accuracy(features, leaky, cells).values() for answer in answers]
    inflation = np.mean(flattered) - 0.5
    assert inflation > 0.45, "of the half that cannot be known, the leak gives nearly all"


@pytest.mark.slow
def test_a_random_split_of_copies_is_refused_with_the_pairs_named(copied: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        _split(load(str(copied)), tmp_path, "split.groups=none")
    assert "24 groups" in caught.value.what and "(held out) and" in caught.value.what
    assert "the same picture" in caught.value.what or "the same cell" in caught.value.what
    assert "--allow-leakage" in str(caught.value.hint)


@pytest.mark.slow
def test_the_groups_as_given_are_refused_where_copies_cross_them(copied: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="copies of one cell, or one group, on both sides"):
        _split(load(str(copied)), tmp_path, "split.groups=given")


def test_leaking_training_rows_can_be_left_out(drawn: Path, tmp_path: Path) -> None:
    for k, path in enumerate(sorted((drawn / "images").iterdir())[:16]):
        side = tmp_path / "set" / ("test" if k >= 12 else "train") / ("neutrophil", "lymphocyte")[k % 2]
        side.mkdir(parents=True, exist_ok=True)
        (side / path.name).write_bytes(path.read_bytes())
        if k == 12:  # a held-out field stands in training as well
            copy = tmp_path / "set" / "train" / "neutrophil" / "copy.png"
            assert cv2.imwrite(str(copy), read_image(path)[::-1, ::-1, ::-1])
    data = load(str(tmp_path / "set"))
    with pytest.raises(DataError, match=r"copy\.png \(train"):
        _split(data, tmp_path / "a", "split.scheme=given", preset="quick")
    splits, _, found = _split(data, tmp_path / "b", "split.scheme=given", "split.leaks=drop", preset="quick")
    assert found.leakage is None and splits.height == 16
    assert "train/neutrophil/copy" not in splits["cell_id"]


@pytest.mark.slow
def test_a_leaking_study_is_refused_and_marked_where_it_is_allowed(copied: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    settings = (*TINY, "train.epochs=1", "split.groups=none")
    options = [option for setting in settings for option in ("--set", setting)]
    line = ["study", str(copied), "--out", str(out), "-m", MODELS[0], "--weights", "none", "--quiet", *options]
    refused = CliRunner().invoke(app, line)
    assert isinstance(refused.exception, DataError) and not (out / "study.json").exists()
    assert Audit.read(out / "audit.json").proposals, "what was found stays"
    allowed = CliRunner().invoke(app, [*line, "--allow-leakage"])
    assert allowed.exit_code == 0, allowed.output
    assert "LEAKING SPLIT" in allowed.stdout
    results = Results.read(out / "results.json")
    assert results.leaked is not None and results.remarks[0] == results.leaked
    report = (out / "report.html").read_text()
    assert "LEAKING SPLIT, allowed on purpose" in report and report.count("Leaking split</span>") > 10
    assert "LEAKING SPLIT" in (out / "page" / "index.md").read_text()
    assert json.loads((out / "study.json").read_text())["config"]["split"]["leaks"] == "allow"
    assert "groups NOT kept together" in results.protocol
    labels = LabelAudit.read(out / "labels.json")
    assert labels.leaked == results.leaked and labels.sentence.startswith("LEAKING SPLIT")


@pytest.mark.slow
def test_a_sound_study_keeps_given_and_used_groups_in_its_table(copied: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    settings = (*TINY, "train.epochs=1")
    config = configure(preset="quick", models=MODELS[:1], weights="none", recipe="none", settings=settings)
    results = conduct(str(copied), config, out)
    assert results.leaked is None and "groups never parted" in results.protocol
    cells = pl.read_parquet(out / "cells.parquet")
    assert (cells["group"].n_unique(), cells["group_given"].n_unique()) == (24, 96)
    report = (out / "report.html").read_text()
    assert "Are the data sound?" in report and "96 groups" in report and "24 groups" in report


def test_pairs_on_two_sides_are_counted_once() -> None:
    cells = pl.DataFrame({"cell_id": list("abcde"), "image": list("abcde"), "group": ["g", "g", "g", "h", "h"]})
    roles = {"a": "train", "b": "test", "c": "validation", "d": "train", "e": "train"}
    splits = pl.DataFrame(
        [{"repeat": repeat, "fold": 0, "cell_id": c, "role": role} for repeat in (0, 1) for c, role in roles.items()],
        schema=dict(SPLITS),
    )
    leakage = find_leakage(splits, cells, ())
    assert leakage is not None
    assert (leakage.pairs, leakage.groups, leakage.share_held_out) == (2, 1, 1.0)
    assert "b (held out)" in leakage.shown[0] and "both of the group g" in leakage.shown[0]
    alone = cells.with_columns(group=pl.when(pl.col("cell_id") == "b").then(None).otherwise("group"))
    assert find_leakage(splits.filter(pl.col("cell_id") != "c"), alone, ()) is None


def test_copies_of_the_inner_validation_in_training_are_a_leak_too() -> None:
    cells = pl.DataFrame({"cell_id": list("abcde"), "image": list("abcde"), "group": ["g", "g", None, None, None]})
    roles = {"a": "train", "b": "validation", "c": "test", "d": "train", "e": "validation"}
    rows = [{"repeat": 0, "fold": 0, "cell_id": cell, "role": role} for cell, role in roles.items()]
    splits = pl.DataFrame(rows, schema=dict(SPLITS))
    leakage = find_leakage(splits, cells, ())
    assert leakage is not None
    assert (leakage.pairs, leakage.groups, leakage.share_held_out) == (1, 1, 0.0)
    assert "50% of the inner validation's rows" in leakage.sentence
    assert "b (validation) and a (train)" in leakage.shown[0]
    with pytest.raises(DataError, match=r"b \(validation\) and a \(train\)"):
        raise refuse(leakage)
    clean = without_leaks(splits, cells)
    assert clean["cell_id"].to_list() == list("bcde"), "the training row goes, what is judged by stays"
    assert find_leakage(clean, cells, ()) is None


def test_without_leaks_keeps_what_a_fold_needs() -> None:
    """A row that goes because it is held out elsewhere takes no further training row with it."""
    cells = pl.DataFrame({"cell_id": list("abc"), "image": list("abc"), "group": ["g", "g", "g"]})
    roles = {"a": "test", "b": "validation", "c": "train"}
    rows = [{"repeat": 0, "fold": 0, "cell_id": cell, "role": role} for cell, role in roles.items()]
    rows += [{"repeat": 0, "fold": 1, "cell_id": cell, "role": "train"} for cell in "abc"]
    clean = without_leaks(pl.DataFrame(rows, schema=dict(SPLITS)), cells)
    assert clean.select("fold", "cell_id").rows() == [(0, "a"), (1, "a"), (1, "b"), (1, "c")]


@pytest.fixture(scope="module")
def augmented(real_data: Path) -> DataSet:
    """Return the augmented sample; reading it lays every copy over the originals."""
    return load(str(real_data / "kaggle-blood-cells" / "dataset2-master"))


@pytest.mark.real
@pytest.mark.slow
def test_every_real_copy_finds_its_source_and_the_numbers_in_the_names_mean_nothing(augmented: DataSet) -> None:
    assert augmented.cells.height == 335
    groups = dict(augmented.cells.select("image", "group").iter_rows())
    assert not any(group.startswith(kaggle.UNMATCHED) for group in groups.values())
    simple = {group for image, group in groups.items() if image.startswith("TEST_SIMPLE/")}
    test = {group for image, group in groups.items() if image.startswith("TEST/")}
    train = {group for image, group in groups.items() if image.startswith("TRAIN/")}
    assert len(test - simple) <= 2  # TEST was made from TEST_SIMPLE
    assert len(train & (test | simple)) == sum(fault.file == "TRAIN and TEST" for fault in augmented.faults)
    by_number: defaultdict[tuple[str, ...], set[str]] = defaultdict(set)
    for image, group in groups.items():
        part, folder, name = image.split("/")
        if part != "TEST_SIMPLE":
            by_number[part, folder, name.split("_")[1]].add(group)
    several = [number for number, found in by_number.items() if len(found) > 1]
    assert len(several) > 0.9 * len(by_number)


def _sides(splits: pl.DataFrame, cells: pl.DataFrame) -> int:
    """Return on how many sides of a fold one group stands at most."""
    sides = splits.join(cells, on="cell_id").group_by("fold", "group").agg(pl.col("role").n_unique())
    return int(sides["role"].to_numpy().max())


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["kfold", "given"])
def test_copies_of_one_cell_in_the_augmented_sample_never_part(
    augmented: DataSet, scheme: Literal["kfold", "given"]
) -> None:
    assert augmented.cells["group"].n_unique() < augmented.cells.height
    assert _sides(make_splits(augmented.cells, scheme=scheme, folds=4, seed=0), augmented.cells) == 1


@pytest.mark.real
@pytest.mark.slow
def test_of_the_augmented_sample_a_random_split_is_refused_and_the_grouped_one_is_not(
    augmented: DataSet, tmp_path: Path
) -> None:
    with pytest.raises(DataError) as caught:
        _split(augmented, tmp_path / "a", "split.groups=none")
    assert "(held out) and" in caught.value.what and ".jpeg" in caught.value.what
    splits, cells, found = _split(augmented, tmp_path / "b")
    assert found.leakage is None
    assert _sides(splits, cells) == 1
    with pytest.raises(DataError, match="on both sides"):  # the split it was published with
        _split(augmented, tmp_path / "c", "split.scheme=given", preset="quick")


@pytest.mark.slow
def test_a_control_run_later_joins_the_audit_of_the_study(copied: Path, tmp_path: Path) -> None:
    data = load(str(copied))
    *_, found = _split(data, tmp_path / "study")
    assert pl.read_csv(tmp_path / "study" / "audit-groups.csv")["images"].sum() == 24 * COPIES
    (tmp_path / "study" / "study.json").write_text("{}")
    nothing = Estimate(value=0.5, interval=Interval(low=0.4, high=0.6, method="-"))
    control = PaintOut(
        **{"network": "n", "title": "N", "epochs": 1, "folds": 2, "input_px": 32, "weights": "-", "seed": 1},
        **{"images": 9, "groups": 9, "left_out": 0, "classes": ("a", "b"), "chance": 0.5, "flag": "sound"},
        **{"painted": nothing, "whole": None, "sentence": "It falls to chance."},
    )
    other = with_control(found.model_copy(update={"recipe": "seeds", "folds": 9}), control)
    written = Audit.read(write(other, tmp_path / "study"))
    assert written.paint_out == control and written.problem("painted-out").flag == "sound"
    assert (written.recipe, written.folds) == (found.recipe, found.folds), "held against the study's own plan"
    with pytest.raises(OutputError, match="study of other data"):
        write(other.model_copy(update={"content_hash": "other"}), tmp_path / "study")


@pytest.mark.real
@pytest.mark.slow
def test_photographs_of_a_second_microscope_are_few_cells_and_a_random_split_is_refused(
    real_data: Path, tmp_path: Path
) -> None:
    """docs/results/audit.md: 411 files that show 79 cells at most, most of them several times."""
    data = load(str(real_data / "olympus-bx53"))
    settings = ("split.folds=3", "recipe.drop_classes=monocyte")  # one monocyte cell cannot be trained on and tested
    grouped, cells, found = _split(data, tmp_path / "grouped", *settings)
    assert (found.images, found.distinct, found.groups_given, found.groups_used) == (411, 79, 361, 79)
    assert found.problem("identical").found == 50
    sizes = cells.group_by("group").len().get_column("len").sort()
    assert (sizes == 1).sum() == 2 and sizes.max() == 17, "77 cells are shown 2 to 17 times"
    joined = cells.group_by("group").agg(pl.col("group_given").n_unique(), pl.len()).filter(pl.col("group_given") > 1)
    proposed = {proposal.group: len(proposal.files) for proposal in found.proposals}
    assert proposed == dict(joined.select("group", "len").iter_rows()) and sum(proposed.values()) == 411 - 2
    assert found.problem("copies-across-labels").found == 2
    assert found.leakage is None and grouped["cell_id"].n_unique() == 411 - 5
    by_group = grouped.join(cells.select("cell_id", "group"), on="cell_id").filter(pl.col("role") == "test")
    assert by_group.group_by("group").agg(pl.col("fold").n_unique()).get_column("fold").max() == 1
    with pytest.raises(DataError) as caught:
        _split(data, tmp_path / "random", *settings, "split.groups=none")
    assert "836 pairs" in caught.value.what.replace(",", "") and "70 groups" in caught.value.what
    assert ".jpg (held out) and" in caught.value.what.replace(".JPG", ".jpg"), "pairs are named"
    with pytest.raises(DataError, match="on both sides"):  # identical files together, as the set came, is not enough
        _split(data, tmp_path / "given", *settings, "split.groups=given")
