"""How a network is trained: every choice in one strict document."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from buffycoat.records.documents import Document


class AugmentConfig(Document):
    """What may happen to a training crop. Ranges are half-widths around no change.

    Attributes
    ----------
    rotation_deg
        Any angle up to this, either way. A smear has no upright side, hence 180.
    flip
        Whether mirrored cells are shown.
    scale
        Log of the largest zoom either way.
    shift
        Largest shift, as a share of the crop's side.
    stain
        Log of the largest change in the amount of stain (optical density), all channels together.
    colour
        Log of the largest change in the amount of stain, each channel by itself.
    light
        Log of the largest change in the light's colour, each channel by itself.
    """

    rotation_deg: float = Field(default=180.0, ge=0, le=180)
    flip: bool = True
    scale: float = Field(default=0.15, ge=0, lt=1)
    shift: float = Field(default=0.06, ge=0, lt=0.5)
    stain: float = Field(default=0.20, ge=0, lt=2)
    colour: float = Field(default=0.05, ge=0, lt=1)
    light: float = Field(default=0.04, ge=0, lt=1)


class TrainConfig(Document):
    """How one network is trained.

    Attributes
    ----------
    epochs
        Most passes; an epoch draws as many rows as there are training rows.
    input_px
        Side of the network's input.
    view_px
        Side of the square seen, in pixels of the reference field; at most the stored crop's side, so that a
        turned or shifted view still finds real pixels at its corners.
    averaging
        Decay of the exponential moving average of the weights; the averaged weights are the ones kept. 0: off.
    patience
        Epochs in a row clearly worse than the best, by the validation rows, before training stops; 0: never.
    frozen_stages
        Leading stages of a pretrained network left as they came (ignored when training from scratch).
    views
        Turned and mirrored views (1, 4 or 8) whose probabilities are averaged at prediction.
    precision
        ``auto``: bf16 where the processor computes in it, else fp32.
    """

    epochs: int = Field(default=30, ge=1)
    batch_size: int = Field(default=32, ge=2)
    input_px: int = Field(default=128, ge=16)
    view_px: int = Field(default=280, gt=0)
    learning_rate: float = Field(default=1e-3, gt=0)
    schedule: Literal["cosine", "one-cycle"] = "cosine"
    warm_up: float = Field(default=0.15, ge=0, lt=1)
    weight_decay: float = Field(default=0.05, ge=0)
    label_smoothing: float = Field(default=0.1, ge=0, lt=1)
    dropout: float = Field(default=0.2, ge=0, lt=1)
    clip_norm: float = Field(default=1.0, ge=0)
    averaging: float = Field(default=0.98, ge=0, lt=1)
    patience: int = Field(default=15, ge=0)
    frozen_stages: int = Field(default=0, ge=0)
    views: Literal[1, 4, 8] = 8
    precision: Literal["auto", "32", "bf16"] = "auto"
    augment: AugmentConfig = AugmentConfig()

    @field_validator("precision", mode="before")
    @classmethod
    def _spell(cls, given: object) -> object:
        return str(given)  # 32 is a number to TOML
