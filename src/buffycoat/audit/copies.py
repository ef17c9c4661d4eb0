"""Which files show the same cell: found by hashes and rings, settled by comparing pixels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from buffycoat import settings
from buffycoat.audit import hashing, polar
from buffycoat.audit.overlay import Field, Fields, overlap
from buffycoat.audit.picture import Look

SAME_PICTURE = 0.9
"""Correlation of two thumbnails from which they are one picture; strangers stay below 0.5."""
SAME_CELL = 0.65
"""Correlation on rings from which two cells are one; strangers stay below 0.55 on the real sets."""
PERHAPS = 0.42
"""From here on the whole fields are laid over each other before a word is said."""

_NEIGHBOURS = 24
_LEAST_ALIKE = 0.42  # of the invariants; of true pairs one in a hundred lies below 0.54
_BLOCK = 128
_PAIRS_AT_ONCE = 128
_FIELDS_AT_ONCE = 24


@dataclass(frozen=True, slots=True)
class Copy:
    """Two looks (their places) that show the same."""

    first: int
    second: int
    kind: str
    similarity: float
    turned_deg: float
    mirrored: bool


class Sets:
    """Which places hang together (union–find)."""

    def __init__(self, count: int) -> None:
        self._above = list(range(count))

    def leader(self, place: int) -> int:
        """Return the first place of the set."""
        while self._above[place] != place:
            self._above[place] = self._above[self._above[place]]
            place = self._above[place]
        return place

    def join(self, first: int, second: int) -> bool:
        """Put two places into one set; return whether they were not yet."""
        low, high = sorted((self.leader(first), self.leader(second)))
        self._above[high] = low
        return low != high


def find_copies(
    looks: Sequence[Look], paths: Sequence[Path], *, on_progress: Callable[[int, int], None] | None = None
) -> list[Copy]:
    """Return pairs that show the same cell, enough of them to join every set of copies.

    Parameters
    ----------
    looks
        One for each file.
    paths
        The files, read again only where two look alike and fields must be laid over each other.
    """
    sets = Sets(len(looks))
    found = [copy for copy in _same_pictures(looks) if sets.join(copy.first, copy.second)]
    return found + _same_cells(looks, paths, sets, on_progress or (lambda _done, _total: None))


def _same_pictures(looks: Sequence[Look]) -> list[Copy]:
    known = [place for place, look in enumerate(looks) if look.hashes is not None]
    if len(known) < 2:
        return []
    found = []
    for i, j, attitude in hashing.near_pairs(_stacked(looks, known)):
        first, second = looks[known[i]].thumbnail, looks[known[j]].thumbnail
        if first is None or second is None:
            continue
        alike = hashing.alike(first, hashing.in_attitude(second, attitude))
        if alike >= SAME_PICTURE:
            found.append(Copy(known[i], known[j], "picture", alike, 90.0 * (attitude % 4), attitude >= 4))
    return sorted(found, key=lambda copy: -copy.similarity)


def _stacked(looks: Sequence[Look], known: Sequence[int]) -> NDArray[np.uint64]:
    return np.stack([found for place in known if (found := looks[place].hashes) is not None])


@dataclass(frozen=True)
class _Cells:
    """All cells of all looks: the look each belongs to, its centre and its rings."""

    owner: NDArray[np.int64]
    centres: list[tuple[float, float]]
    rings: polar.Rings
    packed: NDArray[np.uint8]  # where the rings are inside, as bits

    @classmethod
    def of(cls, looks: Sequence[Look]) -> _Cells:
        cells = [(place, cell) for place, look in enumerate(looks) for cell in look.cells]
        rings = np.zeros((len(cells), polar.RINGS, polar.STEPS), np.int8)
        packed = np.zeros((len(cells), polar.RINGS, polar.STEPS // 8), np.uint8)
        for k, (_, cell) in enumerate(cells):
            rings[k], packed[k] = cell.rings, cell.seen
        owner = np.array([place for place, _ in cells], np.int64)
        return cls(owner, [cell.centre for _, cell in cells], rings, packed)

    def seen(self, places: NDArray[np.int64]) -> polar.Seen:
        """Return where the rings of these cells are inside their photographs."""
        return np.unpackbits(self.packed[places], axis=2).astype(np.bool_)


def _same_cells(
    looks: Sequence[Look], paths: Sequence[Path], sets: Sets, report: Callable[[int, int], None]
) -> list[Copy]:
    cells = _Cells.of(looks)
    if len(cells.owner) < 2:
        return []
    nearest, alike = _neighbours(polar.invariants(cells.rings))
    fields = Fields(paths)
    found: list[Copy] = []
    for rank in range(nearest.shape[1]):  # the nearest first: copies join early, and what is joined is not compared
        report(rank, nearest.shape[1])
        here = np.flatnonzero(alike[:, rank] >= _LEAST_ALIKE)
        there = nearest[here, rank]
        apart = [
            sets.leader(int(cells.owner[i])) != sets.leader(int(cells.owner[j]))
            for i, j in zip(here, there, strict=True)
        ]
        pairs = np.column_stack([here, there])[np.array(apart, np.bool_)]
        if len(pairs):
            pairs = np.unique(np.sort(pairs, axis=1), axis=0)
            found += _settle(pairs, cells, fields, sets)
    report(nearest.shape[1], nearest.shape[1])
    return found


def _neighbours(features: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return for each cell the others most alike to it, the most alike first, and how alike they are."""
    count = len(features)
    kept = min(_NEIGHBOURS, count - 1)
    nearest, alike = np.empty((count, kept), np.int64), np.empty((count, kept), np.float32)
    for start in range(0, count, _BLOCK):
        product = features[start : start + _BLOCK] @ features.T
        rows = np.arange(len(product))
        product[rows, start + rows] = -2
        best = np.argpartition(-product, kept - 1, axis=1)[:, :kept]
        values = np.take_along_axis(product, best, axis=1)
        order = np.argsort(-values, axis=1, kind="stable")
        nearest[start : start + _BLOCK] = np.take_along_axis(best, order, axis=1)
        alike[start : start + _BLOCK] = np.take_along_axis(values, order, axis=1)
    return nearest, alike


