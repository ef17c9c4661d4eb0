"""The cleaning recipe: what is left out, what is thinned, and how often each class is drawn in training.

Nothing is deleted and nothing is duplicated. A row that is left out stays in the table with the rule's name in
``excluded_by``; rare classes get sampling weights, computed from training rows only.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal, Self

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from buffycoat import taxonomy
from buffycoat.clean.overrides import parse_overrides
from buffycoat.clean.rules import OWN_RULES, Rule, check_names, counts, rules_in_order
from buffycoat.clean.weights import sampling_weights
from buffycoat.errors import DataError, UsageError, did_you_mean
from buffycoat.records.documents import Cleaning, CleaningStep, explain
from buffycoat.records.tables import CELLS, conform

Share = Annotated[float, Field(ge=0, lt=1)]
Factor = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Recipe(BaseModel):
    """What cleaning does. Every rule is a field, and each can be switched off or changed.

    Attributes
    ----------
    name
        The recipe's name; ``title`` adds what was changed.
    drop_two_cell
        Leave out rows whose label names two cells or more, even of one type.
    drop_classes
        Classes left out whole.
    thin
        Share of a class taken out at random (seeded), by class, from 0 to below 1.
    min_per_class
        Leave out classes with fewer rows than this; None switches the rule off.
    sampling
        How often rows are drawn in training: ``"balanced"`` (every class equally often), ``"none"`` (as they
        are), or a factor by class.
    balance
        How far ``"balanced"`` goes: 1 all the way, 0.5 by the square root of the counts, 0 not at all.
    changes
        The overrides applied to the named recipe, as they were written.
    """

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    name: str = "none"
    drop_two_cell: bool = False
    drop_classes: Annotated[tuple[str, ...], Field(strict=False)] = ()
    thin: dict[str, Share] = {}
    min_per_class: Annotated[int, Field(ge=1)] | None = None
    sampling: Literal["balanced", "none"] | dict[str, Factor] = "none"
    balance: Annotated[float, Field(ge=0, le=1)] = 1.0
    changes: Annotated[tuple[str, ...], Field(strict=False)] = ()

    @field_validator("drop_classes")
    @classmethod
    def _spell_classes(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        return taxonomy.order(taxonomy.canonical(name) for name in names)

    @field_validator("thin", "sampling")
    @classmethod
    def _spell_keys(cls, given: str | dict[str, float]) -> str | dict[str, float]:
        if isinstance(given, str):
            return given
        return {taxonomy.canonical(name): value for name, value in given.items()}

    @property
    def title(self) -> str:
        """The recipe's name and what was changed in it: ``seeds, changed: thin.neutrophil=0.2``."""
        return f"{self.name}, changed: {' '.join(self.changes)}" if self.changes else self.name

    def with_overrides(self, overrides: Iterable[str]) -> Self:
        """Return the recipe with ``key=value`` changes applied, one after the other.

        Raises
        ------
        UsageError
            An override is not ``key=value``, names no rule, or holds a value of another kind. All faults are
            named together, with close matches.

        Examples
        --------
        >>> RECIPES["seeds"].with_overrides(["thin.neutrophil=0.2", "drop_classes=[]"]).thin
        {'neutrophil': 0.2}
        """
        given = tuple(overrides)
        if not given:
            return self
        fields = parse_overrides(given, self.model_dump())
        try:
            return type(self).model_validate({**fields, "changes": (*self.changes, *given)})
        except ValidationError as error:
            raise UsageError(f"the recipe cannot be changed so: {explain(error)}.") from error


RECIPES: dict[str, Recipe] = {
    "seeds": Recipe(
        name="seeds",
        drop_two_cell=True,
        drop_classes=("basophil",),
        thin={"neutrophil": 0.1},
        sampling="balanced",
    ),
    "none": Recipe(name="none"),
}
"""The named recipes. ``seeds`` is the default; ``none`` leaves out only what cannot be trained on."""


def named(name: str) -> Recipe:
    """Return a named recipe.

    Raises
    ------
    UsageError
        There is no recipe of that name.
    """
    if name not in RECIPES:
        raise UsageError(f"there is no cleaning recipe {name!r}.", hint=did_you_mean(name, RECIPES))
    return RECIPES[name]


def apply(recipe: Recipe, cells: pl.DataFrame, seed: int) -> tuple[pl.DataFrame, Cleaning]:
    """Apply the recipe: name the rule in ``excluded_by`` of each row left out, and account for every row.

    Parameters
    ----------
    recipe
        What to do.
    cells
        A table of cells (:data:`buffycoat.records.tables.CELLS`). Rows that came with an ``excluded_by`` of
        another room stay out and are counted; those of an earlier cleaning are judged afresh.
    seed
        Decides which rows are thinned, together with their group; the order of the rows does not.

    Returns
    -------
    tuple[polars.DataFrame, Cleaning]
        All rows in their order, and the account: ``rows_before - sum(removed) = rows_after``.

    Raises
    ------
    UsageError
        The recipe names a class that is not in the data but looks like one that is.
    DataError
        The table is of another shape, or a ``cell_id`` stands twice.
    """
    table = conform(cells, CELLS, "the table of cells")
    twice = table.get_column("cell_id").filter(table.get_column("cell_id").is_duplicated()).unique().sort().to_list()
    if twice:
        raise DataError(f"cell_id stands on several rows: {', '.join(twice[:5])}{', …' if len(twice) > 5 else ''}.")
    weighted = recipe.sampling if isinstance(recipe.sampling, dict) else {}
    check_names((*recipe.drop_classes, *recipe.thin, *weighted), table)

    own = pl.col("excluded_by").is_in(list(OWN_RULES))
    table = table.with_columns(excluded_by=pl.when(own).then(None).otherwise(pl.col("excluded_by")))
    # The account starts from all rows, so that those left out in reading are seen in it too.
    before = counts(table)
    steps: list[CleaningStep] = []
    earlier = table.get_column("excluded_by").drop_nulls().unique().sort().to_list()
    table = table.rename({"excluded_by": "came_with"}).with_columns(excluded_by=pl.lit(None, pl.String))
    for rule in (*(_earlier(name) for name in earlier), *rules_in_order(recipe, seed)):
        kept = table.filter(pl.col("excluded_by").is_null())
        takes, description, applied = rule(kept)
        out = pl.col("excluded_by").is_null() & takes
        table = table.with_columns(excluded_by=pl.when(out).then(pl.lit(rule.name)).otherwise(pl.col("excluded_by")))
        left = table.filter(pl.col("excluded_by").is_null())
        steps.append(
            CleaningStep(
                rule=rule.name,
                description=description,
                applied=applied,
                removed=kept.height - left.height,
                counts_after=counts(left),
            )
        )
    left = table.filter(pl.col("excluded_by").is_null())
    cleaning = Cleaning(
        recipe=recipe.title,
        counts_before=before,
        steps=tuple(steps),
        counts_after=counts(left),
        sampling_weights=sampling_weights(recipe, left.get_column("label").to_list()),
        rows_before=table.height,
        rows_after=left.height,
    )
    return conform(table.drop("came_with"), CELLS, "the table of cells"), cleaning


def _earlier(name: str) -> Rule:
    return Rule(name, lambda _: (pl.col("came_with") == name, "Left out when the data were read.", True))
