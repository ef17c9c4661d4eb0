"""What is drawn is what is said to be drawn, and it follows the textbook."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import islice

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from buffycoat.errors import UsageError
from buffycoat.synth.smear import Smear, draw_field
from buffycoat.taxonomy import CLASS_NAMES

EACH = 12


@lru_cache(maxsize=1)
def _gallery() -> dict[str, list[Smear]]:
    """One leukocyte a field, wholly inside it."""
    return {name: list(islice(_whole(index, name), EACH)) for index, name in enumerate(CLASS_NAMES)}


def _whole(index: int, name: str) -> Iterator[Smear]:
    for seed in range(4 * EACH):
        smear = draw_field(np.random.default_rng([20, index, seed]), [name])
        x0, y0, x1, y1 = smear.cells[0].box
        if x0 > 0 and y0 > 0 and x1 < 640 and y1 < 480:
            yield smear


def _inner(smear: Smear) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return the nucleus, and the cytoplasm away from its edges (by the box and the mask, not by colour)."""
    x0, y0, x1, y1 = smear.cells[0].box
    rows, columns = np.mgrid[0 : smear.rgb.shape[0], 0 : smear.rgb.shape[1]]
    across = ((columns - (x0 + x1) / 2) / (x1 - x0)) ** 2 + ((rows - (y0 + y1) / 2) / (y1 - y0)) ** 2
    nucleus = smear.cells[0].nucleus_mask
    wide = cv2.dilate(nucleus.astype(np.uint8), np.ones((7, 7), np.uint8)) > 0
    return nucleus, (across < 0.47**2) & ~wide


def _density(smear: Smear, where: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the mean optical density per channel against the field's own background."""
    green = smear.rgb[..., 1]
    light = np.median(smear.rgb[green >= np.percentile(green, 92)], axis=0)
    return np.asarray(-np.log(np.maximum(smear.rgb[where].mean(axis=0), 1) / light))


def _lobes(mask: NDArray[np.bool_]) -> int:
    """Count the lobes: what falls apart when a disc too wide for the strands is rolled inside the nucleus."""
    x, y, width, height = cv2.boundingRect(mask.astype(np.uint8))
    part = np.pad(mask[y : y + height, x : x + width].astype(np.uint8), 2)
    depth = cv2.distanceTransform(part, cv2.DIST_L2, 5)
    return int(cv2.connectedComponents((depth > 0.62 * depth.max()).astype(np.uint8))[0]) - 1


def test_the_same_seed_draws_the_same_field_and_another_seed_another() -> None:
    first, again, other = (draw_field(np.random.default_rng(s), ["eosinophil", "monocyte"]) for s in (5, 5, 6))
    assert np.array_equal(first.rgb, again.rgb)
    assert [cell.box for cell in first.cells] == [cell.box for cell in again.cells]
    assert np.array_equal(first.cells[1].nucleus_mask, again.cells[1].nucleus_mask)
    assert not np.array_equal(first.rgb, other.rgb)


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 2**32), st.lists(st.sampled_from(CLASS_NAMES), max_size=5))
def test_every_cell_asked_for_is_there_with_a_box_in_the_field_and_its_nucleus_in_the_box(
    seed: int, types: list[str]
) -> None:
    smear = draw_field(np.random.default_rng(seed), types)
    assert smear.rgb.shape == (480, 640, 3)
    assert smear.rgb.dtype == np.uint8
    assert [cell.label for cell in smear.cells] == types
    for cell in smear.cells:
        x0, y0, x1, y1 = cell.box
        assert 0 <= x0 < x1 <= 640
        assert 0 <= y0 < y1 <= 480
        assert cell.nucleus_mask.shape == (480, 640)
        outside = cell.nucleus_mask.copy()
        outside[y0:y1, x0:x1] = False
        assert not outside.any()


def test_nuclei_are_the_darkest_thing_in_the_green_channel() -> None:
    for smears in _gallery().values():
        for smear in smears:
            nucleus = smear.cells[0].nucleus_mask
            if nucleus.sum() > 800:
                inside = np.median(smear.rgb[nucleus][:, 1])
                assert inside < np.percentile(smear.rgb[~nucleus][:, 1], 15), smear.cells[0].label


