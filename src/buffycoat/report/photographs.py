"""Sheets of photographs with real text beside them: examples, averages, mistakes. For pages of Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from buffycoat.report.mistakes import Mistake
from buffycoat.report.pictures import data_uri, encoded
from buffycoat.report.svg import Drawing, room

Picture = NDArray[np.uint8]
_SIDE = 112
_GAP = 8


def examples_sheet(examples: Mapping[str, Sequence[Picture]], counts: Mapping[str, int]) -> Drawing:
    """Return a row of example crops for each class."""
    left = min(200.0, max(room(examples), 60) + 16)
    most = max((len(pictures) for pictures in examples.values()), default=1)
    sheet = Drawing(
        left + most * (_SIDE + _GAP),
        len(examples) * (_SIDE + _GAP),
        "Example crops: " + ", ".join(f"{len(pictures)} of the class {name}" for name, pictures in examples.items()),
    )
    for row, (name, pictures) in enumerate(examples.items()):
        y = row * (_SIDE + _GAP)
        sheet.text(0, y + _SIDE / 2, name, bold=True)
        sheet.text(0, y + _SIDE / 2 + 17, f"{counts.get(name, len(pictures))} cells", size=11.5, fill="muted")
        for column, picture in enumerate(pictures):
            sheet.image(left + column * (_SIDE + _GAP), y, _SIDE, _SIDE, _address(picture))
    return sheet


def averages_sheet(pictures: Mapping[str, Picture], what: str) -> Drawing:
    """Return the average pictures of the classes, five in a row, each under its name."""
    columns = min(5, max(len(pictures), 1))
    ratio = max((picture.shape[0] / picture.shape[1] for picture in pictures.values()), default=1.0)
    height = _SIDE * ratio
    rows = -(-len(pictures) // columns)
    sheet = Drawing(
        columns * (_SIDE + _GAP) - _GAP,
        rows * (height + 30),
        f"Average {what} of each class: {', '.join(pictures)}",
    )
    for place, (name, picture) in enumerate(pictures.items()):
        x, y = place % columns * (_SIDE + _GAP), place // columns * (height + 30)
        sheet.text(x, y + 14, name, size=12, bold=True)
        sheet.image(x, y + 21, _SIDE, height, _address(picture))
    return sheet


def mistakes_sheet(cases: Sequence[tuple[Mistake, Picture | None]], title: str) -> Drawing:
    """Return mistakes, five in a row: the crop, the true class, the answer and its probability, the cell."""
    columns, side, step = min(5, max(len(cases), 1)), 128, 196
    sheet = Drawing(
        columns * (side + 14) - 14,
        -(-len(cases) // columns) * step,
        f"The most confident mistakes of {title}: "
        + "; ".join(f"{case.true} called {case.answered} with {case.confidence:.2f}" for case, _ in cases),
    )
    for place, (case, picture) in enumerate(cases):
        x, y = place % columns * (side + 14), place // columns * step
        if picture is None:
            sheet.rect(x, y, side, side, "panel", stroke="rule")
        else:
            sheet.image(x, y, side, side, _address(picture))
        sheet.text(x, y + side + 17, case.true, size=12, bold=True)
        sheet.text(x, y + side + 33, f"called {case.answered} {case.confidence:.2f}", size=11.5, fill="second")
        sheet.text(x, y + side + 48, case.cell_id[-22:], size=10, fill="muted")
    return sheet


def _address(picture: Picture) -> str:
    return data_uri(encoded(picture, kind="JPEG", most_px=224, quality=84), "jpeg")
