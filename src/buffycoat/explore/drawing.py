"""Drawing rows at random, the same ones for the same seed whatever the order they came in."""

from __future__ import annotations

import zlib
from collections.abc import Mapping

import numpy as np
import polars as pl

from buffycoat import taxonomy


def fair_shares(available: Mapping[str, int], most: int) -> dict[str, int]:
    """Share `most` places among classes: evenly, what small classes leave going to the larger ones.

    Even shares, since an average or a distribution is drawn for each class, and a rare one needs its pictures most.

    Examples
    --------
    >>> fair_shares({"neutrophil": 100, "basophil": 3}, 50)
    {'neutrophil': 47, 'basophil': 3}
    """
    shares = dict.fromkeys(available, 0)
    left = min(most, sum(available.values()))
    for place, name in enumerate(sorted(available, key=lambda name: available[name])):
        shares[name] = min(available[name], left // (len(available) - place))
        left -= shares[name]
    return shares


def drawn_by_class(rows: pl.DataFrame, most: int, seed: int) -> dict[str, pl.DataFrame]:
    """Return at most `most` rows in all, by class in the project's order, drawn at random and sorted by cell id."""
    classes = taxonomy.order(rows["label"])
    of_class = {name: rows.filter(pl.col("label") == name) for name in classes}
    shares = fair_shares({name: table.height for name, table in of_class.items()}, most)
    return {name: shuffled(table, name, seed).head(shares[name]).sort("cell_id") for name, table in of_class.items()}


def shuffled(rows: pl.DataFrame, salt: str, seed: int) -> pl.DataFrame:
    """Return the rows in random order; `salt` gives each class (and purpose) an order of its own."""
    rng = np.random.default_rng([seed, zlib.crc32(salt.encode())])
    return rows.sort("cell_id")[rng.permutation(rows.height)]


def example_candidates(rows: pl.DataFrame, salt: str, seed: int) -> pl.DataFrame:
    """Return the rows in random order, first one of each group: copies of one cell are poor examples."""
    mixed = shuffled(rows, f"examples {salt}", seed)
    repeated = (
        pl.col("group").fill_null(pl.col("cell_id")).cum_count().over(pl.col("group").fill_null(pl.col("cell_id")))
    )
    return mixed.sort(repeated, maintain_order=True)
