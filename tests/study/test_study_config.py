from __future__ import annotations

import json
from pathlib import Path

import pytest

from buffycoat.errors import UsageError
from buffycoat.study.config import configure
from buffycoat.study.record import StudyRecord

PUBLISHED = Path(__file__).parents[2] / "docs" / "results" / "studies" / "standard" / "study.json"  # of version 1


def test_the_default_is_the_comparison_of_the_three_networks() -> None:
    config = configure(preset="standard")
    assert config.models == ("resnet18", "tf_efficientnet_lite0", "alexnet")
    assert (config.split.scheme, config.split.folds, config.split.repeats) == ("kfold", 5, 1)
    assert config.recipe.name == "seeds"
    assert config.weights == "auto"
    assert configure(preset="quick").split.scheme == "holdout"
    thorough = configure(preset="thorough")
    assert (thorough.split.repeats, thorough.train_seeds, thorough.learning_curve) == (3, 2, (0.25, 0.5))
    assert configure(preset="thorough", settings=["train_seeds=1", "learning_curve=[]"]).trainings() == 45


def test_settings_reach_one_model_or_all_and_sections_of_every_kind() -> None:
    config = configure(
        preset="quick",
        models=["resnet", "alexnet"],
        settings=[
            "train.epochs=3",
            "train.alexnet.epochs=4",
            "train.augment.flip=false",
            "train.precision=32",
            "split.test_share=0.3",
            "frame.side_px=300",
            "recipe.thin.neutrophil=0.2",
            "recipe.drop_classes=[]",
        ],
    )
    assert (config.train["resnet18"].epochs, config.train["alexnet"].epochs) == (3, 4)
    assert not config.train["alexnet"].augment.flip
    assert config.train["alexnet"].precision == "32"
    assert config.split.test_share == 0.3
    assert config.frame.side_px == 300
    assert config.recipe.thin == {"neutrophil": 0.2}
    assert config.recipe.drop_classes == ()


def test_a_rule_by_class_is_switched_off_replaced_or_changed(tmp_path: Path) -> None:
    def thin(*settings: str, file: Path | None = None) -> dict[str, float]:
        return configure(settings=settings, file=file).recipe.thin

    assert thin() == {"neutrophil": 0.1}
    assert thin("recipe.thin={}") == {}
    assert thin("recipe.thin={lymphocyte=0.5}") == {"lymphocyte": 0.5}
    assert thin("recipe.thin.lymphocyte=0.5") == {"neutrophil": 0.1, "lymphocyte": 0.5}
    path = tmp_path / "study.toml"
    path.write_text("[recipe]\nthin = {}\n")
    assert thin(file=path) == {}
    assert thin("recipe.thin={monocyte=0.2}", file=path) == {"monocyte": 0.2}
    assert configure(settings=["recipe.sampling={}"]).recipe.sampling == "none"


def test_a_file_stands_below_options_and_settings(tmp_path: Path) -> None:
    file = tmp_path / "study.toml"
    file.write_text(
        '[study]\nmodels = ["alexnet"]\nseed = 3\nrecipe = "none"\n[train]\nepochs = 9\n[train.alexnet]\nviews = 4\n'
    )
    settings = ["train.epochs=2"]
    config = configure(preset="quick", file=file, settings=settings)
    assert (config.models, config.seed, config.recipe.name) == (("alexnet",), 3, "none")
    assert (config.train["alexnet"].epochs, config.train["alexnet"].views) == (2, 4)
    assert (
        configure(preset="quick", file=file, models=["alexnet", "resnet"], seed=5, settings=["train.epochs=2"]).seed
        == 5
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"models": ["resnet18", "resnet"]}, "stands twice"),  # two names of one network
        ({"models": ["resnet81"]}, "resnet18"),  # offered
        ({"recipe": "seed"}, "seeds"),
        ({"settings": ["train.epoch=3"]}, "epochs"),
        ({"settings": ["trian.epochs=3"]}, "train"),
        ({"settings": ["train.epochs"]}, "section.key=value"),
        ({"settings": ["train.epochs=0"]}, "greater than or equal to 1"),
        ({"settings": ["train.epochs=0", "train.views=3"]}, "views"),  # all faults together
        ({"settings": ["train.resnet34.epochs=3"]}, "no such model"),
        ({"settings": ["split.folds=1", "split.scheme=kfold"]}, "folds"),
        ({"settings": ["split.folds=10"]}, "no effect"),  # the quick preset holds out once
        ({"preset": "quik"}, "quick"),
        ({"settings": ["recipe.thin.neutrofil=0.2x"]}, "thin"),
        ({"seed": -1}, "whole number"),
    ],
)
def test_a_wrong_choice_is_refused_in_words(arguments: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError) as caught:
        configure(**{"preset": "quick", **arguments})  # type: ignore[arg-type]
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("models = [", "not TOML"),
        ("[trian]\nepochs = 3", "train"),
        ("[study]\nmodel = 'alexnet'", "models"),
        ("[study]\nmodels = 'alexnet'", "list of names"),
        ("split = 3", "section"),
    ],
)
def test_a_wrong_file_is_refused_in_words(tmp_path: Path, content: str, words: str) -> None:
    file = tmp_path / "study.toml"
    file.write_text(content)
    with pytest.raises(UsageError) as caught:
        configure(preset="quick", file=file)
    assert words in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nowhere\.toml cannot be read"):
        configure(preset="quick", file=tmp_path / "nowhere.toml")


def test_a_network_may_start_from_weights_of_its_own(tmp_path: Path) -> None:
    config = configure(models=["resnet18", "alexnet"], weights=["none", f"ResNet18={tmp_path / 'a.pth'}"])
    assert config.start_of("resnet18") == str(tmp_path / "a.pth") and config.start_of("alexnet") == "none"
    file = tmp_path / "study.toml"
    file.write_text('[study]\nweights = {resnet18 = "none"}\n')
    read = configure(models=["resnet18", "alexnet"], file=file)
    assert (read.start_of("resnet18"), read.start_of("alexnet")) == ("none", "auto")
    odd = tmp_path / "run=3.pth"
    odd.touch()
    assert configure(models=["alexnet"], weights=str(odd)).start_of("alexnet") == str(odd), "a file may be called so"
    with pytest.raises(UsageError, match="no such model") as caught:
        configure(models=["resnet18"], weights=["resnet81=none"])
    assert "resnet18" in str(caught.value.hint)
    with pytest.raises(UsageError, match="which"):
        configure(models=["resnet18"], weights=["resnet18="])


def test_an_error_rate_that_was_set_to_the_default_is_told_from_one_that_was_not() -> None:
    assert configure().error_rate is None
    assert configure(settings=["error_rate=0.05"]).error_rate == 0.05


def test_a_record_of_version_1_says_nothing_of_a_rate_of_5_percent() -> None:
    def read(rate: float, version: int) -> StudyRecord:
        found = json.loads(PUBLISHED.read_text(encoding="utf-8"))
        found["schema_version"], found["config"]["error_rate"] = version, rate
        return StudyRecord.model_validate_json(json.dumps(found))

    old = read(0.05, 1)
    assert (old.schema_version, old.config.error_rate) == (2, None)
    assert StudyRecord.model_validate_json(old.model_dump_json()) == old
    assert read(0.02, 1).config.error_rate == 0.02
    assert read(0.05, 2).config.error_rate == 0.05
