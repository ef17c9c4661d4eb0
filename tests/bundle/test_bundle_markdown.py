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
from buffycoat.cli.main import app
from tests.bundles import CLASSES, tiny_bundle, tiny_card


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