def test_boxes_fit_what_is_seen() -> None:
    # Blue well above red: no red cell looks so, and of leukocytes all of these two does.
    for name in ("lymphocyte", "basophil"):
        overlaps = []
        for smear in _gallery()[name]:
            x0, y0, x1, y1 = smear.cells[0].box
            colours = cv2.GaussianBlur(smear.rgb, (0, 0), 3).astype(int)
            blue = (colours[..., 2] - colours[..., 0] > 12).astype(np.uint8)
            _, _, found, _ = cv2.connectedComponentsWithStats(blue)
            x, y, width, height = found[1 + np.argmax(found[1:, cv2.CC_STAT_AREA]), :4]
            both = max(0, min(x1, x + width) - max(x0, x)) * max(0, min(y1, y + height) - max(y0, y))
            overlaps.append(both / ((x1 - x0) * (y1 - y0) + width * height - both))
        assert np.median(overlaps) > 0.8, name


def _cytoplasm(name: str) -> NDArray[np.float64]:
    """Return the cytoplasm's optical density of every cell of a type that shows enough of it, shape (n, 3)."""
    seen = [(smear, _inner(smear)[1]) for smear in _gallery()[name]]
    return np.array([_density(smear, plasma) for smear, plasma in seen if plasma.sum() > 150])


@pytest.mark.slow
def test_eosinophil_cytoplasm_is_redder_than_neutrophil_cytoplasm() -> None:
    # Eosin takes green light and leaves the red.
    eosin = {name: float(np.median(d[:, 1] - d[:, 0])) for name in CLASS_NAMES for d in [_cytoplasm(name)]}
    assert eosin["eosinophil"] > eosin["neutrophil"] + 0.03
    assert eosin["neutrophil"] > eosin["monocyte"]


@pytest.mark.slow
def test_monocyte_and_lymphocyte_cytoplasm_is_blue() -> None:
    # (type, whether the cytoplasm takes nearly as much red light as green)
    for name, blue in (("neutrophil", False), ("eosinophil", False), ("lymphocyte", True), ("monocyte", True)):
        density = np.median(_cytoplasm(name), axis=0)
        assert bool(density[0] > 0.75 * density[1]) is blue, name


@pytest.mark.slow
def test_basophil_granules_lie_dark_and_coarse_over_the_cytoplasm() -> None:
    def uneven(smear: Smear) -> float:
        green = cv2.GaussianBlur(smear.rgb[..., 1], (0, 0), 1.5)
        return float(np.std(green[_inner(smear)[1]].astype(float)))

    # Lymphocytes have too little cytoplasm to be compared.
    grainy = {name: np.median([uneven(s) for s in _gallery()[name]]) for name in CLASS_NAMES if name != "lymphocyte"}
    others = max(value for name, value in grainy.items() if name != "basophil")
    assert grainy["basophil"] > 1.4 * others


def test_lymphocytes_are_smallest_with_the_largest_share_of_nucleus_and_monocytes_are_largest() -> None:
    share, size = {}, {}
    for name, smears in _gallery().items():
        boxes = [s.cells[0].box for s in smears]
        sides = [((x1 - x0), (y1 - y0)) for x0, y0, x1, y1 in boxes]
        share[name] = np.median(
            [s.cells[0].nucleus_mask.sum() / (w * h) for s, (w, h) in zip(smears, sides, strict=True)]
        )
        size[name] = np.median([max(side) for side in sides])
    assert max(share, key=lambda name: share[name]) == "lymphocyte"
    assert min(size, key=lambda name: size[name]) == "lymphocyte"
    assert max(size, key=lambda name: size[name]) == "monocyte"


def test_lobes_follow_the_type() -> None:
    lobes = {name: [_lobes(smear.cells[0].nucleus_mask) for smear in smears] for name, smears in _gallery().items()}
    assert np.median(lobes["lymphocyte"]) == 1
    assert np.median(lobes["eosinophil"]) == 2
    assert np.mean(lobes["neutrophil"]) > np.mean(lobes["eosinophil"])
    assert np.mean(np.array(lobes["neutrophil"]) >= 2) >= 0.75


def test_sizes_are_those_of_the_real_set() -> None:
    # Longest box side in the 410-image set, where most are granulocytes: 1 % 115, median 207, 99 % 302 px.
    sides = {
        name: [max(x1 - x0, y1 - y0) for s in smears for x0, y0, x1, y1 in [s.cells[0].box]]
        for name, smears in _gallery().items()
    }
    assert 185 < np.median(sides["neutrophil"] + sides["eosinophil"]) < 235
    assert min(map(min, sides.values())) > 90
    assert max(map(max, sides.values())) < 340


