"""A written set: what was asked for, the same bytes every time, never over somebody else's files."""

from __future__ import annotations

import csv
import hashlib
import json
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from buffycoat.errors import OutputError, UsageError
from buffycoat.synth.write import BALANCED_SHARES, COMMON_SHARES, labels_of, plan_types, write_set
from buffycoat.taxonomy import CLASS_NAMES


def _hashes(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def _picture(path: Path) -> NDArray[np.uint8]:
    picture = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert picture is not None
    return np.asarray(picture, dtype=np.uint8)


def _rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "labels.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("drawn") / "set"
    write_set(out, 10, 7, shares=BALANCED_SHARES)
    return out


def test_a_set_holds_what_was_asked_for(written: Path) -> None:
    rows = _rows(written)
    assert list(rows[0]) == ["image", "label", "group", "x0", "y0", "x1", "y1"]
    assert Counter(row["label"] for row in rows) == dict.fromkeys(CLASS_NAMES, 2)
    assert sorted(labels_of(written)) == sorted(row["label"] for row in rows)
    assert len({row["group"] for row in rows}) == 10  # one a field
    for row in rows:
        image = _picture(written / row["image"])
        mask = _picture(written / "masks" / f"{Path(row['image']).stem}.png")
        assert image.shape == (480, 640, 3)
        assert mask.shape == (480, 640)
        assert set(np.unique(mask)) == {0, 255}
        ys, xs = np.nonzero(mask)
        assert int(row["x0"]) <= xs.min() <= xs.max() < int(row["x1"])
        assert int(row["y0"]) <= ys.min() <= ys.max() < int(row["y1"])
    marker = json.loads((written / "SYNTHETIC.json").read_text(encoding="utf-8"))
    assert (marker["synthetic"], marker["n"], marker["seed"]) == (True, 10, 7)


def test_the_same_seed_writes_the_same_bytes_and_running_again_changes_nothing(written: Path, tmp_path: Path) -> None:
    again = tmp_path / "again"
    write_set(again, 10, 7, shares=BALANCED_SHARES)
    assert _hashes(again) == _hashes(written)
    times = {path: path.stat().st_mtime_ns for path in again.rglob("*")}
    write_set(again, 10, 7, shares=BALANCED_SHARES)
    assert times == {path: path.stat().st_mtime_ns for path in again.rglob("*")}


@pytest.mark.slow
def test_an_interrupted_or_damaged_set_is_finished_to_the_same_bytes(written: Path, tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        assert total == 10
        if done == 4:
            raise KeyboardInterrupt

    out = tmp_path / "set"
    with pytest.raises(KeyboardInterrupt):
        write_set(out, 10, 7, shares=BALANCED_SHARES, on_progress=stop)
    assert not (out / "images" / "00010.jpg").exists()
    write_set(out, 10, 7, shares=BALANCED_SHARES)
    assert _hashes(out) == _hashes(written)

    image = out / "images" / "00003.jpg"
    image.write_bytes(image.read_bytes()[:500])  # cut short
    (out / "masks" / "00005.png").unlink()  # gone
    (out / "labels.csv").write_bytes(b"\xff\x00nonsense")  # not a table any more
    write_set(out, 10, 7, shares=BALANCED_SHARES)
    assert _hashes(out) == _hashes(written)


def test_several_cells_in_a_field_share_image_and_group(tmp_path: Path) -> None:
    write_set(tmp_path / "set", 3, 1, cells_per_field=3)
    rows = _rows(tmp_path / "set")
    assert Counter(row["group"] for row in rows) == {"00001": 3, "00002": 3, "00003": 3}
    mask = _picture(tmp_path / "set" / "masks" / "00001.png")
    assert set(np.unique(mask)) <= {0, 255, 254, 253}
    assert 255 in mask


def test_fields_without_cells_have_a_row_without_a_label(tmp_path: Path) -> None:
    write_set(tmp_path / "set", 2, 1, cells_per_field=0)
    assert [(row["image"], row["label"], row["x0"]) for row in _rows(tmp_path / "set")] == [
        ("images/00001.jpg", "", ""),
        ("images/00002.jpg", "", ""),
    ]
    assert labels_of(tmp_path / "set") == []


@given(st.integers(1, 400), st.integers(0, 4), st.sampled_from([COMMON_SHARES, BALANCED_SHARES]), st.integers(0, 2**20))
def test_types_are_dealt_to_the_nearest_cell(n: int, cells: int, shares: dict[str, float], seed: int) -> None:
    deal = plan_types(n, cells, shares, np.random.default_rng(seed))
    assert [len(types) for types in deal] == [cells] * n
    counts = Counter(name for types in deal for name in types)
    assert all(abs(counts[name] - share * n * cells) < 1 for name, share in shares.items())


@pytest.mark.parametrize(
    ("n", "seed", "options", "said"),
    [
        (0, 7, {}, "number of fields"),  # nothing to draw
        (3, -1, {}, "seed"),  # NumPy takes no negative seeds
        (3, 7, {"cells_per_field": 9}, "leukocytes per field"),  # more than fit
        (3, 7, {"shares": {"neutrofil": 1.0}}, "neutrofil"),  # unknown type
        (3, 7, {"shares": {"neutrophil": 0.0}}, "shares"),  # nothing to share out
        (3, 7, {"shares": {"neutrophil": float("nan")}}, "shares"),  # not a number
        (0, -1, {"cells_per_field": -1}, "number of fields.*seed.*leukocytes per field"),  # all faults together
    ],
)
def test_bad_requests_are_refused_before_anything_is_written(
    tmp_path: Path, n: int, seed: int, options: dict[str, object], said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        write_set(tmp_path / "set", n, seed, **options)  # type: ignore[arg-type]
    assert not (tmp_path / "set").exists()


def test_a_folder_with_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(OutputError, match="is not empty"):
        write_set(tmp_path, 2, 7)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_another_set_is_left_alone_and_the_difference_is_named(written: Path) -> None:
    before = _hashes(written)
    with pytest.raises(OutputError, match=r"n 10, asked for 11; .*shares") as caught:
        write_set(written, 11, 7)
    assert caught.value.hint is not None
    assert _hashes(written) == before


def test_a_marker_that_cannot_be_read_is_said_to_be(tmp_path: Path) -> None:
    (tmp_path / "SYNTHETIC.json").write_text("{", encoding="utf-8")
    with pytest.raises(OutputError, match="cannot be read"):
        write_set(tmp_path, 2, 7)


def test_a_file_in_the_place_of_the_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "set").write_text("a file", encoding="utf-8")
    with pytest.raises(OutputError, match="a file stands where a folder is needed"):
        write_set(tmp_path / "set", 2, 7)
