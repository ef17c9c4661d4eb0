"""A study's numbers without its pictures: enough to count every figure again, small enough to publish."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import polars as pl

from buffycoat.errors import OutputError
from buffycoat.files import output_error, write_json, write_parquet
from buffycoat.report.study_files import read_study

TABLES = (
    *("audit.json", "cells.parquet", "cleaning.json", "faults.json", "history.csv", "learning.parquet"),
    *("predictions.parquet", "seeds.parquet", "splits.parquet", "study.json", "unlike.parquet", "validation.parquet"),
)
"""What is shared of a study's own files, as far as it has them; results and report are counted from these."""
CARDS = ("card.json", "baseline.json")
"""What is shared of every model."""
SOMEBODY = "somebody"
"""Stands for whoever corrected a label by hand."""


def share(study: Path, out: Path) -> list[Path]:
    """Copy what a finished study's figures are counted from: no picture, no weights, no path and no person's name.

    Parameters
    ----------
    study
        The folder a study wrote.
    out
        A new or empty folder; ``buffycoat evaluate`` counts every figure in it again.

    Returns
    -------
    list of Path
        The files written.

    Raises
    ------
    DataError
        It is no finished study.
    OutputError
        `out` holds files, or cannot be written.
    """
    about = read_study(study).about
    try:
        out.mkdir(parents=True, exist_ok=True)
        if any(out.iterdir()):
            raise OutputError(f"{out} is not empty.", hint="Choose a new or empty folder for --share.")
        models = [path for name in CARDS for path in sorted((study / "models").glob(f"*/{name}"))]
        for path in [*(study / name for name in TABLES if (study / name).is_file()), *models]:
            place = out / path.relative_to(study)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, place)
    except OSError as error:
        raise output_error(out, error) from error
    record = json.loads((out / "study.json").read_text(encoding="utf-8"))
    record["command"] = about.command_line
    record["data"]["root"] = Path(about.data.root).name
    write_json(out / "study.json", record)
    cells = pl.read_parquet(out / "cells.parquet")
    if "label_by" in cells.columns:
        named = pl.col("label_by").is_not_null()
        write_parquet(out / "cells.parquet", cells.with_columns(label_by=pl.when(named).then(pl.lit(SOMEBODY))))
    return sorted(path for path in out.rglob("*") if path.is_file())
