"""Each thing a user can get wrong ends in one clear message and a non-zero exit, never in a traceback."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from buffycoat.cli.main import run
from buffycoat.errors import FetchError
from buffycoat.synth.write import BALANCED_SHARES, write_set

Run = Callable[..., tuple[int, str, str]]
SETTINGS = (
    *("train.epochs=1", "train.input_px=32", "train.views=1", "frame.stored_px=48"),
    *("baseline=false", "unlike=false"),
)
FAST = ("--model", "test_resnet", "--weights", "none", *(word for one in SETTINGS for word in ("--set", one)))


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs the command line in this process: exit code, standard output and error."""

    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["buffycoat", *arguments])
        code: Any = 0
        try:
            run()
        except SystemExit as stop:
            code = stop.code or 0
        out, err = capfd.readouterr()
        return int(code), out, " ".join(err.split())

    return call


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return 15 synthetic fields, one folder per class; not to be changed."""
    folder = tmp_path_factory.mktemp("drawn")
    write_set(folder / "set", 15, 3, shares=BALANCED_SHARES)
    lines = (folder / "set" / "labels.csv").read_text().splitlines()[1:]
    for line in lines:
        image, label = line.split(",")[:2]
        place = folder / "classes" / label
        place.mkdir(parents=True, exist_ok=True)
        shutil.copy(folder / "set" / image, place)
    return folder / "classes"


def test_a_missing_folder_is_named_and_its_neighbour_offered(command: Run, drawn: Path, tmp_path: Path) -> None:
    wrong = drawn.with_name("clases")
    code, out, err = command("study", str(wrong), "--out", str(tmp_path / "out"))
    assert code == 3
    assert "clases" in err
    assert "classes" in err
    assert out == ""


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--model", "resnet81"], 2, "resnet18"),  # close matches are offered
        (["--recipe", "seed"], 2, "seeds"),
        (["--set", "train.epochs=many"], 2, "epochs"),
        (["--set", "recipe.thin.neutrofil=0.1"], 2, "neutrophil"),  # a class misspelt
        (["--set", "split.scheme=kfold", "--set", "split.folds=10"], 3, "folds"),  # fewer images than folds
        (["--config", "nowhere.toml"], 2, "nowhere.toml"),
        (["--weights", "nowhere.safetensors", *FAST[:2]], 2, "nowhere.safetensors"),
        (["--nodes", "2"], 2, "torchrun"),
        (["--preset", "quik"], 2, "quick"),
    ],
)
def test_a_wrong_option_is_refused_in_words(
    command: Run, drawn: Path, tmp_path: Path, arguments: list[str], code: int, words: str
) -> None:
    found, _, err = command("study", str(drawn), "--out", str(tmp_path / "out"), *arguments)
    assert found == code, err
    assert words in err
    assert "Traceback" not in err


def _only_one_class(folder: Path) -> None:
    for other in list(folder.iterdir())[1:]:
        shutil.rmtree(other)


def _no_image(folder: Path) -> None:
    for image in folder.rglob("*.jpg"):
        image.write_text("no picture")


def _nothing(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (_only_one_class, "one class"),
        (_no_image, "None of the"),
        (_nothing, "is empty"),
    ],
)
def test_data_that_cannot_be_learned_from_are_refused(
    command: Run, drawn: Path, tmp_path: Path, spoil: Callable[[Path], None], words: str
) -> None:
    folder = Path(shutil.copytree(drawn, tmp_path / "data"))
    spoil(folder)
    code, _, err = command("study", str(folder), "--out", str(tmp_path / "out"), *FAST)
    assert code == 3, err
    assert words in err


@pytest.mark.slow
def test_an_empty_class_is_named_and_the_others_go_on(command: Run, drawn: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(drawn, tmp_path / "data"))
    for image in (folder / "monocyte").iterdir():
        image.unlink()
    out = tmp_path / "out"
    code, _, err = command("study", str(folder), "--out", str(out), *FAST)
    assert code == 0, err
    assert "fault" in err
    assert "monocyte" in (out / "faults.json").read_text()
    assert "monocyte" not in (out / "study.json").read_text().split('"classes"')[1].split("]")[0]


@pytest.mark.slow
def test_odd_images_are_used_or_counted_but_never_fatal(command: Run, drawn: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(drawn, tmp_path / "data"))
    images = sorted(folder.glob("neutrophil/*.jpg"))
    with Image.open(images[0]) as opened:
        field = opened.copy()
    field.convert("CMYK").save(folder / "neutrophil" / "cmyk.jpg")
    field.convert("RGBA").save(folder / "neutrophil" / "alpha.png")
    turned = field.getexif()
    turned[0x0112] = 6
    field.save(folder / "neutrophil" / "turned.jpg", exif=turned)
    deep = np.asarray(field.convert("L")).astype(np.uint16) * 257
    Image.fromarray(deep).save(folder / "neutrophil" / "deep.png")
    Image.new("1", (30_000, 30_000)).save(folder / "neutrophil" / "vast.png")
    images[1].write_bytes(images[1].read_bytes()[:4000])
    out = tmp_path / "out"
    code, shown, err = command("study", str(folder), "--out", str(out), *FAST)
    assert code == 0, err
    assert "Right" in shown
    faults = (out / "faults.json").read_text()
    assert "vast.png" in faults
    assert "too large" in faults
    assert images[1].name in faults
    assert "cmyk" not in faults
    assert "turned" not in faults


def test_a_file_where_the_output_folder_should_be(command: Run, drawn: Path, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a letter")
    code, _, err = command("study", str(drawn), "--out", str(tmp_path / "out"), *FAST)
    assert code == 5
    assert "a file stands where a folder is needed" in err
    assert (tmp_path / "out").read_text() == "a letter"


def test_the_folder_of_the_data_is_no_place_for_the_study(command: Run, drawn: Path) -> None:
    before = sorted(drawn.rglob("*"))
    code, _, err = command("study", str(drawn), "--out", f"{drawn}/.", *FAST)
    assert code == 2
    assert "is the folder of the data itself" in err
    code, _, err = command("study", str(drawn), "--out", str(drawn.parent), *FAST)
    assert code == 5  # a folder that holds other things
    assert "holds no study" in err
    assert sorted(drawn.rglob("*")) == before
    assert not (drawn.parent / ".lock").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("study", "synthetic:9", "--out", "s3://bucket/study"),
        ("data", "audit", "synthetic:9", "--out", "gs://bucket/audit.json"),
        ("data", "labels", "export", "study", "--out", "s3://bucket/a.csv"),
        ("data", "labels", "apply", "a.csv", "--to", "bccd", "--out", "s3://bucket/a.csv"),
        ("export", "study", "--out", "s3://bucket/bundle"),
        ("synth", "s3://bucket/set"),
        ("review", "backup", "s3://bucket/desk.zip"),
    ],
)
def test_an_address_is_no_path(
    command: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, err = command(*arguments)
    assert code == 2
    assert f"{arguments[-1]} is an address" in err
    assert "buffycoat predict" in err
    assert not list(tmp_path.iterdir())


_LONG = "a" * 300


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("card", _LONG), 3),
        (("predict", "a.jpg", "--bundle", _LONG), 3),
        (("export", _LONG, "--out", "b"), 3),
        (("evaluate", _LONG), 3),
        (("report", _LONG), 3),
        (("data", "show", "bccd", "--no-download", "--data-dir", _LONG), 4),
        (("data", "labels", "apply", _LONG, "--to", "bccd"), 5),
    ],
)
def test_a_path_that_cannot_be_looked_at_ends_in_words(command: Run, arguments: tuple[str, ...], code: int) -> None:
    found, _, err = command(*arguments)
    assert found == code, err
    assert "Error:" in err


def test_what_the_system_refuses_is_one_message(command: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", "secret.csv")

    monkeypatch.setattr("buffycoat.data.load.load", refuse)
    code, _, err = command("data", "show", "folder")
    assert code == 5
    assert "secret.csv: Permission denied" in err


@pytest.mark.parametrize(
    ("number", "words"),
    [(30, "the file system is read-only"), (13, "no permission"), (28, "the disk is full")],
)
def test_an_output_folder_that_cannot_be_written(
    command: Run, drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, words: str
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, "refused")

    monkeypatch.setattr("buffycoat.files.tempfile.mkstemp", refuse)
    code, _, err = command("study", str(drawn), "--out", str(tmp_path / "out"), *FAST)
    assert code == 5, err
    assert words in err


@pytest.mark.slow
def test_without_real_data_the_study_says_so_loudly_and_runs_on_synthetic_smears(
    command: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from buffycoat.data import load as loading

    real = loading.load

    def offline(what: str, **options: Any) -> object:
        if what == "bccd":
            raise FetchError("no network", hint="bring the folder by hand")
        return real("synthetic:30" if what == "synthetic" else what, **options)

    monkeypatch.setattr("buffycoat.data.load.load", offline)
    monkeypatch.setattr("buffycoat.study.conduct.load", offline)
    code, out, err = command("study", "--out", str(tmp_path / "out"), *FAST)
    assert code == 0, err
    assert "SYNTHETIC DATA" in err
    assert "no network" in err
    assert "bring the folder by hand" in err
    assert "SYNTHETIC DATA" in out


def test_asking_for_real_data_that_cannot_be_had_is_an_error(
    command: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def offline(what: str, **_: object) -> object:
        raise FetchError(f"{what} cannot be had", hint="bring the folder by hand")

    monkeypatch.setattr("buffycoat.study.conduct.load", offline)
    code, _, err = command("study", "bccd", "--out", str(tmp_path / "out"), *FAST)
    assert code == 4
    assert "bring the folder by hand" in err


def test_training_without_the_workbench_says_what_to_install(
    command: Run, drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("buffycoat.study.needs.find_spec", lambda name: None if name == "torch" else object())
    code, _, err = command("study", str(drawn), "--out", str(tmp_path / "out"), *FAST)
    assert code == 2
    assert 'pip install "buffycoat[train]"' in err


@pytest.mark.slow
def test_results_go_to_standard_output_and_words_to_standard_error(command: Run, drawn: Path, tmp_path: Path) -> None:
    import json

    code, out, err = command("study", str(drawn), "--out", str(tmp_path / "out"), "--json", "--quiet", *FAST)
    assert code == 0
    assert json.loads(out)["models"][0]["model"] == "test_resnet"
    assert "Training" not in err
