"""Shapes whose measurements are known by geometry."""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from buffycoat.morphology.optics import RedCells
from buffycoat.morphology.parts import Parts
from buffycoat.morphology.shape import count_lobes, shape

Mask = NDArray[np.uint8]


def disc(radius: float, centre: tuple[float, float] = (100, 100), size: int = 200) -> Mask:
    y, x = np.mgrid[:size, :size]
    return np.asarray(np.hypot(x - centre[0], y - centre[1]) <= radius, np.uint8)


def ellipse(long: float, short: float, angle: float = 0.0) -> Mask:
    y, x = np.mgrid[:200, :200] - 100.0
    turn = np.deg2rad(angle)
    along, across = x * np.cos(turn) + y * np.sin(turn), -x * np.sin(turn) + y * np.cos(turn)
    return np.asarray((along / long) ** 2 + (across / short) ** 2 <= 1, np.uint8)


def measured(nucleus: Mask, body: Mask | None = None, red_cell_px: float | None = None) -> dict[str, float]:
    whole = disc(95) if body is None else body
    return shape(
        Parts(
            density=np.zeros((*nucleus.shape, 3), np.float32),
            nucleus=nucleus,
            body=whole,
            cytoplasm=(whole & (1 - nucleus)).astype(np.uint8),
            near=np.zeros_like(nucleus),
            red=RedCells(None, red_cell_px),
            touches_border=False,
        )
    )


def test_a_disc_is_round_and_solid_and_has_one_lobe() -> None:
    found = measured(disc(50), disc(80))
    assert found["nucleus_area_px"] == pytest.approx(np.pi * 50**2, rel=0.01)
    assert found["nucleus_cell_ratio"] == pytest.approx((50 / 80) ** 2, rel=0.01)
    assert found["nucleus_roundness"] > 0.97
    assert found["nucleus_solidity"] > 0.97
    assert found["nucleus_eccentricity"] < 0.05
    assert found["nucleus_thickness"] == pytest.approx(1, abs=0.03)
    assert found["nucleus_mean_depth"] == pytest.approx(1, abs=0.03)
    assert found["nucleus_lobes"] == found["nucleus_pieces"] == 1
    assert found["nucleus_off_centre"] < 0.01


@pytest.mark.parametrize("angle", [0, 30, 45, 90])
def test_an_ellipse_has_its_eccentricity_whatever_its_angle(angle: float) -> None:
    found = measured(ellipse(60, 30, angle))
    assert found["nucleus_eccentricity"] == pytest.approx(np.sqrt(1 - 0.25), abs=0.01)
    # perimeter by Ramanujan's approximation
    h = ((60 - 30) / (60 + 30)) ** 2
    perimeter = np.pi * 90 * (1 + 3 * h / (10 + np.sqrt(4 - 3 * h)))
    assert found["nucleus_roundness"] == pytest.approx(4 * np.pi * np.pi * 60 * 30 / perimeter**2, abs=0.03)
    assert found["nucleus_lobes"] == 1


def test_a_ring_has_a_hole_and_no_lobes_more_than_one() -> None:
    ring = disc(50) & (1 - disc(20))
    found = measured(ring)
    assert found["nucleus_hole_share"] == pytest.approx(20**2 / (50**2 - 20**2), abs=0.03)
    assert found["nucleus_pieces"] == 1


@pytest.mark.parametrize("lobes", [2, 3, 4])
def test_lobes_joined_by_threads_are_counted(lobes: int) -> None:
    mask = np.zeros((200, 200), np.uint8)
    corners = [(100 + 50 * np.cos(a), 100 + 50 * np.sin(a)) for a in 2 * np.pi * np.arange(lobes) / lobes]
    for x, y in corners:
        mask |= disc(22, (x, y))
    for (x, y), (u, v) in pairwise(corners):
        cv2.line(mask, (round(x), round(y)), (round(u), round(v)), 1, 9)
    assert count_lobes(mask) == lobes
    assert measured(mask)["nucleus_pieces"] == 1


def test_lobes_without_threads_are_pieces() -> None:
    found = measured(disc(25, (60, 100)) | disc(25, (140, 100)))
    assert found["nucleus_pieces"] == found["nucleus_lobes"] == 2
    assert found["nucleus_solidity"] < 0.75


def test_a_kidney_shaped_nucleus_is_indented() -> None:
    kidney = disc(50) & (1 - disc(30, (150, 100)))
    radius = float(np.sqrt(kidney.sum() / np.pi))
    # the bay reaches to x = 120; the chord over it stands where the two circles cross
    crossing = 100 + (50**2 - 30**2 + 50**2) / (2 * 50)
    assert measured(kidney)["nucleus_indentation"] == pytest.approx((crossing - 120) / radius, abs=0.06)
    assert measured(disc(50))["nucleus_indentation"] < 0.05


def test_red_cells_are_the_ruler_where_there_are_some() -> None:
    assert measured(disc(50), disc(80), 4000.0)["nucleus_area_rbc"] == pytest.approx(np.pi * 2500 / 4000, rel=0.01)
    assert np.isnan(measured(disc(50))["nucleus_area_rbc"])


@settings(max_examples=25, deadline=None)
@given(st.floats(15, 45), st.floats(0.5, 1), st.floats(0, 180))
def test_ratios_stay_in_their_range(long: float, share: float, angle: float) -> None:
    found = measured(ellipse(long, long * share, angle))
    for name in ("roundness", "solidity", "eccentricity", "thickness", "hole_share"):
        assert 0 <= found[f"nucleus_{name}"] <= 1.05
    assert found["nucleus_lobes"] >= 1


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 3), st.booleans())
def test_turning_and_mirroring_change_nothing(turns: int, mirrored: bool) -> None:
    mask = disc(30, (80, 100)) | disc(20, (130, 110))
    other = np.rot90(mask[:, ::-1] if mirrored else mask, turns)
    first, second = measured(mask), measured(np.ascontiguousarray(other))
    for name in ("nucleus_lobes", "nucleus_roundness", "nucleus_solidity", "nucleus_eccentricity"):
        assert first[name] == pytest.approx(second[name], abs=0.02)
