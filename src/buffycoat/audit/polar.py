"""The picture of a cell and what lies round it on rings: a turn becomes a shift, a mirror a reversal.

Two photographs of one cell differ by a turn, a mirror, a shift of the stage. On rings round the nucleus the shift
is gone, the turn is a circular shift, and the mirror reverses it; the best of all turns is found by one Fourier
transform (Reddy and Chatterji, IEEE Trans. Image Process. 5 (1996) 1266). What all leukocytes have in common, dark
in the middle and light outside, would make strangers alike: each ring is taken relative to its mean, after a band
of sizes between grain and nucleus was kept and its contrast made even.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

RINGS, STEPS = 24, 96
NEAREST_PX, FARTHEST_PX = 6.0, 60.0  # of the rings, in a picture whose longer side is 320 px
HARMONICS = 8
LEAST_SHARED = 0.4
"""Two cells are compared where both rings lie inside their fields; less than this share tells nothing."""

_FINE, _COARSE = 1.5, 6.0  # the band kept, px: below it grain and JPEG, above it what all leukocytes share
_SCALE = 40.0  # of the stored numbers: ±3 deviations fill a byte
_RADII = np.linspace(NEAREST_PX, FARTHEST_PX, RINGS)
_ANGLES = np.arange(STEPS) * (2 * np.pi / STEPS)
_ACROSS = np.asarray(_RADII[:, None] * np.cos(_ANGLES), np.float32)
_DOWN = np.asarray(_RADII[:, None] * np.sin(_ANGLES), np.float32)
_WEIGHTS = np.asarray(_RADII / _RADII.sum(), np.float32)  # a ring counts by its length
_USED = 32  # harmonics that the band leaves anything in

Rings = NDArray[np.int8]
Seen = NDArray[np.bool_]


def rings_of(
    rgb: NDArray[np.uint8], valid: NDArray[np.uint8], centre: tuple[float, float], scale: float = 1.0
) -> tuple[Rings, Seen]:
    """Return a cell on rings.

    Parameters
    ----------
    rgb
        uint8 (H, W, 3).
    valid
        uint8 (H, W): 255 where the picture is a photograph, 0 in the corners that a turned copy leaves black.
    centre
        (x, y) of the nucleus.
    scale
        Radius of the rings relative to the usual.

    Returns
    -------
    tuple of int8 (RINGS, STEPS) and bool (RINGS, STEPS): the rings, and where they lie inside the photograph.
    """
    x, y = centre
    reach = int(FARTHEST_PX * scale + 3 * _COARSE)
    left, top = max(int(x) - reach, 0), max(int(y) - reach, 0)
    green = rgb[top : int(y) + reach, left : int(x) + reach, 1].astype(np.float32)
    band = cv2.GaussianBlur(green, (0, 0), _FINE) - cv2.GaussianBlur(green, (0, 0), _COARSE)
    contrast = np.sqrt(cv2.GaussianBlur(band * band, (0, 0), 1.5 * _COARSE)) + 3
    across, down = np.float32(scale) * _ACROSS + np.float32(x), np.float32(scale) * _DOWN + np.float32(y)
    seen = cv2.remap(valid, across, down, cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT, borderValue=[0.0]) > 0
    values = cv2.remap(band / contrast, across - np.float32(left), down - np.float32(top), cv2.INTER_LINEAR)
    means = np.sum(values * seen, axis=1, keepdims=True) / np.maximum(seen.sum(axis=1, keepdims=True), 1)
    rings = np.where(seen, values - means, 0.0) * _SCALE
    return np.clip(np.rint(rings), -127, 127).astype(np.int8), np.asarray(seen, np.bool_)


def invariants(rings: Rings) -> NDArray[np.float32]:
    """Return what neither a turn nor a mirror changes: how strong each harmonic of each ring is.

    Parameters
    ----------
    rings
        int8 (N, RINGS, STEPS).

    Returns
    -------
    float32 (N, RINGS × HARMONICS), each row of length one (0 where a cell is featureless).
    """
    found = np.empty((len(rings), RINGS * HARMONICS), np.float32)
    for start in range(0, len(rings), 1024):
        part = np.fft.rfft(rings[start : start + 1024].astype(np.float32), axis=2)[:, :, 1 : HARMONICS + 1]
        found[start : start + 1024] = (np.abs(part) * np.sqrt(_RADII)[None, :, None]).reshape(len(part), -1)
    found -= found.mean(axis=0) if len(found) > 2 else 0
    return np.asarray(found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-6), np.float32)


def correlate(
    first: tuple[Rings, Seen], second: tuple[Rings, Seen]
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_]]:
    """Return for pairs of cells the correlation at the best turn, that turn, and whether mirrored is better.

    Parameters
    ----------
    first, second
        Rings (P, RINGS, STEPS) and where they are inside, for P pairs.

    Returns
    -------
    tuple
        Correlation float32 (P,), −1 where too little is shared; turn in degrees by which the second, mirrored or
        not, lies over the first; mirrored bool (P,).
    """
    plain = _best_turn(first, second)
    rings, seen = second
    back = _best_turn(first, (np.roll(rings[:, :, ::-1], 1, axis=2), np.roll(seen[:, :, ::-1], 1, axis=2)))
    mirrored = back[0] > plain[0]
    return np.where(mirrored, back[0], plain[0]), np.where(mirrored, back[1], plain[1]), mirrored


def _best_turn(
    first: tuple[Rings, Seen], second: tuple[Rings, Seen]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    a, a_seen, a_power = (_spectrum(part) for part in _parts(first))
    b, b_seen, b_power = (np.conj(_spectrum(part)) for part in _parts(second))

    def turned(one: NDArray[np.complex64], other: NDArray[np.complex64]) -> NDArray[np.float32]:
        product = np.einsum("prk,prk,r->pk", one, other, _WEIGHTS, optimize=False)
        return np.asarray(np.fft.irfft(product, STEPS, axis=1), np.float32)

    shared = turned(a_seen, b_seen) / STEPS
    power = turned(a_power, b_seen) * turned(a_seen, b_power)
    found = np.where(shared > LEAST_SHARED, turned(a, b) / np.sqrt(np.maximum(power, 1e-3)), -1.0)
    turn = found.argmax(axis=1)
    best = np.clip(found[np.arange(len(found)), turn], -1, 1).astype(np.float32)
    return best, (turn * (360.0 / STEPS)).astype(np.float32)


def _parts(cell: tuple[Rings, Seen]) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    rings, seen = cell[0].astype(np.float32) / _SCALE, cell[1].astype(np.float32)
    return rings, seen, rings * rings


def _spectrum(part: NDArray[np.float32]) -> NDArray[np.complex64]:
    return np.asarray(np.fft.rfft(part, axis=2)[:, :, : _USED + 1], np.complex64)
