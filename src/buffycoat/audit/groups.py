"""Groups proposed from copies: files that show the same cell are kept together, whatever groups they came with."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

import polars as pl

from buffycoat.audit.copies import Sets
from buffycoat.records.audit import CopyPair, GroupProposal

GIVEN = "group_given"
"""Column of the table of cells that keeps the group a row came with, where the audit proposed another."""


def sets_of_copies(pairs: Sequence[CopyPair]) -> list[tuple[str, ...]]:
    """Return the sets of files that show the same cell, each sorted, the larger sets first."""
    names = sorted({name for pair in pairs for name in (pair.first, pair.second)})
    place = {name: k for k, name in enumerate(names)}
    sets = Sets(len(names))
    for pair in pairs:
        sets.join(place[pair.first], place[pair.second])
    members: defaultdict[int, list[str]] = defaultdict(list)
    for name in names:
        members[sets.leader(place[name])].append(name)
    return sorted((tuple(found) for found in members.values()), key=lambda found: (-len(found), found))


def propose(cells: pl.DataFrame, pairs: Sequence[CopyPair]) -> tuple[pl.DataFrame, tuple[GroupProposal, ...]]:
    """Return the table with groups joined wherever their files show the same cell, and each joining in words.

    Parameters
    ----------
    cells
        The table of cells as read.
    pairs
        Copies among its files.

    Returns
    -------
    tuple
        The table, its ``group`` the one to split by and ``group_given`` the one it came with; and the proposals,
        one for each set of groups that was joined.
    """
    own = pl.format("cell {}", "cell_id")
    table = cells.with_columns(pl.col("group").fill_null(own).alias(GIVEN))
    of_image: dict[str, set[str]] = defaultdict(set)
    for image, group in table.drop_nulls("image").select("image", GIVEN).iter_rows():
        of_image[image].add(group)
    groups = sorted(table.get_column(GIVEN).unique().to_list())
    place = {group: k for k, group in enumerate(groups)}
    joined = Sets(len(groups))
    for files in sets_of_copies(pairs):
        members = sorted({group for file in files for group in of_image.get(file, ())})
        for group in members[1:]:
            joined.join(place[members[0]], place[group])
    now = {group: groups[joined.leader(place[group])] for group in groups}
    table = table.with_columns(group=pl.col(GIVEN).replace_strict(now, return_dtype=pl.String))
    return table, _in_words(table, {name for pair in pairs for name in (pair.first, pair.second)})


def _in_words(table: pl.DataFrame, copied: Iterable[str]) -> tuple[GroupProposal, ...]:
    together = (
        table.group_by("group", maintain_order=True)
        .agg(
            pl.col(GIVEN).unique().sort(),
            pl.col("image").filter(pl.col("image").is_in(list(copied))).unique().sort().alias("files"),
            pl.col("label").drop_nulls().unique().sort().alias("labels"),
        )
        .filter(pl.col(GIVEN).list.len() > 1)
        .sort("group")
    )
    return tuple(
        GroupProposal(group=group, given=tuple(given), files=tuple(files), labels=tuple(labels))
        for group, given, files, labels in together.iter_rows()
    )


def distinct(files: Iterable[str], pairs: Sequence[CopyPair]) -> int:
    """Return how many photographs there are when all copies of one count once."""
    return len(set(files)) - sum(len(found) - 1 for found in sets_of_copies(pairs))
