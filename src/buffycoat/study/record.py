"""``study.json``: what a study was made from and with, and whether a folder holds the same one."""

from __future__ import annotations

from typing import Any

from pydantic import Field, model_validator

from buffycoat.networks.start import StartWeights
from buffycoat.records.documents import DataSummary, Document, FrameSpec
from buffycoat.study.config import EvidenceConfig, StudyConfig

SCHEMA_VERSION = 2
"""From 2 on a study that was told no error rate has none; version 1 wrote 0.05, told or not."""


class StudyRecord(Document):
    """All it takes to repeat a study."""

    schema_version: int = SCHEMA_VERSION
    name: str
    data: DataSummary
    preset: str
    protocol: str
    seed: int
    models: tuple[str, ...]
    classes: tuple[str, ...]
    frame: FrameSpec
    recipe: str
    config: StudyConfig
    versions: dict[str, str]
    threads: int
    precision: dict[str, str]
    command: str
    weights: dict[str, StartWeights] = Field(default_factory=dict)  # by network; empty in an earlier version's study

    @model_validator(mode="before")
    @classmethod
    def _from_version_1(cls, found: Any) -> Any:
        """Take the 0.05 of a version 1 record for what was not said: hardly anybody says the default."""
        if not isinstance(found, dict) or found.get("schema_version") != 1 or not isinstance(found.get("config"), dict):
            return found
        config = found["config"]
        unsaid = {"error_rate": None} if config.get("error_rate") == 0.05 else {}
        return {**found, "schema_version": SCHEMA_VERSION, "config": {**config, **unsaid}}

    def differences(self, config: StudyConfig, content_hash: str) -> list[str]:
        """Return in words what sets another configuration and data apart from this study's; empty: nothing.

        A study may grow: further networks, further repeats, the baseline, and what is measured besides are no
        difference, since everything that was trained stays as it is. Its preset is then another.
        """
        mine, other = (_leaves(self._compared(one)) for one in (self.config, config))
        found = [
            f"{key}: {mine.get(key, 'not set')} there, {other.get(key, 'not set')} asked for"
            for key in sorted(mine.keys() | other.keys())
            if mine.get(key) != other.get(key) and not self._grown(key, config)
        ]
        if all(line.startswith("preset: ") for line in found):
            found = []
        if content_hash != self.data.content_hash:
            found.insert(0, "the data are others, or have changed")
        return found

    def _compared(self, config: StudyConfig) -> dict[str, Any]:
        """Return the choices that have to agree, of this study's networks only."""
        # How an override was written decides nothing.
        spelling: Any = {"recipe": {"changes"}, **dict.fromkeys(EvidenceConfig.model_fields, True)}
        choices = config.model_dump(mode="json", exclude=spelling)
        for by_model in ("train", "weights_of"):
            choices[by_model] = {model: of for model, of in choices[by_model].items() if model in self.config.models}
        return choices

    def _grown(self, key: str, config: StudyConfig) -> bool:
        """Say whether a choice that differs only adds to this study."""
        if key == "models":
            return set(self.config.models) < set(config.models)
        if key == "split.repeats":
            return self.config.split.scheme != "given" and self.config.split.repeats < config.split.repeats
        return key == "baseline" and config.baseline


def _leaves(value: Any, path: str = "") -> dict[str, Any]:
    if isinstance(value, dict):
        return {
            key: leaf
            for name, part in value.items()
            for key, leaf in _leaves(part, f"{path}.{name}" if path else str(name)).items()
        }
    return {path: value}
