"""What a study is to do, resolved to the last choice before anything runs."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, ValidationError

from buffycoat.clean.recipe import Recipe, named
from buffycoat.errors import UsageError, did_you_mean
from buffycoat.evaluate.enough import HALF_WIDTHS
from buffycoat.networks.names import NetworkSpec, resolve
from buffycoat.records.documents import Document, FrameSpec, explain
from buffycoat.study.presets import DEFAULT_MODELS, PRESETS, Preset, training
from buffycoat.train.config import TrainConfig

T = TypeVar("T", bound=Document)
HalfWidth = Annotated[float, Field(ge=0.005, le=0.25)]
SECTIONS = ("study", "recipe", "split", "frame", "train")
_STUDY_KEYS = (
    *("models", "weights", "seed", "recipe", "preset"),
    *("baseline", "train_seeds", "learning_curve", "error_rate", "half_widths", "unlike"),
)
_SWITCHES = ("baseline", "train_seeds", "learning_curve", "error_rate", "half_widths", "unlike")
"""Choices of [study] that ``--set`` takes without their section."""


class SplitConfig(Document):
    """How rows are parted into training, inner validation and test."""

    scheme: Literal["holdout", "kfold", "given"] = "kfold"
    folds: int = Field(default=5, ge=2)
    repeats: int = Field(default=1, ge=1)
    test_share: float = Field(default=0.2, gt=0, lt=1)
    validation_share: float = Field(default=0.1, gt=0, lt=1)
    groups: Literal["audited", "given", "none"] = "audited"  # audited: those given, joined where files show one cell
    leaks: Literal["refuse", "drop", "allow"] = "refuse"  # drop: leaking training rows are left out


class EvidenceConfig(Document):
    """What is measured besides the comparison, and how strictly.

    Attributes
    ----------
    train_seeds
        Trainings of every fold of the first repeat, the study's own among them.
    learning_curve
        Shares of the training rows to train on, too, in the first repeat.
    error_rate
        Share of the answers that may be wrong where uncertain ones are withheld; None: not said. Then it is 0.05 in the
        report, and a bundle gets one within reach.
    half_widths
        How narrow an interval should be, to either side: how many cells that takes is told.
    unlike
        Whether the networks are shown pictures that are no cells of theirs.
    """

    train_seeds: int = Field(default=1, ge=1, le=20)
    learning_curve: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = ()
    error_rate: float | None = Field(default=None, gt=0, le=0.5)
    half_widths: tuple[HalfWidth, ...] = Field(default=HALF_WIDTHS, min_length=1, max_length=4)
    unlike: bool = True


class StudyConfig(EvidenceConfig):
    """Every choice of a study; two studies with equal configuration and data are the same study."""

    preset: Preset
    seed: int = Field(ge=0)
    models: tuple[str, ...] = Field(min_length=1)
    weights: str
    weights_of: dict[str, str] = Field(default_factory=dict)  # of single networks, instead
    recipe: Recipe
    split: SplitConfig
    frame: FrameSpec
    baseline: bool = True  # measure nucleus and cytoplasm, and compare the networks with a regression on that
    labels: str | None = None  # a name for the changes by hand that were made to the labels, if any
    train: dict[str, TrainConfig]

    def network(self, model: str) -> NetworkSpec:
        """Return the network of one of the study's models."""
        return resolve(model)

    def start_of(self, model: str) -> str:
        """Return the weights asked for, for one of the study's models: ``auto``, ``none`` or a file."""
        return self.weights_of.get(model, self.weights)

    def trainings(self) -> int:
        """Return how many networks will be trained: one for each model, fold and repeat."""
        folds = self.split.folds if self.split.scheme == "kfold" else 1
        return len(self.models) * folds * (self.split.repeats + self.train_seeds - 1 + len(self.learning_curve))


