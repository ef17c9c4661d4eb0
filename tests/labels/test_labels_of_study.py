"""From predictions to suspects, from suspects to a sheet, from a corrected sheet to a study with other labels."""

from __future__ import annotations

import csv
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from typer.testing import CliRunner

from buffycoat.data.load import load
from buffycoat.errors import DataError
from buffycoat.labels.audit import audit_labels
from buffycoat.labels.blend import Blend, blend, mixture_weights
from buffycoat.labels.overrides import (
    corrected,
    corrections_remark,
    digest,
    read_overrides,
    with_overrides,
    write_overrides,
)
from buffycoat.labels.sheet import COLUMNS, Correction, read_sheet, write_sheet
from buffycoat.records.labels import LabelAudit
from buffycoat.synth.write import write_set
from tests.labels.flips import flipped, simulated

CLASSES = ("neutrophil", "eosinophil", "lymphocyte", "monocyte")


def tables(
    labels: NDArray[np.int64], odds: dict[str, NDArray[np.float64]], role: str = "c"
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return predictions and cells of these labels and probabilities."""
    ids = [f"{role}{k:04d}" for k in range(len(labels))]
    named = [CLASSES[k] for k in labels]
    parts = [
        pl.DataFrame({"model": model, "repeat": 0, "fold": 0, "cell_id": ids, "label": named}).with_columns(
            **{f"p_{name}": p[:, k] for k, name in enumerate(CLASSES)}
        )
        for model, p in odds.items()
    ]
    cells = pl.DataFrame({"cell_id": ids, "image": [f"{i}.jpg" for i in ids], "label": named, "group": ids})
    return pl.concat(parts), cells.with_columns(excluded_by=pl.lit(None, pl.String))


def audited(
    noise: float, *, skill: float = 4.0, others: tuple[str, ...] = (), n: int = 500, seed: int = 3
) -> tuple[LabelAudit, set[str]]:
    """Audit labels of which a known share was flipped; return also the cells flipped."""
    rng = np.random.default_rng(seed)
    true = rng.choice(4, n, p=[0.5, 0.25, 0.15, 0.1])
    labels = flipped(true, noise, rng)
    odds = {"good": simulated(true, rng, skill), **{name: rng.dirichlet(np.ones(4), n) for name in others}}
    predictions, cells = tables(labels, odds)
    inner_true = rng.choice(4, 80)
    inner_odds = {"good": simulated(inner_true, rng, skill), **{name: rng.dirichlet(np.ones(4), 80) for name in others}}
    inner, inner_cells = tables(inner_true, inner_odds, "v")
    _, never = tables(inner_true[:5], {"good": simulated(inner_true[:5], rng)}, "a")  # cells that no model was asked
    found = audit_labels(predictions, inner, pl.concat([never, cells, inner_cells]), classes=CLASSES, titles={})
    return found, {f"c{k:04d}" for k in np.flatnonzero(labels != true)}


@pytest.mark.parametrize(("noise", "precision", "recall"), [(0.05, 0.7, 0.75), (0.1, 0.8, 0.78), (0.2, 0.85, 0.82)])
def test_flipped_labels_are_suspected(noise: float, precision: float, recall: float) -> None:
    suspected = flips = both = 0
    for seed in range(12):
        found, wrong = audited(noise, seed=seed)
        suspects = {one.cell_id for one in found.suspects}
        suspected, flips, both = suspected + len(suspects), flips + len(wrong), both + len(suspects & wrong)
    assert both / suspected >= precision
    assert both / flips >= recall
    assert found.wrong.value == pytest.approx(len(wrong) / 500, abs=0.05)
    assert found.at_best.value is not None and found.wrong.value is not None
    assert found.at_best.value == pytest.approx(1 - found.wrong.value)
    scores = [one.score for one in found.suspects]
    assert scores == sorted(scores, reverse=True)
    assert sum(one.suspects for one in found.by_class) == len(found.suspects)


def test_the_most_suspect_are_wrong_more_surely_than_the_rest() -> None:
    found, wrong = audited(0.1, skill=3.0)
    half = len(found.suspects) // 2
    halves = found.suspects[:half], found.suspects[half:]
    first, rest = (sum(one.cell_id in wrong for one in part) / len(part) for part in halves)
    assert first > rest


def test_models_that_know_nothing_get_no_say() -> None:
    alone, _ = audited(0.1)
    found, _ = audited(0.1, others=("idle", "idler"))
    assert {one.model: round(one.weight, 2) for one in found.asked}["good"] > 0.9
    assert abs(len(found.suspects) - len(alone.suspects)) <= 12


def test_mixture_weights_are_the_likeliest() -> None:
    rng = np.random.default_rng(0)
    own = rng.random((200, 2)) * np.array([1.0, 0.6])
    best = mixture_weights(own, before=0)[0]
    grid = np.linspace(0, 1, 2001)
    likeliest = grid[np.argmax([np.log(own @ np.array([w, 1 - w])).sum() for w in grid])]
    assert best == pytest.approx(likeliest, abs=2e-3)


def test_the_label_of_a_held_out_cell_has_no_say_in_its_own_probabilities() -> None:
    """Nor have those of the other cells held out in its fold: they are inner validation rows of other folds only."""
    rng = np.random.default_rng(4)
    true = rng.choice(4, 60)
    ids = [f"c{k:02d}" for k in range(60)]
    odds = {
        (model, fold): simulated(true, rng, skill) for model, skill in (("a", 2.0), ("b", 4.0)) for fold in range(3)
    }

    def blended(labels: NDArray[np.int64]) -> Blend:
        named = [CLASSES[k] for k in labels]
        parts: dict[str, list[pl.DataFrame]] = {"held": [], "inner": []}
        for (model, fold), p in odds.items():
            rows = pl.DataFrame({"model": model, "repeat": 0, "fold": fold, "cell_id": ids, "label": named})
            rows = rows.with_columns(**{f"p_{name}": p[:, k] for k, name in enumerate(CLASSES)})
            place = pl.int_range(60)
            parts["held"].append(rows.filter(place % 3 == fold))
            parts["inner"].append(rows.filter((place % 3 != fold) & (place % 4 == 0)))
        cells = pl.DataFrame({"cell_id": ids, "label": named, "group": ids})
        return blend(pl.concat(parts["held"]), pl.concat(parts["inner"]), cells, CLASSES)

    before = blended(true)
    after = blended(np.where(np.arange(60) % 3 == 0, (true + 1) % 4, true))  # every label of the first fold
    first = np.arange(60) % 3 == 0
    assert np.array_equal(before.probabilities[first], after.probabilities[first])
    assert not np.array_equal(before.probabilities[~first], after.probabilities[~first])
    assert before.weights["b"] > before.weights["a"]


def test_a_fold_without_validation_rows_counts_every_model_alike() -> None:
    predictions, cells = tables(np.array([0, 1, 2]), {"m": np.full((3, 4), 0.25), "n": np.full((3, 4), 0.25)})
    found = blend(predictions, None, cells, CLASSES)
    assert found.weights == {"m": 0.5, "n": 0.5} and found.temperatures == {"m": 1.0, "n": 1.0}


def test_a_class_without_suspects_still_has_limits() -> None:
    labels = np.repeat(np.arange(4), 10)
    odds = np.full((40, 4), 0.02)
    odds[np.arange(40), labels] = 0.94
    predictions, cells = tables(labels, {"m": odds})
    found = audit_labels(predictions, None, cells, classes=CLASSES, titles={})
    assert [one.wrong.value for one in found.by_class] == [0.0] * 4
    highs = [one.wrong.interval.high for one in found.by_class]
    assert highs == pytest.approx([1 - 0.025**0.1] * 4)  # none of ten
    assert found.wrong.value == 0 and 0 < (found.wrong.interval.high or 0) < (highs[0] or 0)


def test_a_sheet_goes_out_and_comes_back(tmp_path: Path) -> None:
    found, _ = audited(0.1)
    path = tmp_path / "suspects.csv"
    assert write_sheet(found, path) == len(found.suspects)
    with path.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert tuple(rows[0]) == COLUMNS
    assert {row["corrected"] + row["by"] + row["why"] for row in rows} == {""}
    rows[0] |= {"corrected": rows[0]["suspected"].upper(), "by": "A. Reader", "why": "two lobes, red granules"}
    rows[1] |= {"corrected": "unclear", "why": "out of focus"}
    with path.open("w", newline="", encoding="utf-8-sig") as stream:  # as a table program saves it
        writer = csv.DictWriter(stream, COLUMNS, delimiter=";")
        writer.writeheader()
        writer.writerows(rows)
    made, left = read_sheet(path, by="B. Reader", today=date(2026, 3, 1))
    assert left == len(rows) - 2
    assert (made[0].corrected, made[0].by, made[0].when) == (rows[0]["suspected"], "A. Reader", "2026-03-01")
    assert (made[1].corrected, made[1].by, made[1].why) == (None, "B. Reader", "out of focus")


def test_rows_without_name_or_reason_are_refused_together(tmp_path: Path) -> None:
    path = tmp_path / "sheet.csv"
    path.write_text("cell_id,image,label,corrected,by,why\na,,neutrophil,eosinophil,,\nb,,neutrophil,eosinophil,N,\n")
    with pytest.raises(DataError, match=r"row 2 \(a\): by and why missing; row 3 \(b\): why missing"):
        read_sheet(path)
    with pytest.raises(DataError, match="does not exist"):
        read_sheet(tmp_path / "nothing.csv")
    path.write_text("image,label\nx,y\n")
    with pytest.raises(DataError, match="cell_id"):
        read_sheet(path)


def test_corrections_keep_what_was_there(tmp_path: Path) -> None:
    _, cells = tables(np.array([0, 1, 2]), {"m": np.full((3, 4), 0.25)})
    cells = cells.with_columns(label_raw=pl.col("label").str.to_uppercase(), label_count=pl.lit(1, pl.Int32))
    changes = (
        Correction("c0000", "", "neutrophil", "eosinophil", "A", "granules", "2026-01-01"),
        Correction("c0002", "", "lymphocyte", None, "A", "blurred", "2026-01-01"),
        Correction("c0000", "", "eosinophil", "monocyte", "B", "second look", "2026-01-02"),
    )
    found = corrected(cells, changes)
    assert found.get_column("label").to_list() == ["monocyte", "eosinophil", None]
    assert found.get_column("label_raw").to_list() == ["NEUTROPHIL", "EOSINOPHIL", "LYMPHOCYTE"]
    assert found.get_column("label_before").to_list() == ["neutrophil", None, "lymphocyte"]
    assert found.get_column("label_by").to_list() == ["B", None, "A"]
    assert found.get_column("label_when").to_list() == ["2026-01-02", None, "2026-01-01"]
    assert "2 labels were corrected by hand (A, B)" in corrections_remark(found)
    assert corrections_remark(cells) == ""
    write_overrides(changes, tmp_path / "o.csv")
    assert read_overrides(tmp_path / "o.csv") == changes
    assert digest(changes) != digest(changes[:2])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("c0009", "neutrophil", "eosinophil"), "there is no cell 'c0009'"),
        (("c0000", "monocyte", "eosinophil"), "c0000 is labelled neutrophil, not monocyte"),
        (("c0000", "neutrophil", "eosinophill"), "there is no class 'eosinophill'"),
        (("c0001", "eosinophil", "neutrophil"), "names several cells"),
    ],
)
def test_corrections_that_do_not_fit_the_data_are_refused(change: tuple[str, str, str], said: str) -> None:
    _, cells = tables(np.array([0, 1]), {"m": np.full((2, 4), 0.25)})
    cells = cells.with_columns(label_count=pl.Series([1, 2], dtype=pl.Int32))
    cell, label, to = change
    with pytest.raises(DataError, match=said):
        corrected(cells, [Correction(cell, "", label, to, "A", "why", "2026-01-01")])


@pytest.fixture
def smears(tmp_path: Path) -> Path:
    write_set(tmp_path / "set", 4, 5)
    return tmp_path / "set"


def test_the_command_applies_to_data_and_keeps_earlier_changes(smears: Path, tmp_path: Path) -> None:
    from buffycoat.cli.main import app

    cells = [(str(cell), str(label)) for cell, label in load(str(smears)).cells.select("cell_id", "label").rows()]
    sheet, out = tmp_path / "sheet.csv", tmp_path / "overrides.csv"

    def to_another(label: str) -> str:
        return "basophil" if label != "basophil" else "monocyte"

    def applied(row: tuple[str, str], to: str | None = None, why: str = "looked") -> str:
        cell, label = row
        sheet.write_text(f"cell_id,label,corrected,by,why\n{cell},{label},{to or to_another(label)},A,{why}\n")
        done = CliRunner().invoke(app, ["data", "labels", "apply", str(sheet), "--to", str(smears), "--out", str(out)])
        assert done.exit_code == 0, done.output
        return done.output

    assert "1 changes added" in applied(cells[0])
    applied(cells[1])
    again = applied(cells[1])
    assert "0 changes added" in again and "1 were applied before" in again
    changes = read_overrides(out)
    assert [one.cell_id for one in changes] == [cells[0][0], cells[1][0]]
    data = with_overrides(load(str(smears)), changes)
    assert data.cells.filter(pl.col("label_by").is_not_null()).height == 2
    assert any("corrected by hand" in text for text in data.remarks)
    cell, label = cells[1]
    assert "1 changes added" in applied((cell, to_another(label)), label, "second look")
    once_more = applied(cells[1])
    assert "0 changes added" in once_more and f"the later change stands: {cell}" in " ".join(once_more.split())
    assert "1 changes added" in applied(cells[1], why="third look")
    assert with_overrides(load(str(smears)), read_overrides(out)).cells.filter(pl.col("cell_id") == cell)[
        "label"
    ].item() == to_another(label)
