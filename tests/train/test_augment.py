from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from buffycoat.train.augment import Views, turned
from buffycoat.train.config import AugmentConfig

MEAN, STD = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)
STILL = AugmentConfig(rotation_deg=0, flip=False, scale=0, shift=0, stain=0, colour=0, light=0)


def _batch(crops: NDArray[np.uint8], count: int = 6) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(crops[:count].transpose(0, 3, 1, 2)))


def _views(share: float = 0.875) -> Views:
    return Views(share, 32, MEAN, STD)


def _generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_augmentation_changes_pixels_and_the_plain_view_never_does(crops: NDArray[np.uint8]) -> None:
    batch, views = _batch(crops), _views()
    plain = views.plain(batch)
    assert torch.equal(plain, views.plain(batch))
    augmented = views.augmented(batch, AugmentConfig(), _generator())
    assert augmented.shape == plain.shape == (6, 3, 32, 32)
    assert (augmented - plain).abs().mean() > 0.05


def test_augmentation_with_every_range_at_zero_is_the_plain_view(crops: NDArray[np.uint8]) -> None:
    batch, views = _batch(crops), _views()
    assert torch.allclose(views.augmented(batch, STILL, _generator()), views.plain(batch), atol=2e-2)


def test_the_same_seed_gives_the_same_views_and_another_gives_others(crops: NDArray[np.uint8]) -> None:
    batch, views = _batch(crops), _views()
    first, again, other = (views.augmented(batch, AugmentConfig(), _generator(seed)) for seed in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.allclose(first, other)


def test_each_crop_of_a_batch_is_drawn_for_separately(crops: NDArray[np.uint8]) -> None:
    same = _batch(crops, 1).repeat(4, 1, 1, 1)
    augmented = _views().augmented(same, AugmentConfig(), _generator())
    assert all(not torch.allclose(augmented[0], augmented[other]) for other in (1, 2, 3))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("rotation_deg", 180),
        ("flip", True),
        ("scale", 0.3),
        ("shift", 0.2),
        ("stain", 0.5),
        ("colour", 0.3),
        ("light", 0.2),
    ],
)
def test_every_range_has_an_effect_of_its_own(crops: NDArray[np.uint8], field: str, value: float) -> None:
    batch, views = _batch(crops), _views()
    config = STILL.model_copy(update={field: value})
    assert not torch.allclose(views.augmented(batch, config, _generator()), views.plain(batch), atol=5e-2)


def test_more_stain_darkens_the_cell_and_leaves_the_empty_background(crops: NDArray[np.uint8]) -> None:
    empty = torch.full((64, 3, 40, 40), round(0.85 * 255), dtype=torch.uint8)
    config = STILL.model_copy(update={"stain": 0.5})
    changed = _views().augmented(empty, config, _generator())
    assert (changed - _views().plain(empty)).abs().max() < 0.02
    stained = _batch(crops, 1).repeat(64, 1, 1, 1)
    levels = _views().augmented(stained, config, _generator())[:, :, 16, 16].mean(1)
    assert levels.std() > 0.05


@settings(max_examples=20, deadline=None)
@given(share=st.floats(0.3, 1.0), value=st.integers(0, 255))
def test_a_flat_crop_stays_flat_whatever_the_view(share: float, value: int) -> None:
    flat = torch.full((2, 3, 40, 40), value, dtype=torch.uint8)
    view = _views(share).plain(flat)
    assert torch.allclose(view, torch.full_like(view, (value / 255 - 0.5) / 0.25), atol=1e-4)


def test_the_share_says_how_much_of_the_crop_is_seen() -> None:
    framed = torch.zeros((1, 3, 40, 40), dtype=torch.uint8)
    framed[:, :, 10:30, 10:30] = 255  # the middle half
    assert _views(0.48).plain(framed).min() > 1.9
    assert _views(1.0).plain(framed)[0, 0, 0, 0] == pytest.approx(-2.0)


def test_turned_views_are_the_eight_symmetries_of_the_square() -> None:
    image = torch.arange(9.0).view(1, 1, 3, 3)
    seen = {tuple(turned(image, view).flatten().tolist()) for view in range(8)}
    assert len(seen) == 8
    assert torch.equal(turned(image, 0), image)


def test_views_are_the_same_under_bf16_autocast(crops: NDArray[np.uint8]) -> None:
    batch, views = _batch(crops), _views()
    with torch.autocast("cpu", torch.bfloat16):
        seen = views.plain(batch)
    assert torch.equal(seen, views.plain(batch))
