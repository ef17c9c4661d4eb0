from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from buffycoat.train.batches import CropBatches, InOrder, Rows, Weighted
from buffycoat.train.seeds import derive


def _epoch(sampler: Weighted, epoch: int) -> list[list[int]]:
    sampler.set_epoch(epoch)
    return list(sampler)


def test_an_epoch_draws_the_same_rows_whether_or_not_others_ran_before() -> None:
    weights = np.ones(50)
    ran = Weighted(weights, 8, seed=3)
    for epoch in range(4):
        _epoch(ran, epoch)
    assert _epoch(ran, 2) == _epoch(Weighted(weights, 8, seed=3), 2)
    assert _epoch(ran, 2) != _epoch(ran, 3)
    assert _epoch(ran, 2) != _epoch(Weighted(weights, 8, seed=4), 2)


@given(world=st.sampled_from([1, 2, 4]), count=st.integers(1, 200))
def test_processes_share_out_the_batches_of_one(world: int, count: int) -> None:
    whole = _epoch(Weighted(np.ones(count), 8, seed=1), 0)
    shares = [_epoch(Weighted(np.ones(count), 8, seed=1, rank=rank, world=world), 0) for rank in range(world)]
    joined = [[row for share in batch for row in share] for batch in zip(*shares, strict=True)]
    assert joined == whole


def test_weights_decide_how_often_a_class_is_drawn() -> None:
    labels = np.array([0] * 90 + [1] * 10)
    weights = np.where(labels == 1, 9.0, 1.0)
    drawn = [row for epoch in range(60) for batch in _epoch(Weighted(weights, 10, seed=2), epoch) for row in batch]
    share = float(np.mean(labels[drawn] == 1))
    assert share == pytest.approx(0.5, abs=0.03)  # 6,000 draws: three standard errors are 0.02


def test_a_batch_that_cannot_be_shared_out_is_refused() -> None:
    with pytest.raises(ValueError, match="multiple of 3"):
        Weighted(np.ones(9), 8, seed=1, world=3)


@given(count=st.integers(0, 70), size=st.integers(1, 20))
def test_in_order_is_every_row_once(count: int, size: int) -> None:
    batches = InOrder(count, size)
    assert [row for batch in batches for row in batch] == list(range(count))
    assert len(list(batches)) == len(batches)


def test_batches_hold_the_crops_and_labels_of_the_rows_asked_for(crops: NDArray[np.uint8]) -> None:
    rows = Rows(np.array([5, 9, 2]), np.array([2, 0, 2]), ("a", "b", "c"))
    images, labels = CropBatches(crops, rows)[[2, 0]]
    assert np.array_equal(images.numpy().transpose(0, 2, 3, 1), crops[[2, 5]])
    assert labels.tolist() == [2, 2]


def test_derived_seeds_differ_by_every_step_and_fit_in_63_bits() -> None:
    seeds = {derive(7, *path) for path in [(), ("a",), ("a", 0), ("a", 1), ("b", 0), (0, "a")]}
    assert len(seeds) == 6
    assert all(0 <= seed < 2**63 for seed in seeds)
