from __future__ import annotations

import json
import shutil
from pathlib import Path

import polars as pl
import pytest
import torch

from buffycoat.errors import DataError, FetchError, OutputError, TrainingError, UsageError
from buffycoat.files import sha256
from buffycoat.records.documents import Cleaning, NetworkCard, Results
from buffycoat.study.conduct import conduct
from buffycoat.study.config import StudyConfig, configure
from buffycoat.study.folder import StudyFolder
from buffycoat.study.record import StudyRecord
from tests.study.conftest import MODELS, TINY


@pytest.fixture(scope="module")
def finished(drawn: Path, tiny: StudyConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a finished tiny study; not to be changed."""
    out = tmp_path_factory.mktemp("study") / "out"
    conduct(str(drawn), tiny, out, command="buffycoat study …")
    return out


def _predictions(out: Path) -> pl.DataFrame:
    return pl.read_parquet(out / "predictions.parquet")


def test_a_study_leaves_every_file_it_promises(finished: Path) -> None:
    for name in (
        *("study.json", "cells.parquet", "faults.json", "cleaning.json", "splits.parquet", "history.csv"),
        *("predictions.parquet", "validation.parquet", "results.json", "report.html", "page/index.md"),
        *("explore/exploration.json", *(f"models/{model}/card.json" for model in MODELS)),
    ):
        assert (finished / name).is_file(), name


def test_the_counts_reconcile_from_table_to_predictions(finished: Path) -> None:
    cells = pl.read_parquet(finished / "cells.parquet")
    cleaning = Cleaning.read(finished / "cleaning.json")
    kept = cells.filter(pl.col("excluded_by").is_null())
    assert cells.height == cleaning.rows_before == 40
    assert kept.height == cleaning.rows_after == 40 - sum(step.removed for step in cleaning.steps)
    splits = pl.read_parquet(finished / "splits.parquet")
    assert set(splits["cell_id"]) == set(kept["cell_id"])
    tested = set(splits.filter(pl.col("role") == "test")["cell_id"])
    results = Results.read(finished / "results.json")
    assert results.synthetic
    for model in results.models:
        assert set(_predictions(finished).filter(pl.col("model") == model.model)["cell_id"]) == tested
        assert model.n == len(tested) == sum(map(sum, model.confusion))
        assert model.right == sum(model.confusion[i][i] for i in range(len(results.classes)))


def test_everything_shown_says_synthetic(finished: Path) -> None:
    assert "synthetic" in (finished / "report.html").read_text().casefold()
    assert "synthetic" in (finished / "page" / "index.md").read_text().casefold()


@pytest.mark.slow
def test_the_same_command_does_nothing_twice(finished: Path, drawn: Path, tiny: StudyConfig, tmp_path: Path) -> None:
    out = Path(shutil.copytree(finished, tmp_path / "out"))
    weights = out / "models" / MODELS[0] / "r0f0" / "weights.safetensors"
    before, stamp = _predictions(out), weights.stat().st_mtime_ns
    conduct(str(drawn), tiny, out)
    assert weights.stat().st_mtime_ns == stamp, "a finished fold is not trained again"
    assert _predictions(out).equals(before)


@pytest.mark.slow
def test_lost_files_are_made_again(finished: Path, drawn: Path, tiny: StudyConfig, tmp_path: Path) -> None:
    out = Path(shutil.copytree(finished, tmp_path / "out"))
    before = _predictions(out)
    pixels = out / "crops" / "images.u8"
    pixels.write_bytes(pixels.read_bytes()[:-1000])  # a damaged cache
    (out / "models" / MODELS[1] / "r0f0" / "done.json").unlink()  # a fold that did not finish
    (out / "report.html").unlink()
    conduct(str(drawn), tiny, out)
    assert _predictions(out).equals(before)
    assert (out / "report.html").is_file()


@pytest.mark.slow
def test_another_study_in_the_folder_is_refused_and_what_differs_is_named(
    finished: Path, drawn: Path, tmp_path: Path
) -> None:
    out = Path(shutil.copytree(finished, tmp_path / "out"))
    other = configure(preset="quick", models=MODELS, weights="none", settings=(*TINY, "train.epochs=1"), seed=8)
    with pytest.raises(OutputError, match=r"another study.*seed: 7 there, 8 asked for") as caught:
        conduct(str(drawn), other, out)
    assert "--overwrite" in str(caught.value.hint)
    conduct(str(drawn), other, out, overwrite=True)
    assert json.loads((out / "study.json").read_text())["seed"] == 8


@pytest.mark.slow
def test_a_study_grows_by_networks_and_repeats_without_training_anything_again(drawn: Path, tmp_path: Path) -> None:
    """One network on one split first; later another network, two splits and the baseline, in the same folder."""
    folds = (*TINY, "split.folds=2", "train.epochs=1", "unlike=false")
    small = configure(preset="standard", models=MODELS[:1], weights="none", settings=(*folds, "baseline=false"), seed=7)
    large = configure(
        preset="thorough", models=MODELS, weights="none", settings=(*folds, "split.repeats=2", "train_seeds=1"), seed=7
    )
    out = tmp_path / "out"
    conduct(str(drawn), small, out, command="the first")
    weights = out / "models" / MODELS[0] / "r0f0" / "weights.safetensors"
    before, stamp = _predictions(out), weights.stat().st_mtime_ns
    grown = conduct(str(drawn), large, out, command="the second")
    assert weights.stat().st_mtime_ns == stamp
    after = _predictions(out)
    kept = after.filter((pl.col("model") == MODELS[0]) & (pl.col("repeat") == 0))
    assert kept.equals(before.select(kept.columns).sort(kept.columns[:4]))
    assert {model.model for model in grown.models} >= set(MODELS)
    assert set(after.select("model", "repeat").unique().iter_rows()) >= {(name, k) for name in MODELS for k in (0, 1)}
    record = StudyRecord.read(out / "study.json")
    assert (record.preset, record.command) == ("thorough", "the second"), "the command that makes all of it"
    with pytest.raises(OutputError, match=r"another study.*models: .*split\.repeats: 2 there, 1 asked for"):
        conduct(str(drawn), small, out)


@pytest.mark.slow
def test_overwriting_the_same_study_goes_on_with_it(
    finished: Path, drawn: Path, tiny: StudyConfig, tmp_path: Path
) -> None:
    """A command with --overwrite that was killed and is repeated loses no fold, and no control either."""
    out = Path(shutil.copytree(finished, tmp_path / "out"))
    kept = out / "models" / MODELS[0] / "r0f0" / "weights.safetensors"
    (out / "controls").mkdir(exist_ok=True)
    (out / "controls" / "paint-out.json").write_text("{}")
    (out / "models" / MODELS[1] / "r0f0" / "done.json").unlink()  # killed in the second network's fold
    before, stamp = _predictions(out), kept.stat().st_mtime_ns
    conduct(str(drawn), tiny, out, overwrite=True)
    assert kept.stat().st_mtime_ns == stamp and _predictions(out).equals(before)
    assert (out / "controls" / "paint-out.json").is_file()


def _two_folds() -> StudyConfig:
    folds = ("split.scheme=kfold", "split.folds=2", "train.epochs=1", "baseline=false")
    return configure(preset="standard", models=MODELS[:1], weights="auto", settings=(*TINY, *folds))


def _offline(*_: object) -> Path:
    raise FetchError("there is no network")


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file as the hub would give it."""
    import timm

    path = tmp_path_factory.mktemp("hub") / "published.pth"
    torch.save(timm.create_model(MODELS[0], num_classes=1000).state_dict(), path)
    return path


@pytest.mark.slow
def test_a_study_begun_without_a_network_goes_on_from_scratch_when_there_is_one(
    drawn: Path, published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, second = tmp_path / "out", tmp_path / "out" / "models" / MODELS[0] / "r0f1"
    monkeypatch.setattr("buffycoat.networks.hub.weights_file", _offline)
    conduct(str(drawn), _two_folds(), out)
    before = _predictions(out)
    (second / "done.json").unlink()
    monkeypatch.setattr("buffycoat.networks.hub.weights_file", lambda _: published)
    conduct(str(drawn), _two_folds(), out)
    assert _predictions(out).equals(before)
    card = NetworkCard.read(second / "network.json")
    assert not card.pretrained and "there is no network" in str(card.weights_fallback)


@pytest.mark.slow
def test_a_study_whose_weights_are_gone_says_so_and_keeps_what_it_has(
    drawn: Path, published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, folds = tmp_path / "out", tmp_path / "out" / "models" / MODELS[0]
    monkeypatch.setattr("buffycoat.networks.hub.weights_file", lambda _: published)
    conduct(str(drawn), _two_folds(), out)
    before = _predictions(out)
    held = json.loads((out / "study.json").read_text())["weights"][MODELS[0]]
    assert held["sha256"] == sha256(published)
    (folds / "r0f1" / "done.json").unlink()
    monkeypatch.setattr("buffycoat.networks.hub.weights_file", _offline)
    with pytest.raises(TrainingError, match="no longer found: there is no network") as caught:
        conduct(str(drawn), _two_folds(), out)
    assert "Finished folds are kept" in str(caught.value.hint)
    assert (folds / "r0f0" / "done.json").is_file()
    monkeypatch.setattr("buffycoat.networks.hub.weights_file", lambda _: published)
    conduct(str(drawn), _two_folds(), out)
    assert _predictions(out).equals(before)


def test_changed_data_are_noticed(finished: Path, smears: Path, tiny: StudyConfig, tmp_path: Path) -> None:
    out = Path(shutil.copytree(finished, tmp_path / "out"))
    lines = (smears / "labels.csv").read_text().splitlines()
    (smears / "labels.csv").write_text("\n".join(lines[:-1]) + "\n")
    with pytest.raises(OutputError, match="the data are others, or have changed"):
        conduct(str(smears), tiny, out)


def test_a_photograph_changed_in_place_is_noticed(
    finished: Path, smears: Path, tiny: StudyConfig, tmp_path: Path
) -> None:
    out = Path(shutil.copytree(finished, tmp_path / "out"))
    photograph = min((smears / "images").iterdir())
    content = bytearray(photograph.read_bytes())
    content[-1] ^= 1
    photograph.write_bytes(content)
    with pytest.raises(OutputError, match="the data are others, or have changed"):
        conduct(str(smears), tiny, out)


def test_overwriting_waits_for_data_that_can_be_read(finished: Path, tiny: StudyConfig, tmp_path: Path) -> None:
    out = Path(shutil.copytree(finished, tmp_path / "out"))
    with pytest.raises(DataError):
        conduct(str(tmp_path / "nowhere"), tiny, out, overwrite=True)
    assert (out / "predictions.parquet").is_file(), "the old study is still there"


@pytest.mark.parametrize("wrong", ["split.scheme=kfold split.folds=40", "train.input_px=32"])
def test_a_study_that_cannot_be_is_no_reason_to_lose_the_old_one(
    finished: Path, drawn: Path, tmp_path: Path, wrong: str
) -> None:
    out = Path(shutil.copytree(finished, tmp_path / "out"))
    before = {path.relative_to(out): path.read_bytes() for path in out.rglob("*") if path.is_file()}
    config = configure(preset="quick", models=["alexnet"], weights="none", settings=[*TINY, *wrong.split()])
    with pytest.raises((DataError, UsageError)):
        conduct(str(drawn), config, out, overwrite=True)
    assert {path.relative_to(out): path.read_bytes() for path in out.rglob("*") if path.is_file()} == before


def test_a_study_that_was_being_replaced_when_the_program_was_killed_comes_back(finished: Path, tmp_path: Path) -> None:
    out = Path(shutil.copytree(finished, tmp_path / "out"))
    before = sorted(path.name for path in out.iterdir())
    folder = StudyFolder(out)
    (out / ".replaced").mkdir()
    for name in ("study.json", "results.json", "models"):  # killed on the way
        (out / name).rename(out / ".replaced" / name)
    (out / "audit.json").write_text("{}")  # of the other, just begun
    folder.open()
    folder.recover()
    assert (out / "study.json").is_file() and (out / "models").is_dir() and not (out / ".replaced").exists()
    # What had not been set aside yet is the new study's to clear; what had been is whole, and the rest is made anew.
    assert {"study.json", "results.json", "models"} <= {path.name for path in out.iterdir()} <= set(before)

    (out / ".replaced").mkdir()
    (out / ".replaced" / "results.json").write_text("old")
    folder.recover()  # the other was prepared: it stays
    assert (out / "study.json").is_file() and not (out / ".replaced").exists()


@pytest.mark.slow
def test_a_damaged_history_is_named_and_made_anew(
    finished: Path, drawn: Path, tiny: StudyConfig, tmp_path: Path
) -> None:
    out = Path(shutil.copytree(finished, tmp_path / "out"))
    damaged = next((out / "models").rglob("history.csv"))
    damaged.write_bytes(b"")
    with pytest.raises(DataError, match=r"history\.csv cannot be read") as caught:
        conduct(str(drawn), tiny, out)
    assert "Delete it" in str(caught.value.hint)
    damaged.unlink()
    conduct(str(drawn), tiny, out)
    assert damaged.stat().st_size > 0


def test_an_input_too_small_for_a_network_is_said_before_anything_runs(drawn: Path, tmp_path: Path) -> None:
    config = configure(preset="quick", models=["alexnet"], weights="none", settings=["train.input_px=32"])
    with pytest.raises(UsageError, match="63 px"):
        conduct(str(drawn), config, tmp_path / "out")
    assert not (tmp_path / "out" / "crops").exists()


def test_a_folder_with_other_files_is_left_alone(drawn: Path, tiny: StudyConfig, tmp_path: Path) -> None:
    out = tmp_path / "holiday"
    out.mkdir()
    (out / "letter.txt").write_text("dear")
    for overwrite in (False, True):
        with pytest.raises(OutputError, match=r"holds no study \(letter\.txt\)"):
            conduct(str(drawn), tiny, out, overwrite=overwrite)
    assert (out / "letter.txt").read_text() == "dear"


@pytest.mark.slow
def test_images_that_cannot_be_used_are_counted_and_named(smears: Path, tiny: StudyConfig, tmp_path: Path) -> None:
    images = sorted((smears / "images").iterdir())
    images[0].write_bytes(images[0].read_bytes()[:3000])
    images[1].write_bytes(b"not a picture")
    out = tmp_path / "out"
    conduct(str(smears), tiny, out)
    faults = {fault["file"]: fault for fault in json.loads((out / "faults.json").read_text())}
    assert f"images/{images[0].name}" in faults
    assert faults[f"images/{images[1].name}"]["action"] == "left out"
    steps = {step.rule: step.removed for step in Cleaning.read(out / "cleaning.json").steps}
    assert steps["unreadable"] == 2
    assert images[0].name in (out / "report.html").read_text()


def test_data_of_which_nothing_can_be_read_end_in_words(smears: Path, tiny: StudyConfig, tmp_path: Path) -> None:
    for image in (smears / "images").iterdir():
        image.write_bytes(b"not a picture")
    with pytest.raises(DataError, match="None of the 40 images"):
        conduct(str(smears), tiny, tmp_path / "out")


@pytest.mark.slow
def test_a_study_stopped_while_it_prepares_goes_on(
    finished: Path, drawn: Path, tiny: StudyConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    out = tmp_path / "out"
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr("buffycoat.study.prepare.explore", cut)
        conduct(str(drawn), tiny, out)
    assert not (out / "study.json").exists()
    conduct(str(drawn), tiny, out)
    assert _predictions(out).equals(_predictions(finished))


@pytest.mark.slow
def test_every_cell_is_tested_once_in_every_repeat(drawn: Path, tmp_path: Path) -> None:
    folds = ("split.scheme=kfold", "split.folds=2", "split.repeats=2", "train.epochs=1", "baseline=false")
    config = configure(preset="standard", models=MODELS[:1], weights="none", settings=(*TINY, *folds))
    out = tmp_path / "out"
    results = conduct(str(drawn), config, out)
    kept = pl.read_parquet(out / "cells.parquet").filter(pl.col("excluded_by").is_null())
    per_repeat = _predictions(out).filter(pl.col("model") == MODELS[0]).group_by("repeat").agg(pl.col("cell_id").sort())
    assert per_repeat.height == 2
    assert all(ids == sorted(kept["cell_id"]) for ids in per_repeat["cell_id"].to_list())
    assert len(results.models[0].per_fold_accuracy) == 4
    assert "repeated 2 times" in results.protocol
    assert pl.read_csv(out / "history.csv").height == 4


@pytest.mark.real
@pytest.mark.slow
def test_a_study_of_the_real_images(real_data: Path, tmp_path: Path) -> None:
    folds = ("split.folds=2", "train.epochs=1")
    config = configure(preset="standard", models=MODELS, weights="none", settings=(*TINY, *folds))
    out = tmp_path / "out"
    results = conduct("bccd", config, out, data_dir=real_data)
    assert results.classes == ("neutrophil", "eosinophil", "lymphocyte", "monocyte")
    assert not results.synthetic
    cells = pl.read_parquet(out / "cells.parquet")
    kept = cells.filter(pl.col("excluded_by").is_null())
    assert (cells.height, kept.height) == (411, 326)
    for model in results.models:
        assert model.n == model.cells == 326
    tested = _predictions(out).filter(pl.col("model") == MODELS[0]).join(kept.select("cell_id", "group"), on="cell_id")
    assert tested.group_by("group").agg(pl.col("fold").n_unique())["fold"].max() == 1
    assert "synthetic" not in (out / "report.html").read_text().casefold()


def test_a_second_study_in_a_busy_folder_is_refused(drawn: Path, tiny: StudyConfig, tmp_path: Path) -> None:
    from buffycoat.study.folder import StudyFolder

    out = tmp_path / "out"
    out.mkdir()
    with StudyFolder(out).alone(), pytest.raises(OutputError, match="being written by another process"):
        conduct(str(drawn), tiny, out)
