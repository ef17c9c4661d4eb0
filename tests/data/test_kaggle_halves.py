"""The Kaggle folder: found however deep, both halves told apart, copies of one field never parted."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from buffycoat import settings
from buffycoat.data import kaggle, sources
from buffycoat.data.load import load

INNER = Path("archive/dataset2-master/dataset2-master/images")
OUTER = Path("archive/dataset-master/dataset-master")


def field(seed: int) -> NDArray[np.uint8]:
    """Return a field with enough in it to be recognised by: discs on a light ground, 320×240 BGR."""
    rng = np.random.default_rng(seed)
    image = np.full((240, 320, 3), 225, np.uint8)
    for _ in range(45):
        centre = (int(rng.integers(0, 320)), int(rng.integers(0, 240)))
        colour = tuple(int(value) for value in rng.integers(40, 200, 3))
        cv2.ellipse(image, centre, (int(rng.integers(6, 22)), int(rng.integers(6, 22))), 30, 0, 360, colour, -1)
        cv2.circle(image, centre, 3, (240, 240, 240), -1)
    noise = rng.normal(0, 3, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def copy(image: NDArray[np.uint8], *, turn: float = 0, shift: tuple[int, int] = (0, 0), flip: bool = False) -> object:
    """Return an augmented copy: turned (degrees), shifted (px), mirrored, with black corners."""
    matrix = cv2.getRotationMatrix2D((160, 120), turn, 1.0)
    matrix[:, 2] += shift
    laid = cv2.warpAffine(image, matrix, (320, 240))
    return np.ascontiguousarray(laid[:, ::-1]) if flip else laid


def write(path: Path, image: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.asarray(image), [cv2.IMWRITE_JPEG_QUALITY, 90])


@pytest.fixture
def both(tmp_path: Path) -> Path:
    """Build both halves of a tiny Kaggle folder; the number in a copy's name says nothing, as in the real one."""
    types = ["NEUTROPHIL", "NEUTROPHIL", "NEUTROPHIL", "EOSINOPHIL", "EOSINOPHIL", "EOSINOPHIL"]
    rows = "\r\n".join(f",{i},{name}" for i, name in enumerate(types))
    for i in range(6):
        large = cv2.resize(field(i), (640, 480), interpolation=cv2.INTER_CUBIC)
        write(tmp_path / OUTER / "JPEGImages" / f"BloodImage_{i:05d}.jpg", large)
    (tmp_path / OUTER / "Annotations").mkdir()
    (tmp_path / OUTER / "labels.csv").write_bytes(f",Image,Category\r\n{rows}".encode())
    images = tmp_path / INNER
    for n, (i, turn, shift, flip) in enumerate(
        [(0, 15, (10, 5), False), (1, -8, (0, 20), True), (0, 170, (0, 0), True), (1, 60, (-20, 0), False)]
    ):
        write(images / "TRAIN/NEUTROPHIL" / f"_{n % 2}_{n}.jpeg", copy(field(i), turn=turn, shift=shift, flip=flip))
    for n, (i, angle) in enumerate([(3, 10.0), (4, -20.0), (3, 5.0)]):
        write(images / "TRAIN/EOSINOPHIL" / f"_{n}_{n}.jpeg", copy(field(i), turn=angle))
    write(images / "TEST/NEUTROPHIL/_0_77.jpeg", copy(field(2), turn=12, flip=True))
    write(images / "TEST/EOSINOPHIL/_0_78.jpeg", copy(field(5), shift=(12, 9)))
    write(images / "TEST_SIMPLE/NEUTROPHIL/_0_1.jpeg", field(2))
    write(images / "TEST_SIMPLE/EOSINOPHIL/_0_2.jpeg", field(5))
    return tmp_path