def _settle(pairs: NDArray[np.int64], cells: _Cells, fields: Fields, sets: Sets) -> list[Copy]:
    pieces = [pairs[start : start + _PAIRS_AT_ONCE] for start in range(0, len(pairs), _PAIRS_AT_ONCE)]

    def compare(piece: NDArray[np.int64]) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_]]:
        i, j = piece[:, 0], piece[:, 1]
        return polar.correlate((cells.rings[i], cells.seen(i)), (cells.rings[j], cells.seen(j)))

    with ThreadPoolExecutor(settings.usable_cores()) as pool:
        compared = list(pool.map(compare, pieces))
    likeness, turned, mirrored = (np.concatenate(part) for part in zip(*compared, strict=True))
    order = np.argsort(-likeness, kind="stable")
    order = order[likeness[order] >= PERHAPS]
    pairing = [
        _Pair(int(pairs[k, 0]), int(pairs[k, 1]), float(likeness[k]), float(turned[k]), bool(mirrored[k]))
        for k in order
    ]
    alike = [pair for pair in pairing if pair.likeness >= SAME_CELL]
    return [*_joined(alike, cells, sets), *_laid_over(pairing[len(alike) :], cells, fields, sets)]


@dataclass(frozen=True, slots=True)
class _Pair:
    """Two cells (their places among all cells) that look alike on rings."""

    first: int
    second: int
    likeness: float
    turned_deg: float
    mirrored: bool


def _joined(pairs: Sequence[_Pair], cells: _Cells, sets: Sets) -> list[Copy]:
    """Join the looks the pairs belong to, in order; return those that were not in one set yet."""
    found = []
    for pair in pairs:
        first, second = int(cells.owner[pair.first]), int(cells.owner[pair.second])
        if sets.join(first, second):
            found.append(Copy(first, second, "cell", pair.likeness, pair.turned_deg, pair.mirrored))
    return found


def _laid_over(pairs: Sequence[_Pair], cells: _Cells, fields: Fields, sets: Sets) -> list[Copy]:
    """Join those pairs whose fields, laid over each other, show the same: several at once, since each takes long."""
    found: list[Copy] = []
    with ThreadPoolExecutor(settings.usable_cores()) as pool:
        for start in range(0, len(pairs), _FIELDS_AT_ONCE):
            piece = [
                pair
                for pair in pairs[start : start + _FIELDS_AT_ONCE]
                if sets.leader(int(cells.owner[pair.first])) != sets.leader(int(cells.owner[pair.second]))
            ]
            shown = [
                tuple(fields.get(int(cells.owner[place])) for place in (pair.first, pair.second)) for pair in piece
            ]

            def compare(place: int, piece: list[_Pair] = piece, shown: list[tuple[Field | None, ...]] = shown) -> float:
                pair, (one, other) = piece[place], shown[place]
                if one is None or other is None:
                    return 0.0
                centres = (cells.centres[pair.first], cells.centres[pair.second])
                return overlap(one, other, centres, pair.turned_deg, mirrored=pair.mirrored)

            overlaps = pool.map(compare, range(len(piece)))
            same = [replace(pair, likeness=value) for pair, value in zip(piece, overlaps, strict=True) if value > 0]
            found += _joined(same, cells, sets)
    return found
