from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from buffycoat.audit.paint import RADIUS_SHARE, paint_out
from buffycoat.cli.main import app
from buffycoat.errors import UsageError
from buffycoat.imaging.find import find_leukocytes
from buffycoat.records.audit import Audit
from buffycoat.records.documents import Estimate, Interval
from buffycoat.study.paint_out import Plan, verdict
from tests.audit.conftest import Picture, save


def test_no_leukocyte_is_left_and_the_rest_is_untouched(fields: list[Picture]) -> None:
    for field in fields[:6]:
        before = field.copy()
        painted = paint_out(field)
        assert painted is not None and not find_leukocytes(painted)
        assert np.array_equal(field, before), "the field itself is left alone"
        assert (painted == field).all(axis=2).mean() > 0.35


def test_what_is_painted_has_one_size_whatever_the_cell(fields: list[Picture]) -> None:
    for field in fields[:6]:
        (cell, *others) = find_leukocytes(field)
        painted = paint_out(field)
        assert painted is not None
        x, y = (cell.box[0] + cell.box[2]) // 2, (cell.box[1] + cell.box[3]) // 2
        rows, columns = np.ogrid[: field.shape[0], : field.shape[1]]
        disc = (rows - y) ** 2 + (columns - x) ** 2 < (RADIUS_SHARE * field.shape[1] - 2) ** 2
        assert len(np.unique(painted[disc], axis=0)) == 1
        assert others or (painted != field).any(axis=2).sum() <= np.pi * (RADIUS_SHARE * field.shape[1] + 2) ** 2


def test_a_field_without_a_leukocyte_is_not_painted(fields: list[Picture]) -> None:
    painted = paint_out(fields[0])
    assert painted is not None and paint_out(painted) is None
    assert paint_out(painted, (10, 10, 60, 60)) is not None, "unless the box of one is given"


def _estimate(value: float, low: float, high: float) -> Estimate:
    return Estimate(value=value, interval=Interval(low=low, high=high, method="-"))


@pytest.mark.parametrize(
    ("painted", "whole", "flag", "words"),
    [
        ((0.52, 0.40, 0.63), (0.9, 0.8, 0.95), "serious", "something besides the cell tells the class"),
        ((0.26, 0.20, 0.33), (0.8, 0.7, 0.9), "sound", "falls to chance"),
        ((0.26, 0.20, 0.33), (0.27, 0.2, 0.3), "look", "the control shows nothing"),
        ((0.26, 0.10, 0.60), (0.8, 0.7, 0.9), "look", "cannot rule one out"),
        ((0.26, 0.20, 0.33), None, "look", "may have learned nothing at all"),
        # with the leukocytes in place less than half of the way from chance to all right: a weak control
        ((0.26, 0.20, 0.33), (0.55, 0.47, 0.62), "look", "it went 40 % of the way from chance to all right"),
        ((0.26, 0.20, 0.33), (0.55, 0.47, 0.62), "look", "This proves little, for the control is weak"),
        ((0.26, 0.20, 0.33), (0.62, 0.55, 0.70), "look", "it went 49 % of the way"),
        ((0.26, 0.10, 0.60), (0.55, 0.47, 0.62), "look", "cannot rule one out. The control is weak besides"),
        ((0.30, 0.26, 0.36), (0.55, 0.47, 0.62), "look", "The control is weak, so there may be more of it"),
        ((0.45, 0.35, 0.50), (0.55, 0.47, 0.62), "serious", "The control is weak, so there may be more of it"),
    ],
)
def test_the_conclusion_is_plain(
    painted: tuple[float, float, float], whole: tuple[float, float, float] | None, flag: str, words: str
) -> None:
    found, sentence = verdict(
        _estimate(*painted), None if whole is None else _estimate(*whole), 0.25, "EfficientNet-Lite0"
    )
    assert found == flag and words in sentence and f"{painted[0]:.2f}" in sentence


@pytest.mark.parametrize(
    ("painted", "whole"),
    [
        ((0.26, 0.20, 0.33), (0.63, 0.55, 0.70)),
        ((0.52, 0.40, 0.63), (0.9, 0.8, 0.95)),
        ((0.26, 0.10, 0.60), (0.8, 0.7, 0.9)),
    ],
)
def test_a_control_that_learned_the_cells_is_not_called_weak(
    painted: tuple[float, float, float], whole: tuple[float, float, float]
) -> None:
    assert "weak" not in verdict(_estimate(*painted), _estimate(*whole), 0.25, "N")[1]


def test_the_share_of_the_way_depends_on_chance() -> None:
    """0.62 is nearly half of the way beside four classes, but a quarter of it beside two."""
    sentence = verdict(_estimate(0.50, 0.42, 0.58), _estimate(0.62, 0.55, 0.70), 0.5, "N")[1]
    assert "it went 24 % of the way" in sentence and "--set epochs=20" in sentence


def test_the_control_is_trained_as_it_is_said_to_be() -> None:
    """Shortly, colours and light left alone, turned and mirrored only, one view."""
    training = Plan().training()
    changes = training.augment
    assert (training.epochs, training.views, training.patience) == (5, 1, 0)
    assert (changes.stain, changes.colour, changes.light, changes.scale, changes.shift) == (0, 0, 0, 0, 0)
    assert changes.rotation_deg == 180 and changes.flip


def test_a_setting_of_the_control_that_makes_no_sense_is_refused() -> None:
    for wrong in ("epoch=3", "epochs", "epochs=none", "folds=1"):
        with pytest.raises(UsageError):
            Plan.of([wrong], 1)
    assert Plan.of(["epochs=3", "network=resnet18", "reference=false"], 1).reference is False


@pytest.mark.slow
@pytest.mark.parametrize("planted", [True, False])
def test_the_control_uncovers_a_planted_shortcut_and_nothing_where_there_is_none(
    planted: bool, fields: list[Picture], tmp_path: Path
) -> None:
    """Labels are drawn by a coin; where a shortcut is planted, one class was photographed under a bluer lamp."""
    coin = random.Random(1)
    labels = [k % 2 for k in range(56)]
    coin.shuffle(labels)
    for k, label in enumerate(labels):
        field = np.roll(fields[k % 14], (37 * (k // 14), 53 * (k // 14)), axis=(0, 1)).astype(np.float32)
        lamp = np.array([0.86, 0.95, 1.06], np.float32) if planted and label else np.float32(1)
        save(
            tmp_path / "set" / ("neutrophil", "lymphocyte")[label] / f"{k}.jpg",
            (field * lamp).clip(0, 255).astype(np.uint8),
        )
    tiny = ("network=test_resnet", "weights=none", "epochs=40", "input_px=48", "reference=false")
    options = [option for setting in tiny for option in ("--set", setting)]
    line = ["data", "audit", str(tmp_path / "set"), "--recipe", "none", "--paint-out", "--json", "-o", str(tmp_path)]
    run = CliRunner().invoke(app, [*line, *options])
    assert run.exit_code == 0, run.output
    control = Audit.model_validate(json.loads(run.stdout)).paint_out
    assert control is not None and control.painted.interval.low is not None and control.chance == 0.5
    assert (control.flag == "serious") == planted, control.sentence
    assert Audit.read(tmp_path / "audit.json").problem("painted-out").flag == control.flag
