"""Averages and distributions of pictures of one size, one picture at a time: memory does not grow with their number."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from buffycoat.explore.document import CHANNELS, Colour, Histogram


class PictureStatistics:
    """The running sum and histograms of RGB pictures of one size.

    Parameters
    ----------
    height, width
        Of every picture, px.

    Attributes
    ----------
    n
        Pictures seen.
    histograms
        int64 (3, 256): pixels by channel and brightness.
    """

    def __init__(self, height: int, width: int) -> None:
        self.n = 0
        self.histograms = np.zeros((3, 256), np.int64)
        self._sum = np.zeros((height, width, 3), np.float64)
        self._means_sum = np.zeros(3, np.float64)
        self._means_squared = np.zeros(3, np.float64)

    def add(self, rgb: NDArray[np.uint8]) -> None:
        """Take in one picture, uint8 (height, width, 3).

        Raises
        ------
        ValueError
            It is of another size or type.
        """
        if rgb.shape != self._sum.shape or rgb.dtype != np.uint8:
            raise ValueError(f"expected uint8 of shape {self._sum.shape}, got {rgb.dtype} of shape {rgb.shape}")
        levels = np.arange(256)
        counts = np.stack([np.bincount(rgb[..., channel].ravel(), minlength=256) for channel in range(3)])
        means = counts @ levels / (rgb.shape[0] * rgb.shape[1])
        self.n += 1
        self.histograms += counts
        self._sum += rgb
        self._means_sum += means
        self._means_squared += means**2

    def average(self) -> NDArray[np.uint8]:
        """Return the average picture, rounded to uint8.

        Raises
        ------
        ValueError
            No picture was taken in.
        """
        if not self.n:
            raise ValueError("there is no average of no pictures")
        return np.rint(self._sum / self.n).astype(np.uint8)

    def histogram(self) -> Histogram:
        """Return the histograms by channel, as a document holds them."""
        return {name: tuple(map(int, self.histograms[place])) for place, name in enumerate(CHANNELS)}

    def colours(self) -> dict[str, Colour]:
        """Return mean and deviations by channel; empty when no picture was taken in."""
        return {name: self._colour(place) for place, name in enumerate(CHANNELS)} if self.n else {}

    def _colour(self, channel: int) -> Colour:
        counts, levels = self.histograms[channel], np.arange(256)
        total = int(counts.sum())
        mean = float(counts @ levels) / total
        spread = float(counts @ (levels - mean) ** 2) / total
        between = self._means_squared[channel] / self.n - (self._means_sum[channel] / self.n) ** 2
        return Colour(mean=mean, sd=math.sqrt(spread), sd_between_images=math.sqrt(max(0.0, float(between))))
