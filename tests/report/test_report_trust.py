"""The sections about trust and evidence: the numbers of results.json, and what is missing said to be missing."""

import json
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from buffycoat.cli.main import app
from buffycoat.files import write_json, write_parquet
from buffycoat.records.base import Estimate, Interval
from buffycoat.records.documents import Results
from buffycoat.records.evidence import LearningPoint, Spread
from buffycoat.records.trust import Unlike, UnlikeKind
from buffycoat.report.build import build
from buffycoat.report.evidence import evidence_view
from buffycoat.report.numbers import with_interval
from buffycoat.report.trust import terminal_line, trust_view
from buffycoat.study.config import configure
from tests.report.make_study import make_study
from tests.report.test_report_build import reader, shown


def estimate(value: float) -> Estimate:
    return Estimate(value=value, interval=Interval(low=value - 0.01, high=min(value + 0.01, 1), method="by hand"))


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study counted by an earlier version: nothing is said of trust."""
    folder = make_study(tmp_path_factory.mktemp("trust") / "study", n=60, models=("resnet18", "tf_efficientnet_lite0"))
    build(folder)
    return folder


@pytest.fixture(scope="module")
def counted(before: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same study with validation predictions, counted again."""
    folder = tmp_path_factory.mktemp("counted") / "study"
    shutil.copytree(before, folder)
    predictions = pl.read_parquet(folder / "predictions.parquet")
    fold = ((pl.col("fold") + 1) % 5).alias("fold")  # a row is validation in the fold after the one that holds it out
    write_parquet(folder / "validation.parquet", predictions.with_columns(fold))
    told = json.loads((folder / "study.json").read_text(encoding="utf-8"))
    config = configure(preset="standard", models=told["models"], seed=told["seed"], settings=["baseline=false"])
    more = {"config": config.model_dump(mode="json"), "protocol": "by hand", "threads": 1, "precision": {}}
    write_json(folder / "study.json", {**told, **more})
    found = CliRunner().invoke(app, ["evaluate", str(folder), "-q"])
    assert found.exit_code == 0, found.output
    return folder


def test_a_study_of_an_earlier_version_says_what_is_missing(before: Path) -> None:
    text = (before / "report.html").read_text(encoding="utf-8")
    assert "How far the probabilities can be trusted" in text
    assert "buffycoat evaluate STUDY counts it" in text
    assert terminal_line(Results.read(before / "results.json")) is None
    page = (before / "page" / "index.md").read_text(encoding="utf-8")
    assert "was not measured" in page


def test_tables_hold_the_numbers_of_results_json(counted: Path) -> None:
    results, page = Results.read(counted / "results.json"), reader(counted)
    titles = {model.model: model.title for model in results.models}
    assert len(results.trust) == 2
    for one in results.trust:
        calibration = page.table("Probabilities before and after scaling")
        place = next(k for k, row in enumerate(calibration) if row[0] == titles[one.model])
        found = one.calibration
        assert calibration[place][2] == shown(found.error_before)
        assert [calibration[place + 1][k] for k in (2, 4, 5)] == [
            shown(found.error_after),
            shown(found.brier_after),
            shown(found.log_loss_after),
        ]
        sets = {row[0]: row for row in page.table("Prediction sets promised")}[titles[one.model]]
        assert sets[1:] == [
            shown(one.sets.covered),
            *(shown(of.covered) for of in one.sets.classes),
            shown(one.sets.size),
        ]
        withheld = {row[0]: row for row in page.table("What happens when answers")}[titles[one.model]]
        assert withheld[1:4] == [
            shown(one.abstention.answered),
            shown(one.abstention.wrong) if one.abstention.wrong.value is not None else "undefined",
            shown(one.abstention.certain_accuracy),
        ]


def test_numbers_of_cells_stand_in_the_report_and_on_the_page(counted: Path) -> None:
    results = Results.read(counted / "results.json")
    view = evidence_view(results)
    rows = {row[0]: row for row in reader(counted).table("How many cells an interval")}
    for size in view.sizes:
        name = "accuracy" if size.name is None else f"sensitivity of {size.name}"
        assert rows[name][2] == str(size.cells)
        assert rows[name][4] == str(size.targets[0].cells)
    assert "seeds=3" in " ".join(view.missing)
    page = (counted / "page" / "index.md").read_text(encoding="utf-8")
    assert view.sentence in page.replace("\\_", "_")
    assert "fig-reliability-after.svg" in page and (counted / "page" / "fig-risk-coverage.svg").is_file()


