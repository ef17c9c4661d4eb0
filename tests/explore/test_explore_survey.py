"""The exploration from end to end, on small fields whose every pixel is known."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from buffycoat.errors import DataError, OutputError
from buffycoat.explore.document import Exploration
from buffycoat.explore.pictures import common_size, read_field
from buffycoat.explore.survey import explore, remark
from buffycoat.imaging.crops import CropItem, CropStore, build_crops
from buffycoat.imaging.decode import read_image
from buffycoat.records.documents import FrameSpec
from buffycoat.records.tables import CELLS
from buffycoat.report.exploration import Exploration as AsReported

SPEC = FrameSpec(mode="whole", stored_px=24)
LABELS = ("neutrophil",) * 6 + ("basophil",) * 2 + ("monocyte",) * 4


@dataclass
class Small:
    root: Path
    cells: pl.DataFrame
    crops: CropStore


def save(path: Path, rgb: NDArray[np.uint8]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), rgb[..., ::-1])


def rows(labels: tuple[str, ...]) -> list[dict[str, Any]]:
    return [
        {"cell_id": f"c{place:02d}", "image": f"images/{place}.png", "label": label, "label_count": 1}
        for place, label in enumerate(labels)
    ]


def crops_of(cells: pl.DataFrame, root: Path, folder: Path) -> CropStore:
    kept = cells.filter(pl.col("image").is_not_null())
    items = [CropItem(cell_id, root / name) for cell_id, name in kept.select("cell_id", "image").iter_rows()]
    return build_crops(items, SPEC, folder, workers=1)


@pytest.fixture
def small(tmp_path: Path) -> Small:
    """Twelve fields of 320×240, a row without an image, one without a label, and one that names two cells."""
    rng = np.random.default_rng(0)
    root = tmp_path / "data"
    for place in range(len(LABELS) + 1):
        coarse = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)
        save(root / f"images/{place}.png", cv2.resize(coarse, (320, 240), interpolation=cv2.INTER_NEAREST))  # type: ignore[arg-type]
    others: list[dict[str, Any]] = [
        {"cell_id": "x0", "image": None, "label": "monocyte", "label_count": 1, "excluded_by": "no-image"},
        {"cell_id": "x1", "image": "images/12.png", "label_count": 0, "excluded_by": "unlabelled"},
        {
            "cell_id": "x2",
            "image": "images/12.png",
            "label": "monocyte",
            "label_count": 2,
            "excluded_by": "two-cell",
        },
    ]
    cells = pl.DataFrame(rows(LABELS) + others, schema=dict(CELLS)).with_columns(
        pl.when(pl.col("label") == "basophil")
        .then(pl.lit("dropped-class"))
        .otherwise(pl.col("excluded_by"))
        .alias("excluded_by")
    )
    return Small(root, cells, crops_of(cells, root, tmp_path / "crops"))


def arrays(folder: Path) -> dict[str, NDArray[np.uint8]]:
    with np.load(folder / "averages.npz", allow_pickle=False) as held:
        return {name: held[name] for name in held.files}


def test_against_everything_in_memory(small: Small, tmp_path: Path) -> None:
    explore(small.cells, small.root, small.crops, tmp_path / "out", seed=0, spec=SPEC)
    document, pictures = Exploration.read(tmp_path / "out" / "exploration.json"), arrays(tmp_path / "out")
    for label in ("neutrophil", "basophil", "monocyte"):
        places = [place for place, name in enumerate(LABELS) if name == label]
        fields = np.stack([read_image(small.root / f"images/{place}.png") for place in places])
        cells = small.crops.images[small.crops.rows(f"c{place:02d}" for place in places)]
        for kind, stack, histograms in (
            ("field", fields, document.histograms),
            ("cell", cells, document.cell_histograms),
        ):
            assert np.array_equal(pictures[f"{kind}_{label}"], np.rint(stack.mean(0, dtype=float)).astype(np.uint8))
            for channel, name in enumerate(("red", "green", "blue")):
                assert np.array_equal(histograms[label][name], np.bincount(stack[..., channel].ravel(), minlength=256))
        assert document.used[label] == document.available[label] == document.cells_used[label] == len(places)


def test_counts_before_and_after(small: Small, tmp_path: Path) -> None:
    explore(small.cells, small.root, small.crops, tmp_path, seed=0, spec=SPEC)
    document = Exploration.read(tmp_path / "exploration.json")
    assert document.counts_before == {"neutrophil": 6, "basophil": 2, "monocyte": 5, "two-cell": 1, "unlabelled": 1}
    assert document.counts_after == {"neutrophil": 6, "monocyte": 4}
    assert document.without_image == {"monocyte": 1}
    assert sum(document.counts_before.values()) == small.cells.height
    assert document.remark == "From all 12 fields with one labelled cell."


def test_the_report_can_read_it(small: Small, tmp_path: Path) -> None:
    explore(small.cells, small.root, small.crops, tmp_path, seed=0, spec=SPEC)
    read = AsReported.open(tmp_path)
    assert read is not None
    assert set(read.of("field")) == set(read.of("cell")) == {"neutrophil", "basophil", "monocyte"}
    assert read.of("field")["monocyte"].shape == (240, 320, 3)
    assert len(read.document.histograms["basophil"]["red"]) == 256


def test_examples_have_their_pictures(small: Small, tmp_path: Path) -> None:
    explore(small.cells, small.root, small.crops, tmp_path, seed=0, spec=SPEC, examples=4)
    document, pictures = Exploration.read(tmp_path / "exploration.json"), arrays(tmp_path)
    assert {name: len(ids) for name, ids in document.examples.items()} == {
        "neutrophil": 4,
        "basophil": 2,  # there are no more
        "monocyte": 4,
    }
    for name, ids in document.examples.items():
        assert pictures[f"example_{name}"].shape == (len(ids), 112, 112, 3)
        assert pictures[f"examplefield_{name}"].shape == (len(ids), 120, 160, 3)
        for place, cell_id in enumerate(ids):
            field = read_image(small.root / f"images/{int(cell_id[1:])}.png")
            shrunk = cv2.resize(field, (160, 120), interpolation=cv2.INTER_AREA)
            assert np.array_equal(pictures[f"examplefield_{name}"][place], shrunk)


def test_cells_missing_from_the_store_are_cut_here(small: Small, tmp_path: Path) -> None:
    """A store made after cleaning lacks the dropped class; the exploration shows it all the same."""
    kept = crops_of(small.cells.filter(pl.col("excluded_by").is_null()), small.root, tmp_path / "kept")
    explore(small.cells, small.root, small.crops, tmp_path / "all", seed=0, spec=SPEC)
    explore(small.cells, small.root, kept, tmp_path / "some", seed=0, spec=SPEC)
    assert (tmp_path / "all/exploration.json").read_bytes() == (tmp_path / "some/exploration.json").read_bytes()
    assert (tmp_path / "all/averages.npz").read_bytes() == (tmp_path / "some/averages.npz").read_bytes()


def test_the_order_of_rows_does_not_matter_and_the_seed_does(small: Small, tmp_path: Path) -> None:
    mixed = small.cells.sample(fraction=1, shuffle=True, seed=4)
    explore(small.cells, small.root, small.crops, tmp_path / "a", seed=0, spec=SPEC, most_fields=6, examples=2)
    explore(mixed, small.root, small.crops, tmp_path / "b", seed=0, spec=SPEC, most_fields=6, examples=2)
    explore(mixed, small.root, small.crops, tmp_path / "c", seed=1, spec=SPEC, most_fields=6, examples=2)
    written = {name: (tmp_path / name / "averages.npz").read_bytes() for name in "abc"}
    assert written["a"] == written["b"] != written["c"]
    assert (tmp_path / "a/exploration.json").read_bytes() == (tmp_path / "b/exploration.json").read_bytes()


def test_a_cap_is_shared_evenly_and_said(small: Small, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []

    def remember(done: int, total: int) -> None:
        seen.append((done, total))

    explore(small.cells, small.root, small.crops, tmp_path, seed=0, spec=SPEC, most_fields=6, on_progress=remember)
    document = Exploration.read(tmp_path / "exploration.json")
    assert document.used == {"neutrophil": 2, "basophil": 2, "monocyte": 2}
    assert document.available == {"neutrophil": 6, "basophil": 2, "monocyte": 4}
    assert document.remark == "From 6 of 12 fields with one labelled cell, drawn evenly from the classes."
    assert seen == [(place, 12) for place in range(1, 13)]  # six fields and six cells


def test_a_field_with_several_cells_of_a_class_counts_once(small: Small, tmp_path: Path) -> None:
    boxed = {"x0": 10, "y0": 10, "x1": 60, "y1": 60}
    twice = [row | boxed for row in rows(LABELS)] + [rows(LABELS)[0] | boxed | {"cell_id": "c00#2"}]
    cells = pl.DataFrame(twice, schema=dict(CELLS))
    explore(cells, small.root, small.crops, tmp_path, seed=0, spec=SPEC)
    document = Exploration.read(tmp_path / "exploration.json")
    assert document.used["neutrophil"] == 6
    assert document.cells_used["neutrophil"] == 7


def test_unreadable_files_are_counted_and_the_rest_goes_on(small: Small, tmp_path: Path) -> None:
    (small.root / "images/0.png").write_bytes(b"no image")
    (small.root / "images/1.png").unlink()
    explore(small.cells, small.root, small.crops, tmp_path, seed=0, spec=SPEC)
    document = Exploration.read(tmp_path / "exploration.json")
    assert document.used["neutrophil"] == 4
    assert document.available["neutrophil"] == 6
    assert [fault.file for fault in document.faults] == ["images/0.png", "images/1.png"]
    assert [fault.problem for fault in document.faults] == ["not an image", "missing"]
    assert document.faults_in_all == 2
    assert not {"c00", "c01"} & set(document.examples["neutrophil"])


def test_a_class_without_a_readable_picture(small: Small, tmp_path: Path) -> None:
    for place in (6, 7):
        (small.root / f"images/{place}.png").unlink()
    store = crops_of(small.cells, small.root, tmp_path / "again")
    explore(small.cells, small.root, store, tmp_path / "out", seed=0, spec=SPEC)
    document = Exploration.read(tmp_path / "out/exploration.json")
    assert (document.used["basophil"], document.cells_used["basophil"]) == (0, 0)
    assert document.examples["basophil"] == ()
    assert not [name for name in arrays(tmp_path / "out") if name.endswith("basophil")]


def test_no_rows_at_all(small: Small, tmp_path: Path) -> None:
    store = build_crops([], SPEC, tmp_path / "none")
    explore(small.cells.head(0), small.root, store, tmp_path / "out", seed=0)
    assert Exploration.read(tmp_path / "out/exploration.json").counts_before == {}


def test_interrupted_it_leaves_what_was_there(small: Small, tmp_path: Path) -> None:
    explore(small.cells, small.root, small.crops, tmp_path / "out", seed=0, spec=SPEC)
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}

    def interrupt(done: int, _: int) -> None:
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        explore(small.cells, small.root, small.crops, tmp_path / "out", seed=1, spec=SPEC, on_progress=interrupt)
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before


def test_an_output_that_cannot_be_written(small: Small, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="cannot write"):
        explore(small.cells, small.root, small.crops, tmp_path / "file", seed=0, spec=SPEC)


def test_a_table_of_another_shape(small: Small, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="'group' is missing"):
        explore(small.cells.drop("group"), small.root, small.crops, tmp_path, seed=0)


def test_fields_of_several_shapes_take_that_of_most(tmp_path: Path) -> None:
    for name, width, height in (("a", 640, 480), ("b", 640, 480), ("c", 300, 300), ("d", 1280, 720)):
        save(tmp_path / f"{name}.png", np.zeros((height, width, 3), np.uint8))
    paths = [tmp_path / f"{name}.png" for name in "abcd"]
    assert common_size([*paths, tmp_path / "absent.png"]) == (320, 240)
    assert common_size([]) == (320, 240)
    for path in paths:
        assert read_field(path, (320, 240)).shape == (240, 320, 3)


def test_remark() -> None:
    assert remark(5000, 50_000).startswith("From 5,000 of 50,000 fields")
