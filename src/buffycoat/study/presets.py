"""Three sizes of study, and how each kind of network is trained in them.

The training choices were made on splits drawn with other seeds than a study's default; ``docs/results/training.md``
says what was tried and what helped.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from buffycoat.networks.names import NetworkSpec
from buffycoat.train.config import TrainConfig

Preset = Literal["quick", "standard", "thorough"]

DEFAULT_MODELS = ("resnet18", "tf_efficientnet_lite0", "alexnet")
"""The three networks of the comparison."""


@dataclass(frozen=True)
class PresetChoices:
    """What a preset decides; all of it can be changed.

    Attributes
    ----------
    title
        How a report calls the protocol.
    split
        Fields of the split.
    evidence
        Fields of what is measured besides the comparison.
    epochs
        Share of each network's full number of epochs.
    """

    title: str
    split: dict[str, Any] = field(default_factory=dict)
    evidence: dict[str, Any] = field(default_factory=dict)
    epochs: float = 1.0


PRESETS: dict[Preset, PresetChoices] = {
    "quick": PresetChoices("one stratified hold-out", {"scheme": "holdout"}, epochs=0.6),
    "standard": PresetChoices("stratified 5-fold, every cell tested once", {"scheme": "kfold", "folds": 5}),
    # Its first repeat is `standard`; the same 326 cells say less and less with every further one, so it stops at three
    # and trains the first with another seed, too: both sources of variation are then seen.
    "thorough": PresetChoices(
        "stratified 5-fold on three splits, the first also trained with a second seed and on fewer cells",
        {"scheme": "kfold", "folds": 5, "repeats": 3},
        {"train_seeds": 2, "learning_curve": (0.25, 0.5)},
    ),
}

_BY_FAMILY: dict[str, dict[str, Any]] = {
    "efficientnet": {"epochs": 40, "learning_rate": 1e-3, "patience": 24},
    "resnet": {"epochs": 50, "learning_rate": 1e-3, "patience": 24},
    "alexnet": {"epochs": 45, "learning_rate": 2e-4, "dropout": 0.3, "clip_norm": 5.0, "patience": 24},
    "other": {"epochs": 30, "learning_rate": 5e-4},
}


def training(spec: NetworkSpec, preset: Preset) -> dict[str, Any]:
    """Return the fields of the training configuration that this network and preset set apart from the default."""
    fields = dict(_BY_FAMILY[spec.family])
    if spec.family == "efficientnet":  # bigger members were scaled for bigger inputs: keep the proportion
        fields["input_px"] = 32 * round(TrainConfig().input_px * spec.default_input_px / 224 / 32)
    if spec.fixed_input:
        fields["input_px"] = spec.default_input_px
    fields["epochs"] = max(1, round(fields["epochs"] * PRESETS[preset].epochs))
    return fields
