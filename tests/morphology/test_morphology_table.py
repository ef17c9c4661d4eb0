"""Measuring many cells: resumed, repaired, and honest about what cannot be measured."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

import buffycoat.morphology.table as table_module
from buffycoat.imaging.crops import CropItem
from buffycoat.morphology.columns import SCHEMA
from buffycoat.morphology.table import measure_all
from buffycoat.synth.write import write_set


@pytest.fixture(scope="module")
def items(tmp_path_factory: pytest.TempPathFactory) -> list[CropItem]:
    folder = tmp_path_factory.mktemp("smears")
    write_set(folder, 5, 3)
    found = [CropItem(path.stem, path) for path in sorted((folder / "images").glob("*"))]
    broken = folder / "broken.jpg"
    broken.write_bytes(b"no picture")
    return [*found, CropItem("broken", broken), CropItem("gone", folder / "gone.jpg")]


def test_every_item_has_its_row_and_what_cannot_be_read_is_null(items: list[CropItem], tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    found = measure_all(items, tmp_path, on_progress=lambda *done: seen.append(done))
    assert found.get_column("cell_id").to_list() == [item.cell_id for item in items]
    assert found.columns == ["cell_id", *SCHEMA]
    assert found.filter(pl.col("nucleus_area_px").is_null()).get_column("cell_id").to_list() == ["broken", "gone"]
    assert not found.select(pl.col(list(SCHEMA)).is_nan().any()).unpivot().get_column("value").any()
    assert seen[-1] == (len(items), len(items))


def test_a_second_run_measures_only_what_changed(
    items: list[CropItem], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_module, "_CHUNK", 3)
    first = measure_all(items, tmp_path)
    files = sorted(tmp_path.glob("*.parquet"))
    assert len(files) == 3
    made: list[str] = []
    inner = table_module._row

    def counted(item: CropItem) -> dict[str, object]:
        made.append(item.cell_id)
        return inner(item)

    monkeypatch.setattr(table_module, "_row", counted)
    assert measure_all(items, tmp_path).equals(first)
    assert made == []
    files[0].write_bytes(b"damaged")
    assert measure_all(items, tmp_path).equals(first)
    assert len(made) in (1, 3)
    made.clear()
    assert measure_all(items[3:], tmp_path).equals(first[3:])
    assert made == []
    assert len(list(tmp_path.glob("*.parquet"))) == 2


def test_no_items_give_no_rows(tmp_path: Path) -> None:
    assert measure_all([], tmp_path / "none").is_empty()