def configure(
    *,
    preset: Preset | None = None,
    models: Iterable[str] = (),
    seed: int | None = None,
    weights: str | Iterable[str] = (),
    recipe: str | None = None,
    settings: Iterable[str] = (),
    file: Path | None = None,
) -> StudyConfig:
    """Resolve a study's configuration: preset, then configuration file, then options, then ``key=value`` settings.

    Parameters
    ----------
    models
        Names of networks; none: the three of the comparison.
    weights
        ``auto``, ``none`` or a file for all networks; ``MODEL=auto|none|FILE`` for one of them.
    settings
        ``section.key=value``: ``split.folds=10``, ``frame.side_px=300``, ``recipe.thin.neutrophil=0.2``,
        ``train.epochs=5`` (every model) or ``train.alexnet.epochs=5`` (one), ``baseline=false``.
    file
        TOML with the same sections; ``[study]`` holds preset, models, weights, seed and recipe.

    Raises
    ------
    UsageError
        An unknown key, a value of another kind, an unknown network or recipe; all faults of a section together.
    """
    given = _read(file)
    study = given.setdefault("study", {})
    _known(study, _STUDY_KEYS, "[study]")
    for text in settings:
        _set(given, text)
    preset = preset or study.get("preset", "quick")
    if preset not in PRESETS:
        raise UsageError(f"There is no preset {preset!r}.", hint=did_you_mean(str(preset), PRESETS))
    split = {**PRESETS[preset].split, **given.get("split", {})}
    _used(split, given.get("split", {}))
    names = tuple(models) or tuple(_texts(study.get("models"), "models")) or DEFAULT_MODELS
    specs = _distinct(names)
    chosen = named(recipe or str(study.get("recipe", "seeds")))
    train = given.get("train", {})
    common = {key: value for key, value in train.items() if not isinstance(value, dict) or key == "augment"}
    own = _by_model({key: value for key, value in train.items() if key not in common}, specs)
    return StudyConfig(
        preset=preset,
        seed=_seed(seed if seed is not None else study.get("seed", 7)),
        models=tuple(spec.name for spec in specs),
        **_weights([weights] if isinstance(weights, str) else weights, study.get("weights", "auto"), specs),
        recipe=chosen.with_overrides(_flat(given.get("recipe", {}))),
        split=_section(SplitConfig, split, "split"),
        frame=_section(FrameSpec, given.get("frame", {}), "frame"),
        baseline=_switch(study.get("baseline", True), "baseline"),
        **_evidence({**PRESETS[preset].evidence, **study}).model_dump(),
        train={
            spec.name: _section(
                TrainConfig,
                _merged(_merged(training(spec, preset), common), own.get(spec.name, {})),
                f"train.{spec.name}",
            )
            for spec in specs
        },
    )


def _weights(asked: Iterable[str], given: object, specs: Iterable[NetworkSpec]) -> dict[str, Any]:
    """Return what all networks start from, and what single ones start from instead."""
    names = {spec.name for spec in specs}
    table = given if isinstance(given, dict) else {}
    every = "auto" if table else str(given)
    pairs = [(str(model), str(value)) for model, value in table.items()]
    for text in asked:
        model, equals, value = text.partition("=")
        if equals and not Path(text).expanduser().exists():
            pairs.append((model.strip(), value.strip()))
        else:
            every = text
    single: dict[str, str] = {}
    for model, value in pairs:
        try:
            name = resolve(model).name
        except UsageError:
            name = model
        if name not in names or not value:
            raise UsageError(
                f"Weights for {model!r}: the study has no such model." if value else f"Weights for {model!r}: which?",
                hint=did_you_mean(model, names) or "Expected auto, none, a file, or MODEL=auto|none|FILE.",
            )
        single[name] = value
    return {"weights": every, "weights_of": single}


def _evidence(study: Mapping[str, Any]) -> EvidenceConfig:
    given = {key: value for key, value in study.items() if key in EvidenceConfig.model_fields}
    found = _section(EvidenceConfig, given, "[study]")
    return found.model_copy(update={"learning_curve": tuple(sorted(set(found.learning_curve)))})


