"""Short changes to a recipe, as people type them."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from buffycoat.clean import RECIPES, Recipe
from buffycoat.errors import UsageError

SEEDS = RECIPES["seeds"]


@pytest.mark.parametrize(
    ("override", "field", "expected"),
    [
        ("thin.neutrophil=0.2", "thin", {"neutrophil": 0.2}),
        ("thin.neutrophil=20%", "thin", {"neutrophil": 0.2}),
        ("thin.Eosinophils = 0.3", "thin", {"neutrophil": 0.1, "eosinophil": 0.3}),  # any spelling the project knows
        ("thin={}", "thin", {}),
        ("thin=none", "thin", {}),
        ('thin={"monocyte": 0.5}', "thin", {"monocyte": 0.5}),
        ("thin=monocyte:0.5,neutrophil:0.2", "thin", {"monocyte": 0.5, "neutrophil": 0.2}),
        ("drop_classes=[]", "drop_classes", ()),
        ("drop_classes=", "drop_classes", ()),
        ("drop_classes=monocyte,BASOPHIL", "drop_classes", ("basophil", "monocyte")),
        ('drop_classes=["monocyte", "smudge cell"]', "drop_classes", ("monocyte", "smudge cell")),
        ("drop_classes=[monocyte]", "drop_classes", ("monocyte",)),  # the shell took the quotes
        ("drop_two_cell=false", "drop_two_cell", False),
        ("drop_two_cell=No", "drop_two_cell", False),
        ("min_per_class=10", "min_per_class", 10),
        ("min_per_class=none", "min_per_class", None),
        ("sampling=none", "sampling", "none"),
        ("sampling=Balanced", "sampling", "balanced"),
        ("sampling.monocyte=3", "sampling", {"monocyte": 3.0}),
        ("sampling=monocyte:3,lym:2", "sampling", {"monocyte": 3.0, "lymphocyte": 2.0}),
        ("balance=0.5", "balance", 0.5),
    ],
)
def test_an_override_changes_one_field(override: str, field: str, expected: Any) -> None:
    changed = SEEDS.with_overrides([override])
    assert getattr(changed, field) == expected
    untouched = set(Recipe.model_fields) - {field, "changes"}
    assert all(getattr(changed, name) == getattr(SEEDS, name) for name in untouched)
    assert changed.title == f"seeds, changed: {override}"


def test_overrides_are_applied_one_after_the_other() -> None:
    changed = SEEDS.with_overrides(["thin=none", "thin.monocyte=0.1"]).with_overrides(["drop_classes=[]"])
    assert changed.thin == {"monocyte": 0.1} and changed.drop_classes == ()
    assert changed.title == "seeds, changed: thin=none thin.monocyte=0.1 drop_classes=[]"


def test_no_overrides_leave_the_recipe_as_it_is() -> None:
    assert SEEDS.with_overrides([]) is SEEDS


@pytest.mark.parametrize(
    ("override", "named"),
    [
        ("thin.neutrophil", "'thin.neutrophil' is not key=value"),
        ("thn.neutrophil=0.2", "Did you mean 'thin'?"),
        ("drop_class=[]", "Did you mean 'drop_classes'"),
        ("balance.neutrophil=1", "'balance.neutrophil' is no rule"),  # not by class
        ("name=mine", "'name' is no rule"),
        ("thin.neutrophil=much", "expected a number, found 'much'"),
        ("thin.neutrophil=1.5", "thin.neutrophil: input should be less than 1"),
        ("thin.neutrophil=-0.1", "greater than or equal to 0"),
        ("thin.neutrophil=nan", "thin.neutrophil"),
        ("thin=0.2", "expected class:number pairs, found '0.2'"),
        ('thin={"neutrophil": }', "expected class:number pairs"),
        ("sampling=equal", "sampling"),
        ("sampling.monocyte=0", "greater than 0"),
        ("sampling.monocyte=inf", "finite"),
        ("balance=2", "less than or equal to 1"),
        ("min_per_class=few", "expected a whole number or none"),
        ("min_per_class=0", "greater than or equal to 1"),
        ("drop_two_cell=maybe", "expected true or false"),
    ],
)
def test_what_cannot_be_read_is_refused(override: str, named: str) -> None:
    with pytest.raises(UsageError) as caught:
        SEEDS.with_overrides([override])
    assert named in str(caught.value)


def test_all_faults_are_named_together() -> None:
    with pytest.raises(UsageError, match=r"'a' is not key=value.*'b' is no rule"):
        SEEDS.with_overrides(["a", "b=1"])


@pytest.mark.parametrize("given", [{"thinning": {}}, {"drop_two_cell": "yes"}, {"min_per_class": 1.5}])
def test_a_configuration_with_unknown_keys_or_other_kinds_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Recipe.model_validate(given)


def test_a_recipe_is_read_from_json_as_it_was_written() -> None:
    changed = SEEDS.with_overrides(["thin.monocyte=0.2", "sampling.monocyte=2"])
    assert Recipe.model_validate_json(changed.model_dump_json()) == changed
