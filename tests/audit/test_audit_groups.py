"""The table of groups: what the photographs of each are like, kept with the audit and as a file to open."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import polars as pl
import pytest
from pydantic import ValidationError
from typer.testing import CliRunner

from buffycoat.audit.judge import write
from buffycoat.audit.scan import SCANNED
from buffycoat.audit.units import FILE, KINDS, Units, shown, units_of, write_table
from buffycoat.cli.main import app
from buffycoat.records.audit import MEASURED, Audit, GroupMeasures
from tests.audit.conftest import Picture, save


def _measures(groups: int, **columns: tuple[float, ...]) -> GroupMeasures:
    values = {column: columns.get(column, tuple(float(k) for k in range(groups))) for column in MEASURED}
    names = tuple(f"g{k}" for k in range(groups))
    return GroupMeasures(group=names, label=("neutrophil",) * groups, images=(1,) * groups, **values)


def _audit(groups: GroupMeasures | None) -> Audit:
    return Audit(
        **{"name": "invented", "synthetic": False, "content_hash": "h", "images": 4, "readable": 4, "distinct": 4},
        **{"groups_given": 4, "groups_used": 4, "recipe": "none", "folds": 2, "problems": (), "pairs": ()},
        **{"proposals": (), "shortcuts": (), "background": None, "groups": groups},
    )


def test_a_group_is_the_mean_of_its_photographs_and_what_cannot_be_judged_is_left_out() -> None:
    rows = [
        # image, group, label, labels in the photograph, red, blank, problem
        ("a1.jpg", "a", "neutrophil", 1, 200.0, False, None),
        ("a2.jpg", "a", "neutrophil", 1, 210.0, False, None),
        ("a3.jpg", "a", "eosinophil", 1, 190.0, False, None),  # one group under two labels: an entry of each
        ("b1.jpg", "b", "eosinophil", 1, 150.0, False, None),
        ("b2.jpg", "b", "eosinophil", 1, 20.0, True, None),
        ("c1.jpg", "c", "eosinophil", 1, None, False, "ends early"),
        ("d1.jpg", "d", "eosinophil", 2, 140.0, False, None),
        ("e1.jpg", "e", None, 1, 140.0, False, None),
    ]
    names = ("image", "group", "label", "label_count", "red", "blank", "problem")
    table = pl.DataFrame(rows, schema=names, orient="row")
    files = table.with_columns(
        *(
            pl.lit(None if kind == pl.String() else 1).cast(kind).alias(name)
            for name, kind in SCANNED.items()
            if name not in names
        )
    )
    kept = units_of(table, files).kept()
    found = list(zip(kept.group, kept.label, kept.images, kept.red, strict=True))
    assert found == [
        ("a", "eosinophil", 1, 190.0),
        ("a", "neutrophil", 2, 205.0),
        ("b", "eosinophil", 1, 150.0),
    ]


def test_the_table_gives_back_the_units_it_was_made_of() -> None:
    generator = np.random.default_rng(1)
    values = {column: generator.normal(200, 5, 30) for column in MEASURED}
    units = Units(
        np.array(["neutrophil", "monocyte"] * 15), np.array([f"g{k}" for k in range(30)]), np.arange(1, 31), values
    )
    again = Units.of(units.kept())
    assert again.classes == units.classes and np.array_equal(again.images, units.images)
    assert np.array_equal(again.groups, units.groups) and np.array_equal(again.labels, units.labels)
    for kind in KINDS:
        assert shown(kind, again) == pytest.approx(shown(kind, units), abs=2e-4)


def test_a_table_with_a_column_too_short_is_refused() -> None:
    with pytest.raises(ValidationError, match="red holds 2 entries for 3 groups"):
        _measures(3, red=(1.0, 2.0))


def test_the_file_holds_one_row_a_group_and_runs_no_formula(tmp_path: Path) -> None:
    measures = _measures(3).model_copy(update={"group": ("=cmd()", "slide 2", "-3")})
    write_table(measures, tmp_path / FILE)
    table = pl.read_csv(tmp_path / FILE)
    assert table.columns == ["group", "label", "images", *MEASURED]
    assert table["group"].to_list() == ["'=cmd()", "slide 2", "'-3"]
    assert table["blue"].to_list() == [0.0, 1.0, 2.0]


def test_of_a_set_in_which_nothing_can_be_read_the_file_is_a_header(tmp_path: Path) -> None:
    write_table(_measures(0), tmp_path / FILE)
    assert (tmp_path / FILE).read_text().split() == [",".join(("group", "label", "images", *MEASURED))]


def test_thousands_of_groups_take_little_room(tmp_path: Path) -> None:
    columns = {column: tuple(np.random.default_rng(2).normal(200, 5, 12_500).round(4).tolist()) for column in MEASURED}
    _audit(_measures(12_500, **columns)).write(tmp_path / "audit.json")
    assert (tmp_path / "audit.json").stat().st_size < 3_000_000
    assert Audit.read(tmp_path / "audit.json").groups == _measures(12_500, **columns)


def test_an_audit_goes_with_its_table_into_a_folder_and_alone_into_a_file(tmp_path: Path) -> None:
    document = _audit(_measures(4))
    assert write(document, tmp_path / "out") == tmp_path / "out" / "audit.json"
    assert pl.read_csv(tmp_path / "out" / FILE).height == 4
    write(document, tmp_path / "alone" / "mine.json")
    assert [path.name for path in (tmp_path / "alone").iterdir()] == ["mine.json"]


def test_the_audit_of_a_study_of_an_earlier_version_gets_its_groups(tmp_path: Path) -> None:
    (tmp_path / "study.json").write_text("{}")
    before = _audit(None).model_dump(mode="json")
    del before["groups"]  # as it was written then
    (tmp_path / "audit.json").write_text(json.dumps(before))
    assert Audit.read(tmp_path / "audit.json").groups is None
    write(_audit(_measures(4)).model_copy(update={"folds": 9}), tmp_path)
    after = Audit.read(tmp_path / "audit.json")
    assert after.groups == _measures(4) and after.folds == 2, "the rest stays the study's own"
    assert pl.read_csv(tmp_path / FILE).height == 4


def test_the_command_leaves_table_and_picture_in_which_every_group_is_found(
    fields: list[Picture], tmp_path: Path
) -> None:
    for k, field in enumerate(fields):
        lamp = np.array([0.86, 0.95, 1.06] if k % 2 else [1, 1, 1])
        picture = (field * lamp).clip(0, 255).astype(np.uint8)
        save(tmp_path / "set" / ("neutrophil", "lymphocyte")[k % 2] / f"{k}.jpg", picture)
    line = ["data", "audit", str(tmp_path / "set"), "--recipe", "none", "--quiet", "--out", str(tmp_path / "out")]
    run = CliRunner().invoke(app, line)
    assert run.exit_code == 0, run.output
    table = pl.read_csv(tmp_path / "out" / FILE)
    assert table.height == len(fields) and table["images"].sum() == len(fields)
    bluer = dict(table.group_by("label").agg((pl.col("blue") - pl.col("red")).mean()).iter_rows())
    assert bluer["lymphocyte"] > bluer["neutrophil"] + 10, "the lamp is seen"
    drawn = ElementTree.parse(tmp_path / "out" / "audit-groups.svg")  # noqa: S314 (our own)
    told = [title.text or "" for title in drawn.iter("{http://www.w3.org/2000/svg}title")]
    assert all(any(text.startswith(f"{group}:") for text in told) for group in table["group"])
