"""What is said of a photograph: typed, frozen, and nothing that needs the pixels again."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

Box = tuple[int, int, int, int]
Framing = Literal["cell", "whole", "boxed", "none"]
Reason = Literal["uncertain", "unlike"]

UNIDENTIFIED = "unidentified"
"""The label of a cell whose class the program will not name."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """One cell of a photograph.

    Attributes
    ----------
    number
        From 1 inside the photograph, the most prominent cell first.
    box
        (x0, y0, x1, y1) of the cell in pixels of the photograph, x1 and y1 exclusive; of the whole photograph where it
        was taken for that of a single cell.
    label
        The class, or "unidentified".
    best
        The most probable class, whatever the label.
    probability
        Calibrated probability of `best`, 0 to 1.
    probabilities
        Calibrated probability of every class, in the bundle's order; they sum to one.
    conformal
        The classes of the conformal set at `level` 0.90: it holds the true class of nine cells in ten like those the
        bundle was made from. It may be empty.
    reason
        Why the cell is unidentified: "uncertain" (no class is probable enough) or "unlike" (it does not look like
        what the network has learned from); None where it is identified.
    unlikeness
        Distance from the cells the network learned from; comparable inside one bundle only.
    touches_border
        Whether the photograph's border cuts the cell.
    """

    number: int
    box: Box
    label: str
    best: str
    probability: float
    probabilities: dict[str, float]
    conformal: tuple[str, ...]
    reason: Reason | None
    unlikeness: float
    touches_border: bool


@dataclass(frozen=True, slots=True)
class PhotographResult:
    """All that was found in one photograph.

    Attributes
    ----------
    image
        Its name: the path as given, a place in an archive (``slide.zip!/a.jpg``), or ``array 1`` and ``bytes 2`` by
        its place among the images given.
    width, height
        As displayed, px; None where it could not be read.
    error
        Why it could not be used, or None.
    cells
        The most prominent first; empty where no leukocyte was found.
    framing
        "cell": leukocytes were looked for in a field; "whole": the photograph shows a single cell; "boxed": the boxes
        were given; "none": no leukocyte was found, or the photograph could not be read.
    """

    image: str
    width: int | None
    height: int | None
    error: str | None
    cells: tuple[Prediction, ...]
    framing: Framing

    def named(self, image: str) -> PhotographResult:
        """Return the same result under another name."""
        return replace(self, image=image)
