"""Which photograph an augmented copy was made from, found by laying the pictures over each other.

The file names of the augmented Kaggle half do not tell. They read ``_I_N.jpeg``, and I looks like the number of
the source cell; but it is the place of the picture in a shuffled pass over the sources (Keras'
``ImageDataGenerator.flow(save_to_dir=…)``), so that files of one I show different cells and copies of one cell bear
different numbers. Splitting by I would part them.

A copy is its source turned, mirrored, shifted, stretched a little, with black corners. Point features (ORB) with
RANSAC propose how two pictures lie over each other; the correlation of their pixels where they overlap decides.
True pairs correlate above 0.8, others below 0.4; the bar stands between.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from buffycoat import settings
from buffycoat.errors import ImageError
from buffycoat.imaging.decode import read_image

SAME_FROM = 0.75
"""Correlation of overlapping pixels from which two pictures show the same field."""

_WIDTH_PX = 320
_FEATURES = 400
_LEAST_INLIERS = 6
_LEAST_OVERLAP_PX = 3000
_BATCH = 64
_HAMMING_MOST = 70
_RATIO = 0.85
_TRIES = 40
_JOIN_VOTES = 3
_VOTERS = 40  # of a copy
_CANDIDATES = 200  # of a known picture, as it is and mirrored


@dataclass(slots=True)
class _Picture:
    """A picture prepared for comparison: grey (H, 320) float32, which pixels are of the photograph, features."""

    grey: NDArray[np.float32]
    valid: NDArray[np.uint8]
    points: NDArray[np.float32]
    features: NDArray[np.uint8]
    mirrored_points: NDArray[np.float32]
    mirrored_features: NDArray[np.uint8]
    colours: NDArray[np.float32]


def match_sources(
    copies: Sequence[Path],
    originals: Sequence[Path],
    *,
    on_progress: Callable[[int, int], None] | None = None,
) -> list[int | None]:
    """Return for each copy which of `originals` (its place there) it was made from, or None where none fits."""
    known = [_prepare(path) for path in originals]
    votes = _Votes(known)
    report = on_progress or (lambda _done, _total: None)
    found: list[int | None] = []

    def source(path: Path) -> int | None:
        picture = _prepare(path)
        return None if picture is None else _best(picture, known, votes.count(picture))

    with ThreadPoolExecutor(settings.usable_cores()) as pool:
        for start in range(0, len(copies), _BATCH):
            found += pool.map(source, copies[start : start + _BATCH])
            report(len(found), len(copies))
    return found


def cluster(copies: Sequence[Path], *, on_progress: Callable[[int, int], None] | None = None) -> list[int | None]:
    """Return for each picture the place in `copies` of the first picture that shows the same field.

    None where the picture cannot be read.
    """
    leaders: list[_Picture | None] = []
    places: list[int] = []
    votes = _Votes(leaders)
    report = on_progress or (lambda _done, _total: None)
    found: list[int | None] = []  # the leader of each
    for start, pictures in _prepared(copies):
        for offset, picture in enumerate(pictures):
            leader = None
            if picture is not None:
                leader = _best(picture, leaders, votes.count(picture), most=_TRIES)
                if leader is None:
                    leader = len(leaders)
                    leaders.append(picture)
                    places.append(start + offset)
                    votes = _Votes(leaders)
            found.append(leader)
        report(start + len(pictures), len(copies))
    first = _joined(leaders, votes)
    return [None if leader is None else places[first[leader]] for leader in found]


def _joined(leaders: Sequence[_Picture | None], votes: _Votes) -> list[int]:
    """Return for each leader the first of those it is joined with: their fields overlap on the slide.

    A copy that shows both could have gone to either, so copies of one field may lie under both names.
    """
    first = list(range(len(leaders)))
    for place, picture in enumerate(leaders):
        if picture is None:
            continue
        for other in np.flatnonzero(votes.count(picture) >= _JOIN_VOTES).tolist():
            near = leaders[other]
            if first[other] != first[place] and near is not None and overlap(near, picture) >= SAME_FROM:
                low, high = sorted((first[other], first[place]))
                first = [low if leader == high else leader for leader in first]
    return first


def _prepared(paths: Sequence[Path]) -> Iterator[tuple[int, list[_Picture | None]]]:
    with ThreadPoolExecutor(settings.usable_cores()) as pool:
        for start in range(0, len(paths), _BATCH):
            yield start, list(pool.map(_prepare, paths[start : start + _BATCH]))


def _prepare(path: Path) -> _Picture | None:
    """Return the picture ready for comparison, or None where it cannot be read (the crop stage says so)."""
    try:
        rgb = read_image(path)
    except (ImageError, OSError):
        return None
    height = max(round(rgb.shape[0] * _WIDTH_PX / rgb.shape[1]), 32)
    rgb = np.asarray(cv2.resize(rgb, (_WIDTH_PX, height), interpolation=cv2.INTER_AREA), dtype=np.uint8)
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    valid = cv2.morphologyEx((grey > 12).astype(np.uint8), cv2.MORPH_OPEN, np.ones((5, 5), np.uint8))
    inner = cv2.erode(valid, np.ones((9, 9), np.uint8), borderValue=1)
    points, features = _detect(grey, inner)
    mirrored_points, mirrored_features = _detect(
        np.ascontiguousarray(grey[:, ::-1]), np.ascontiguousarray(inner[:, ::-1])
    )
    pixels = rgb[inner.astype(bool)] >> 5
    bins = pixels[:, 0].astype(np.int64) * 64 + pixels[:, 1] * 8 + pixels[:, 2]
    colours = np.bincount(bins, minlength=512).astype(np.float32)
    return _Picture(
        grey=cv2.GaussianBlur(grey, (0, 0), 1).astype(np.float32),
        valid=np.asarray(inner, np.uint8),
        points=points,
        features=features,
        mirrored_points=mirrored_points,
        mirrored_features=mirrored_features,
        colours=colours / max(float(colours.sum()), 1.0),
    )


def _detect(grey: Any, mask: Any) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Return the point features, strongest first: places (N, 2) and bit strings (N, 32)."""
    orb = cv2.ORB_create(  # type: ignore[attr-defined]
        _FEATURES, scaleFactor=1.2, nlevels=2, edgeThreshold=15, patchSize=31, fastThreshold=6
    )
    points, features = orb.detectAndCompute(grey, mask * 255)
    if features is None:
        return np.zeros((0, 2), np.float32), np.zeros((0, 32), np.uint8)
    order = np.argsort([-point.response for point in points], kind="stable")
    return np.array([point.pt for point in points], np.float32)[order], np.asarray(features, np.uint8)[order]


