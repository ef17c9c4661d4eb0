"""The audit's strips: one dot a group, class by class, whatever the number of groups."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from buffycoat.audit.shortcut import shortcuts
from buffycoat.audit.units import Units
from buffycoat.records.audit import MEASURED, Audit, Problem
from buffycoat.report.audit import audit_view, strips, strips_sheet
from buffycoat.report.build import build
from buffycoat.report.figures.strips import HINTS, Strip, strip
from tests.report.make_study import make_study

CIRCLE = re.compile(r'<circle cx="([\d.]+)" cy="([\d.]+)" r="[\d.]+" fill="var\(--(\w+)\)"')


def _strip(values: dict[str, list[float]], odd: frozenset[str] = frozenset()) -> Strip:
    labels = [name for name, own in values.items() for _ in own]
    return Strip(
        title="Sharpness",
        unit="finest structure over edges",
        remark="",
        classes=tuple(values),
        labels=np.array(labels),
        groups=np.array([f"g{k}" for k in range(len(labels))]),
        images=np.ones(len(labels), np.int64),
        values=np.array([value for own in values.values() for value in own]),
        odd=odd,
    )


def _circles(drawn: str) -> list[tuple[float, float, str]]:
    return [(float(x), float(y), tone) for x, y, tone in CIRCLE.findall(drawn)]


def _audit(lamp: float, groups: int = 40) -> Audit:
    """Return an audit of two classes, one of them under a bluer lamp; a third of one group; one size throughout."""
    generator = np.random.default_rng(3)
    labels = np.array(["neutrophil", "lymphocyte"] * (groups // 2) + ["monocyte"])
    values = {column: generator.normal(200, 4, len(labels)) for column in MEASURED}
    values["blue"] += lamp * (labels == "lymphocyte")
    values["width"] = np.full(len(labels), 640.0)
    units = Units(labels, np.array([f"g{k}" for k in range(len(labels))]), np.full(len(labels), 2), values)
    problem = Problem(name="shortcut", title="Light", flag="sound", score=1, sentence="-", advice="-", found=0)
    return Audit(
        **{"name": "invented", "synthetic": False, "content_hash": "h", "images": 82, "readable": 82, "distinct": 41},
        **{"groups_given": 41, "groups_used": 41, "recipe": "none", "folds": 2, "problems": (problem,), "pairs": ()},
        **{"proposals": (), "shortcuts": tuple(shortcuts(units)), "background": None, "groups": units.kept()},
    )


def test_every_group_is_a_dot_in_the_row_of_its_class_at_its_value() -> None:
    data = _strip({"neutrophil": [0.1, 0.3, 0.2, 0.2, 0.2], "monocyte": [0.9, 0.8]}, odd=frozenset({"g5"}))
    drawing = strip(data)
    circles = _circles(drawing.inline())
    assert len(circles) == 7
    first, second = [y for x, y, _ in circles[:5]], [y for x, y, _ in circles[5:]]
    assert max(first) < min(second), "no dot leaves the row of its class"
    x = np.array([x for x, _, _ in circles])
    values = [0.1, 0.2, 0.2, 0.2, 0.3, 0.8, 0.9]
    assert np.allclose(x, np.polyval(np.polyfit(values, x, 1), values), atol=0.02), "on one straight scale"
    assert len({(x, y) for x, y, _ in circles}) == 7, "equal values stand above each other"
    assert [tone for *_, tone in circles].count("second") == 1, "what stands far from all others is red"
    assert "neutrophil 0.2; monocyte 0.85" in drawing.title


def test_of_thousands_on_one_spot_some_are_drawn_and_of_those_alone_all() -> None:
    generator = np.random.default_rng(1)
    many = [*generator.normal(0.4, 0.01, 12_000).tolist(), 0.2, 0.9]
    drawn = strip(_strip({"neutrophil": many, "monocyte": generator.normal(0.4, 0.01, 500).tolist()})).inline()
    circles = _circles(drawn)
    assert len(circles) < 2_000 and len(drawn) < 250_000
    assert min(x for x, *_ in circles) + 50 < sorted(x for x, *_ in circles)[1], "0.2 is there"
    assert max(x for x, *_ in circles) - 50 > sorted(x for x, *_ in circles)[-2], "and 0.9"
    heights = [y for _, y, _ in circles]
    assert min(heights) > 34 and max(heights) < 34 + 2 * 34, "the widest heap stays within its row"
    assert "<title>" not in drawn and len(many) > HINTS


def test_the_measure_that_tells_the_class_comes_first_and_one_that_never_differs_is_not_drawn() -> None:
    drawings = strips(_audit(20.0))
    titles = [drawing.title for drawing in drawings]
    assert titles[0].startswith("Colour of the empty background") and len(titles) == 4
    assert not any(title.startswith("Size") for title in titles)
    assert 'fill="var(--bad)"' in drawings[0].inline() and "effect 0." in drawings[0].inline()
    assert 'fill="var(--bad)"' not in "".join(drawing.inline() for drawing in drawings[1:])
    sheet = strips_sheet(_audit(20.0))
    assert sheet is not None and sheet.height == sum(drawing.height for drawing in drawings)


def test_a_set_too_small_to_judge_is_drawn_all_the_same_and_none_where_nothing_was_kept() -> None:
    small = _audit(20.0, groups=2).model_copy(update={"shortcuts": ()})
    assert len(strips(small)) == 4
    old = small.model_copy(update={"groups": None})
    assert strips(old) == [] and strips_sheet(old) is None
    view = audit_view(old)
    assert view is not None and view.strips == [] and not view.named


@pytest.mark.parametrize("kept", [True, False])
def test_the_report_shows_them(tmp_path: Path, *, kept: bool) -> None:
    study = make_study(tmp_path / "study", n=40, models=("resnet18",), collapsed=(), folds=3)
    document = _audit(20.0)
    (document if kept else document.model_copy(update={"groups": None})).write(study / "audit.json")
    text = build(study).read_text(encoding="utf-8")
    section = text[text.index('<section aria-labelledby="audit"') :].split("</section>")[0]
    assert section.count("by class and group; means") == (4 if kept else 0)
    assert ("Each dot is a group" in section) == kept
    assert ("g7: " in section) == kept, "a dot tells its name"
