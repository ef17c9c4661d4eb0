"""A study that also trains with another seed and on half of the rows, and shows its networks what they do not know."""

import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from buffycoat.cli.main import app
from buffycoat.errors import UsageError
from buffycoat.evaluate.strangers import CELL
from buffycoat.imaging.crop_store import CropStore
from buffycoat.records.documents import FrameSpec, Results
from buffycoat.records.tables import CELLS, read_table
from buffycoat.study import unlike
from buffycoat.study.conduct import conduct
from buffycoat.study.config import configure
from buffycoat.study.controls import DRAWN, EMPTY, NOISE, OTHER, RED, controls
from buffycoat.study.folder import StudyFolder
from buffycoat.study.further import further_jobs
from buffycoat.study.jobs import fold_jobs
from buffycoat.study.record import StudyRecord
from buffycoat.study.watch import Silent
from tests.study.conftest import TINY

MODEL = "test_resnet"


@pytest.fixture(scope="module")
def plain(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a finished study without any of it; not to be changed."""
    out = tmp_path_factory.mktemp("plain") / "study"
    settings = [*TINY, "baseline=false", "unlike=false"]
    conduct(str(drawn), configure(preset="quick", models=[MODEL], weights="none", settings=settings), out)
    return out


@pytest.fixture(scope="module")
def study(drawn: Path, plain: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = Path(shutil.copytree(plain, tmp_path_factory.mktemp("evidence") / "study"))
    more = ["baseline=false", "train_seeds=2", "learning_curve=[0.5]"]
    conduct(
        str(drawn),
        configure(preset="quick", models=[MODEL], weights="none", settings=[*TINY, "unlike=true", *more]),
        out,
    )
    return out


@pytest.mark.slow
def test_evidence_is_added_to_a_study_that_has_finished(study: Path) -> None:
    results = Results.read(study / "results.json")
    (spread,) = results.spread
    assert spread.seeds == 2 and len(spread.accuracies) == 2
    half, whole = results.learning
    assert half.share == 0.5 and whole.share == 1
    assert half.training_cells < whole.training_cells
    assert whole.accuracy.value == results.models[0].accuracy.value == pytest.approx(spread.accuracies[0])
    assert "how far training varies was measured" in results.remarks[0]
    text = (study / "report.html").read_text(encoding="utf-8")
    assert "How much training itself varies" in text and "Fewer training cells" in text


@pytest.mark.slow
def test_a_smaller_share_keeps_whole_groups_of_every_class_and_lies_within_a_larger_one(study: Path) -> None:
    folder = StudyFolder(study)
    record = StudyRecord.read(folder / "study.json")
    wanted = {"train_seeds": 1, "learning_curve": (0.3, 0.6)}
    record = record.model_copy(update={"config": record.config.model_copy(update=wanted)})
    jobs = list(fold_jobs(folder, record))
    further = list(further_jobs(folder, record, jobs))
    assert [one.words for one in further] == [", 30% of the training cells", ", 60% of the training cells"]
    small, large = (set(one.job.rows["train"].cell_ids) for one in further)
    everything = set(jobs[0].rows["train"].cell_ids)
    assert small < large < everything
    cells = read_table(folder / "cells.parquet", CELLS)
    for ids in (small, large):
        chosen = cells.filter(pl.col("cell_id").is_in(list(ids)))
        assert set(chosen["label"]) == set(record.classes)
        left = cells.filter(pl.col("cell_id").is_in(list(everything - ids)))
        assert not set(chosen["group"]) & set(left["group"])


@pytest.mark.slow
def test_another_seed_trains_other_weights_on_the_same_rows(study: Path) -> None:
    columns = pl.col("^p_.*$")
    own = pl.read_parquet(study / "predictions.parquet").sort("cell_id")
    again = pl.read_parquet(study / "seeds.parquet").sort("cell_id")
    assert own.get_column("cell_id").to_list() == again.get_column("cell_id").to_list()
    assert not np.allclose(own.select(columns).to_numpy(), again.select(columns).to_numpy())


@pytest.mark.slow
def test_strangers_are_scored_once_and_shown_in_the_report(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scores = pl.read_parquet(study / "unlike.parquet")
    held = pl.read_parquet(study / "predictions.parquet")
    assert scores.filter(pl.col("kind") == CELL).height == held.height
    assert {RED, EMPTY, NOISE} <= set(scores["kind"])
    assert scores["score"].is_finite().all() and (scores["score"] >= 0).all()
    results = Results.read(study / "results.json")
    assert results.trust[0].unlike is not None
    shown = "Pictures that are no such cells" in (study / "report.html").read_text(encoding="utf-8")
    assert shown == (results.models[0].collapsed is None)
    assert (study / "controls" / "0-red-cells.jpg").is_file()

    def refuse(*_: object) -> None:
        raise AssertionError("asked again")

    monkeypatch.setattr(unlike, "_scores", refuse)
    folder = StudyFolder(study)
    record = StudyRecord.read(folder / "study.json")
    unlike.score_strangers(folder, record, fold_jobs(folder, record), Path(record.data.root), Silent())
    assert pl.read_parquet(study / "unlike.parquet").equals(scores)


@pytest.mark.slow
def test_it_can_be_left_out(plain: Path) -> None:
    assert not (plain / "unlike.parquet").exists()
    assert [one.unlike for one in Results.read(plain / "results.json").trust] == [None]
    assert "Pictures that are no such cells" not in (plain / "report.html").read_text(encoding="utf-8")


@pytest.mark.slow
def test_cells_are_told_for_the_interval_that_is_asked_for(study: Path) -> None:
    def widths(*words: str) -> set[float]:
        done = CliRunner().invoke(app, ["evaluate", str(study), "--json", *words])
        assert done.exit_code == 0, done.output
        return {target.half_width for size in Results.read(study / "results.json").enough for target in size.targets}

    assert widths("--half-width", "0.1", "--half-width", "0.03") == {0.1, 0.03}
    shown = "Cells for ±&nbsp;0.1" in (study / "report.html").read_text(encoding="utf-8")
    assert shown == (Results.read(study / "results.json").models[0].collapsed is None)
    assert widths() == {0.05, 0.025}
    assert configure(models=[MODEL], settings=["half_widths=[0.03]"]).half_widths == (0.03,)


WRONG = [
    *("train_seeds=0", "learning_curve=[1.5]", "error_rate=0.9", "train_seed=2"),
    *("half_widths=[]", "half_widths=[0.5]"),
]


@pytest.mark.parametrize("wrong", WRONG)
def test_what_cannot_be_is_refused_in_words(wrong: str) -> None:
    with pytest.raises(UsageError):
        configure(models=[MODEL], settings=[wrong])


@pytest.mark.slow
def test_strangers_hold_no_leukocyte_of_the_study(study: Path, drawn: Path) -> None:
    folder = StudyFolder(study)
    record = StudyRecord.read(folder / "study.json")
    cells = read_table(folder / "cells.parquet", CELLS)
    crops = CropStore.open(folder / "crops")
    known = tuple(name for name in record.classes if name != "basophil")
    made = controls(cells, Path(record.data.root), FrameSpec(side_px=200, stored_px=64), crops, known, 1)
    again = controls(cells, Path(record.data.root), FrameSpec(side_px=200, stored_px=64), crops, known, 1)
    assert {RED, EMPTY, DRAWN, NOISE} <= set(made)
    assert all(np.array_equal(made[kind], again[kind]) for kind in made)

    def stained(pictures: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> float:
        """Share of pixels as violet as a nucleus: much more blue than green."""
        return float(np.mean(pictures[..., 2].astype(int) - pictures[..., 1] > 60))

    assert stained(made[RED]) < 0.01 < stained(made[DRAWN])
    assert stained(made[EMPTY]) == 0
    assert made[RED].astype(float).std() > 2 * made[EMPTY].astype(float).std()
    assert OTHER not in made or "basophil" in set(cells["label"].drop_nulls())