class _Votes:
    """How many of a picture's strongest features are most alike to one of each known picture: whom to try first."""

    def __init__(self, known: Sequence[_Picture | None]) -> None:
        features = [np.zeros((0, 32), np.uint8)]
        owners = [np.zeros(0, np.int64)]
        for place, picture in enumerate(known):
            if picture is not None:
                electing = [picture.features[:_CANDIDATES], picture.mirrored_features[:_CANDIDATES]]
                features += electing
                owners.append(np.full(sum(map(len, electing)), place))
        self._features = np.concatenate(features)
        self._owners = np.concatenate(owners)
        self._known = len(known)

    def count(self, picture: _Picture) -> NDArray[np.int64]:
        """Return the votes, shape (known,)."""
        strongest = picture.features[:_VOTERS]
        if not len(strongest) or not len(self._features):
            return np.zeros(self._known, np.int64)
        _, nearest = cv2.batchDistance(strongest, self._features, cv2.CV_32S, normType=cv2.NORM_HAMMING, K=1)
        return np.bincount(self._owners[nearest[:, 0]], minlength=self._known)


def _best(
    picture: _Picture, known: Sequence[_Picture | None], votes: NDArray[np.int64], *, most: int | None = None
) -> int | None:
    """Return the first of `known`, most votes and likest colours first, that lies over the picture.

    `most` limits how many are tried; by default all are.
    """
    order = sorted(
        (-int(votes[place]), float(np.abs(other.colours - picture.colours).sum()), place)
        for place, other in enumerate(known)
        if other is not None
    )
    for _, _, place in order[:most]:
        other = known[place]
        if other is not None and overlap(other, picture) >= SAME_FROM:
            return place
    return None


def overlap(first: _Picture, second: _Picture) -> float:
    """Return the correlation of two pictures where they lie over each other, mirrored or not; 0 where they do not."""
    plain = _correlation(first.points, first.features, first.grey, first.valid, second)
    if plain >= SAME_FROM:
        return plain
    return max(
        plain,
        _correlation(first.mirrored_points, first.mirrored_features, first.grey[:, ::-1], first.valid[:, ::-1], second),
    )


def _correlation(points: Any, features: Any, grey: Any, valid: Any, onto: _Picture) -> float:
    if len(features) < 2 or len(onto.features) < 2:
        return 0.0
    distance, nearest = cv2.batchDistance(features, onto.features, cv2.CV_32S, normType=cv2.NORM_HAMMING, K=2)
    good = (distance[:, 0] < _RATIO * distance[:, 1]) & (distance[:, 0] < _HAMMING_MOST)
    if int(good.sum()) < _LEAST_INLIERS:
        return 0.0
    cv2.setRNGSeed(0)
    matrix, inliers = cv2.estimateAffine2D(
        points[good], onto.points[nearest[good, 0]], ransacReprojThreshold=3.0, maxIters=1000
    )
    if matrix is None or int(inliers.sum()) < _LEAST_INLIERS:
        return 0.0
    size = abs(float(np.linalg.det(matrix[:, :2])))
    if not 0.6 < size < 1.6:
        return 0.0
    height, width = onto.grey.shape
    laid = cv2.warpAffine(np.ascontiguousarray(grey), matrix, (width, height))
    shared = cv2.warpAffine(np.ascontiguousarray(valid), matrix, (width, height), flags=cv2.INTER_NEAREST)
    both = (np.asarray(shared, np.uint8) & onto.valid).astype(bool)
    if int(both.sum()) < _LEAST_OVERLAP_PX:
        return 0.0
    a, b = laid[both], onto.grey[both]
    a -= a.mean()
    b = b - b.mean()
    scale = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / scale if scale > 0 else 0.0