TRUTH = {
    "TRAIN/NEUTROPHIL/_0_0": 0,
    "TRAIN/NEUTROPHIL/_1_1": 1,
    "TRAIN/NEUTROPHIL/_0_2": 0,
    "TRAIN/NEUTROPHIL/_1_3": 1,
    "TRAIN/EOSINOPHIL/_0_0": 3,
    "TRAIN/EOSINOPHIL/_1_1": 4,
    "TRAIN/EOSINOPHIL/_2_2": 3,
    "TEST/NEUTROPHIL/_0_77": 2,
    "TEST/EOSINOPHIL/_0_78": 5,
    "TEST_SIMPLE/NEUTROPHIL/_0_1": 2,
    "TEST_SIMPLE/EOSINOPHIL/_0_2": 5,
}


def as_sets(groups: dict[str, object]) -> set[frozenset[str]]:
    sets: defaultdict[object, set[str]] = defaultdict(set)
    for name, group in groups.items():
        sets[group].add(name)
    return {frozenset(names) for names in sets.values()}


@pytest.mark.parametrize(
    ("below", "name"),
    [
        (Path(), "bccd"),  # both halves: the originals
        (Path("archive"), "bccd"),
        (OUTER.parent, "bccd"),
        (OUTER, "bccd"),
        (OUTER / "JPEGImages", "bccd"),  # one level too deep
        (OUTER / "labels.csv", "bccd"),  # its table
        (INNER.parent.parent, "bccd-augmented"),
        (INNER, "bccd-augmented"),
        (INNER / "TEST", "bccd-augmented"),  # one part of it
    ],
)
def test_found_however_deep(both: Path, below: Path, name: str) -> None:
    data = load(str(both / below))
    assert data.name == name
    if below == Path():
        assert "Both halves are here" in data.remarks[-1]


def test_copies_of_one_field_share_a_group_named_after_the_original(both: Path) -> None:
    data = load(str(both / INNER))
    groups = dict(data.cells.select("cell_id", "group").iter_rows())
    assert groups == {name: f"BloodImage_{number:05d}" for name, number in TRUTH.items()}
    assert dict(data.cells.select("cell_id", "given_split").iter_rows()) == {
        name: "train" if name.startswith("TRAIN") else "test" for name in TRUTH
    }
    assert not data.faults


def test_without_the_originals_copies_are_found_among_each_other(both: Path) -> None:
    (both / OUTER.parent).rename(both / "elsewhere")
    groups = dict(load(str(both / INNER)).cells.select("cell_id", "group").iter_rows())
    assert as_sets(groups) == as_sets(dict(TRUTH))


def test_what_was_matched_is_remembered_and_a_damaged_memory_is_made_anew(
    both: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = load(str(both / INNER)).cells
    (memory,) = (settings.cache_dir() / "sources").glob("*.json")
    memory.write_text("{ damaged")
    assert load(str(both / INNER)).cells.equals(first)
    assert json.loads(memory.read_text())

    def refuse(*_arguments: object, **_options: object) -> object:
        raise AssertionError("matched again")

    monkeypatch.setattr(sources, "match_sources", refuse)
    assert load(str(both / INNER)).cells.equals(first)


def test_copies_whose_source_is_not_found_stay_together_and_are_named(both: Path) -> None:
    for n in range(3):
        write(both / INNER / "TRAIN/NEUTROPHIL" / f"_5_{n}0.jpeg", np.full((240, 320, 3), 90 + 40 * n, np.uint8))
    (both / INNER / "TRAIN/NEUTROPHIL/_6_0.jpeg").write_bytes(b"no image")
    data = load(str(both / INNER))
    groups = dict(data.cells.select("cell_id", "group").iter_rows())
    lost = {name for name, group in groups.items() if group.startswith(kaggle.UNMATCHED)}
    assert lost == {f"TRAIN/NEUTROPHIL/_5_{n}0" for n in range(3)} | {"TRAIN/NEUTROPHIL/_6_0"}
    assert len({groups[name] for name in lost}) == 1
    assert [fault.problem for fault in data.faults] == ["the source of 4 images could not be found"]


def test_a_field_on_both_sides_is_reported(both: Path) -> None:
    write(both / INNER / "TEST/NEUTROPHIL/_3_3.jpeg", copy(field(0), turn=25))
    faults = load(str(both / INNER)).faults
    assert [("BloodImage_00000" in fault.problem, fault.file) for fault in faults] == [(True, "TRAIN and TEST")]
