"""``exploration.json``: what the exploration found, in figures."""

from __future__ import annotations

from buffycoat.records.documents import Document, Fault

CHANNELS = ("red", "green", "blue")


class Colour(Document):
    """One channel's brightness (0–255) in one class."""

    mean: float
    sd: float  # over all pixels
    sd_between_images: float  # of the images' own means: how differently they were stained and lit


Histogram = dict[str, tuple[int, ...]]
"""By channel: 256 counts of pixels."""


class Exploration(Document):
    """``exploration.json``. Pictures are in ``averages.npz`` beside it; see :mod:`buffycoat.explore.survey`.

    "Fields" are whole photographs with one labelled cell, "cells" the crops round the located cells.
    """

    seed: int
    counts_before: dict[str, int]  # rows as found; "two-cell" and "unlabelled" stand under those names
    counts_after: dict[str, int]  # rows left by cleaning
    without_image: dict[str, int]  # rows of `counts_before` that have no image
    examples: dict[str, tuple[str, ...]]  # cell ids by class, drawn with the seed
    available: dict[str, int]  # fields there are, by class
    used: dict[str, int]  # fields looked at: fewer where there are more than the cap or some cannot be read
    histograms: dict[str, Histogram]  # of fields, by class
    colours: dict[str, dict[str, Colour]]  # of fields, by class and channel
    cells_available: dict[str, int]
    cells_used: dict[str, int]
    cell_histograms: dict[str, Histogram]
    cell_colours: dict[str, dict[str, Colour]]
    field_size_px: tuple[int, int]  # width and height all fields were brought to
    cell_size_px: int
    most_fields: int  # the cap
    remark: str  # one sentence for captions: how many of how many fields were looked at
    faults: tuple[Fault, ...]
    faults_in_all: int
