"""A perceptual hash of a whole picture in its eight attitudes, and the pairs of pictures whose hashes are near.

The hash is the usual one (64 signs of the lowest cosine coefficients against their median; Zauner, 2010). A mirror
changes the sign of every other coefficient and a quarter turn swaps rows and columns besides, so that one transform
gives the hashes of all eight attitudes.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

SIDE_PX = 32
ATTITUDES = 8
"""Quarter turns 0 to 3 of the picture, then quarter turns 0 to 3 of the mirrored picture."""
NEAR_BITS = 10
"""Hashes that differ in at most so many of 64 bits make a candidate; strangers differ in about 32."""

_LOW = 8
_BLOCK = 512
_ALTERNATE = np.where(np.arange(_LOW) % 2, -1.0, 1.0).astype(np.float32)
_WEIGHTS = (np.uint64(1) << np.arange(64, dtype=np.uint64)).astype(np.uint64)
_BITS = np.array([bin(k).count("1") for k in range(1 << 16)], np.uint8)


def thumbnail(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a picture squeezed to 32 × 32, whatever its shape: a quarter turn stays a quarter turn."""
    return np.asarray(cv2.resize(grey, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA), np.uint8)


def in_attitude(picture: NDArray[np.uint8], attitude: int) -> NDArray[np.uint8]:
    """Return a square picture in attitude 0 to 7."""
    return np.rot90(picture[:, ::-1] if attitude >= 4 else picture, attitude % 4)


def hashes(small: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Return the hashes of a thumbnail in all attitudes, uint64 (8,)."""
    low = cv2.dct(small.astype(np.float32))[:_LOW, :_LOW]
    found = np.empty(ATTITUDES, np.uint64)
    for attitude in range(ATTITUDES):
        block = low * _ALTERNATE if attitude >= 4 else low
        for _ in range(attitude % 4):  # rot90: transpose, then upside down
            block = block.T * _ALTERNATE[:, None]
        found[attitude] = _WEIGHTS[(block > np.median(block)).ravel()].sum(dtype=np.uint64)
    return found


def near_pairs(known: NDArray[np.uint64]) -> Iterator[tuple[int, int, int]]:
    """Yield (i, j, attitude), i < j: the second picture in that attitude may be the first.

    Parameters
    ----------
    known
        uint64 (N, 8), from :func:`hashes`. All pairs are compared, in blocks.
    """
    count = len(known)
    for start in range(0, count, _BLOCK):
        rows = known[start : start + _BLOCK, 0]
        for attitude in range(ATTITUDES):
            apart = distance(rows[:, None], known[None, start:, attitude])
            for i, j in np.argwhere(apart <= NEAR_BITS):
                if j > i:
                    yield start + int(i), start + int(j), attitude


def distance(first: NDArray[np.uint64], second: NDArray[np.uint64]) -> NDArray[np.uint8]:
    """Return in how many bits hashes differ, broadcasting."""
    differing = np.bitwise_xor(first, second)
    if hasattr(np, "bitwise_count"):  # NumPy 2
        return np.asarray(np.bitwise_count(differing), np.uint8)
    pieces = differing[..., None].view(np.uint16)
    return np.asarray(_BITS[pieces].sum(axis=-1), np.uint8)


def alike(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> float:
    """Return the correlation of two thumbnails; 0 where one is featureless."""
    a, b = (picture.astype(np.float32) - picture.mean() for picture in (first, second))
    scale = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / scale if scale > 0 else 0.0
