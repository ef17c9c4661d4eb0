"""The rules of cleaning: which rows each takes out, and the sentence that says so."""

from __future__ import annotations

import difflib
import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from buffycoat import taxonomy
from buffycoat.clean.weights import sampling_weights
from buffycoat.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from buffycoat.clean.recipe import Recipe

OWN_RULES = ("unlabelled", "mixed-label", "two-cell", "dropped-class", "too-few", "thinned")
"""What cleaning writes into ``excluded_by`` and judges afresh; ``no-image`` may also come from reading."""

Verdict = tuple[pl.Expr, str, bool]
"""Which rows go, the sentence for the report, and whether the rule is switched on."""

_NOTHING = pl.lit(False)
_NAMED = pl.col("label_count").fill_null(0)


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule's short name and its judgement on the rows still in."""

    name: str
    judge: Callable[[pl.DataFrame], Verdict]

    def __call__(self, kept: pl.DataFrame) -> Verdict:
        """Return the verdict on the rows still in."""
        return self.judge(kept)


def counts(table: pl.DataFrame) -> dict[str, int]:
    """Return the rows by label, in the project's order; unlabelled and two-cell rows stand under those names."""
    kind = (
        pl.when(_NAMED >= 2).then(pl.lit("two-cell")).otherwise(pl.col("label").fill_null("unlabelled")).alias("kind")
    )
    found: dict[str, int] = dict(table.select(kind).group_by("kind").len().iter_rows())
    return {name: found[name] for name in taxonomy.order(found)}


def check_names(names: Iterable[str], table: pl.DataFrame) -> None:
    """Refuse a class name that is in no row but looks like one that is: a slip of the pen would do nothing.

    A name that resembles none is let through: recipes are shared between data sets.

    Raises
    ------
    UsageError
        With the close matches. All such names are given together.
    """
    present = set(table.get_column("label").drop_nulls().to_list())
    known = present | set(taxonomy.CLASS_NAMES)
    slips = [
        name
        for name in dict.fromkeys(names)
        if name not in known and difflib.get_close_matches(name, known, cutoff=0.6)
    ]
    if slips:
        offers = " ".join(did_you_mean(name, known) for name in slips)
        raise UsageError(f"the recipe names classes that do not exist: {', '.join(map(repr, slips))}.", hint=offers)


def rules_in_order(recipe: Recipe, seed: int) -> tuple[Rule, ...]:
    """Return the recipe's rules in the order they are applied."""
    return (
        Rule("no-image", lambda _: (pl.col("image").is_null(), "Rows without an image.", True)),
        Rule("unlabelled", lambda _: (pl.col("label").is_null() & (_NAMED < 2), "Rows without a label.", True)),
        Rule("two-cell", lambda _: _two_cell(recipe)),
        Rule("mixed-label", lambda _: (pl.col("label").is_null(), "Rows whose label names cells of two types.", True)),
        *_dropped(recipe),
        *_too_few(recipe),
        *_thinned(recipe, seed),
        Rule("sampling", lambda kept: _sampling(recipe, kept)),
    )


def _two_cell(recipe: Recipe) -> Verdict:
    if not recipe.drop_two_cell:
        return _NOTHING, "Labels that name two cells of one type are kept.", False
    return _NAMED >= 2, "Rows whose label names two cells.", True


def _dropped(recipe: Recipe) -> list[Rule]:
    def judge(name: str, kept: pl.DataFrame) -> Verdict:
        if not (kept.get_column("label") == name).any():
            return _NOTHING, f"Class {name}: there is none, nothing to drop.", True
        return pl.col("label") == name, f"Class {name}.", True

    if not recipe.drop_classes:
        return [Rule("dropped-class", lambda _: (_NOTHING, "No class is dropped.", False))]
    return [Rule("dropped-class", lambda kept, name=name: judge(name, kept)) for name in recipe.drop_classes]  # type: ignore[misc]


def _too_few(recipe: Recipe) -> list[Rule]:
    least = recipe.min_per_class
    if least is None:
        return []

    def judge(kept: pl.DataFrame) -> Verdict:
        rare = [name for name, rows in counts(kept).items() if rows < least]
        which = f": {', '.join(rare)}" if rare else ", of which there are none"
        return pl.col("label").is_in(rare), f"Classes with fewer than {least} rows{which}.", True

    return [Rule("too-few", judge)]


def _thinned(recipe: Recipe, seed: int) -> list[Rule]:
    def judge(name: str, share: float, kept: pl.DataFrame) -> Verdict:
        of_class = kept.filter(pl.col("label") == name)
        if of_class.is_empty():
            return _NOTHING, f"{name.capitalize()}: there is none, nothing to thin.", True
        chosen = thinning(of_class, share, seed)
        said = f"{name.capitalize()} thinned by {share:.3g} of its {of_class.height} rows (drawn with seed {seed})."
        return pl.col("cell_id").is_in(chosen), said, True

    wanted = {name: share for name, share in recipe.thin.items() if share > 0}
    if not wanted:
        return [Rule("thinned", lambda _: (_NOTHING, "No class is thinned.", False))]
    return [
        Rule("thinned", lambda kept, name=name, share=wanted[name]: judge(name, share, kept))  # type: ignore[misc]
        for name in taxonomy.order(wanted)
    ]


def thinning(of_class: pl.DataFrame, share: float, seed: int) -> list[str]:
    """Return the ``cell_id`` of the rows to take out: whole groups, as near to `share` of the rows as they allow.

    Groups are met in an order given by a hash of the seed and their name, so neither the order of the rows nor
    the presence of other groups' rows in the table changes which comes first.
    """
    members: dict[str, list[str]] = defaultdict(list)
    for cell_id, group in of_class.select("cell_id", pl.col("group").fill_null(pl.col("cell_id"))).iter_rows():
        members[group].append(cell_id)
    target = share * of_class.height
    chosen: list[str] = []
    for group in sorted(members, key=lambda group: hashlib.sha256(f"{seed}\0{group}".encode()).digest()):
        taken = members[group]
        if abs(len(chosen) + len(taken) - target) < abs(len(chosen) - target) and len(taken) < of_class.height:
            chosen.extend(taken)
    return sorted(chosen)


def _sampling(recipe: Recipe, kept: pl.DataFrame) -> Verdict:
    if recipe.sampling == "none":
        return _NOTHING, "Every row is drawn equally often in training.", False
    weights = sampling_weights(recipe, kept.get_column("label").to_list())
    shown = ", ".join(f"{name} ×{weight:.3g}" for name, weight in weights.items()) or "no rows"
    said = f"Drawn in training (weights are computed again from the training rows of each fold): {shown}."
    return _NOTHING, said, True
