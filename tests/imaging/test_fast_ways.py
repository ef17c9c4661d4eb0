"""What is done fast in finding gives what the plain way gives."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from buffycoat.imaging import bodies
from buffycoat.imaging.bodies import depth_inside, disc, grow, morph, part
from buffycoat.imaging.stain import every_second, percentile, smoothed

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
    st.sampled_from([1, 3, *range(6, 13)]),
)
def test_morphology_by_parts_is_that_of_the_disc(field: np.ndarray, operation: int, radius: int) -> None:
    mask = np.where(field, np.uint8(255), np.uint8(0))
    assert np.array_equal(morph(mask, operation, radius), cv2.morphologyEx(mask, operation, disc(radius)))


@pytest.mark.parametrize("sigma", [1.0, 1.2, 2.0])
@pytest.mark.parametrize("shape", [(240, 320), (61, 47), (5, 9)])
def test_smoothing_is_that_of_opencv(sigma: float, shape: tuple[int, int]) -> None:
    """Halves may be rounded the other way: one step of 255, on a pixel in ten thousand."""
    rng = np.random.default_rng(3)
    pixels = other = 0
    for _ in range(20):
        image = rng.integers(0, 256, shape, dtype=np.uint8)
        plain = np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), np.int64)
        steps = np.abs(smoothed(image, sigma) - plain)
        assert steps.max() <= 1
        pixels, other = pixels + steps.size, other + int(np.count_nonzero(steps))
    assert other <= max(2, 1e-4 * pixels)


def test_smoothing_keeps_an_even_picture_even() -> None:
    for level in (0, 1, 127, 254, 255):
        assert (smoothed(np.full((40, 50), level, np.uint8), 1.2) == level).all()


@st.composite
def bodies_of_discs(draw: st.DrawFn) -> bodies.Mask:
    """Draw one to four discs, of which some touch."""
    mask = np.zeros((150, 190), np.uint8)
    for _ in range(draw(st.integers(1, 4))):
        centre = (draw(st.integers(20, 170)), draw(st.integers(20, 130)))
        axes = (draw(st.integers(8, 45)), draw(st.integers(8, 45)))
        cv2.ellipse(mask, centre, axes, draw(st.integers(0, 179)), 0, 360, 255, cv2.FILLED)
    return mask


@given(mask=bodies_of_discs(), operation=st.sampled_from([cv2.MORPH_OPEN, cv2.MORPH_CLOSE]))
@settings(max_examples=60, deadline=None)
def test_morphology_of_bodies_by_parts_is_that_of_the_disc(mask: bodies.Mask, operation: int) -> None:
    for radius in (6, 7, 12):
        assert np.array_equal(morph(mask, operation, radius), cv2.morphologyEx(mask, operation, disc(radius)))


@given(mask=bodies_of_discs())
@settings(max_examples=150, deadline=None)
def test_a_few_levels_tell_whether_a_body_comes_apart(mask: bodies.Mask) -> None:
    found = sorted(piece.tobytes() for piece in part(mask))
    assert found == sorted(piece.tobytes() for piece in _parted_plainly(mask))


@st.composite
def stains(draw: st.DrawFn) -> bodies.Mask:
    """Draw the stain of a field: nuclei, cytoplasm, rims of red cells and dirt, anywhere and touching anything."""
    height, width = draw(st.integers(60, 250)), draw(st.integers(60, 330))
    stain = np.zeros((height, width), np.uint8)
    for _ in range(draw(st.integers(1, 14))):
        centre = (draw(st.integers(0, width)), draw(st.integers(0, height)))
        axes = (draw(st.integers(1, 40)), draw(st.integers(1, 40)))
        level, thickness = draw(st.sampled_from([15, 30, 45, 120, 160])), draw(st.sampled_from([cv2.FILLED, 3]))
        cv2.ellipse(stain, centre, axes, draw(st.integers(0, 179)), 0, 360, level, thickness)
    return smoothed(stain, 1.2)


@given(stain=stains())
@settings(max_examples=120, deadline=None)
def test_bodies_found_by_neighbourhoods_are_those_of_the_field(stain: bodies.Mask) -> None:
    nuclei = np.where(stain > 80, np.uint8(255), np.uint8(0))
    found = bodies.find_bodies(stain, nuclei, 245)
    expected = _bodies_of_the_field(stain, nuclei, 245)
    assert sorted((x, y, body.shape, body.tobytes()) for x, y, body in found) == sorted(
        (x, y, body.shape, body.tobytes()) for x, y, body in expected
    )


def _bodies_of_the_field(
    stain: bodies.Mask, nuclei: bodies.Mask, least_area: int
) -> list[tuple[int, int, bodies.Mask]]:
    """Find bodies in the whole field at once, step by step."""
    solid = np.asarray(cv2.morphologyEx(nuclei, cv2.MORPH_OPEN, disc(3)), np.uint8)
    near = grow(solid, 32) if solid.any() else solid
    filled = cv2.morphologyEx(bodies._leukocyte_like(stain, near), cv2.MORPH_OPEN, disc(7))
    stained = np.asarray(cv2.bitwise_or(filled, cv2.morphologyEx(nuclei, cv2.MORPH_CLOSE, disc(6))), np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(bodies.fill_holes(stained), connectivity=8)
    found = []
    for k in range(1, count):
        x, y, w, h, area = (int(value) for value in stats[k])
        here = (slice(y, y + h), slice(x, x + w))
        if area < least_area or cv2.countNonZero(nuclei[here]) < least_area:
            continue
        body = np.where(labels[here] == k, np.uint8(255), np.uint8(0))
        if area > bodies._LARGEST_CELL_AREA:
            body = bodies.without_gaps(body, stained[here])
        edges = (y > 0, y + h < stain.shape[0], x > 0, x + w < stain.shape[1])
        pieces = bodies.part_by_nuclei(part(body, edges), nuclei[here], edges)
        found += [(x, y, bodies.fill_holes(piece)) for piece in pieces]
    return found


def _parted_plainly(body: bodies.Mask) -> list[bodies.Mask]:
    """Part a body by trying every level."""
    depth = depth_inside(body)
    large = cv2.countNonZero(body) > bodies._LARGEST_CELL_AREA
    waist = bodies._WAIST_OF_SEVERAL if large else bodies._WAIST
    for level in np.arange(waist * bodies._LEAST_BODY_RADIUS, waist * float(depth.max()), 1.0):
        count, cores = cv2.connectedComponents((depth > level).astype(np.uint8))
        least = max(level / waist, bodies._LEAST_BODY_RADIUS)
        kept = [cores == k for k in range(1, count) if float(depth[cores == k].max()) >= least]
        if len(kept) > 1:
            return [piece for near in bodies._nearest(body, kept) for piece in _parted_plainly(near)]
    return [body]


def test_growing_reaches_as_far_as_it_says() -> None:
    mask = np.zeros((41, 61), np.uint8)
    mask[20, 30] = 255
    grown = grow(mask, 10)
    assert set(np.unique(grown)) == {0, 255}
    assert grown[20, 20] and grown[10, 30] and not grown[20, 19] and not grown[9, 30]
