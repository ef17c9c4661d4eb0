"""Differential counts: labels in, a count with exact limits out, for people and for laboratory systems.

>>> from buffycoat.differential import compare_cells, count
>>> made = count(["neutrophil", "neutrophil", "lymphocyte", "unidentified"], slide="S1", counted_by="person")
>>> made.denominator, made.of("neutrophil").count, made.unidentified
(3, 2, 1)
"""

from buffycoat.differential.compare import compare, compare_cells
from buffycoat.differential.count import count, label_of
from buffycoat.differential.ranges import read_ranges

__all__ = ["compare", "compare_cells", "count", "label_of", "read_ranges"]
