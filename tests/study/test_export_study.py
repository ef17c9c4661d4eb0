"""From a study to a bundle that answers, end to end, on a tiny study."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from buffycoat.bundle.markdown import markdown
from buffycoat.bundle.read import open_bundle
from buffycoat.bundle.words import leaking
from buffycoat.cli.main import app
from buffycoat.errors import BuffycoatError, DataError, OutputError, UsageError
from buffycoat.predict import Predictor
from buffycoat.study.conduct import conduct
from buffycoat.study.config import configure
from buffycoat.study.export import Wanted, export_study
from tests.study.conftest import TINY

pytestmark = pytest.mark.slow
MODEL = "test_resnet"


@pytest.fixture(scope="session")
def study(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a finished study of one tiny network, two folds; not to be changed."""
    folder = tmp_path_factory.mktemp("exported") / "study"
    settings = (*TINY, "split.folds=2", "train.epochs=3", "baseline=false")
    conduct(str(drawn), configure(preset="standard", models=[MODEL], weights="none", settings=settings), folder)
    return folder


@pytest.fixture(scope="session")
def bundle(study: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the study's bundle: int8, trained on every cell."""
    out = tmp_path_factory.mktemp("bundle") / "bundle"
    export_study(study, out, Wanted(allow_loss=True))
    return out


def test_the_bundle_is_whole_and_its_card_tells_the_truth(study: Path, bundle: Path) -> None:
    card = open_bundle(bundle).card
    cells = pl.read_parquet(study / "cells.parquet").filter(pl.col("excluded_by").is_null())
    assert sorted(entry.name for entry in bundle.iterdir()) == ["card.json", "model.onnx"]
    assert card.precision == "int8"
    assert card.network.trained_on == "all"
    assert card.data.cells == dict(cells.group_by("label").len().iter_rows())
    assert card.operating["1"].accuracy.denominator == cells.height
    assert card.quantisation is not None
    assert card.quantisation.cells == cells.height
    assert card.quantisation.kept_float
    assert "None of these figures is of the bundle's own network" in card.results.measured_on
    assert any("drawn by a program" in limit for limit in card.limitations)
    results = json.loads((study / "results.json").read_text())
    assert card.results.models[0].accuracy.value == results["models"][0]["accuracy"]["value"]
    text = markdown(card)
    assert "not for diagnosis" in text
    assert "Trained on drawn smears" in text


def test_the_predictor_runs_it(study: Path, bundle: Path) -> None:
    cells = pl.read_parquet(study / "cells.parquet").filter(pl.col("excluded_by").is_null())
    root = Path(json.loads((study / "study.json").read_text())["data"]["root"])
    photographs = [root / image for image in cells.get_column("image")[:6]]
    for views in (1, 4):
        found = Predictor.load(bundle, views=views).predict(photographs)
        assert all(result.error is None and result.cells for result in found)
        for result in found:
            assert sum(result.cells[0].probabilities.values()) == pytest.approx(1)
            assert np.isfinite(result.cells[0].unlikeness)


def test_exporting_again_trains_nothing_and_gives_the_same_network(study: Path, bundle: Path, tmp_path: Path) -> None:
    weights = study / "models" / MODEL / "final" / "weights.safetensors"
    before = weights.stat().st_mtime_ns
    again = export_study(study, tmp_path / "again", Wanted(allow_loss=True))
    assert weights.stat().st_mtime_ns == before
    assert again.model == (bundle / "model.onnx").read_bytes()
    assert again.card.model_copy(update={"created": ""}) == open_bundle(bundle).card.model_copy(update={"created": ""})


def test_a_folds_network_in_fp32_by_the_command(study: Path, tmp_path: Path) -> None:
    out = tmp_path / "fold"
    command = ["export", f"{study}:{MODEL}", "--out", str(out), "--precision", "fp32", "--model-weights", "r0f0"]
    done = CliRunner().invoke(app, [*command, "--quiet", "--name", "mine", "--error-rate", "0.2"])
    assert done.exit_code == 0, done.output
    assert "Research software, not a medical device" in done.stdout
    card = open_bundle(out).card
    assert (card.name, card.precision, card.quantisation) == ("mine", "fp32", None)
    assert card.network.trained_on == "fold"
    assert card.operating["1"].error_rate == 0.2
    shown = CliRunner().invoke(app, ["card", str(out)])
    assert shown.stdout == markdown(card)
    as_json = CliRunner().invoke(app, ["card", str(out), "--json"])
    assert json.loads(as_json.stdout)["name"] == "mine"


def test_a_study_that_leaks_marks_its_bundle(study: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(study, tmp_path / "copy"))
    why = "The split leaks: all of it."
    _change(copy / "results.json", lambda results: results.update(leaked=why, remarks=[why]))
    command = ["export", str(copy), "--out", str(tmp_path / "out"), "--precision", "fp32", "--model-weights", "r0f0"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith(f"{leaking(why)}\nLEAKING SPLIT: ")
    assert "LEAKING SPLIT, allowed on purpose" in done.stderr
    card = open_bundle(tmp_path / "out").card
    assert card.results.leaked == why
    assert card.limitations[0] == leaking(why)
    assert "drawn by a program" in card.limitations[1]
    assert "model-index" not in markdown(card)
    said = CliRunner().invoke(app, ["predict", *_photographs(study)[:1], "--bundle", str(tmp_path / "out")])
    assert "By LEAKING SPLIT: " in said.stderr


def test_the_rate_a_study_was_told_is_its_bundles(study: Path, bundle: Path, tmp_path: Path) -> None:
    untold = open_bundle(bundle).card.operating["1"]
    assert untold.error_rate == max(1, math.ceil(75 * (1 - (untold.accuracy.value or 0)) - 1e-9)) / 100
    copy = Path(shutil.copytree(study, tmp_path / "copy"))
    for told, asked, kept in ((0.25, 0.05, 0.05), (0.05, None, 0.05)):
        _tell(copy, told)
        wanted = Wanted(precision="fp32", weights="r0f0", error_rate=asked)
        for point in export_study(copy, tmp_path / "told", wanted).card.operating.values():
            assert point.error_rate == kept
            assert list(point.other_rates) == ["0.02", "0.05", "0.10"]
            five = point.other_rates["0.05"]
            assert (point.certain_threshold == five.certain_threshold) or kept != 0.05
            assert (point.expected.unidentified == five.unidentified) or kept != 0.05


def _refused(study: Path, out: Path, wanted: Wanted, kind: type[BuffycoatError], reason: str) -> None:
    with pytest.raises(kind, match=reason):
        export_study(study, out, wanted)


def test_what_cannot_be_exported_is_refused_in_words(study: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    _refused(tmp_path / "nowhere", out, Wanted(), DataError, "holds no study")
    _refused(study, out, Wanted(model="resnet50"), UsageError, "has no network 'resnet50'; it has test_resnet")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("x")
    _refused(study, tmp_path / "full", Wanted(), OutputError, r"holds no bundle alone \(thesis.txt\)")
    assert not out.exists()


def test_an_unfinished_study_is_refused(study: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(study, tmp_path / "copy"))
    weights = copy / "models" / MODEL / "r0f1" / "weights.safetensors"
    weights.unlink()
    _refused(copy, tmp_path / "out", Wanted(), DataError, "weights of test_resnet are gone for fold 2")
    (copy / "results.json").unlink()
    _refused(copy, tmp_path / "out", Wanted(), DataError, "is not finished")


def test_photographs_that_are_gone_or_others_are_noticed(study: Path, drawn: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(study, tmp_path / "copy"))
    photographs = Path(shutil.copytree(drawn, tmp_path / "photographs"))
    _point_to(copy, photographs)
    names = sorted(pl.read_parquet(copy / "cells.parquet").get_column("image").drop_nulls().to_list())
    for name, other in zip(names, names[1:] + names[:1], strict=True):
        shutil.copy(drawn / other, photographs / name)
    _refused(copy, tmp_path / "out", Wanted(), DataError, "are not those of the study")
    included = pl.read_parquet(copy / "cells.parquet").filter(pl.col("excluded_by").is_null())
    (photographs / included.get_column("image")[0]).unlink()
    _refused(copy, tmp_path / "out", Wanted(), DataError, "cannot be read any more: missing")


def _point_to(study: Path, photographs: Path) -> None:
    _change(study / "study.json", lambda record: record["data"].update(root=str(photographs)))


def _change(file: Path, change: Callable[[dict[str, Any]], object]) -> None:
    document: dict[str, Any] = json.loads(file.read_text())
    change(document)
    file.write_text(json.dumps(document))


def _tell(study: Path, rate: float) -> None:
    _change(study / "study.json", lambda record: record["config"].update(error_rate=rate))


def _photographs(study: Path) -> list[str]:
    images = pl.read_parquet(study / "cells.parquet").get_column("image").drop_nulls()
    root = Path(json.loads((study / "study.json").read_text())["data"]["root"])
    return [str(root / image) for image in images]
