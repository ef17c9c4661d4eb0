"""The card says what the papers say, in figures that can be checked."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from buffycoat.networks.build import build, card, resolve
from buffycoat.networks.card import weights_in_words
from buffycoat.networks.count import multiply_adds, parameters
from buffycoat.networks.weights import WeightsReport
from buffycoat.records.documents import NetworkCard


@pytest.mark.parametrize(
    ("name", "input_px", "multiply_adds_g", "parameters_m"),
    [
        ("resnet18", 224, 1.82, 11.69),  # as torchvision and timm publish them
        ("resnet50", 224, 4.1, 25.56),
        ("alexnet", 224, 0.71, 61.1),
        ("efficientnet-b0", 224, 0.39, 5.29),  # Tan & Le 2019, table 2
        ("efficientnet-b1", 240, 0.70, 7.79),
    ],
)
def test_size_as_published(name: str, input_px: int, multiply_adds_g: float, parameters_m: float) -> None:
    model, report = build(resolve(name), 1000, "none", input_px)
    made = card(resolve(name), model, input_px, report)
    assert made.multiply_adds / 1e9 == pytest.approx(multiply_adds_g, rel=0.025)
    assert made.parameters / 1e6 == pytest.approx(parameters_m, rel=0.005)


def test_counting_agrees_with_arithmetic_and_leaves_the_model_alone() -> None:
    model = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.Flatten(), nn.Linear(8 * 16 * 16, 5)).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    assert multiply_adds(model, 16) == 16 * 16 * 8 * 3 * 9 + 8 * 16 * 16 * 5
    assert parameters(model) == 8 * 3 * 9 + 8 * 16 * 16 * 5 + 5
    assert model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize(
    ("name", "words", "reference"),
    [
        ("resnet", ["degradation", "shortcut", "trained on", "not overfitting"], "He K"),
        ("efficientnet", ["compound", "width", "resolution", "search", "MobileNets"], "Tan M"),
        ("alexnet", ["control", "dropout", "initial"], "Krizhevsky"),
        ("mobilenetv3_small_050", ["timm"], "Wightman"),
    ],
)
def test_what_a_card_tells(tmp_path: Path, name: str, words: list[str], reference: str) -> None:
    spec = resolve(name)
    model, report = build(spec, 4, "none", 64)
    made = card(spec, model, 64, report)
    for word in words:
        assert word in made.idea
    assert made.reference.startswith(reference)
    assert made.title == spec.title
    assert made.weights == "none: trained from scratch"
    assert not made.pretrained
    assert "<" not in made.idea + made.block  # plain paragraphs, no markup
    made.write(tmp_path / "card.json")
    assert NetworkCard.read(tmp_path / "card.json") == made


def test_weights_in_words() -> None:
    report = WeightsReport("timm/resnet18", True, None, "ab" * 32, "apache-2.0", ("a new head replaces it",))
    expected = "timm/resnet18 (licence apache-2.0; a new head replaces it; SHA-256 abababababab…)"
    assert weights_in_words(report) == expected
