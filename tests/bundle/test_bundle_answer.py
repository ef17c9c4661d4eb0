"""From logits to answers: views averaged, calibrated, and left unidentified for a named reason."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import softmax as scipy_softmax

from buffycoat.bundle.answer import answer, over_views, rescale, softmax
from buffycoat.records.card import OperatingPoint
from tests.bundles import operating_point

Logits = arrays(np.float32, (3, 5, 4), elements=st.floats(-50, 50, width=32))


@settings(deadline=None)
@given(Logits)
def test_softmax_is_scipys(logits: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> None:
    assert softmax(logits) == pytest.approx(scipy_softmax(logits.astype(np.float64), axis=-1), abs=1e-12)


@settings(deadline=None)
@given(Logits, st.floats(0.2, 5))
def test_for_one_view_rescaling_divides_the_logits(
    logits: np.ndarray[tuple[int, ...], np.dtype[np.float32]], temperature: float
) -> None:
    got = rescale(over_views(logits[:1]), temperature)
    assert got == pytest.approx(scipy_softmax(logits[0].astype(np.float64) / temperature, axis=-1), abs=1e-9)
    assert got.sum(1) == pytest.approx(np.ones(5))


@settings(deadline=None)
@given(Logits)
def test_rescaling_never_changes_the_answer(logits: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> None:
    before = over_views(logits)
    second, first = np.sort(before, 1)[:, -2:].T
    clear = first > second * 1.001
    assert (rescale(before, 2.5).argmax(1) == before.argmax(1))[clear].all()


def test_answers_follow_the_operating_point() -> None:
    point = OperatingPoint.model_validate(
        operating_point(certain_threshold=0.7, unlike_threshold=2.0, conformal={"0.90": (0.5, 0.95, 0.2, 0.9)})
    )
    probabilities = np.array([[0.9, 0.05, 0.03, 0.02], [0.6, 0.3, 0.05, 0.05], [0.9, 0.06, 0.02, 0.02]])
    got = answer(np.log(probabilities)[None], np.array([[1.0, 2.0, 2.1]]), point)
    assert got.probabilities == pytest.approx(probabilities)
    assert got.best.tolist() == [0, 0, 0]
    assert got.sets.tolist() == [[True, True, False, False], [True, True, False, False], [True, True, False, False]]
    assert [got.reason(cell) for cell in range(3)] == [None, "uncertain", "unlike"]


def test_a_distance_that_is_no_number_is_unlike() -> None:
    point = OperatingPoint.model_validate(operating_point())
    assert answer(np.zeros((1, 1, 4)), np.full((1, 1), np.nan), point).reason(0) == "unlike"


def test_views_are_averaged_as_probabilities() -> None:
    logits = np.log(np.array([[[0.8, 0.2]], [[0.4, 0.6]]]))
    assert over_views(logits) == pytest.approx(np.array([[0.6, 0.4]]))
