"""Splits that put copies of one cell, or one group, on both sides: found, named, and taken out where wanted."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from buffycoat.audit.groups import GIVEN
from buffycoat.errors import DataError
from buffycoat.records.audit import CopyPair, Leakage

_SHOWN = 5
_PLACE = ("repeat", "fold")
_SIDES = {"train": "train", "validation": "validation", "test": "held out"}


def find_leakage(splits: pl.DataFrame, cells: pl.DataFrame, pairs: Sequence[CopyPair]) -> Leakage | None:
    """Return what a split leaks from training into the held-out part or into the inner validation, or None.

    The inner validation ends the training, and calibration and thresholds are fitted on it: with copies of its rows
    among the training rows a network seems to know more than it does.

    Parameters
    ----------
    splits
        :data:`buffycoat.records.tables.SPLITS`.
    cells
        The table with ``group`` (whose rows must not be parted, by the data or by the audit) and, where the audit
        joined groups, ``group_given``.
    pairs
        Copies found, to say why two files belong together.
    """
    sides = _sides(splits, cells)
    held, seen = sides.filter(held=True), sides.filter(held=False)
    leaked = _with_fellows(held, seen)
    if leaked.height:
        share = leaked.height / held.height
        said = (
            f"{share:.0%} of the held-out rows have a copy, or a fellow of their group, among the training rows "
            "({count:,} pairs in {groups:,} groups), so the results are too good and show nothing about cells that "
            "were not seen in training."
        )
        count = _count(sides, "held")
    else:
        held, seen = sides.filter(role="validation"), sides.filter(role="train")
        leaked, share = _with_fellows(held, seen), 0.0
        if leaked.is_empty():
            return None
        said = (
            f"{leaked.height / held.height:.0%} of the inner validation's rows have a copy, or a fellow of their "
            "group, among the training rows ({count:,} pairs in {groups:,} groups), so training ends too late, and "
            "probabilities and thresholds are set for cells that were seen in training."
        )
        count = _count(sides, "role")
    groups = leaked.get_column("group").n_unique()
    return Leakage(
        pairs=count,
        groups=groups,
        share_held_out=share,
        shown=tuple(_shown(leaked, seen, cells, pairs)),
        sentence="The split leaks: " + said.format(count=count, groups=groups),
    )


def refuse(leakage: Leakage) -> DataError:
    """Return the error that refuses a leaking split, with the pairs named."""
    return DataError(
        f"this split would put copies of one cell, or one group, on both sides: {leakage.pairs:,} pairs in "
        f"{leakage.groups:,} groups. {'; '.join(leakage.shown)}"
        + ("; …" if leakage.groups > len(leakage.shown) else "")
        + ".",
        hint="Split by groups (split.groups=audited, the default, and not the scheme 'given'), or leave the training "
        "copies out with --set split.leaks=drop. To measure what a leak does, --allow-leakage goes on and marks "
        "every result.",
    )


def without_leaks(splits: pl.DataFrame, cells: pl.DataFrame) -> pl.DataFrame:
    """Return the splits without the rows that leak.

    These are the training and validation rows whose group is held out in the same fold, and the training rows whose
    group is then still in its inner validation.
    """
    sides = _sides(splits, cells)
    leaking = _with_fellows(sides.filter(held=False), sides.filter(held=True))
    sides = sides.join(leaking, on=[*_PLACE, "cell_id"], how="anti")
    inner = _with_fellows(sides.filter(role="train"), sides.filter(role="validation"))
    for out in (leaking, inner):
        splits = splits.join(out, on=[*_PLACE, "cell_id"], how="anti", maintain_order="left")
    return splits


def _with_fellows(rows: pl.DataFrame, others: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of whose group some are among the others of the same fold."""
    where = [*_PLACE, "group"]
    return rows.join(others.select(where).unique(), on=where, how="semi")


def _sides(splits: pl.DataFrame, cells: pl.DataFrame) -> pl.DataFrame:
    own = pl.format("cell {}", "cell_id")
    known = cells.select("cell_id", "image", pl.col("group").fill_null(own))
    return splits.with_columns(held=pl.col("role") == "test").join(known, on="cell_id", how="left")


def _count(sides: pl.DataFrame, side: str) -> int:
    """Return the pairs of rows of one group that stand on two sides, told by a column, of at least one fold."""
    path = (
        sides.sort(*_PLACE)
        .group_by("group", "cell_id")
        .agg(pl.format("{}.{}.{}", "repeat", "fold", side).str.join(" ").alias("path"))
    )
    together = path.group_by("group").len("rows")
    alike = path.group_by("group", "path").len("rows")
    half = pl.col("rows") * (pl.col("rows") - 1) // 2
    return int(together.select(half.sum()).item()) - int(alike.select(half.sum()).item())


def _shown(leaked: pl.DataFrame, seen: pl.DataFrame, cells: pl.DataFrame, pairs: Sequence[CopyPair]) -> list[str]:
    """Return in words one pair of each of the first few groups: the surest copies first."""
    known = {frozenset((pair.first, pair.second)): pair for pair in pairs}
    given = dict(cells.select("cell_id", GIVEN if GIVEN in cells.columns else "group").iter_rows())
    found: list[tuple[float, str]] = []
    for (group,), part in leaked.group_by("group", maintain_order=True):
        fold = part.row(0, named=True)
        fellows = seen.filter(group=group, repeat=fold["repeat"], fold=fold["fold"]).rows(named=True)
        here = part.filter(repeat=fold["repeat"], fold=fold["fold"]).rows(named=True)
        choices = [(known.get(frozenset((a["image"], b["image"]))), a, b) for a in here[:20] for b in fellows[:20]]
        pair, a, b = max(choices, key=lambda choice: -1.0 if choice[0] is None else choice[0].similarity)
        names = " and ".join(f"{one['image'] or one['cell_id']} ({_SIDES[one['role']]})" for one in (a, b))
        if pair is not None:
            found.append((pair.similarity, f"{names}: {describe(pair)}"))
        elif given.get(a["cell_id"]) == given.get(b["cell_id"]):
            found.append((0.0, f"{names}: both of the group {given.get(a['cell_id'])}"))
        else:
            found.append((0.0, f"{names}: joined by copies between them"))
    found.sort(key=lambda one: (-one[0], one[1]))
    return [words for _, words in found[:_SHOWN]]


def describe(pair: CopyPair) -> str:
    """Say what two files have in common."""
    if pair.kind == "identical":
        return "the same file, byte for byte"
    turned = round(pair.turned_deg) % 360
    attitude = [*(["mirrored"] if pair.mirrored else []), *([f"turned by {turned}°"] if turned else [])]
    what = "the same picture" if pair.kind == "picture" else "the same cell"
    return f"{what}{', ' if attitude else ''}{' and '.join(attitude)} (correlation {pair.similarity:.2f})"
