"""What the network sees without PyTorch is what it saw in training."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from buffycoat.imaging.frame import crop_square
from buffycoat.imaging.view import View, as_inputs, turned
from buffycoat.records.documents import FrameSpec
from buffycoat.train import augment

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@pytest.fixture(scope="module")
def field() -> NDArray[np.uint8]:
    rng = np.random.default_rng(3)
    coarse = rng.integers(0, 256, (60, 80, 3)).astype(np.float32)
    rows, columns = np.arange(480) // 8, np.arange(640) // 8
    return np.clip(coarse[rows][:, columns] + rng.normal(0, 20, (480, 640, 3)), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("input_px", [64, 96, 128, 160, 192, 224])
@pytest.mark.parametrize("view_px", [280, 320, 201])
def test_views_are_the_trainings_to_one_grey_level(field: NDArray[np.uint8], view_px: int, input_px: int) -> None:
    spec = FrameSpec()
    centres = [(300.0, 200.0), (20.0, 30.0), (630.0, 470.0)]
    crops = np.stack([crop_square(field, centre, spec.side_px, spec.stored_px) for centre in centres])
    plain = augment.Views(view_px / spec.side_px, input_px, MEAN, STD).plain(
        torch.from_numpy(np.ascontiguousarray(crops.transpose(0, 3, 1, 2)))
    )
    view = View(spec, view_px, input_px)
    got = as_inputs(np.stack([view.cell(field, centre) for centre in centres]), MEAN, STD)
    levels = np.abs(got - plain.numpy()) * np.array(STD)[:, None, None] * 255
    inner = levels[..., 2:-2, 2:-2] if view_px == spec.side_px else levels  # beyond the crop's rim, each guesses
    assert inner.max() < 1.01
    assert inner.mean() < 0.35


def test_a_view_wider_than_the_crop_is_the_crop() -> None:
    assert View(FrameSpec(side_px=200), 280, 64).share == 1.0


def test_a_field_stored_at_half_size_shows_the_same(field: NDArray[np.uint8]) -> None:
    smooth = field.reshape(240, 2, 320, 2, 3).mean((1, 3)).astype(np.uint8)
    double = smooth.repeat(2, 0).repeat(2, 1)
    view = View(FrameSpec(), 280, 96)
    small, large = view.cell(smooth, (150.0, 100.0)), view.cell(double, (300.0, 200.0))
    assert np.abs(small.astype(float) - large).mean() < 4


def test_a_whole_photograph_shows_its_middle() -> None:
    photograph = np.full((100, 100, 3), 200, np.uint8)
    photograph[40:60, 40:60] = (10, 20, 30)
    shown = View(FrameSpec(mode="whole"), 280, 64).whole(photograph)
    assert shown[32, 32].tolist() == [10, 20, 30]
    assert shown[0, 0].tolist() == [200, 200, 200]
    dark = float((shown[..., 0] < 105).mean())
    assert dark == pytest.approx((20 / 87.5) ** 2, rel=0.15)  # 280 of 320 px: the middle seven eighths


def test_inputs_are_normalised_per_channel() -> None:
    views = np.arange(2 * 4 * 4 * 3, dtype=np.uint8).reshape(2, 4, 4, 3)
    wanted = (views.astype(np.float64) / 255 - np.array(MEAN)) / np.array(STD)
    got = as_inputs(views, MEAN, STD)
    assert got.dtype == np.float32
    assert got.flags.c_contiguous
    assert got == pytest.approx(wanted.transpose(0, 3, 1, 2), abs=1e-6)


def test_turned_views_are_the_trainings() -> None:
    inputs = np.random.default_rng(0).normal(size=(2, 3, 8, 8)).astype(np.float32)
    for place, view in enumerate(turned(inputs, 4)):
        assert np.array_equal(view, augment.turned(torch.from_numpy(inputs), place).numpy())
    assert len(turned(inputs, 1)) == 1
