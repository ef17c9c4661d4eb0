"""Reference ranges are read from files, and a bad file is refused with its fault."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from buffycoat.differential import read_ranges
from buffycoat.differential.ranges import example_text
from buffycoat.errors import DataError, UsageError

GOOD = """
name = "Ours"
source = "our own study"
population = "adults"
[[range]]
type = "NEUTROPHILS"
unit = "%"
high = 70
"""


def test_toml_and_json_say_the_same(tmp_path: Path) -> None:
    toml, js = tmp_path / "r.toml", tmp_path / "r.json"
    toml.write_text(GOOD)
    document = {"name": "Ours", "source": "our own study", "population": "adults"}
    js.write_text(json.dumps({**document, "ranges": [{"type": "neut", "unit": "percent", "high": 70}]}))
    assert read_ranges(toml) == read_ranges(js)
    (one,) = read_ranges(toml).ranges
    assert (one.type, one.unit, one.low, one.high) == ("neutrophil", "%", None, 70)


@pytest.mark.parametrize("unit", ["10*9/L", "10^9/L", "10⁹/L", "G/L", "x10^9 / L"])
def test_spellings_of_cells_per_litre(tmp_path: Path, unit: str) -> None:
    path = tmp_path / "r.toml"
    path.write_text(GOOD.replace('"%"', f'"{unit}"'), encoding="utf-8")
    assert read_ranges(path).ranges[0].unit == "10*9/L"


def test_the_shipped_file_is_an_example_and_says_so() -> None:
    example = read_ranges("example")
    assert example.example
    assert "EXAMPLE" in example.name
    assert "EXAMPLE" in example_text()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "range"),
        ("name = [", "is not TOML"),
        (GOOD.replace("high = 70", ""), "low, high or both"),
        (GOOD + "low = 70\n", "below high"),
        (GOOD.replace("70", "170"), "ends at 100"),
        (GOOD.replace("70", "-1"), "high"),
        (GOOD.replace("70", '"many"'), "high"),
        (GOOD.replace('"%"', '"mmol/l"'), "unit"),
        (GOOD.replace("NEUTROPHILS", "lizard"), "lizard"),
        (GOOD.replace('source = "our own study"', ""), "source"),
        (GOOD + GOOD[GOOD.index("[[") :], "two ranges"),
        (GOOD + 'colour = "red"\n', "colour"),
    ],
)
def test_a_bad_file_is_refused_with_its_fault(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "r.toml"
    path.write_text(content)
    with pytest.raises(DataError, match=said):
        read_ranges(path)


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read_ranges(tmp_path / "none.toml")
    with pytest.raises(UsageError, match="toml or"):
        read_ranges(tmp_path / "none.xlsx")
    (tmp_path / "list.json").write_text("[1]")
    with pytest.raises(DataError, match="no reference ranges"):
        read_ranges(tmp_path / "list.json")
    (tmp_path / "bytes.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="is not JSON"):
        read_ranges(tmp_path / "bytes.json")
