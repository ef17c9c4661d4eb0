"""Auditing before anything else, and splitting so that nothing leaks, or only where that was asked for and is said."""

from __future__ import annotations

import polars as pl

from buffycoat.audit.groups import GIVEN
from buffycoat.audit.judge import FILE, audit, kept_from
from buffycoat.audit.leaks import find_leakage, refuse, without_leaks
from buffycoat.audit.units import FILE as TABLE
from buffycoat.audit.units import write_table
from buffycoat.data.dataset import DataSet
from buffycoat.errors import DataError
from buffycoat.records.audit import Audit, Leakage
from buffycoat.split.check import check_splits
from buffycoat.split.folds import make_splits
from buffycoat.study.config import SplitConfig, StudyConfig
from buffycoat.study.folder import StudyFolder
from buffycoat.study.watch import Watcher


def audit_first(data: DataSet, config: StudyConfig, out: StudyFolder, watch: Watcher) -> tuple[Audit, pl.DataFrame]:
    """Audit the data, write ``audit.json`` and the table of groups, and say what matters.

    Returns
    -------
    tuple
        The audit, and the table of cells with the groups to split by.
    """
    watch.stage("Auditing the files")
    folds = config.split.folds if config.split.scheme == "kfold" else 2
    found, cells = audit(data, config.recipe, folds, seed=config.seed, on_progress=watch.count)
    found = kept_from(out / FILE, found)
    found.write(out / FILE)
    if found.groups is not None:
        write_table(found.groups, out / TABLE)
    for problem in found.problems:
        if problem.flag == "serious":
            watch.say(f"{problem.title}: {problem.sentence}", warning=True)
    if found.proposals and config.split.groups == "audited":
        watch.say(
            f"{found.problem('groups-proposed').sentence} They are kept together: "
            f"{found.groups_used:,} groups instead of {found.groups_given:,}."
        )
    return found, cells


def split(kept: pl.DataFrame, config: StudyConfig, found: Audit, watch: Watcher) -> tuple[pl.DataFrame, Leakage | None]:
    """Return the splits, and what they leak where that was allowed.

    Parameters
    ----------
    kept
        The rows that take part, with ``group`` and ``group_given``.
    found
        The audit: it knows which files show the same cell.

    Raises
    ------
    DataError
        Copies of one cell, or one group, would stand on both sides; the pairs are named. Or too little is left.
    """
    plan = config.split.model_dump(exclude={"groups", "leaks"})
    splits = make_splits(_grouped(kept, config.split), seed=config.seed, parted="keep", **plan)
    leakage = find_leakage(splits, kept, found.pairs)
    if leakage is None:
        return splits, None
    if config.split.leaks == "refuse":
        raise refuse(leakage)
    if config.split.leaks == "drop":
        clean = without_leaks(splits, kept)
        check_splits(clean, kept, hint="Split by groups instead: --set split.groups=audited.", may_part=True)
        watch.say(
            f"{splits.height - clean.height:,} training rows of {leakage.groups:,} groups were left out because their "
            f"group is held out: {'; '.join(leakage.shown)}.",
            warning=True,
        )
        return clean, None
    watch.say(f"LEAKING SPLIT, allowed: {leakage.sentence}", warning=True)
    return splits, leakage


def _grouped(kept: pl.DataFrame, split: SplitConfig) -> pl.DataFrame:
    if split.groups == "audited":
        return kept
    if split.groups == "given":
        return kept.with_columns(group=pl.col(GIVEN))
    return kept.with_columns(group=pl.lit(None, pl.String))


def leaked(folder: StudyFolder, *, allowed: bool) -> str | None:
    """Return the sentence that marks every result of a study whose split leaks, or None.

    Parameters
    ----------
    allowed
        Whether the study was told to go on with a split that leaks: then an audit that cannot be read marks it, too.
    """
    try:
        leakage = Audit.read(folder / FILE).leakage
    except DataError:  # a study of an earlier version has none; its groups were never parted
        if not allowed:
            return None
        return (
            f"The split was allowed to leak (--allow-leakage), and {FILE}, which told what it leaks, cannot be read: "
            "the results may be too good and show nothing about cells that were not seen in training."
        )
    return None if leakage is None else leakage.sentence
