"""Class counts against what the recipe and the folds assume."""

from __future__ import annotations

import polars as pl

from buffycoat import taxonomy
from buffycoat.clean.recipe import Recipe, apply
from buffycoat.errors import BuffycoatError
from buffycoat.records.audit import Finding, Flag, Problem

FEW_GROUPS = 30
"""A class with fewer independent groups has intervals so wide that hardly anything can be said of it."""
_ENOUGH = 50  # groups of a class the recipe leaves out as too few, from which on that is no longer true


def class_problem(cells: pl.DataFrame, recipe: Recipe, folds: int, seed: int = 0) -> Problem:
    """Return what the counts of the classes do to the plan: too few for the folds, or left out without need.

    Parameters
    ----------
    cells
        The table with the groups to split by.
    recipe
        The cleaning recipe of the study to come.
    folds
        Parts that every class must be in: 2 for a hold-out.
    """
    there = cells.filter(pl.col("image").is_not_null() & (pl.col("label_count") == 1) & pl.col("excluded_by").is_null())
    before = _counts(there)
    try:
        cleaned, _ = apply(recipe, cells, seed)
        after = _counts(cleaned.filter(pl.col("excluded_by").is_null()))
    except BuffycoatError as error:
        return _problem([Finding(score=0, note=f"the recipe does not fit: {error.what}")], "serious")
    findings = [*_too_few(after, folds), *_left_out(before, after, recipe), *_thinned(before, recipe)]
    short = any(finding.score < folds / FEW_GROUPS for finding in findings if finding.labels and finding.score < 1)
    dead = len(after) < 2
    if dead:
        findings.insert(0, Finding(score=0, note=f"after cleaning {len(after)} class is left: nothing to tell apart"))
    flag: Flag = "sound" if not findings else "serious" if short or dead else "look"
    return _problem(findings, flag)


def _problem(findings: list[Finding], flag: Flag) -> Problem:
    worst = min((finding.score for finding in findings), default=1.0)
    return Problem(
        name="class-counts",
        title="Class counts against the recipe",
        flag=flag,
        score=worst,
        sentence="Every class has enough independent cells for the recipe and the folds."
        if not findings
        else f"{len(findings)} {'class count does' if len(findings) == 1 else 'class counts do'} not fit the plan: "
        f"{findings[0].note}.",
        advice="Nothing to do."
        if not findings
        else "Bring more slides of such a class, leave it out (--set recipe.drop_classes=…), or use fewer folds; do "
        "not copy its images, for copies are no new cells.",
        found=len(findings),
        findings=tuple(findings),
    )


Counts = dict[str, tuple[int, int]]
"""Rows and groups by class."""


def _counts(cells: pl.DataFrame) -> Counts:
    own = pl.format("cell {}", "cell_id")
    table = cells.group_by("label").agg(pl.len(), pl.col("group").fill_null(own).n_unique().alias("groups"))
    found = {label: (rows, groups) for label, rows, groups in table.drop_nulls("label").iter_rows()}
    return {name: found[name] for name in taxonomy.order(found)}


def _too_few(after: Counts, folds: int) -> list[Finding]:
    findings = []
    for name, (rows, groups) in after.items():
        if groups < FEW_GROUPS:
            hold = f"{rows} images of {groups} distinct {'cell or slide' if groups == 1 else 'cells or slides'}"
            short = f", fewer than the {folds} folds" if groups < folds else ""
            findings.append(Finding(score=groups / FEW_GROUPS, note=f"{name}: {hold}{short}", labels=(name,)))
    return sorted(findings, key=lambda finding: finding.score)


def _left_out(before: Counts, after: Counts, recipe: Recipe) -> list[Finding]:
    """Say where a class is dropped as too few: how many there are, and whether that is still true."""
    found = []
    for name in recipe.drop_classes:
        if name in before and name not in after:
            rows, groups = before[name]
            few = groups < _ENOUGH
            note = f"{name}: the recipe leaves it out as too few; there are {rows} images of {groups} distinct cells"
            found.append(Finding(score=1, note=note + ("" if few else ", which is enough to keep it"), labels=(name,)))
    return found


def _thinned(before: Counts, recipe: Recipe) -> list[Finding]:
    if not before:
        return []
    largest = max(before, key=lambda name: before[name][0])
    return [
        Finding(
            score=min(1.0, before[name][0] / before[largest][0]),
            note=f"{name}: the recipe thins it as the largest class by {share:.0%}, but the largest is {largest}",
        )
        for name, share in recipe.thin.items()
        if share and name in before and name != largest
    ]
