"""Reading a study folder: every file a report is drawn from, checked once, in one object."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from buffycoat.errors import DataError
from buffycoat.files import is_file
from buffycoat.records.audit import Audit
from buffycoat.records.documents import (
    BaselineCard,
    Cleaning,
    DataSummary,
    Fault,
    FrameSpec,
    ModelResult,
    NetworkCard,
    Results,
    explain,
)
from buffycoat.records.tables import CELLS, HISTORY, SPLITS, prediction_columns, read_history, read_table
from buffycoat.report.crops import Crops
from buffycoat.report.exploration import Exploration


class About(BaseModel):
    """What ``study.json`` tells a report; what else it holds is the conductor's own."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    name: str
    data: DataSummary
    preset: str
    seed: int
    models: tuple[str, ...]
    classes: tuple[str, ...]
    frame: FrameSpec
    recipe: str | dict[str, Any] | None = None
    versions: dict[str, str | None] = {}
    command: str | list[str] = ""
    config: dict[str, Any] = {}

    @property
    def settings(self) -> list[tuple[str, str]]:
        """Every choice of the configuration, nested names joined by dots, in the order they are stored."""
        return list(_leaves(self.config))

    @property
    def command_line(self) -> str:
        """The command that made the study, on one line; of absolute paths, which tell of people, only the last step."""
        words = shlex.split(self.command) if isinstance(self.command, str) else list(self.command)
        return shlex.join(_last_step(word) for word in words)


def _last_step(word: str) -> str:
    option, equals, value = word.partition("=")
    if equals and option.startswith("--"):
        return f"{option}={_last_step(value)}"
    return Path(word).name if Path(word).is_absolute() else word


@dataclass(frozen=True)
class Study:
    """A study as its files tell it.

    Attributes
    ----------
    folder
        The study folder.
    about
        ``study.json``.
    results
        ``results.json``.
    """

    folder: Path
    about: About
    results: Results

    @property
    def synthetic(self) -> bool:
        """Whether anything in it comes from smears drawn by the program."""
        return self.results.synthetic or self.about.data.synthetic

    @cached_property
    def cells(self) -> pl.DataFrame:
        """``cells.parquet``, excluded rows included."""
        return read_table(self.folder / "cells.parquet", CELLS)

    @cached_property
    def splits(self) -> pl.DataFrame:
        """``splits.parquet``."""
        return read_table(self.folder / "splits.parquet", SPLITS)

    @cached_property
    def predictions(self) -> pl.DataFrame:
        """``predictions.parquet``: one row per model, repeat, fold and held-out cell."""
        return read_table(self.folder / "predictions.parquet", prediction_columns(self.results.classes))

    @cached_property
    def history(self) -> pl.DataFrame:
        """``history.csv``; an empty table where a study has none (predictions brought from elsewhere)."""
        path = self.folder / "history.csv"
        if not is_file(path):
            return pl.DataFrame(schema=dict(HISTORY))
        return read_history(path)

    @cached_property
    def cleaning(self) -> Cleaning:
        """``cleaning.json``."""
        return Cleaning.read(self.folder / "cleaning.json")

    @cached_property
    def faults(self) -> tuple[Fault, ...]:
        """``faults.json``: what was wrong in the data; none where there is no such file."""
        path = self.folder / "faults.json"
        if not is_file(path):
            return ()
        try:
            return TypeAdapter(tuple[Fault, ...]).validate_json(path.read_bytes())
        except ValidationError as error:
            raise DataError(f"{path} is damaged or of another version: {explain(error)}") from error

    @cached_property
    def audit(self) -> Audit | None:
        """``audit.json``, or None where the study was made without one."""
        path = self.folder / "audit.json"
        return Audit.read(path) if is_file(path) else None

    @cached_property
    def cards(self) -> dict[str, NetworkCard]:
        """The card of each model that has one."""
        paths = {name.model: self.folder / "models" / name.model / "card.json" for name in self.results.models}
        return {model: NetworkCard.read(path) for model, path in paths.items() if is_file(path)}

    @property
    def networks(self) -> tuple[ModelResult, ...]:
        """The results of the networks: of the models without the baselines."""
        return tuple(model for model in self.results.models if model.model not in self.results.baselines)

    @cached_property
    def baseline_cards(self) -> tuple[BaselineCard, ...]:
        """The cards of the baselines that have one."""
        paths = [self.folder / "models" / name / "baseline.json" for name in self.results.baselines]
        return tuple(BaselineCard.read(path) for path in paths if is_file(path))

    @cached_property
    def crops(self) -> Crops:
        """The crops, or an empty store where the folder was removed to save room."""
        return Crops.open(self.folder / "crops")

    @cached_property
    def exploration(self) -> Exploration | None:
        """What the exploration found, or None where it was not run."""
        return Exploration.open(self.folder / "explore")


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for name, part in value.items():
            yield from _leaves(part, f"{path}.{name}" if path else str(name))
    elif isinstance(value, list):
        yield path, ", ".join(str(part) for part in value) or "none"
    elif value is not None:
        yield path, {True: "yes", False: "no"}.get(value, str(value)) if isinstance(value, bool) else str(value)


def read_study(folder: Path) -> Study:
    """Read a study folder.

    Raises
    ------
    DataError
        It is not a study folder, or the study has no results yet, or a file is damaged.
    """
    about_path = folder / "study.json"
    if not is_file(about_path):
        raise DataError(
            f"{folder} is not a study folder: it holds no study.json.",
            hint="Give the folder that `buffycoat study … --out FOLDER` wrote.",
        )
    if not is_file(folder / "results.json"):
        raise DataError(
            f"{folder} holds no results.json: the study has not finished.",
            hint="Run the study's command again; it goes on from where it stopped.",
        )
    try:
        about = About.model_validate_json(about_path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise DataError(f"{about_path} is not a JSON document: {error}") from error
    except ValidationError as error:
        raise DataError(f"{about_path} is damaged or of another version: {explain(error)}") from error
    return Study(folder=folder, about=about, results=Results.read(folder / "results.json"))
