"""The 410-image set, counted and shown as its description says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from buffycoat.data.load import load
from buffycoat.explore.document import Exploration
from buffycoat.explore.survey import explore
from buffycoat.imaging.crops import CropItem, build_crops
from buffycoat.records.documents import FrameSpec


@pytest.mark.slow
@pytest.mark.real
def test_the_410_images(real_data: Path, tmp_path: Path) -> None:
    data = load("bccd", data_dir=real_data, download=False)
    spec = FrameSpec(stored_px=96)
    shown = data.cells.filter(pl.col("image").is_not_null() & (pl.col("label") == "basophil"))
    items = [CropItem(cell_id, data.root / name) for cell_id, name in shown.select("cell_id", "image").iter_rows()]
    crops = build_crops(items, spec, tmp_path / "crops", workers=1)  # the others are cut on the way
    explore(data.cells, data.root, crops, tmp_path, seed=0, spec=spec)
    found = Exploration.read(tmp_path / "exploration.json")
    assert found.counts_before == {
        **{"neutrophil": 207, "eosinophil": 88, "basophil": 3, "lymphocyte": 33, "monocyte": 21},
        **{"two-cell": 15, "unlabelled": 44},
    }
    assert found.without_image == {"neutrophil": 1, "monocyte": 1, "unlabelled": 43}
    assert found.used == {"neutrophil": 206, "eosinophil": 88, "basophil": 3, "lymphocyte": 33, "monocyte": 20}
    assert found.cells_used == found.used
    assert found.faults == ()
    assert found.field_size_px == (320, 240)
    with np.load(tmp_path / "averages.npz", allow_pickle=False) as arrays:
        cell, field = arrays["cell_lymphocyte"].astype(float), arrays["field_lymphocyte"].astype(float)
    # Located cells stand in the middle of their crops and are dark in green; in whole fields they are anywhere.
    assert cell[..., 1].mean() - cell[40:56, 40:56, 1].mean() > 50
    assert abs(field[..., 1].mean() - field[100:140, 140:180, 1].mean()) < 25
