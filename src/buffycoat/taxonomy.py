"""The leukocyte types, their names, order, codes and colours: one list for the whole project.

Sources: Cell Ontology (CL) identifiers and LOINC codes as published by their maintainers; the order is that of
a printed five-part differential (granulocytes, then mononuclear cells).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CellType:
    """One leukocyte type.

    Attributes
    ----------
    name
        The label used in every file: singular, lower case.
    letter
        The key that stands for it on a keyboard and in narrow tables.
    cell_ontology
        Cell Ontology identifier.
    loinc_percent
        LOINC code, percent of leukocytes in blood, method not stated.
    colour
        Hex colour, kept apart for the colour-blind (after Okabe and Ito, 2008).
    aliases
        Other spellings met in data sets, in lower case.
    """

    name: str
    letter: str
    cell_ontology: str
    loinc_percent: str
    colour: str
    aliases: tuple[str, ...] = ()

    @property
    def plural(self) -> str:
        """The plural used in headings."""
        return f"{self.name}s"


CELL_TYPES: tuple[CellType, ...] = (
    CellType("neutrophil", "N", "CL:0000775", "26511-6", "#0072B2", ("neut", "neu", "segmented neutrophil", "seg")),
    CellType("eosinophil", "E", "CL:0000771", "26450-7", "#D55E00", ("eos", "eosino")),
    CellType("basophil", "B", "CL:0000767", "30180-4", "#555555", ("baso", "bas")),
    CellType("lymphocyte", "L", "CL:0000542", "26478-8", "#009E73", ("lymph", "lym", "lympho")),
    CellType("monocyte", "M", "CL:0000576", "26485-3", "#CC79A7", ("mono", "mon")),
)
"""The five types of a five-part differential, in the one order used everywhere."""

CLASS_NAMES: tuple[str, ...] = tuple(cell.name for cell in CELL_TYPES)

_OTHER_COLOURS = ("#E69F00", "#56B4E9", "#B8A000", "#7A5195", "#8C564B", "#17807E", "#A05D56", "#4B6584")

_BY_NAME: dict[str, CellType] = {
    spelling: cell for cell in CELL_TYPES for spelling in (cell.name, cell.plural, *cell.aliases)
}


def canonical(label: str) -> str:
    """Return the project's spelling of a class name; an unknown name is only folded and trimmed.

    Examples
    --------
    >>> canonical(" NEUTROPHIL "), canonical("Lymphocytes"), canonical("Smudge cell")
    ('neutrophil', 'lymphocyte', 'smudge cell')
    """
    folded = re.sub(r"[\s_]+", " ", label).strip().casefold()
    cell = _BY_NAME.get(folded)
    return folded if cell is None else cell.name


def order(labels: Iterable[str]) -> tuple[str, ...]:
    """Return the distinct labels in the project's order: known types first, others alphabetically.

    Examples
    --------
    >>> order(["monocyte", "blast", "neutrophil"])
    ('neutrophil', 'monocyte', 'blast')
    """
    distinct = set(labels)
    known = tuple(name for name in CLASS_NAMES if name in distinct)
    return known + tuple(sorted(distinct - set(CLASS_NAMES)))


def cell_type(label: str) -> CellType | None:
    """Return the type behind a label, or None for a class outside the five."""
    return _BY_NAME.get(canonical(label))


def colour(label: str, classes: Iterable[str] = ()) -> str:
    """Return the colour of a class; classes outside the five get stable colours by their place in `classes`."""
    cell = cell_type(label)
    if cell is not None:
        return cell.colour
    others = [name for name in order(classes) if name not in CLASS_NAMES]
    place = others.index(label) if label in others else sum(map(ord, label))
    return _OTHER_COLOURS[place % len(_OTHER_COLOURS)]
