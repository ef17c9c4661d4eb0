"""Counting instead of sorting gives the same numbers."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from buffycoat.imaging.bodies import disc, morph
from buffycoat.imaging.stain import every_second, percentile

IMAGES = hnp.arrays(np.uint8, st.tuples(st.integers(1, 30), st.integers(1, 30)))


@given(IMAGES, st.sampled_from([0, 5, 50, 75, 90, 99.5, 100]), st.data())
def test_percentiles_are_numpys(image: np.ndarray, q: float, data: st.DataObject) -> None:
    assert percentile(image, q) == pytest.approx(float(np.percentile(image, q)), abs=1e-9)
    mask = data.draw(hnp.arrays(np.uint8, image.shape, elements=st.sampled_from([0, 255])))
    if mask.any():
        assert percentile(image, q, mask) == pytest.approx(float(np.percentile(image[mask > 0], q)), abs=1e-9)


@given(hnp.arrays(np.uint8, st.tuples(st.integers(1, 20), st.integers(1, 20), st.sampled_from([1, 3]))))
def test_every_second_pixel(image: np.ndarray) -> None:
    plain = image if image.shape[2] == 3 else np.ascontiguousarray(image[..., 0])
    assert np.array_equal(every_second(plain), plain[::2, ::2])


@given(
    hnp.arrays(np.bool_, st.tuples(st.integers(20, 50), st.integers(20, 50)), fill=st.just(False)),
    st.sampled_from([cv2.MORPH_OPEN, cv2.MORPH_CLOSE]),
    st.sampled_from([1, 3, 6]),
)
def test_morphology_in_a_window_is_that_of_the_field(field: np.ndarray, operation: int, radius: int) -> None:
    mask = np.where(field, np.uint8(255), np.uint8(0))
    assert np.array_equal(morph(mask, operation, radius), cv2.morphologyEx(mask, operation, disc(radius)))
