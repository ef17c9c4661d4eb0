from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from buffycoat.audit.judge import audit, judge
from buffycoat.audit.scan import SCANNED, scan
from buffycoat.clean.recipe import named
from buffycoat.cli.main import app
from buffycoat.data.load import load
from buffycoat.records.audit import Audit
from tests.audit.conftest import COPIES, Picture, save

FILES = ("unreadable", "truncated", "blank", "blurred", "over-exposed", "under-exposed", "odd-sized")
RECIPE = named("none")


@pytest.fixture(scope="module")
def mess(fields: list[Picture], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a set in which every problem is planted once; the name of a file says which. Not to be changed."""
    root = tmp_path_factory.mktemp("mess") / "smears"
    for k, field in enumerate(fields[:10]):
        save(root / ("neutrophil" if k % 2 else "lymphocyte") / f"sound-{k}.jpg", field)
    good = fields[10]
    save(root / "neutrophil" / "blurred.jpg", np.asarray(cv2.GaussianBlur(good, (0, 0), 5), np.uint8))
    save(root / "neutrophil" / "over-exposed.jpg", np.clip(fields[11] * 1.7, 0, 255).astype(np.uint8))
    save(root / "lymphocyte" / "under-exposed.jpg", (fields[12] * 0.3).astype(np.uint8))
    save(root / "lymphocyte" / "blank.jpg", np.full((480, 640, 3), 200, np.uint8))
    save(root / "lymphocyte" / "odd-sized.jpg", np.ascontiguousarray(fields[13][:300, :420]))
    (root / "neutrophil" / "unreadable.jpg").write_bytes(b"not a picture at all")
    whole = (root / "neutrophil" / "sound-1.jpg").read_bytes()
    (root / "neutrophil" / "truncated.jpg").write_bytes(whole[: len(whole) // 2])
    shutil.copyfile(root / "lymphocyte" / "sound-0.jpg", root / "lymphocyte" / "identical.jpg")
    save(root / "neutrophil" / "crossed.jpg", COPIES["mirrored quarter"](fields[2]))  # sound-2 is a lymphocyte
    return root


@pytest.fixture(scope="module")
def audited(mess: Path) -> tuple[Audit, pl.DataFrame]:
    return audit(load(str(mess)), RECIPE, 5)


@pytest.mark.parametrize("name", FILES)
def test_the_planted_file_is_found_and_no_other(name: str, audited: tuple[Audit, pl.DataFrame]) -> None:
    problem = audited[0].problem(name)
    assert [Path(file).stem for finding in problem.findings for file in finding.files] == [name]
    assert problem.flag == "look" and problem.found == 1
    assert 0.9 < problem.score < 1 and problem.findings[0].score < 0.8
    assert problem.advice != "Nothing to do." and problem.findings[0].note


def test_copies_are_named_with_their_labels(audited: tuple[Audit, pl.DataFrame]) -> None:
    document, cells = audited
    (identical,) = document.problem("identical").findings
    assert set(identical.files) == {"lymphocyte/sound-0.jpg", "lymphocyte/identical.jpg"}
    (crossed,) = document.problem("copies-across-labels").findings
    assert set(crossed.files) == {"lymphocyte/sound-2.jpg", "neutrophil/crossed.jpg"}
    assert crossed.labels == ("lymphocyte", "neutrophil") and document.flag == "serious"
    assert document.images == 19 and document.distinct == 17 and document.readable == 17
    groups = dict(cells.select("cell_id", "group").iter_rows())
    assert groups["lymphocyte/sound-2"] == groups["neutrophil/crossed"]
    assert groups["lymphocyte/sound-0"] == groups["lymphocyte/identical"]
    assert len(set(groups.values())) == 17
    given = dict(cells.select("cell_id", "group_given").iter_rows())
    assert given["neutrophil/crossed"] == "neutrophil/crossed", "the group a row came with is kept"
    assert [proposal.files for proposal in document.proposals] == [crossed.files]


def test_a_document_survives_its_file(audited: tuple[Audit, pl.DataFrame], tmp_path: Path) -> None:
    audited[0].write(tmp_path / "audit.json")
    assert Audit.read(tmp_path / "audit.json") == audited[0]


def test_a_second_look_comes_from_the_cache_and_notices_changed_files(
    mess: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = Path(shutil.copytree(mess, tmp_path / "set"))
    first = scan(load(str(root)))
    with monkeypatch.context() as patched:
        patched.setattr("buffycoat.audit.scan.look_at", lambda _: pytest.fail("looked again"))
        again = scan(load(str(root)))
    assert again.files.equals(first.files) and again.pairs == first.pairs
    save(root / "lymphocyte" / "blank.jpg", np.full((480, 640, 3), 90, np.uint8))
    assert not scan(load(str(root))).files.equals(first.files)


def test_a_damaged_cache_is_made_anew(mess: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUFFYCOAT_CACHE", str(tmp_path))
    first = scan(load(str(mess)))
    for path in tmp_path.rglob("files.parquet"):
        path.write_bytes(b"PAR1 no longer")
    assert scan(load(str(mess))).pairs == first.pairs
    for path in tmp_path.rglob("pairs.json"):
        path.write_text("[{]")
    assert scan(load(str(mess))).pairs == first.pairs


def test_copies_across_the_given_split_are_named(fields: list[Picture], tmp_path: Path) -> None:
    for side, name, k in (("train", "neutrophil", 0), ("train", "lymphocyte", 1), ("test", "lymphocyte", 2)):
        save(tmp_path / "set" / side / name / f"{k}.jpg", fields[k])
    save(tmp_path / "set" / "test" / "neutrophil" / "copy.jpg", COPIES["turned by 17°"](fields[0]))
    document, _ = audit(load(str(tmp_path / "set")), RECIPE, 2)
    (leak,) = document.problem("copies-across-split").findings
    assert set(leak.files) == {"train/neutrophil/0.jpg", "test/neutrophil/copy.jpg"}
    assert "(test)" in leak.note and "(train)" in leak.note and "turned by" in leak.note


def test_counts_are_held_against_recipe_and_folds() -> None:
    counts = {"neutrophil": 40, "eosinophil": 60, "monocyte": 3, "basophil": 55}
    document = _judged(counts, recipe="seeds")
    notes = {finding.labels or ("",): finding.note for finding in document.problem("class-counts").findings}
    assert "3 images of 3 distinct cells or slides, fewer than the 5 folds" in notes["monocyte",]
    assert "enough to keep it" in notes["basophil",]
    assert any("the largest is eosinophil" in finding.note for finding in document.problem("class-counts").findings)
    assert document.problem("class-counts").flag == "serious"
    sound = _judged({"neutrophil": 40, "eosinophil": 35}, recipe="none").problem("class-counts")
    assert (sound.flag, sound.score, sound.found) == ("sound", 1.0, 0)


def test_fifty_photographs_of_one_cell_are_one_cell() -> None:
    counts = {"neutrophil": 40, "monocyte": 50}
    document = _judged(counts, recipe="none", one_group=("monocyte",))
    assert "50 images of 1 distinct" in document.problem("class-counts").findings[0].note


def _judged(counts: dict[str, int], *, recipe: str, one_group: tuple[str, ...] = ()) -> Audit:
    from buffycoat.audit.scan import Scan
    from buffycoat.data.dataset import DataSet, cells_table
    from buffycoat.data.rows import Row

    rows = [
        Row(
            image=f"{name}{k}.jpg",
            label=name,
            label_raw=name,
            label_count=1,
            source="x",
            cell_id=f"{name}{k}",
            group=name if name in one_group else f"{name}{k}",
        )
        for name, count in counts.items()
        for k in range(count)
    ]
    data = DataSet("invented", Path("/nowhere"), cells_table(rows), (), False, "")
    return judge(data, Scan(pl.DataFrame(schema=SCANNED), ()), named(recipe), 5)[0]


def test_the_command_says_what_matters_and_writes_the_document(mess: Path, tmp_path: Path) -> None:
    run = CliRunner().invoke(app, ["data", "audit", str(mess), "--recipe", "none", "--out", str(tmp_path), "--quiet"])
    assert run.exit_code == 0, run.output
    assert "One cell under several labels" in run.stdout and "not a medical device" in run.stdout
    written = Audit.read(tmp_path / "audit.json")
    run = CliRunner().invoke(app, ["data", "audit", str(mess), "--recipe", "none", "--json"])
    assert Audit.model_validate(json.loads(run.stdout)) == written
