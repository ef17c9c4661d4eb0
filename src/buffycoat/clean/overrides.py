"""Short changes to a recipe, as a person types them: ``thin.neutrophil=0.2``, ``drop_classes=[]``."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from buffycoat.errors import UsageError, did_you_mean

_NONE = ("", "none", "null", "[]", "{}", "off")
_YES = ("true", "yes", "on", "1")
_NO = ("false", "no", "off", "0")


def parse_overrides(overrides: Sequence[str], fields: dict[str, Any]) -> dict[str, Any]:
    """Return a recipe's fields with the overrides applied in order.

    Raises
    ------
    UsageError
        All overrides that cannot be read, named together, with close matches.
    """
    changed = dict(fields)
    faults: list[str] = []
    hints: list[str] = []
    for override in overrides:
        key, equals, text = (part.strip() for part in override.partition("="))
        field, dot, item = key.partition(".")
        if not equals:
            faults.append(f"{override!r} is not key=value")
        elif field not in _PARSERS or (dot and field not in _BY_CLASS):
            faults.append(f"{key!r} is no rule of the recipe")
            hints.append(did_you_mean(field, _PARSERS))
        else:
            try:
                changed[field] = _item(changed[field], item, text) if dot else _PARSERS[field](text)
            except ValueError as error:
                faults.append(f"{override!r}: {error}")
    if faults:
        raise UsageError(f"the recipe cannot be changed so: {'; '.join(faults)}.", hint=" ".join(hints) or None)
    return changed


def _item(current: object, name: str, text: str) -> dict[str, float]:
    before = current if isinstance(current, dict) else {}
    return {**before, name.casefold(): _number(text)}


def _number(text: str) -> float:
    share = text.endswith("%")
    try:
        value = float(text.rstrip("% "))
    except ValueError:
        raise ValueError(f"expected a number, found {text!r}") from None
    return value / 100 if share else value


def _flag(text: str) -> bool:
    if text.casefold() in _YES:
        return True
    if text.casefold() in _NO:
        return False
    raise ValueError(f"expected true or false, found {text!r}")


def _whole(text: str) -> int | None:
    if text.casefold() in _NONE:
        return None
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"expected a whole number or none, found {text!r}") from None


def _names(text: str) -> tuple[str, ...]:
    if text.casefold() in _NONE:
        return ()
    # A shell takes the quotes of a JSON list away, so they are not asked for.
    return tuple(name for part in text.strip("[]").split(",") if (name := part.strip().strip("'\"")))


def _by_class(text: str) -> dict[str, float]:
    if text.casefold() in _NONE:
        return {}
    if text.startswith("{") and '"' in text:
        try:
            return {str(name): float(value) for name, value in json.loads(text).items()}
        except (json.JSONDecodeError, TypeError) as error:
            raise ValueError(f"expected class:number pairs, found {text!r}") from error
    pairs: dict[str, float] = {}
    for part in text.strip("{}").split(","):
        name, colon, value = part.partition(":")
        if not colon:
            raise ValueError(f"expected class:number pairs, found {part.strip()!r}")
        pairs[name.strip().strip("'\"")] = _number(value.strip())
    return pairs


def _sampling(text: str) -> str | dict[str, float]:
    if text.casefold() in _NONE:
        return "none"
    return _by_class(text) if ":" in text else text.casefold()


_PARSERS: dict[str, Callable[[str], Any]] = {
    "drop_two_cell": _flag,
    "drop_classes": _names,
    "thin": _by_class,
    "min_per_class": _whole,
    "sampling": _sampling,
    "balance": _number,
}
_BY_CLASS = ("thin", "sampling")