def _features(smear: Smear) -> list[float]:
    """Measure a cell as a technician would describe it: size, nucleus, lobes, colours, grain."""
    nucleus, plasma = _inner(smear)
    x0, y0, x1, y1 = smear.cells[0].box
    seen = plasma if plasma.sum() > 150 else nucleus
    green = cv2.GaussianBlur(smear.rgb[..., 1], (0, 0), 1.5)
    return [
        max(x1 - x0, y1 - y0),
        nucleus.sum() / ((x1 - x0) * (y1 - y0)),
        _lobes(nucleus),
        *_density(smear, seen),
        *_density(smear, nucleus),
        float(np.std(green[seen].astype(float))),
    ]


@pytest.mark.slow
def test_measured_features_tell_the_types_apart_far_better_than_chance() -> None:
    labels = np.repeat(np.arange(len(CLASS_NAMES)), EACH)
    values = np.array([_features(smear) for name in CLASS_NAMES for smear in _gallery()[name]])
    right = 0
    for left_out in range(len(labels)):  # the nearest class mean, the cell itself left out
        rest = np.arange(len(labels)) != left_out
        means = np.array([values[rest & (labels == k)].mean(axis=0) for k in range(len(CLASS_NAMES))])
        spread = np.sqrt(np.mean([values[rest & (labels == k)].var(axis=0) for k in range(len(CLASS_NAMES))], axis=0))
        right += int(np.argmin((((values[left_out] - means) / spread) ** 2).sum(axis=1)) == labels[left_out])
    assert right / len(labels) > 0.7  # chance is 0.2


@pytest.mark.slow
def test_stain_and_focus_vary_from_field_to_field() -> None:
    fields = [s for smears in _gallery().values() for s in smears]
    light = [np.percentile(s.rgb[..., 1], 92) for s in fields]
    # The steepest nuclear edges; the noise of the sensor is smoothed away before.
    slopes = [cv2.Sobel(cv2.GaussianBlur(s.rgb[..., 0], (0, 0), 1.0), cv2.CV_32F, 1, 0) for s in fields]
    sharp = [np.percentile(np.abs(slope), 99.5) for slope in slopes]
    assert np.std(light) > 1
    assert np.percentile(sharp, 95) > 1.4 * np.percentile(sharp, 5)


def test_a_field_without_leukocytes_shows_red_cells_only() -> None:
    smear = draw_field(np.random.default_rng(3), [])
    assert smear.cells == ()
    stained = -np.log(np.maximum(smear.rgb, 1) / np.percentile(smear.rgb, 92, axis=(0, 1)))
    assert np.mean(stained[..., 1] > 0.15) > 0.1  # red cells cover part of it
    assert np.mean(stained[..., 1] > 0.75) < 0.01  # and no nucleus is there


@pytest.mark.parametrize("seed", range(4))
def test_touching_cells_touch(seed: int) -> None:
    first, second = draw_field(np.random.default_rng(seed), ["neutrophil", "lymphocyte"], touching=True).cells
    across = max(first.box[0], second.box[0]) - min(first.box[2], second.box[2])
    down = max(first.box[1], second.box[1]) - min(first.box[3], second.box[3])
    assert max(across, down) <= 5
    assert not (first.nucleus_mask & second.nucleus_mask).any()


@pytest.mark.parametrize("seed", range(4))
def test_the_border_cuts_a_cell_when_asked(seed: int) -> None:
    (cell,) = draw_field(np.random.default_rng(seed), ["monocyte"], at_border=True).cells
    x0, y0, x1, y1 = cell.box
    assert x0 == 0 or y0 == 0 or x1 == 640 or y1 == 480


def test_no_pixel_belongs_to_two_nuclei_however_crowded_the_field() -> None:
    types = ["monocyte", "neutrophil", "lymphocyte", "basophil", "eosinophil", "monocyte"]
    for seed in range(3):
        cells = draw_field(np.random.default_rng(seed), types, touching=seed == 2).cells
        assert np.sum([cell.nucleus_mask for cell in cells], axis=0).max() == 1


def test_other_field_sizes_and_spellings() -> None:
    smear = draw_field(np.random.default_rng(1), ["NEUTROPHIL", "Lymphocytes"], width=801, height=333)
    assert smear.rgb.shape == (333, 801, 3)
    assert [cell.label for cell in smear.cells] == ["neutrophil", "lymphocyte"]


def test_an_unknown_type_is_refused_with_the_close_one() -> None:
    with pytest.raises(UsageError, match="neutrofil") as caught:
        draw_field(np.random.default_rng(1), ["neutrofil"])
    assert caught.value.hint == "Did you mean 'neutrophil'?"
