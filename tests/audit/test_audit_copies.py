from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import imagehash
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy import ndimage
from scipy.fft import dctn

from buffycoat.audit import hashing, polar
from buffycoat.audit.copies import Copy, Sets, find_copies
from buffycoat.audit.picture import look_at
from buffycoat.data.load import load
from tests.audit.conftest import COPIES, Picture, save


def _found(paths: Sequence[Path]) -> tuple[list[Copy], list[int]]:
    looks = [look_at(path) for path in paths]
    assert not [look.problem for look in looks if look.problem]
    copies = find_copies(looks, paths)
    sets = Sets(len(paths))
    for copy in copies:
        sets.join(copy.first, copy.second)
    return copies, [sets.leader(place) for place in range(len(paths))]


@pytest.mark.parametrize("way", COPIES)
def test_a_copy_is_found_however_it_was_made_and_strangers_are_left_alone(
    way: str, fields: list[Picture], tmp_path: Path
) -> None:
    paths = [save(tmp_path / f"{k}.jpg", field) for k, field in enumerate(fields[:8])]
    paths += [save(tmp_path / f"{k}-copy.jpg", COPIES[way](field), 75) for k, field in enumerate(fields[:4])]
    _, leaders = _found(paths)
    assert leaders == [*range(8), *range(4)]


def test_distinct_drawn_cells_are_never_joined(fields: list[Picture], tmp_path: Path) -> None:
    paths = [save(tmp_path / f"{k}.jpg", field) for k, field in enumerate(fields)]
    assert _found(paths)[0] == []


def test_how_a_copy_lies_is_told(fields: list[Picture], tmp_path: Path) -> None:
    first = save(tmp_path / "a.jpg", fields[0])
    for way, turn, mirrored in (("quarter", 270, False), ("mirrored", 0, True)):
        copies, _ = _found([first, save(tmp_path / f"{way}.jpg", COPIES[way](fields[0]))])
        assert [(round(copy.turned_deg), copy.mirrored) for copy in copies] == [(turn, mirrored)]
        assert copies[0].similarity > 0.9


thumbnails = st.integers(0, 2**32 - 1).map(
    lambda seed: ndimage.gaussian_filter(np.random.default_rng(seed).uniform(0, 255, (32, 32)), 3).astype(np.uint8)
)


def _clear(small: Picture) -> np.ndarray:
    """Return bool (8, 8): where a thumbnail's coefficient is not so near the median that rounding decides."""
    low = dctn(small.astype(np.float64), norm="ortho")[:8, :8]
    return np.asarray(np.abs(low - np.median(low)) > 1e-5 * np.abs(low).max())


def _bits(found: np.uint64) -> np.ndarray:
    return np.array([bool(int(found) >> bit & 1) for bit in range(64)]).reshape(8, 8)


@given(thumbnails, st.integers(0, 7))
@settings(max_examples=40, deadline=None)
def test_hashes_of_all_attitudes_come_from_one_transform(small: Picture, attitude: int) -> None:
    laid = np.ascontiguousarray(hashing.in_attitude(small, attitude))
    differ = _bits(hashing.hashes(small)[attitude]) != _bits(hashing.hashes(laid)[0])
    assert not (differ & _clear(laid)).any()


@given(thumbnails)
@settings(max_examples=20, deadline=None)
def test_the_hash_is_the_usual_perceptual_one(small: Picture) -> None:
    low = dctn(small.astype(np.float64), norm="ortho")[:8, :8]
    ours = _bits(hashing.hashes(small)[0])
    assert not ((ours != (low > np.median(low))) & _clear(small)).any()
    # Theirs is not normalised: the first row and column weigh more, and the median is a little elsewhere.
    theirs = imagehash.phash(Image.fromarray(small)).hash
    plain = dctn(small.astype(np.float64))[:8, :8]
    between = (low > np.median(low)) != (plain > np.median(plain))
    assert not ((ours != theirs) & _clear(small) & ~between).any()
    assert between.sum() <= 8


@given(st.lists(st.integers(0, 2**64 - 1), min_size=2, max_size=6))
def test_bits_that_differ_are_counted(numbers: list[int]) -> None:
    values = np.array(numbers, np.uint64)
    expected = [[bin(a ^ b).count("1") for b in numbers] for a in numbers]
    assert hashing.distance(values[:, None], values[None, :]).tolist() == expected


def test_bits_are_counted_without_numpy_2(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.array([0, 1, 2**63, 2**64 - 1], np.uint64)
    expected = hashing.distance(values[:, None], values[None, :]).tolist()
    monkeypatch.delattr(np, "bitwise_count", raising=False)
    assert hashing.distance(values[:, None], values[None, :]).tolist() == expected


def test_rings_do_not_care_how_a_cell_is_turned(fields: list[Picture], tmp_path: Path) -> None:
    cells = [look_at(save(tmp_path / f"{way}.jpg", COPIES[way](fields[3]))).cells[0] for way in ("as it is", "half")]
    strangers = [look_at(save(tmp_path / f"{k}.jpg", fields[k])).cells[0] for k in range(4, 10)]
    features = polar.invariants(np.stack([cell.rings for cell in (*cells, *strangers)]))
    assert features[0] @ features[1] > (features[:1] @ features[2:].T).max() + 0.2


@pytest.mark.real
@pytest.mark.slow
def test_no_two_different_cells_of_the_original_set_are_joined(
    real_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = load(str(real_data / "kaggle-blood-cells" / "dataset-master"))
    table = data.cells.drop_nulls("image")
    groups = table.get_column("group").to_list()
    copies, _ = _found([data.root / image for image in table.get_column("image")])
    assert len(copies) >= 20, "the overlapping fields that share a leukocyte"
    assert all(groups[copy.first] == groups[copy.second] for copy in copies), "no pair beyond the known overlaps"