def _used(split: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    """Refuse a choice that the scheme would ignore."""
    scheme = split.get("scheme", "kfold")
    for key, needed in (("folds", "kfold"), ("test_share", "holdout")):
        if key in given and scheme != needed:
            raise UsageError(
                f"split.{key} has no effect with the scheme {scheme!r}.",
                hint=f"Add --set split.scheme={needed}, or choose a preset that uses it.",
            )


def _read(file: Path | None) -> dict[str, dict[str, Any]]:
    if file is None:
        return {}
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"The configuration {file} cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"The configuration {file} is not TOML: {error}.") from error
    _known(content, SECTIONS, str(file))
    for name, section in content.items():
        if not isinstance(section, dict):
            raise UsageError(f"{file}: {name} should be a section, [{name}].")
    return content


def _set(given: dict[str, dict[str, Any]], text: str) -> None:
    path, equals, value = text.partition("=")
    steps = [step.strip() for step in path.split(".")]
    if equals and steps[0] in _SWITCHES and len(steps) == 1:
        steps.insert(0, "study")
    if not equals or len(steps) < 2 or not all(steps):
        raise UsageError(f"--set {text}: expected section.key=value.", hint="For example --set train.epochs=5")
    if steps[0] != "study" or steps[1] not in _SWITCHES:
        _known({steps[0]: None}, SECTIONS[1:], f"--set {text}")
    place: dict[str, Any] = given.setdefault(steps[0], {})
    for step in steps[1:-1]:
        place = place.setdefault(step, {})
        if not isinstance(place, dict):
            raise UsageError(f"--set {text}: {step} is a value, not a section.")
    place[steps[-1]] = _value(value.strip())


def _value(text: str) -> Any:
    try:
        found = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
    return _Whole(found) if isinstance(found, dict) else found


def _known(given: Mapping[str, Any], known: Iterable[str], where: str) -> None:
    unknown = [key for key in given if key not in set(known)]
    if unknown:
        raise UsageError(f"{where}: unknown {', '.join(map(repr, unknown))}.", hint=did_you_mean(unknown[0], known))


def _section(kind: type[T], values: Mapping[str, Any], where: str) -> T:
    _known(values, kind.model_fields, where)
    try:
        return kind.model_validate(dict(values))
    except ValidationError as error:
        raise UsageError(f"{where}: {explain(error)}.") from error


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    both = dict(below)
    for key, value in above.items():
        if isinstance(value, dict) and not isinstance(value, _Whole) and isinstance(both.get(key), dict):
            both[key] = _merged(both[key], value)
        else:
            both[key] = value
    return both


class _Whole(dict[str, Any]):
    """A table that was given in one piece, and takes the place of the one before instead of changing some of it."""


def _flat(section: Mapping[str, Any], prefix: str = "") -> list[str]:
    lines: list[str] = []
    for key, value in section.items():
        if isinstance(value, dict):
            if isinstance(value, _Whole) or not value:
                lines.append(f"{prefix}{key}={{}}")
            lines += _flat(value, f"{prefix}{key}.")
        elif isinstance(value, list):
            lines.append(f"{prefix}{key}=[{','.join(map(str, value))}]")
        else:
            lines.append(f"{prefix}{key}={str(value).lower() if isinstance(value, bool) else value}")
    return lines


def _by_model(train: Mapping[str, Any], specs: Iterable[NetworkSpec]) -> dict[str, dict[str, Any]]:
    names = {spec.name for spec in specs}
    own: dict[str, dict[str, Any]] = {}
    for key, values in train.items():
        try:
            name = resolve(key).name
        except UsageError:
            name = key
        if name not in names:
            raise UsageError(
                f"train.{key}: the study has no such model.",
                hint=did_you_mean(key, {*names, *TrainConfig.model_fields}),
            )
        own[name] = values
    return own


def _distinct(names: Iterable[str]) -> tuple[NetworkSpec, ...]:
    specs = [resolve(name) for name in names]
    twice = {spec.name for spec in specs if [other.name for other in specs].count(spec.name) > 1}
    if twice:
        raise UsageError(f"A model stands twice: {', '.join(sorted(twice))}.")
    return tuple(specs)


def _switch(value: Any, key: str) -> bool:
    if not isinstance(value, bool):
        raise UsageError(f"{key}: expected true or false, found {value!r}.")
    return value


def _texts(value: Any, key: str) -> list[str]:
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise UsageError(f"[study] {key}: expected a list of names, found {value!r}.")
    return value


def _seed(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise UsageError(f"The seed should be a whole number from 0, found {value!r}.")
    return value
