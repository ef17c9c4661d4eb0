"""The classical baseline beside the networks: same folds, same files, and a switch."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from buffycoat.data.load import load
from buffycoat.errors import OutputError, UsageError
from buffycoat.labels.overrides import write_overrides
from buffycoat.labels.sheet import Correction
from buffycoat.morphology.columns import COLUMNS
from buffycoat.records.documents import Results
from buffycoat.records.labels import LabelAudit
from buffycoat.study import baseline
from buffycoat.study.conduct import conduct
from buffycoat.study.config import configure
from buffycoat.study.folder import StudyFolder
from buffycoat.study.record import StudyRecord
from buffycoat.study.watch import Silent
from tests.study.conftest import TINY

MODEL = "test_resnet"
pytestmark = pytest.mark.slow  # a study is trained
SETTINGS = (*TINY, "split.scheme=kfold", "split.folds=2", "train.epochs=1")


@pytest.fixture(scope="module")
def finished(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a finished study of two folds; not to be changed."""
    out = tmp_path_factory.mktemp("baseline") / "out"
    conduct(str(drawn), configure(preset="quick", models=[MODEL], weights="none", settings=SETTINGS), out)
    return out


def _rows(path: Path, model: str) -> pl.DataFrame:
    table = pl.read_parquet(path).filter(pl.col("model") == model)
    return table.select("repeat", "fold", "cell_id", "label").sort("repeat", "fold", "cell_id")


def test_it_answers_exactly_the_rows_the_networks_answer(finished: Path) -> None:
    for name in ("predictions.parquet", "validation.parquet"):
        mine = _rows(finished / name, baseline.NAME)
        assert mine.height > 0
        assert mine.equals(_rows(finished / name, MODEL))
    results = Results.read(finished / "results.json")
    assert [model.model for model in results.models] == [MODEL, baseline.NAME]
    assert results.baselines == (baseline.NAME,)
    assert {(pair.first, pair.second) for pair in results.comparisons} == {(MODEL, baseline.NAME)}


def test_its_probabilities_sum_to_one(finished: Path) -> None:
    table = pl.read_parquet(finished / "predictions.parquet").filter(pl.col("model") == baseline.NAME)
    total = table.select(pl.sum_horizontal(pl.col("^p_.*$"))).to_series()
    assert ((total - 1).abs() < 1e-9).all()


def test_the_measurements_are_in_the_table_of_cells(finished: Path) -> None:
    cells = pl.read_parquet(finished / "cells.parquet")
    assert set(COLUMNS) <= set(cells.columns)
    assert cells.get_column("nucleus_area_px").drop_nulls().len() > 0.8 * cells.height


def test_the_report_shows_it_as_no_network(finished: Path) -> None:
    report = (finished / "report.html").read_text()
    assert "The baseline: " + baseline.TITLE in report
    assert "This study trained 1 network " in report
    assert baseline.TITLE in (finished / "page" / "index.md").read_text()


def test_the_report_shows_measurements_and_labels(finished: Path) -> None:
    report = (finished / "report.html").read_text()
    assert "Nucleus and cytoplasm, measured" in report and "Nucleus roundness" in report
    assert "Labels that look wrong" in report
    page = (finished / "page" / "index.md").read_text()
    section = page.partition("### Labels that look wrong")[2].partition("\n#")[0]
    audit = LabelAudit.read(finished / "labels.json")
    assert audit.sentence[:40] in section
    assert all(suspect.cell_id.replace("_", "\\_") in section for suspect in audit.suspects[:40])


def test_corrected_labels_are_honoured_and_said_and_the_baseline_can_be_left_out(drawn: Path, tmp_path: Path) -> None:
    cells = load(str(drawn)).cells
    row = cells.filter(pl.col("label") == "neutrophil").row(0, named=True)
    change = Correction(row["cell_id"], "", "neutrophil", "eosinophil", "A. Reader", "red granules", "2026-01-31")
    write_overrides([change], tmp_path / "overrides.csv")
    config = configure(preset="quick", models=[MODEL], weights="none", settings=(*TINY, "baseline=false"))
    out = tmp_path / "out"
    results = conduct(str(drawn), config, out, labels=tmp_path / "overrides.csv")
    kept = pl.read_parquet(out / "cells.parquet").filter(pl.col("cell_id") == row["cell_id"]).row(0, named=True)
    assert (kept["label"], kept["label_before"], kept["label_raw"]) == ("eosinophil", "neutrophil", row["label_raw"])
    assert (kept["label_by"], kept["label_why"], kept["label_when"]) == ("A. Reader", "red granules", "2026-01-31")
    assert any("1 label was corrected by hand (A. Reader)" in remark for remark in results.remarks)
    assert "red granules" in (out / "report.html").read_text()
    assert (out / "label-overrides.csv").is_file()
    assert [model.model for model in results.models] == [MODEL] and results.baselines == ()
    assert "nucleus_area_px" not in pl.read_parquet(out / "cells.parquet").columns
    assert not (out / "models" / baseline.NAME).exists()
    with pytest.raises(OutputError, match="labels"):
        conduct(str(drawn), config, out)


def test_a_second_run_fits_nothing_again(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(baseline, "_fit", lambda *_: pytest.fail("a finished fold was fitted again"))
    baseline.run(StudyFolder(finished), Silent())


def test_a_fold_fitted_on_other_rows_is_fitted_anew(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shutil

    out = Path(shutil.copytree(finished, tmp_path / "out"))
    done = out / "models" / baseline.NAME / "r0f1" / "done.json"
    done.write_text(json.dumps({"key": "another"}))
    fitted: list[int] = []
    inner = baseline._fit

    def counted(fold: baseline._Fold, record: StudyRecord) -> None:
        fitted.append(fold.fold)
        inner(fold, record)

    monkeypatch.setattr(baseline, "_fit", counted)
    baseline.run(StudyFolder(out), Silent())
    assert fitted == [1]
    before, after = (
        pl.read_parquet(place / "models" / baseline.NAME / "r0f1" / "predictions.parquet") for place in (finished, out)
    )
    assert before.equals(after)


def test_the_switch_takes_true_or_false_only() -> None:
    with pytest.raises(UsageError, match="baseline: expected true or false, found 'maybe'"):
        configure(settings=("baseline=maybe",))
