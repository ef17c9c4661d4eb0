"""The model card: a head that machines read, and every figure with its limits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from buffycoat.bundle import default
from buffycoat.bundle.markdown import markdown
from buffycoat.bundle.summary import summary
from buffycoat.bundle.words import leaking
from buffycoat.cli.main import app
from tests.bundles import CLASSES, estimate, leaking_card, operating_point, tiny_bundle, tiny_card


def parts(text: str) -> tuple[dict[str, Any], str]:
    _, head, body = text.split("---\n", 2)
    return yaml.safe_load(head), body


def test_the_head_is_what_hugging_face_reads() -> None:
    head, _ = parts(markdown(tiny_card(b"x", name='odd: "name" #1', licence="MIT")))
    assert head["license"] == "mit"
    assert head["library_name"] == "buffycoat"
    assert head["pipeline_tag"] == "image-classification"
    assert {"onnx", "leukocyte"} <= set(head["tags"])
    assert set(head["metrics"]) == {"accuracy", "balanced_accuracy", "expected_calibration_error"}
    (entry,) = head["model-index"]
    assert entry["name"] == 'odd: "name" #1'
    (result,) = entry["results"]
    assert result["task"]["type"] == "image-classification"
    assert {metric["type"]: metric["value"] for metric in result["metrics"]}["accuracy"] == 0.9


def test_the_body_tells_use_data_results_and_limits() -> None:
    card = tiny_card(b"x")
    _, body = parts(markdown(card))
    headings = [line for line in body.splitlines() if line.startswith("## ")]
    assert headings == [
        *("## Intended use", "## Training data", "## Evaluation"),
        *("## How it answers", "## Limitations", "## Technical"),
    ]
    assert "not a medical device: not for diagnosis" in body
    assert "0.900 (0.850–0.950)" in body
    assert card.model_sha256 in body
    assert all(f"| {name} | 10 |" in body for name in CLASSES)
    assert all(f"- {limit}" in body for limit in card.limitations)


def test_a_leaking_split_is_said_before_any_figure() -> None:
    card = leaking_card()
    head, body = parts(markdown(card))
    assert not {"metrics", "model-index"} & set(head), "machines rank by them, and read no warning"
    assert "leaking-split" in head["tags"]
    first, second = [line for line in body.splitlines() if line][:2]
    assert first == "# LEAKING SPLIT: Tiny (answers by mean colour; for tests)"
    assert second == f"> **{leaking('The split leaks: all.')}**"
    for heading in ("## Evaluation", "### Networks of the study", "### By class, Tiny", "## How it answers"):
        assert f"\n{heading} (leaking split)\n" in body
    assert f"## Limitations\n\n- {card.limitations[0]}" in body
    assert "- Something else." in body
    assert "- The split leaks: all." not in body, "said above already"
    assert summary(card).startswith(f"{leaking('The split leaks: all.')}\nLEAKING SPLIT: Tiny")


def test_a_sound_split_is_not_called_leaking() -> None:
    card = tiny_card(b"x")
    assert "leak" not in (markdown(card) + summary(card)).casefold()


def test_what_other_error_rates_take_is_shown() -> None:
    rates = {
        "0.10": {"certain_threshold": 0.5, "unidentified": estimate(0.2), "error_rate": estimate(0.1)},
        "0.02": {
            "certain_threshold": 1.01,
            "unidentified": estimate(1.0),
            "error_rate": {**estimate(0), "value": None},
        },
    }
    card = tiny_card(b"x", operating={"1": operating_point(error_rate=0.07, other_rates=rates)})
    text = markdown(card)
    assert "| 1 | 1.000 | 0.600 | 7 % | 0.5 |" in text
    assert (
        "| 1 | 2 % | out of reach | 100.0 % (95.0–100.0) | undefined |\n"
        "| 1 | 10 % | 0.500 | 20.0 % (15.0–25.0) | 10.0 % (5.0–15.0) |"
    ) in text
    assert "stated: 7 %" in summary(card)
    assert "other error rates" not in markdown(tiny_card(b"x"))


def test_every_table_is_whole() -> None:
    rows = [line for line in markdown(tiny_card(b"x", title="a | b")).splitlines() if line.startswith("|")]
    widths = [line.replace("\\|", "").count("|") for line in rows]
    for place, row in enumerate(rows):
        if set(row) <= set("|-"):
            assert widths[place - 1] == widths[place] == widths[place + 1]


def test_the_summary_says_what_it_is_not_for() -> None:
    text = summary(tiny_card(b"x"))
    assert "accuracy 0.900 (0.850–0.950)" in text
    assert "not for diagnosis" in text


def test_the_command_prints_the_bundle_in_the_package_by_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(default, "FOLDER", tiny_bundle(tmp_path / "default"))
    done = CliRunner().invoke(app, ["card"])
    assert done.exit_code == 0
    assert parts(done.stdout)[0]["library_name"] == "buffycoat"


def test_a_damaged_bundle_ends_in_words(tmp_path: Path) -> None:
    folder = tiny_bundle(tmp_path)
    (folder / "model.onnx").write_bytes(b"no")
    done = CliRunner().invoke(app, ["card", str(folder)])
    assert done.exit_code != 0
    assert "bytes, the card says" in str(done.exception)
