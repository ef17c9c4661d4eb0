"""Measuring drawn fields: known nuclei, other lamps, sizes and granules."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from buffycoat.imaging.stain import background
from buffycoat.morphology.columns import COLUMNS
from buffycoat.morphology.measure import measure
from buffycoat.morphology.optics import optical_density
from buffycoat.morphology.parts import parts_of
from buffycoat.synth.smear import Smear, draw_field


def smear(kind: str, seed: int = 1) -> Smear:
    return draw_field(np.random.default_rng(seed), [kind])


def figures(rgb: NDArray[np.uint8], box: tuple[int, int, int, int] | None = None) -> dict[str, float]:
    found = measure(rgb, box)
    assert found is not None
    return {name: float("nan") if value is None else value for name, value in found.items()}


def test_every_column_is_measured_and_no_other() -> None:
    assert set(figures(smear("neutrophil").rgb)) == set(COLUMNS)


def test_density_is_the_logarithm_of_the_light_stopped() -> None:
    rgb = np.array([[[200, 100, 20], [200, 200, 200]]], np.uint8)
    found = optical_density(rgb, (200.0, 200.0, 200.0))
    assert found[0, 0] == pytest.approx([0, np.log10(2), 1], abs=1e-6)
    assert found[0, 1] == pytest.approx([0, 0, 0], abs=1e-6)


@pytest.mark.parametrize("kind", ["neutrophil", "eosinophil", "lymphocyte", "monocyte"])
def test_the_nucleus_measured_is_the_nucleus_drawn(kind: str) -> None:
    for seed in range(3):
        drawn = smear(kind, seed)
        true = float(drawn.cells[0].nucleus_mask.sum())
        assert figures(drawn.rgb)["nucleus_area_px"] == pytest.approx(true, rel=0.25)


def test_another_lamp_hardly_changes_densities() -> None:
    drawn = smear("eosinophil", 4)
    lamp = np.array([0.86, 0.93, 0.80])
    other = np.clip(drawn.rgb * lamp, 0, 255).round().astype(np.uint8)
    assert background(other)[0] < background(drawn.rgb)[0] - 15
    first, second = figures(drawn.rgb), figures(other)
    for name in ("nucleus_green_mean_od", "cytoplasm_green_mean_od", "cytoplasm_red_mean_od"):
        assert first[name] == pytest.approx(second[name], abs=0.012)
    assert first["nucleus_area_px"] == pytest.approx(second["nucleus_area_px"], rel=0.05)


def test_a_photograph_stored_at_twice_the_size_gives_the_same_cell() -> None:
    drawn = smear("neutrophil", 2)
    large = drawn.rgb.repeat(2, axis=0).repeat(2, axis=1)
    first, second = figures(drawn.rgb), figures(large)
    for name in ("nucleus_area_px", "nucleus_cell_ratio", "nucleus_roundness", "cytoplasm_green_mean_od"):
        assert first[name] == pytest.approx(second[name], rel=0.05)


@pytest.mark.slow
def test_eosinophils_are_redder_and_more_granular_than_neutrophils() -> None:
    kinds = {kind: [figures(smear(kind, seed).rgb) for seed in range(6)] for kind in ("neutrophil", "eosinophil")}
    middle = {
        kind: {name: float(np.nanmedian([one[name] for one in found])) for name in COLUMNS}
        for kind, found in kinds.items()
    }
    for name in ("cytoplasm_redness", "cytoplasm_density_rbc", "cytoplasm_grain_middle_od"):
        assert middle["eosinophil"][name] > middle["neutrophil"][name]


def test_lymphocytes_have_round_nuclei_that_fill_them() -> None:
    round_ = [figures(smear("lymphocyte", seed).rgb) for seed in range(4)]
    lobed = [figures(smear("neutrophil", seed).rgb) for seed in range(4)]
    for name in ("nucleus_roundness", "nucleus_solidity", "nucleus_cell_ratio"):
        assert np.median([one[name] for one in round_]) > np.median([one[name] for one in lobed])


def test_a_box_chooses_the_cell() -> None:
    drawn = draw_field(np.random.default_rng(8), ["lymphocyte", "neutrophil"])
    for cell in drawn.cells:
        found = parts_of(drawn.rgb, cell.box)
        assert found is not None
        assert int(found.nucleus.sum()) == pytest.approx(int(cell.nucleus_mask.sum()), rel=0.25)
    assert parts_of(drawn.rgb, (0, 0, 3, 3)) is None


def test_a_field_without_a_cell_is_not_guessed_at() -> None:
    assert measure(draw_field(np.random.default_rng(3), []).rgb) is None
    assert measure(np.full((480, 640, 3), 220, np.uint8)) is None


def test_cytoplasm_and_nucleus_do_not_overlap_and_lie_in_the_cell() -> None:
    for kind in ("neutrophil", "monocyte"):
        parts = parts_of(smear(kind, 5).rgb)
        assert parts is not None
        assert not (parts.nucleus & parts.cytoplasm).any()
        assert not (parts.cytoplasm & (1 - parts.body)).any()
        assert not (parts.near & parts.nucleus).any()