def test_every_table_is_printed_as_markdown(counted: Path) -> None:
    found = CliRunner().invoke(app, ["report", str(counted), "--markdown"])
    assert found.exit_code == 0, found.output
    results = Results.read(counted / "results.json")
    for one in results.trust:
        assert with_interval(one.calibration.error_after) in found.output
        assert with_interval(one.abstention.certain_accuracy) in found.output
    assert all(with_interval(model.accuracy) in found.output for model in results.models)
    assert all(with_interval(pair.difference) in found.output for pair in results.comparisons)
    rows = [line.split(" | ") for line in found.output.splitlines() if line.startswith("| ")]
    assert len(rows) > 15
    blocks = [block.splitlines() for block in found.output.split("\n\n") if block.startswith("| ")]
    assert all(len({line.count(" | ") for line in block}) == 1 for block in blocks)


def test_a_stricter_rate_is_counted_anew(counted: Path, tmp_path: Path) -> None:
    folder = tmp_path / "study"
    shutil.copytree(counted, folder)
    found = CliRunner().invoke(app, ["evaluate", str(folder), "--error-rate", "0.3", "--json"])
    assert found.exit_code == 0, found.output
    assert Results.read(folder / "results.json").trust[0].abstention.error_rate == 0.3
    assert "30 % of the answers" in (folder / "report.html").read_text(encoding="utf-8")


def test_what_is_no_study_is_refused(tmp_path: Path) -> None:
    found = CliRunner().invoke(app, ["evaluate", str(tmp_path)])
    assert found.exit_code != 0
    assert "not a study folder" in str(found.exception or found.output)


def test_measured_seeds_curves_and_unlike_pictures_are_shown(counted: Path, tmp_path: Path) -> None:
    folder = tmp_path / "study"
    shutil.copytree(counted, folder)
    results = Results.read(folder / "results.json")
    unlike = Unlike(
        score="the distance of the features",
        kept=0.99,
        kinds=(
            UnlikeKind(name="red cells", pictures=60, auroc=estimate(0.97), lost=estimate(0.08)),
            UnlikeKind(name="noise", pictures=40, auroc=estimate(0.999), lost=estimate(0.001)),
        ),
        detected=(estimate(0.8), estimate(0.99)),
    )
    model = results.trust[1].model
    limits = Interval(low=0.7, high=0.9, method="both")
    spread = Spread(
        model=model,
        seeds=3,
        accuracies=(0.8, 0.82, 0.79),
        deviation=estimate(0.015),
        from_cells=0.02,
        share=0.36,
        interval=limits,
        sentence="Training again moves the accuracy by 0.015.",
    )
    points = tuple(
        LearningPoint(
            model=model,
            share=share,
            training_cells=200 * share,
            accuracy=estimate(0.6 + 0.2 * share),
            sensitivity=tuple(estimate(value) for value in np.linspace(0.5, 0.9, 4) * share),
        )
        for share in (0.25, 0.5, 1.0)
    )
    trust = tuple(one.model_copy(update={"unlike": unlike}) for one in results.trust)
    results.model_copy(update={"trust": trust, "spread": (spread,), "learning": points}).write(folder / "results.json")
    build(folder)
    rows = reader(folder).table("How well each kind of picture")
    assert rows[1][1:] == ["red cells", "60", "0.970 0.960–0.980", "0.080 0.070–0.090", "0.800 0.790–0.810"]
    text = (folder / "report.html").read_text(encoding="utf-8")
    assert "tells noise from its cells best and red cells worst" in text
    assert "Training again moves the accuracy" in text and "From 50 to 200 training cells" in text
    assert "one seed" not in text
    assert "fig-learning-1.svg" in (folder / "page" / "index.md").read_text(encoding="utf-8")
    assert trust_view(Results.read(folder / "results.json")).missing == ()
