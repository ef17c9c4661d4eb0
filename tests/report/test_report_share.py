"""Sharing a study's numbers: they are enough to count again, and tell of no picture, place or person."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from buffycoat.cli.main import app
from buffycoat.errors import DataError, OutputError
from buffycoat.files import write_json, write_parquet
from buffycoat.report.markdown import tables
from buffycoat.report.share import share
from buffycoat.study.count import count
from buffycoat.study.folder import StudyFolder
from tests.report.make_study import make_study

ROOT = Path(__file__).parents[2]
PUBLISHED = sorted(path.parent for path in (ROOT / "docs" / "results" / "studies").glob("*/study.json"))


def test_numbers_are_shared_without_pictures_paths_or_persons(tmp_path: Path) -> None:
    study = make_study(tmp_path / "study", n=40, models=("resnet18",), collapsed=(), folds=3)
    record = json.loads((study / "study.json").read_text())
    record["command"] = "buffycoat study /home/ada/smears --out /home/ada/out"
    record["data"]["root"] = "/home/ada/smears"
    write_json(study / "study.json", record)
    cells = pl.read_parquet(study / "cells.parquet")
    by = ["Ada L." if row == 0 else None for row in range(cells.height)]
    write_parquet(study / "cells.parquet", cells.with_columns(label_by=pl.Series(by, dtype=pl.String)))
    out = tmp_path / "shared"
    done = CliRunner().invoke(app, ["report", str(study), "--share", str(out)])
    assert done.exit_code == 0, done.output
    assert f"buffycoat evaluate {out}" in done.output
    written = sorted(path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file())
    assert {"study.json", "cells.parquet", "predictions.parquet", "models/resnet18/card.json"} <= set(written)
    assert all(name.endswith((".json", ".parquet", ".csv")) for name in written)
    text = (out / "study.json").read_text()
    assert "/home" not in text and "buffycoat study smears --out out" in text
    assert pl.read_parquet(out / "cells.parquet")["label_by"].drop_nulls().to_list() == ["somebody"]
    with pytest.raises(OutputError, match="not empty"):
        share(study, out)
    with pytest.raises(DataError):
        share(tmp_path, tmp_path / "other")


@pytest.mark.slow
@pytest.mark.parametrize("published", PUBLISHED, ids=lambda path: str(path.name))
def test_published_tables_are_counted_from_the_published_numbers(published: Path, tmp_path: Path) -> None:
    """Whoever reads a table of ours can count it again from what lies beside it."""
    folder = Path(shutil.copytree(published, tmp_path / "study"))
    results = count(StudyFolder(folder))
    text = (ROOT / "docs" / "results" / "honest.md").read_text(encoding="utf-8")
    rows = [line for line in tables(results).splitlines() if line.startswith("|")]
    missing = [line for line in rows if line not in text]
    assert len(rows) > 20 and not missing, missing
