"""The streamed averages and distributions are those NumPy gives for the whole stack at once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from buffycoat.explore.statistics import PictureStatistics


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 12), st.integers(1, 9), st.integers(1, 9), st.integers(0, 2**32 - 1))
def test_against_numpy(n: int, height: int, width: int, seed: int) -> None:
    stack = np.random.default_rng(seed).integers(0, 256, (n, height, width, 3), dtype=np.uint8)
    statistics = PictureStatistics(height, width)
    for picture in stack:
        statistics.add(picture)
    assert np.array_equal(statistics.average(), np.rint(stack.astype(np.float64).mean(0)).astype(np.uint8))
    for channel, name in enumerate(("red", "green", "blue")):
        values = stack[..., channel]
        assert statistics.histogram()[name] == tuple(np.histogram(values, np.arange(257))[0])
        colour = statistics.colours()[name]
        assert colour.mean == pytest.approx(values.mean())
        assert colour.sd == pytest.approx(values.std(), abs=1e-9)
        assert colour.sd_between_images == pytest.approx(values.mean((1, 2)).std(), abs=1e-5)


def test_pictures_of_another_size_are_refused() -> None:
    statistics = PictureStatistics(4, 6)
    for wrong in (np.zeros((6, 4, 3), np.uint8), np.zeros((4, 6, 3), np.float32)):
        with pytest.raises(ValueError, match="expected uint8"):
            statistics.add(wrong)  # type: ignore[arg-type]


def test_no_pictures_no_average() -> None:
    statistics = PictureStatistics(4, 6)
    assert statistics.colours() == {}
    with pytest.raises(ValueError, match="no average"):
        statistics.average()


def test_ten_thousand_pictures_do_not_drift() -> None:
    statistics = PictureStatistics(1, 1)
    for place in range(10_000):
        statistics.add(np.full((1, 1, 3), 255 if place % 2 else 254, np.uint8))
    assert statistics.colours()["green"].mean == 254.5
    assert statistics.colours()["green"].sd == 0.5
