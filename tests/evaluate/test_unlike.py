"""The distance from the training cells against scikit-learn and SciPy."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.distance import mahalanobis
from sklearn.covariance import ledoit_wolf

from buffycoat.evaluate.unlike import fit_unlike, ledoit_wolf_shrinkage, threshold_at


def drawn(seed: int, n: int, width: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 3
    return rng.normal(size=(n, width)) * np.linspace(3, 0.1, width) + 2 * labels[:, None], labels


@pytest.mark.parametrize(("n", "width"), [(60, 5), (40, 100), (30, 30)])
def test_scores_are_mahalanobis_distances_with_ledoit_and_wolfs_covariance(n: int, width: int) -> None:
    long, labels = drawn(1, n, width)
    rows = long / np.linalg.norm(long, axis=1, keepdims=True)
    means = np.stack([rows[labels == c].mean(axis=0) for c in range(3)])
    covariance, shrinkage = ledoit_wolf(rows - means[labels], assume_centered=True)
    assert ledoit_wolf_shrinkage(rows - means[labels]) == pytest.approx(shrinkage)
    found = fit_unlike(long, labels)
    other, _ = drawn(2, 7, width)
    fresh = other / np.linalg.norm(other, axis=1, keepdims=True)
    inverse = np.linalg.inv(covariance)
    expected = [min(mahalanobis(row, mean, inverse) for mean in means) for row in fresh]
    assert np.allclose(found.score(other), expected)
    whitened = [min(np.linalg.norm((row - mean) @ found.whitening) for mean in found.means) for row in fresh]
    assert np.allclose(found.score(3 * other), whitened)


def test_fewer_directions_keep_the_mean_variance_of_the_others() -> None:
    rows, labels = drawn(3, 50, 20)
    full, few = fit_unlike(rows, labels), fit_unlike(rows, labels, components=4)
    assert few.directions.shape == (20, 4)
    assert np.allclose(few.scales, full.scales[:4])
    variances = np.linalg.eigvalsh(np.linalg.inv(full.whitening @ full.whitening))[:16]
    assert 1 / few.rest**2 == pytest.approx(variances.mean())


def test_what_was_never_seen_scores_higher() -> None:
    rows, labels = drawn(4, 90, 30)
    found = fit_unlike(rows[:60], labels[:60])
    strange = np.random.default_rng(5).normal(0, 5, (50, 30)) * np.linspace(0.1, 3, 30)
    assert np.median(found.score(strange)) > found.score(rows[60:]).max()


def test_short_features_are_judged_by_their_direction() -> None:
    rows, labels = drawn(7, 90, 30)
    found = fit_unlike(rows[:60], labels[:60])
    strange = np.random.default_rng(5).normal(0, 5, (50, 30)) * np.linspace(0.1, 3, 30)
    assert np.allclose(found.score(0.01 * strange), found.score(strange))
    assert np.isfinite(found.score(np.zeros((1, 30)))).all()


def test_a_threshold_keeps_the_share_it_names() -> None:
    scores = np.random.default_rng(6).random(400)
    assert np.mean(scores <= threshold_at(scores, 0.95)) == pytest.approx(0.95, abs=0.005)
    assert threshold_at([3.0, 1.0, 2.0], 0.99) == 3.0
    with pytest.raises(ValueError, match="no scores"):
        threshold_at([])


def test_rows_without_spread_are_refused() -> None:
    with pytest.raises(ValueError, match="same features"):
        fit_unlike(np.ones((6, 3)), [0, 0, 1, 1, 2, 2])
    with pytest.raises(ValueError, match="two rows"):
        fit_unlike(np.ones((1, 3)), [0])
