"""From a scan to ``audit.json``: every problem with its score, its flag, its files, and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from buffycoat.audit.background import guess_from_background
from buffycoat.audit.classes import class_problem
from buffycoat.audit.duplicates import copy_problems
from buffycoat.audit.groups import GIVEN, distinct, propose
from buffycoat.audit.quality import file_problems
from buffycoat.audit.scan import Progress, Scan, scan
from buffycoat.audit.shortcut import shortcuts
from buffycoat.audit.units import FILE as TABLE
from buffycoat.audit.units import units_of, write_table
from buffycoat.clean.recipe import Recipe
from buffycoat.data.dataset import DataSet
from buffycoat.errors import DataError, OutputError
from buffycoat.records.audit import Audit, Background, Finding, Flag, PaintOut, Problem, Shortcut

FILE = "audit.json"
PAINTED_OUT = "painted-out"
STUDY = "study.json"


def audit(
    data: DataSet,
    recipe: Recipe,
    folds: int,
    *,
    seed: int = 0,
    on_progress: Progress | None = None,
    on_compare: Progress | None = None,
) -> tuple[Audit, pl.DataFrame]:
    """Look at a data set before anything is trained on it.

    Parameters
    ----------
    recipe, folds
        Of the study to come: class counts are held against them.
    seed
        Of the permutations and resamples.
    on_progress, on_compare
        As in :func:`buffycoat.audit.scan.scan`.

    Returns
    -------
    tuple
        The audit, and the table of cells with the groups to split by in ``group`` and those it came with in
        ``group_given``.
    """
    found = scan(data, on_progress=on_progress, on_compare=on_compare)
    return judge(data, found, recipe, folds, seed=seed)


def judge(data: DataSet, found: Scan, recipe: Recipe, folds: int, *, seed: int = 0) -> tuple[Audit, pl.DataFrame]:
    """Return the audit of a scan, and the table with its groups; see :func:`audit`."""
    cells, proposals = propose(data.cells, found.pairs)
    units = units_of(cells, found.files)
    measured = shortcuts(units, seed)
    background = guess_from_background(units, seed)
    total = found.files.height
    problems = [
        *file_problems(found.files),
        *copy_problems(cells, found.pairs, proposals, total),
        class_problem(cells, recipe, folds),
        _shortcut_problem(measured, background),
    ]
    there = cells.drop_nulls("image")
    document = Audit(
        name=data.name,
        synthetic=data.synthetic,
        content_hash=data.summary().content_hash,
        images=total,
        readable=found.files.filter(pl.col("problem").is_null()).height,
        distinct=distinct(found.files.get_column("image"), found.pairs),
        groups_given=there.get_column(GIVEN).n_unique(),
        groups_used=there.get_column("group").n_unique(),
        recipe=recipe.title,
        folds=folds,
        problems=tuple(problems),
        pairs=found.pairs,
        proposals=proposals,
        shortcuts=tuple(measured),
        groups=units.kept(),
        background=background,
    )
    return document, cells


def _shortcut_problem(measured: Sequence[Shortcut], background: Background | None) -> Problem:
    worrying = [one for one in measured if one.flag != "sound"]
    flags = [one.flag for one in worrying] + ([background.flag] if background is not None else [])
    flag: Flag = "serious" if "serious" in flags else "look" if "look" in flags else "sound"
    if background is None or not measured:
        sentence = "Too few independent groups to tell whether light, colour or sharpness give the class away."
    elif flag == "sound":
        sentence = f"Light, colour and sharpness do not give the class away. {background.sentence}"
    else:
        sentence = background.sentence if background.flag != "sound" else worrying[0].sentence
    worst = max([one.effect for one in worrying], default=0.0)
    return Problem(
        name="shortcut",
        title="Light, colour and sharpness by class",
        flag=flag,
        score=1 - min(max(worst, 0.0), 1.0),
        sentence=sentence,
        advice="Nothing to do."
        if flag == "sound"
        else "Have every class photographed on every day, or split by day or slide (give a group); --paint-out shows "
        "how much of it a network can use. Until then do not trust the accuracy.",
        found=len(worrying),
        findings=tuple(Finding(score=1 - one.effect, note=f"{one.title}: {one.sentence}") for one in worrying),
    )


def with_control(document: Audit, control: PaintOut) -> Audit:
    """Return the audit with the painted-out control among its problems."""
    excess = max((control.painted.value or 0.0) - control.chance, 0.0) / (1 - control.chance)
    problem = Problem(
        name=PAINTED_OUT,
        title="Leukocytes painted out",
        flag=control.flag,
        score=1 - min(excess, 1.0) if control.flag != "sound" else 1.0,
        sentence=control.sentence,
        advice="Nothing to do."
        if control.flag == "sound"
        else "Crop to the cell (frame.side_px), photograph all classes under one light, or split by day or slide; then "
        "try the control again."
        if control.flag == "serious"
        else "Train the control longer or with more images before relying on it.",
        found=0 if control.flag == "sound" else 1,
    )
    others = tuple(one for one in document.problems if one.name != PAINTED_OUT)
    return document.model_copy(update={"paint_out": control, "problems": (*others, problem)})


def kept_from(path: Path, document: Audit) -> Audit:
    """Return the audit with what an earlier one of the same data knows besides: the control, and what a split leaks."""
    try:
        before = Audit.read(path)
    except DataError:
        return document
    if before.content_hash != document.content_hash:
        return document
    if document.paint_out is None and before.paint_out is not None:
        document = with_control(document, before.paint_out)
    return document if document.leakage else document.model_copy(update={"leakage": before.leakage})


def write(document: Audit, out: Path) -> Path:
    """Write the audit to a file, or as ``audit.json`` into a folder; return its path.

    Beside it, in a folder, goes the table of groups. In a study folder the study's own audit stays, and the control is
    added to it.

    Raises
    ------
    OutputError
        It cannot be written, or the folder holds a study of other data.
    """
    path = out if _is_file(out) else out / FILE
    if (path.parent / STUDY).is_file():
        document = _into_study(path, document)
    if not _is_file(out) and document.groups is not None:
        write_table(document.groups, out / TABLE)
    kept_from(path, document).write(path)
    return path


def own_folder(out: Path) -> bool:
    """Say whether an audit written to `out` stands in a folder that is no study's."""
    return not _is_file(out) and not (out / STUDY).is_file()


def _is_file(out: Path) -> bool:
    return out.suffix == ".json" and not out.is_dir()


def _into_study(path: Path, document: Audit) -> Audit:
    """Return the study's own audit, held against its recipe and folds, with the control added; else the new one."""
    try:
        before = Audit.read(path)
    except DataError:
        return document
    if before.content_hash != document.content_hash:
        raise OutputError(
            f"{path.parent} holds a study of other data.", hint="Choose another --out, or audit the data of that study."
        )
    if before.groups is None:  # of an earlier version
        before = before.model_copy(update={"groups": document.groups})
    return before if document.paint_out is None else with_control(before, document.paint_out)
