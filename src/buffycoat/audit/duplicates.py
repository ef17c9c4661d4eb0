"""Problems of copies: identical files, near-duplicates, and above all those across labels, groups and sides."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import polars as pl

from buffycoat.audit.groups import sets_of_copies
from buffycoat.audit.leaks import describe
from buffycoat.records.audit import CopyPair, Finding, GroupProposal, Problem

GIVEN_SPLIT = "given_split"

Sets = Sequence[tuple[str, ...]]
"""Sets of files that show one cell."""
Values = Mapping[str, set[str]]
"""What is said of each file: its labels, or the sides of a split it stands on."""


def copy_problems(
    cells: pl.DataFrame, pairs: Sequence[CopyPair], proposals: Sequence[GroupProposal], total: int
) -> list[Problem]:
    """Return the problems of files that show the same cell, those without a finding included.

    Parameters
    ----------
    cells
        The table with the groups to split by (and, where there is one, ``given_split``).
    pairs
        Copies found.
    proposals
        Groups joined because of them.
    total
        Files in all.
    """
    there = cells.drop_nulls("image")
    labels = _by_image(there.filter(pl.col("label_count") == 1), "label")
    sides = _by_image(there, GIVEN_SPLIT) if GIVEN_SPLIT in cells.columns else {}
    boxed = set(there.filter(pl.col("x0").is_not_null()).get_column("image").to_list())
    every = sets_of_copies(pairs)
    # Two boxed cells of one field may well be of two types: only whole-image labels contradict each other.
    crossed = [files for files in every if len(_of(files, labels)) > 1 and not boxed & set(files)]
    return [
        _identical(sets_of_copies([pair for pair in pairs if pair.kind == "identical"]), labels, total),
        _copies(every, labels, _weakest(pairs), total),
        _across_labels(crossed, labels, total),
        _across_split([files for files in every if len(_of(files, sides)) > 1], sides, labels, pairs, total),
        _parted(proposals, total),
    ]


def _identical(same: Sets, labels: Values, total: int) -> Problem:
    return Problem(
        name="identical",
        title="Identical files",
        flag="look" if same else "sound",
        score=1 - sum(len(files) - 1 for files in same) / max(total, 1),
        sentence=f"{sum(len(files) for files in same):,} files are the same, byte for byte, as another: "
        f"{len(same):,} sets."
        if same
        else "No two files are the same, byte for byte.",
        advice="Nothing is lost by removing all but one of each set; as they are, they are kept together in every "
        "split."
        if same
        else "Nothing to do.",
        found=len(same),
        findings=tuple(_finding(files, labels, 0.0, f"{len(files)} identical files") for files in same),
    )


def _copies(every: Sets, labels: Values, weakest: Mapping[str, float], total: int) -> Problem:
    spare = sum(len(files) - 1 for files in every)
    return Problem(
        name="near-duplicates",
        title="Copies of one cell",
        flag="look" if spare else "sound",
        score=1 - spare / max(total, 1),
        sentence=f"The {total:,} files show at most {total - spare:,} distinct cells: {len(every):,} are shown more "
        "than once, turned, mirrored, moved or as they are."
        if spare
        else f"All {total:,} files show different cells.",
        advice="They are grouped, so that no split parts them. Count cells, not files, when you say how large the set "
        "is."
        if spare
        else "Nothing to do.",
        found=len(every),
        findings=tuple(
            _finding(files, labels, 1 - weakest[files[0]], f"{len(files)} files show one cell") for files in every
        ),
    )


def _across_labels(crossed: Sets, labels: Values, total: int) -> Problem:
    return Problem(
        name="copies-across-labels",
        title="One cell under several labels",
        flag="serious" if crossed else "sound",
        score=1 - sum(map(len, crossed)) / max(total, 1),
        sentence=f"{len(crossed):,} {'cell bears' if len(crossed) == 1 else 'cells bear'} different labels on "
        "different copies: at least one of them is wrong."
        if crossed
        else "No two copies of a cell bear different labels.",
        advice="Look at them and correct the labels." if crossed else "Nothing to do.",
        found=len(crossed),
        findings=tuple(_finding(files, labels, 0.0, _labelled(files, labels)) for files in crossed),
    )


def _across_split(leaking: Sets, sides: Values, labels: Values, pairs: Sequence[CopyPair], total: int) -> Problem:
    return Problem(
        name="copies-across-split",
        title="Copies on both sides of the split the data came with",
        flag="serious" if leaking else "sound",
        score=1 - sum(map(len, leaking)) / max(total, 1),
        sentence=f"{len(leaking):,} {'cell stands' if len(leaking) == 1 else 'cells stand'} on both sides of the "
        "given split: results on it are too good."
        if leaking
        else "No copy stands on both sides of the given split."
        if sides
        else "The data came without a split of their own.",
        advice="Split by groups instead (the default), or leave the training copies out (--set split.leaks=drop)."
        if leaking
        else "Nothing to do.",
        found=len(leaking),
        findings=tuple(_finding(files, labels, 0.0, _pair_words(files, sides, pairs)) for files in leaking),
    )


def _parted(proposals: Sequence[GroupProposal], total: int) -> Problem:
    files = sum(len(proposal.files) for proposal in proposals)
    return Problem(
        name="groups-proposed",
        title="Groups proposed",
        flag="look" if proposals else "sound",
        score=1 - min(files / max(total, 1), 1.0),
        sentence=f"{files:,} files that came as groups of their own show {len(proposals):,} cells: a random split "
        "would put copies on both sides."
        if proposals
        else "Copies of one cell came in one group already: no group had to be joined.",
        advice="The study splits by the proposed groups; the table keeps the given ones in the column group_given. "
        "--set split.groups=given goes back to those."
        if proposals
        else "Nothing to do.",
        found=len(proposals),
        findings=tuple(
            Finding(
                files=proposal.files,
                score=1 / max(len(proposal.given), 1),
                note=f"{len(proposal.given)} groups joined: {_few(proposal.given)}",
                labels=proposal.labels,
            )
            for proposal in proposals
        ),
    )


def _by_image(table: pl.DataFrame, column: str) -> dict[str, set[str]]:
    found: defaultdict[str, set[str]] = defaultdict(set)
    for image, value in table.drop_nulls(column).select("image", column).iter_rows():
        found[image].add(value)
    return found


def _of(files: Sequence[str], values: Values) -> set[str]:
    return {value for file in files for value in values.get(file, ())}


def _finding(files: tuple[str, ...], labels: Values, score: float, note: str) -> Finding:
    return Finding(files=files, score=min(max(score, 0.0), 1.0), note=note, labels=tuple(sorted(_of(files, labels))))


def _labelled(files: Sequence[str], labels: Values) -> str:
    return "; ".join(
        f"{label}: {_few([file for file in files if label in labels.get(file, ())])}"
        for label in sorted(_of(files, labels))
    )


def _pair_words(files: Sequence[str], sides: Values, pairs: Sequence[CopyPair]) -> str:
    for pair in pairs:
        if pair.first in files and len(_of((pair.first, pair.second), sides)) > 1:
            named = [f"{name} ({'/'.join(sorted(sides.get(name, ())))})" for name in (pair.first, pair.second)]
            return f"{' and '.join(named)}: {describe(pair)}"
    return "; ".join(f"{side}: {_few([f for f in files if side in sides.get(f, ())])}" for side in ("train", "test"))


def _weakest(pairs: Sequence[CopyPair]) -> dict[str, float]:
    """Return for the first file of each set the lowest similarity that holds the set together."""
    lowest: defaultdict[str, float] = defaultdict(lambda: 1.0)
    for pair in pairs:
        for name in (pair.first, pair.second):
            lowest[name] = min(lowest[name], pair.similarity)
    return {files[0]: min(lowest[name] for name in files) for files in sets_of_copies(pairs)}


def _few(names: Sequence[str], most: int = 4) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
