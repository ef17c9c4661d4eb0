"""From printed per-class figures back to the confusion matrices they allow.

Papers and project pages often print sensitivity, specificity and precision by class but not the matrix. With few
cells the rounded figures leave little choice, and the matrix gives everything that was not printed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class PrintedClass:
    """One class as printed. A printed precision of 0 also stands for an undefined one, as it often does in print."""

    name: str
    sensitivity: float
    specificity: float
    precision: float


@dataclass(frozen=True, slots=True)
class _Tally:
    support: int
    hits: int
    false_hits: int


def consistent_matrices(
    printed: Sequence[PrintedClass], *, right: int, n: int, decimals: int = 3
) -> list[NDArray[np.int64]]:
    """Return every confusion matrix (rows true, columns predicted) that rounds to the printed figures.

    Parameters
    ----------
    printed
        The classes, in the order of rows and columns.
    right, n
        Right and all predictions.
    decimals
        How many decimals were printed.

    Returns
    -------
    list[NDArray[np.int64]]
        Each of shape ``(K, K)``; empty where the figures contradict each other.
    """
    half = 0.5 * 10**-decimals + 1e-9
    candidates = [_tallies(one, n, half) for one in printed]
    return [matrix for tallies in _joint(candidates, n, right, n - right) for matrix in _matrices(tallies)]


def _agrees(part: int, whole: int, shown: float, half: float) -> bool:
    return abs(part / whole - shown) <= half if whole else shown == 0


def _tallies(one: PrintedClass, n: int, half: float) -> list[_Tally]:
    return [
        _Tally(support, hits, false_hits)
        for support in range(1, n)
        for hits in range(support + 1)
        if _agrees(hits, support, one.sensitivity, half)
        for false_hits in range(n - support + 1)
        if _agrees(n - support - false_hits, n - support, one.specificity, half)
        and _agrees(hits, hits + false_hits, one.precision, half)
    ]


def _joint(candidates: Sequence[Sequence[_Tally]], n: int, right: int, wrong: int) -> Iterator[tuple[_Tally, ...]]:
    """Yield one tally per class such that supports, hits and false hits sum to what is left of each."""
    if not candidates:
        if (n, right, wrong) == (0, 0, 0):
            yield ()
        return
    for one in candidates[0]:
        left = n - one.support, right - one.hits, wrong - one.false_hits
        if min(left) >= 0:
            for others in _joint(candidates[1:], *left):
                yield (one, *others)


def _matrices(tallies: Sequence[_Tally]) -> Iterator[NDArray[np.int64]]:
    """Yield every way to place the missed cells of each class so that each is called so falsely as often as told."""
    size = len(tallies)

    def fill(row: int, room: tuple[int, ...]) -> Iterator[list[list[int]]]:
        if row == size:
            yield []
            return
        missed = tallies[row].support - tallies[row].hits
        limits = [0 if column == row else room[column] for column in range(size)]
        for placed in _placements(missed, limits):
            left = tuple(a - b for a, b in zip(room, placed, strict=True))
            for rest in fill(row + 1, left):
                yield [placed, *rest]

    for rows in fill(0, tuple(one.false_hits for one in tallies)):
        yield np.array(rows, dtype=np.int64) + np.diag([one.hits for one in tallies])


def _placements(count: int, limits: Sequence[int]) -> Iterator[list[int]]:
    if len(limits) == 1:
        if count <= limits[0]:
            yield [count]
        return
    for here in range(min(count, limits[0]) + 1):
        for rest in _placements(count - here, limits[1:]):
            yield [here, *rest]
