"""The exploration of a data set: every class as found, looked at picture by picture.

``averages.npz`` holds, for every class: ``field_<class>`` uint8 (h, w, 3), the average whole field;
``cell_<class>`` uint8 (S, S, 3), the average located cell; ``example_<class>`` uint8 (k, 112, 112, 3), crops of the
example cells in the order of ``examples`` in ``exploration.json``; ``examplefield_<class>`` uint8 (k, h, 160, 3),
their fields in small. A class that has no such picture has no such array.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from buffycoat.explore.counts import class_counts, one_cell_rows
from buffycoat.explore.document import Exploration
from buffycoat.explore.drawing import drawn_by_class
from buffycoat.explore.examples import draw_examples
from buffycoat.explore.looking import Account, Cell, Picture, Progress, look
from buffycoat.explore.pictures import Crops, common_size, read_field
from buffycoat.files import output_error, replacing
from buffycoat.imaging.crops import CropStore
from buffycoat.records.documents import FrameSpec
from buffycoat.records.tables import CELLS, conform

MOST_FIELDS = 5000
EXAMPLES = 8
_DOCUMENT, _ARRAYS = "exploration.json", "averages.npz"
_SHAPES_LOOKED_AT = 200


def explore(
    cells: pl.DataFrame,
    root: Path,
    crops: CropStore,
    out: Path,
    *,
    seed: int,
    spec: FrameSpec | None = None,
    most_fields: int = MOST_FIELDS,
    examples: int = EXAMPLES,
    on_progress: Progress | None = None,
) -> None:
    """Explore a data set and write ``exploration.json`` and ``averages.npz`` into `out`.

    Pictures are read one at a time, so memory does not grow with their number. The same rows and seed give the same
    files, whatever the order of the rows. Interrupted, it leaves whole files or none.

    Parameters
    ----------
    cells
        With the columns of ``records.tables.CELLS``; rows that cleaning excluded count as found, and show.
    root
        Folder the images' names are relative to.
    crops
        Crops of all rows, or of those left by cleaning; the others are cut here.
    out
        Folder for the two files.
    seed
        For the examples, and for the pictures looked at where there are more than `most_fields`.
    spec
        How `crops` were framed; the default framing if not given.
    most_fields
        At most so many fields, and so many crops, are looked at, classes taking even shares.
    examples
        Cells shown of each class.
    on_progress
        Called with (done, all), counted in pictures.

    Raises
    ------
    DataError
        `cells` lacks columns.
    OutputError
        `out` cannot be written.
    """
    table = conform(cells, CELLS, "the table of cells")
    rows = one_cell_rows(table)
    photographs = rows.unique(["image", "label"], keep="first", maintain_order=True)
    whole, single = drawn_by_class(photographs, most_fields, seed), drawn_by_class(rows, most_fields, seed)
    account = Account(sum(part.height for part in (*whole.values(), *single.values())), on_progress)
    size = common_size(root / name for name in _some_images(whole))
    store = Crops(crops, root, spec or FrameSpec())

    def field(cell: Cell) -> Picture:
        return read_field(root / cell["image"], size)

    fields = look(whole, size, field, account)
    located = look(single, (store.side_px, store.side_px), store.read, account)
    shown = {
        name: draw_examples(rows, name, examples, seed, crop=store.read, whole=field, account=account) for name in whole
    }
    document = Exploration(
        seed=seed,
        counts_before=class_counts(table),
        counts_after=class_counts(table.filter(pl.col("excluded_by").is_null())),
        without_image=class_counts(table.filter(pl.col("image").is_null())),
        examples={name: tuple(found.cell_ids) for name, found in shown.items()},
        available=class_counts(photographs),
        used={name: found.n for name, found in fields.items()},
        histograms={name: found.histogram() for name, found in fields.items()},
        colours={name: found.colours() for name, found in fields.items()},
        cells_available=class_counts(rows),
        cells_used={name: found.n for name, found in located.items()},
        cell_histograms={name: found.histogram() for name, found in located.items()},
        cell_colours={name: found.colours() for name, found in located.items()},
        field_size_px=size,
        cell_size_px=store.side_px,
        most_fields=most_fields,
        remark=remark(sum(found.n for found in fields.values()), photographs.height),
        faults=account.faults,
        faults_in_all=account.faulty,
    )
    arrays = {f"field_{name}": found.average() for name, found in fields.items() if found.n}
    arrays |= {f"cell_{name}": found.average() for name, found in located.items() if found.n}
    arrays |= {f"example_{name}": np.stack(found.cells) for name, found in shown.items() if found.cells}
    arrays |= {f"examplefield_{name}": np.stack(found.fields) for name, found in shown.items() if found.fields}
    _write(out, document, arrays)


def remark(used: int, available: int) -> str:
    """Return the sentence for captions that says how many fields stand behind averages and distributions."""
    if used == available:
        return f"From all {available:,} fields with one labelled cell."
    return f"From {used:,} of {available:,} fields with one labelled cell, drawn evenly from the classes."


def _some_images(rows: Mapping[str, pl.DataFrame]) -> list[str]:
    """Return images spread over every class, enough to tell the usual shape of a field."""
    each = max(1, _SHAPES_LOOKED_AT // max(1, len(rows)))
    return [name for table in rows.values() for name in table["image"].head(each)]


def _write(out: Path, document: Exploration, arrays: Mapping[str, Picture]) -> None:
    """Write the arrays and then the document: where there is a document, its arrays are there as well."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / _DOCUMENT).unlink(missing_ok=True)
    except OSError as error:
        raise output_error(out, error) from error
    named: dict[str, Any] = dict(arrays)
    with replacing(out / _ARRAYS) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(stream, **named)
    document.write(out / _DOCUMENT)
