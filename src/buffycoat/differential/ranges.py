"""A laboratory's reference ranges, from a file, and where a figure stands against them.

Ranges differ from laboratory to laboratory, with age and ancestry: the program has none of its own.
"""

from __future__ import annotations

import json
import tomllib
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from buffycoat.errors import DataError, UsageError
from buffycoat.records.differential import Flag, ReferenceRange, ReferenceRanges
from buffycoat.records.documents import Estimate, explain
from buffycoat.taxonomy import CLASS_NAMES, canonical

EXAMPLE = "example"
"""Stands for the file that ships with the package: for trying things out, and as a pattern for one's own."""

_UNITS = {
    **dict.fromkeys(("%", "percent"), "%"),
    **dict.fromkeys(("10*9/L", "10^9/L", "10⁹/L", "10e9/L", "G/L", "x10^9/L", "×10⁹/L"), "10*9/L"),
}
_MOST_BYTES = 1 << 20


def example_text() -> str:
    """Return the example file, as shipped."""
    return (resources.files("buffycoat.differential") / "example_ranges.toml").read_text(encoding="utf-8")


def read_ranges(given: Path | str) -> ReferenceRanges:
    """Read reference ranges from a TOML or JSON file, or the example by the word ``example``.

    Raises
    ------
    DataError
        The file is missing, is neither TOML nor JSON, or holds something else; every fault is named.
    """
    if str(given) == EXAMPLE and not Path(given).is_file():
        return _parsed(tomllib.loads(example_text()), "the example ranges")
    path = Path(given)
    if path.suffix.lower() not in {".toml", ".json"}:
        raise UsageError(f"{path}: reference ranges are read from a .toml or .json file.")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from error
    if len(content) > _MOST_BYTES:
        raise DataError(f"{path} is no file of reference ranges: {len(content)} bytes.")
    try:
        text = content.decode("utf-8-sig")
        found = tomllib.loads(text) if path.suffix.lower() == ".toml" else json.loads(text)
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        raise DataError(f"{path} is not {path.suffix[1:].upper()}: {error}.") from error
    return _parsed(found, str(path))


def _parsed(found: Any, where: str) -> ReferenceRanges:
    hint = "See docs/differential.md, or buffycoat differential --print-example-ranges."
    if not isinstance(found, dict):
        raise DataError(
            f"{where} holds no reference ranges: expected a table, found {type(found).__name__}.", hint=hint
        )
    document = {key: value for key, value in found.items() if key != "range"}
    rows = found.get("range", found.get("ranges"))
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise DataError(f"{where} holds no reference ranges: expected a list of [[range]] tables.", hint=hint)
    try:
        return ReferenceRanges.model_validate({**document, "ranges": [_row(row) for row in rows]})
    except ValidationError as error:
        raise DataError(f"{where}: {explain(error)}.", hint=hint) from error


def _row(row: dict[str, Any]) -> dict[str, Any]:
    """Return a range with its type and unit in the project's spelling."""
    kept = dict(row)
    if isinstance(kept.get("type"), str):
        kept["type"] = canonical(kept["type"])
        if kept["type"] not in CLASS_NAMES:
            raise DataError(
                f"reference ranges: {row['type']!r} is not a leukocyte type of the five-part differential.",
                hint=f"The types are {', '.join(CLASS_NAMES)}.",
            )
    if isinstance(kept.get("unit"), str):
        kept["unit"] = _UNITS.get(kept["unit"].strip().replace(" ", ""), kept["unit"])
    return kept


def flags(name: str, percent: Estimate, absolute: Estimate | None, ranges: ReferenceRanges | None) -> tuple[Flag, ...]:
    """Return where a type's figures stand, one flag for each range that applies."""
    figures = {"%": percent, "10*9/L": absolute}
    found = []
    for one in ranges.ranges if ranges is not None else ():
        figure = figures[one.unit] if one.type == name else None
        if figure is not None and figure.value is not None:
            found.append(_flag(one, figure.value, figure))
    return tuple(found)


def _flag(one: ReferenceRange, value: float, figure: Estimate) -> Flag:
    limits = figure.interval
    if one.low is not None and value < one.low:
        beyond = limits.high is not None and limits.high < one.low
        return Flag(unit=one.unit, low=one.low, high=one.high, level="low", beyond_counting_error=beyond)
    if one.high is not None and value > one.high:
        beyond = limits.low is not None and limits.low > one.high
        return Flag(unit=one.unit, low=one.low, high=one.high, level="high", beyond_counting_error=beyond)
    inside = (one.low is None or (limits.low is not None and limits.low >= one.low)) and (
        one.high is None or (limits.high is not None and limits.high <= one.high)
    )
    return Flag(unit=one.unit, low=one.low, high=one.high, level="within", beyond_counting_error=inside)
