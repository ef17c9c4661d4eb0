"""From photographs to slides, with a network that answers by colour, and the command from end to end."""

from __future__ import annotations

import csv
import json
import zipfile
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from buffycoat.cli.main import app
from buffycoat.differential.against import Other
from buffycoat.differential.count import count
from buffycoat.differential.from_slides import differential_of
from buffycoat.differential.gallery import GalleryCell
from buffycoat.differential.sheet import Sheet
from buffycoat.differential.slides import Slide, folder_of, slide_name, slides_of
from buffycoat.differential.write import read, text_of
from buffycoat.errors import DataError, OutputError, UsageError
from buffycoat.files import replacing
from buffycoat.predict.items import Item
from buffycoat.predict.predictor import Predictor
from buffycoat.predict.sources import walk
from buffycoat.records.documents import Fault
from buffycoat.synth.smear import draw_field
from tests.bundles import operating_point, tiny_bundle


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a bundle that names every cell, by mean colour."""
    sure = operating_point(certain_threshold=0.0, unlike_threshold=100.0)
    return tiny_bundle(tmp_path_factory.mktemp("bundle"), operating={"1": sure, "4": sure})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return two slides: A with fields of 1, 2 and 0 leukocytes, B with one of 2."""
    root = tmp_path_factory.mktemp("slides")
    fields = {"A/1.png": 1, "A/2.png": 2, "A/3.png": 0, "B/1.png": 2}
    for seed, (name, n) in enumerate(fields.items()):
        field = draw_field(np.random.default_rng(seed + 5), ["neutrophil", "lymphocyte"][:n])
        path = root / name
        path.parent.mkdir(exist_ok=True)
        cv2.imwrite(str(path), field.rgb[..., ::-1])
    return root


def run(*arguments: str | Path | float) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["differential", *map(str, arguments)])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.stdout, done.stderr


def test_each_folder_is_a_slide(bundle: Path, folder: Path) -> None:
    predictor = Predictor.load(bundle, threads=1)
    first, second = slides_of(predictor, walk([str(folder)]), pictures=True)
    assert (first.name, len(first.cells), first.fields, first.fields_without) == ("A", 3, 3, 1)
    assert (second.name, len(second.cells), second.fields) == ("B", 2, 1)
    assert all(cell.picture is not None and cell.picture.startswith(b"\xff\xd8") for cell in first.cells)
    assert {(Path(cell.field).name, cell.number) for cell in first.cells} == {("1.png", 1), ("2.png", 1), ("2.png", 2)}
    made = differential_of(first, predictor.card)
    assert made.denominator == 3
    assert made.classifier is not None
    assert not made.of("basophil").assessed
    (joined,) = slides_of(predictor, walk([str(folder)]), name="both")
    assert (joined.name, len(joined.cells)) == ("both", 5)
    assert all(cell.picture is None for cell in joined.cells)


def test_copies_of_a_field_are_counted_once_and_only_inside_a_slide(bundle: Path, folder: Path, tmp_path: Path) -> None:
    for place in ("A/x.png", "A/y.png", "A/z.png", "B/x.png"):
        path = tmp_path / place
        path.parent.mkdir(exist_ok=True)
        path.write_bytes((folder / "A/2.png").read_bytes())
    predictor = Predictor.load(bundle, threads=1)
    first, second = slides_of(predictor, walk([str(tmp_path), str(tmp_path / "A")]))
    assert (len(first.cells), first.fields, first.copies) == (2, 1, 5)
    assert (len(second.cells), second.copies) == (2, 0)
    made = differential_of(first, predictor.card)
    assert any("5 files are copies" in sentence for sentence in made.warnings)
    assert "unreadable" not in {caution.code for caution in made.cautions}


def test_an_archive_holds_slides_as_a_folder_does(bundle: Path, folder: Path, tmp_path: Path) -> None:
    archive = tmp_path / "case.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        for path in sorted(folder.rglob("*.png")):
            packed.write(path, path.relative_to(folder))
        packed.write(folder / "A/1.png", "A/copy.png")
    first, second = slides_of(Predictor.load(bundle, threads=1), walk([str(archive)]), pictures=True)
    assert [first.name, second.name] == ["A", "B"]
    assert (len(first.cells), first.copies) == (3, 1)
    assert all(cell.picture for cell in first.cells)


def test_a_zip_with_backslashes_joins_no_slides_and_what_a_mac_leaves_makes_none(
    bundle: Path, folder: Path, tmp_path: Path
) -> None:
    archive = tmp_path / "case.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        for name in ("A", "B"):
            packed.write(folder / name / "1.png", f"slides\\{name}\\1.png")
            packed.writestr(f"__MACOSX/slides/{name}/._1.png", b"x")
    slides = slides_of(Predictor.load(bundle, threads=1), walk([str(archive)]))
    assert [(slide.name, slide.fields, slide.faults) for slide in slides] == [("A", 1, []), ("B", 1, [])]


def test_an_empty_list_is_no_count(bundle: Path) -> None:
    with pytest.raises(DataError, match="Cannot be opened: -: the list on standard input is empty"):
        run("-", "--bundle", bundle, "--format", "json")


def test_slides_of_one_name_are_told_apart(bundle: Path, folder: Path, tmp_path: Path) -> None:
    for place in ("one/S/a.png", "two/S/a.png"):
        path = tmp_path / place
        path.parent.mkdir(parents=True)
        path.write_bytes((folder / "B/1.png").read_bytes())
    names = [slide.name for slide in slides_of(Predictor.load(bundle, threads=1), walk([str(tmp_path)]))]
    assert names == ["S", "two/S"]


@pytest.mark.parametrize(
    ("image", "where", "name"),
    [
        ("a/b/c.jpg", "a/b", "b"),
        ("x.zip!/b/c.jpg", "x.zip!/b", "b"),
        ("d/x.tar.gz!/c.jpg", "d/x.tar.gz", "x.tar"),
        ("a/line\nbreak/c.jpg", "a/line\nbreak", "line\ufffdbreak"),
    ],
)
def test_names_of_slides(image: str, where: str, name: str) -> None:
    assert folder_of(image) == where
    assert slide_name(where) == name
    assert slide_name(".") == Path.cwd().name


def test_the_command_prints_a_table_and_writes_every_format(bundle: Path, folder: Path, tmp_path: Path) -> None:
    outs = [tmp_path / name for name in ("o.json", "o.csv", "o.html", "o.fhir.json", "o.hl7", "o.txt")]
    options = [option for out in outs for option in ("--out", out)]
    code, text, _ = run(folder / "A", "-b", bundle, "--wbc", 6.2, "--ranges", "example", "--specimen", "X|1", *options)
    assert code == 0
    assert "Named" in text
    assert "EXAMPLE" in text
    (made,) = read(outs[0])
    assert (made.slide, made.denominator, made.specimen, made.wbc, made.status) == ("A", 3, "X|1", 6.2, "preliminary")
    assert all(out.stat().st_size > 500 for out in outs)
    assert outs[2].read_text().count("data:image/jpeg;base64,") == 3
    assert b"\rSPM|1|X\\F\\1" in outs[4].read_bytes()


def test_json_on_standard_output_is_one_document(bundle: Path, folder: Path) -> None:
    code, text, _ = run(folder, "-b", bundle, "--json", "-q")
    assert code == 0
    document = json.loads(text)
    assert [slide["slide"] for slide in document["slides"]] == ["A", "B"]


def test_a_bad_photograph_is_told_and_the_others_counted(bundle: Path, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "S").mkdir()
    (tmp_path / "S/a.png").write_bytes((folder / "A/2.png").read_bytes())
    (tmp_path / "S/b.png").write_bytes(b"no image")
    code, text, _ = run(tmp_path / "S", tmp_path / "S/none.jpg", "-b", bundle)
    assert code == 1
    assert "2 photographs could not be used" in " ".join(text.split())
    assert "none.jpg" in text.replace("\n", "")
    assert "missing" in text


def test_what_holds_no_photograph_is_no_slide(bundle: Path, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "E").mkdir()
    for name in ("notes.txt", "copy.txt"):
        (tmp_path / name).write_text("dear")
    (tmp_path / "nothing").touch()
    strangers = [tmp_path / name for name in ("E", "notes.txt", "copy.txt", "nothing")]
    for given, more in (([strangers[0]], []), ([strangers[1]], []), (strangers, []), (strangers, ["--slide", "12"])):
        with pytest.raises(DataError, match=f"Cannot be opened: .*{given[0].name}: ") as caught:
            run(*given, *more, "-b", bundle, "-o", tmp_path / "e.hl7")
        assert caught.value.exit_code == 3
        assert not (tmp_path / "e.hl7").exists()
    for more in ([], ["--slide", "12"]):
        code, text, err = run(folder / "B", *strangers, *more, "-b", bundle, "--json", "-q")
        assert code == 1
        (slide,) = json.loads(text)["slides"]
        assert (slide["fields"], slide["faults"]) == (1, []), "no photograph of it is missing"
        assert all(f"{name}: " in err for name in strangers)


def test_a_damaged_photograph_is_a_caution_of_its_slide(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "S").mkdir()
    (tmp_path / "S/a.png").write_bytes(b"no image")
    code, text, _ = run(tmp_path / "S/a.png", "-b", bundle, "--json")
    assert code == 1
    (slide,) = json.loads(text)["slides"]
    assert (slide["slide"], len(slide["faults"])) == ("S", 1)
    assert "unreadable" in {caution["code"] for caution in slide["cautions"]}


def test_what_belongs_to_one_slide_is_refused_for_several(bundle: Path, folder: Path) -> None:
    with pytest.raises(UsageError, match="--wbc and --subject belongs"):
        run(folder, "-b", bundle, "--wbc", 6, "--subject", "P1")
    code, _, _ = run(folder, "-b", bundle, "--wbc", 6, "--slide", "all")
    assert code == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "No fields"),
        (["x.jpg", "y.json"], "not both"),
        (["x.jpg", "--views", "3"], "views"),
        (["x.jpg", "--level", "100"], "level"),
        (["x.jpg", "--hl7-processing", "Q"], "hl7-processing"),
        (["x.jpg", "--out", "x.pdf"], "names no format"),
        (["x.jpg", "--format", "xml"], "no format"),
    ],
)
def test_wrong_use_is_told_before_any_work(arguments: list[str], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        run(*arguments)


def test_counts_are_compared_with_a_persons(bundle: Path, folder: Path, tmp_path: Path) -> None:
    table = tmp_path / "person.csv"
    table.write_text("type,count\nlymphocyte,150\nneutrophil,50\n")
    code, text, _ = run(
        folder / "A", "-b", bundle, "--against", table, "--against-name", "reader one", "-o", tmp_path / "a.json"
    )
    assert code == 0
    assert "reader one" in text
    (made,) = read(tmp_path / "a.json")
    assert made.comparison is not None
    assert (made.comparison.design, made.comparison.second_denominator) == ("independent counts", 200)
    code, text, _ = run(tmp_path / "a.json", "--against", tmp_path / "a.json", "--format", "json")
    assert code == 0
    assert json.loads(text)["slides"][0]["comparison"]["design"] == "independent counts"
    with pytest.raises(UsageError, match="one already"):
        run(tmp_path / "a.json", "--wbc", "5")


def test_counts_are_compared_cell_by_cell_with_a_corrected_table(bundle: Path, folder: Path, tmp_path: Path) -> None:
    table = tmp_path / "cells.csv"
    rows = ["image,cell,class", "A/1.png,1,monocyte", "some/where/A/2.png,1,monocyte", "2.png,2,artefact", "3.png,,"]
    table.write_text("\n".join(rows) + "\n")
    code, _, _ = run(folder / "A", "-b", bundle, "--against", table, "-o", tmp_path / "a.json", "-q")
    assert code == 0
    (made,) = read(tmp_path / "a.json")
    assert made.comparison is not None
    assert (made.comparison.design, made.comparison.compared) == ("same cells", 2)
    with pytest.raises(UsageError, match="none of the cells"):
        run(folder / "B", "-b", bundle, "--against", table)


def test_the_example_of_ranges_can_be_had_and_used(bundle: Path, folder: Path, tmp_path: Path) -> None:
    code, text, _ = run("--print-example-ranges")
    assert code == 0
    path = tmp_path / "ours.toml"
    path.write_text(text.replace("example = true", "example = false").replace("EXAMPLE ranges, not for use", "Ours"))
    code, text, _ = run(folder / "A", "-b", bundle, "--ranges", path)
    assert code == 0
    assert "Ours" in text
    assert "EXAMPLE" not in text


def _cells(path: Path, rows: list[tuple[str, int, str]], head: str = "image,cell,class") -> Path:
    path.write_text("\n".join([head, *(f"{image},{cell},{label}" for image, cell, label in rows)]), encoding="utf-8")
    return path


def test_one_count_is_not_compared_with_several_slides(bundle: Path, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text("type,count\nneutrophil,3\n")
    with pytest.raises(UsageError, match="does not say of which of the 2 slides"):
        run(folder, "-b", bundle, "--against", tmp_path / "r.csv")
    assert run(folder / "A", "-b", bundle, "--against", tmp_path / "r.csv")[0] == 0


def test_a_document_of_another_slide_is_used_for_one_slide_with_a_warning(
    bundle: Path, folder: Path, tmp_path: Path
) -> None:
    assert run(folder / "A", "-b", bundle, "-o", tmp_path / "a.json", "-q")[0] == 0
    code, _, err = run(folder / "B", "-b", bundle, "--against", tmp_path / "a.json")
    assert code == 0
    assert "counts the slide 'A', not 'B'" in err
    with pytest.raises(UsageError, match="no count of the slide 'B'"):
        run(folder, "-b", bundle, "--against", tmp_path / "a.json")


def test_labels_survive_blanks_in_the_header_and_bad_text_is_said(bundle: Path, folder: Path, tmp_path: Path) -> None:
    table = _cells(tmp_path / "t.csv", [("A/1.png", 1, "monocyte")], " image , cell, class ")
    assert run(folder / "A", "-b", bundle, "--against", table, "-o", tmp_path / "a.json", "-q")[0] == 0
    comparison = read(tmp_path / "a.json")[0].comparison
    assert comparison is not None
    assert (comparison.compared, comparison.agreed) == (1, 0)
    table.write_bytes(b"image,cell,class\n" + b"A/1.png,1,monocyte\n" * 1 + b"caf\xe9.png,1,monocyte\n")
    with pytest.raises(DataError, match="is not UTF-8 text"):
        run(folder / "A", "-b", bundle, "--against", table)


def test_photographs_of_one_name_are_told_apart_by_their_path(tmp_path: Path) -> None:
    slide = Slide("S")
    for place, image in enumerate(["x/1/a.jpg", "y/1/a.jpg"]):
        slide.cells.append(GalleryCell(label=["neutrophil", "monocyte"][place], picture=None, field=image, number=1))
    made = count([cell.label for cell in slide.cells], slide="S")
    sure = [("x/1/a.jpg", 1, "neutrophil"), ("y/1/a.jpg", 1, "lymphocyte")]
    found = Other(_cells(tmp_path / "t.csv", sure)).compared(made, slide)
    assert (found.compared, found.agreed) == (2, 1)
    rooted = [(f"/data/{image}", cell, label) for image, cell, label in sure]
    assert Other(_cells(tmp_path / "t.csv", rooted)).compared(made, slide).agreed == 1
    for rows in ([("a.jpg", 1, "monocyte")], [("1/a.jpg", 1, "monocyte"), ("z/1/a.jpg", 1, "monocyte")]):
        with pytest.raises(UsageError, match="may be that of"):
            Other(_cells(tmp_path / "t.csv", rows)).compared(made, slide)


def test_two_persons_totals_are_compared(tmp_path: Path) -> None:
    (tmp_path / "r1.csv").write_text("type,count\nneutrophil,120\nlymphocyte,80\n")
    (tmp_path / "r2.csv").write_text("type,count\nneutrophil,80\nlymphocyte,120\n")
    code, text, _ = run(tmp_path / "r1.csv", "--against", tmp_path / "r2.csv", "--json", "--wbc", 5)
    assert code == 0
    (made,) = json.loads(text)["slides"]
    assert made["slide"] == "r1"
    assert made["counted_by"] == {"kind": "person", "name": "the count in r1.csv"}
    names = made["comparison"]["first"], made["comparison"]["second"]
    assert names == ("the count in r1.csv", "the count in r2.csv")
    assert made["comparison"]["first_denominator"] == made["comparison"]["second_denominator"] == 200
    assert any(row["differs"] for row in made["comparison"]["types"])
    with pytest.raises(UsageError, match="not both"):
        run(tmp_path / "r1.csv", tmp_path)
    with pytest.raises(UsageError, match="--wbc belongs to one slide"):
        run(tmp_path / "r1.csv", tmp_path / "r2.csv", "--wbc", 5)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (("--wbc", -1), "--wbc is the leukocyte count"),
        (("--ranges", "nowhere.toml"), "nowhere"),
        (("--max-pixels", "inf"), "--max-pixels must be at least 1, not inf"),
        (("--max-pixels", "nan"), "--max-pixels must be at least 1, not nan"),
    ],
)
def test_a_wrong_option_is_said_before_anything_is_counted(
    folder: Path, wrong: tuple[str, str | float], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def counted(*_: object, **__: object) -> None:
        raise AssertionError("photographs were looked at")

    monkeypatch.setattr(Predictor, "load", counted)
    with pytest.raises((UsageError, DataError), match=said):
        run(folder, *wrong)


def test_the_level_of_a_count_that_was_made_is_its_own(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(text_of([count({"neutrophil": 60, "lymphocyte": 40}, counted_by="person")], "json"))
    with pytest.raises(UsageError, match="--level changes a count when it is made"):
        run(path, "--level", 99)
    assert run(path, "--level", 95)[0] == 0


@pytest.mark.parametrize(("command", "said"), [("differential", "begins anew"), ("predict", "--resume")])
def test_ctrl_c_says_what_is_true_of_the_command(command: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Predictor, "load", interrupted)
    done = CliRunner().invoke(app, [command, "a.jpg"])
    assert done.exit_code == 130
    assert said in done.stderr
    assert "same command goes on" not in done.stderr


def test_cells_as_a_european_spreadsheet_saves_them_and_slips_in_them(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("image;cell;class\na.jpg;1;monocyte\n")
    assert Other(path).labels == {("a.jpg", 1): "monocyte"}
    for label, said in (("neutrophill", "looks like 'neutrophil'"), ("total", "name of a total")):
        with pytest.raises(DataError, match=f"row 2: .*{said}"):
            Other(_cells(path, [("a.jpg", 1, label)]))
    path.write_text(f"image,cell,class\na.jpg,{'9' * 5000},monocyte\n")
    with pytest.raises(DataError, match="row 2: expected a cell's number"):
        Other(path)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (("--out", "folder.csv"), "a folder stands there"),
        (("--out", "letter.txt/a.csv"), "a file stands where a folder is needed"),
        (("--out", f"{'a' * 300}.csv"), "the name is too long"),
        (("--out", "s3://bucket/a.csv"), "s3://bucket/a.csv is an address"),
        (("--specimen", "S" * 65), "specimen"),
        (("--subject", "a\nb"), "subject"),
        (("--slide", ""), "slide"),
        (("--against-name", " "), "--against-name"),
        (("--json", "--out", "a.html"), "--json prints to the terminal"),
        (("--json", "--format", "csv"), "contradict"),
    ],
)
def test_what_could_not_be_written_is_said_before_anything_is_looked_at(
    folder: Path, tmp_path: Path, wrong: tuple[str, ...], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def counted(*_: object, **__: object) -> None:
        raise AssertionError("photographs were looked at")

    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "letter.txt").write_text("dear")
    before = sorted(tmp_path.rglob("*"))
    monkeypatch.setattr(Predictor, "load", counted)
    with pytest.raises((UsageError, OutputError), match=said):
        run(folder, *wrong)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_count_that_cannot_be_written_is_shown_and_the_other_outputs_are_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = replacing

    def full(path: Path, **options: Any) -> AbstractContextManager[Path]:
        if path.suffix == ".hl7":
            raise OutputError(f"cannot write {path}: the disk is full")
        return real(path, **options)

    monkeypatch.setattr("buffycoat.files.replacing", full)
    (tmp_path / "r.csv").write_text("type,count\nneutrophil,120\nlymphocyte,80\n")
    outs = [argument for name in ("a.hl7", "a.json") for argument in ("--out", str(tmp_path / name))]
    done = CliRunner().invoke(app, ["differential", str(tmp_path / "r.csv"), *outs, "--quiet"])
    assert isinstance(done.exception, OutputError)
    assert "60.0" in done.stdout
    assert [path.name for path in sorted(tmp_path.glob("a.*"))] == ["a.json"]


@pytest.fixture
def here(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the working folder: slides A and B in it, and an output of its own."""
    for path in sorted(folder.rglob("*.png")):
        copy = tmp_path / path.relative_to(folder)
        copy.parent.mkdir(exist_ok=True)
        copy.write_bytes(path.read_bytes())
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_mistyped_name_makes_no_slide(bundle: Path, here: Path) -> None:
    (here / "broken.zip").write_bytes(b"PK\x03\x04 no archive")
    given = ["typo", "A/*.tif", "s3://bucket/a.png", "lost/1.png", "broken.zip"]
    code, text, err = run("A", *given, "-b", bundle, "--json", "-q")
    assert code == 1
    (slide,) = json.loads(text)["slides"]
    assert (slide["slide"], slide["faults"]) == ("A", [])
    assert all(f"{name}: " in err for name in given)
    code, _, err = run("A", "typo", "-b", bundle, "--wbc", 6.2, "-o", "t.hl7", "-q")
    assert code == 1
    assert "typo: missing" in err
    message = (here / "t.hl7").read_bytes().decode()
    assert message.count("MSH|") == 1
    assert "|A|" in next(line for line in message.split("\r") if "SLIDE^Slide" in line)


@pytest.mark.parametrize("given", [["typo"], ["A/*.tif"], ["s3://bucket/a.png", "lost/1.png"], ["bare.zip"]])
def test_where_nothing_can_be_opened_nothing_is_written(bundle: Path, here: Path, given: list[str]) -> None:
    with zipfile.ZipFile(here / "bare.zip", "w") as packed:
        packed.writestr("letter.txt", "dear")
    with pytest.raises(DataError, match="Cannot be opened: ") as caught:
        run(*given, "-b", bundle, "-o", "t.hl7", "--wbc", 6.2)
    assert all(f"{name}: " in str(caught.value) for name in given)
    assert not (here / "t.hl7").exists()
    with pytest.raises(DataError, match="Cannot be opened: "):
        slides_of(Predictor.load(bundle, threads=1), walk(given))


def test_what_a_slide_lacks_is_told_by_the_slide(bundle: Path, here: Path) -> None:
    predictor = Predictor.load(bundle, threads=1)
    unopened: list[Fault] = []
    (slide,) = slides_of(predictor, walk(["A/1.png", "A/7.png", "A/8*.png"]), unopened=unopened)
    assert ([fault.file for fault in slide.faults], slide.unread) == (["A/7.png"], 1)
    assert [fault.file for fault in unopened] == ["A/8*.png"]
    assert "unreadable" in {caution.code for caution in differential_of(slide, predictor.card).cautions}
    (joined,) = slides_of(predictor, walk(["A", "typo"]), name="12")
    assert [fault.file for fault in joined.faults] == ["typo"], "one slide: it lacks all that could not be opened"
    pixels = (here / "A/1.png").read_bytes()
    broken = [
        Item("case.tar!/C/1.png", pixels),
        Item("case.tar", None, error="truncated"),
        Item("o.tar!/1.png", pixels),
    ]
    cut, whole = slides_of(predictor, broken)
    assert ([fault.file for fault in cut.faults], whole.faults) == (["case.tar"], [])


def test_copies_of_an_unreadable_photograph_are_unreadable(bundle: Path, here: Path) -> None:
    for name in ("x.png", "y.png", "z.png"):
        (here / "A" / name).write_bytes(b"")
    (here / "A/9.png").write_bytes((here / "A/1.png").read_bytes())
    predictor = Predictor.load(bundle, threads=1)
    (slide,) = slides_of(predictor, walk(["A", "A/x.png"]))
    assert (slide.fields, slide.unread, slide.copies) == (3, 3, 2), "9.png is a copy; x.png was named twice"
    problems = {Path(fault.file).name: fault.problem for fault in slide.faults[:-1]}
    assert problems["9.png"] == "the same file as A/1.png"
    assert problems["z.png"] == f"{problems['x.png']}, the same file as A/x.png"
    sentences = " ".join(differential_of(slide, predictor.card).warnings)
    assert "3 photographs could not be used" in sentences
    assert "2 files are copies" in sentences


def _sheet(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_a_sheet_says_what_is_known_of_each_slide(bundle: Path, here: Path) -> None:
    sheet = _sheet(
        here / "slides.csv",
        "Slide;specimen;subject;wbc;collected;accession",
        "B;S-2;P-2;;;25-0418",
        "A;S-1;P-1;6.2;2025-03-04T09:05+01:00;",
    )
    code, _, _ = run("A", "B", "-b", bundle, "--sheet", sheet, "-o", "t.json", "-o", "t.hl7", "-o", "t.fhir.json", "-q")
    assert code == 0
    first, second = read(Path("t.json"))
    assert (first.slide, first.specimen, first.subject, first.wbc) == ("A", "S-1", "P-1", 6.2)
    assert first.collected is not None
    assert first.collected.isoformat() == "2025-03-04T09:05:00+01:00"
    assert (second.specimen, second.wbc, second.collected, second.accession) == ("S-2", None, None, "25-0418")
    batch = (here / "t.hl7").read_bytes().decode().split("MSH|")[1:]
    assert [("P-1" in one, "P-2" in one, "|25-0418|25-0418^BUFFYCOAT|" in one) for one in batch] == [
        *((True, False, False), (False, True, True)),
    ]
    _sheet(here / "r1.csv", "type,count", "neutrophil,120")
    _sheet(here / "r2.csv", "type,count", "neutrophil,80")
    code, text, _ = run("r1.csv", "r2.csv", "--sheet", _sheet(here / "s.csv", "slide,wbc", "r2,5", "r1,6"), "--json")
    assert code == 0
    assert [(one["slide"], one["wbc"]) for one in json.loads(text)["slides"]] == [("r1", 6.0), ("r2", 5.0)]
    with pytest.raises(UsageError, match="--sheet changes a count when it is made"):
        run("t.json", "--sheet", sheet)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["slide,specimens", "A,1"], "row 1: the column 'specimens' is not known"),
        (["specimen", "A"], "row 1: the column slide is missing"),
        (["slide,wbc,wbc", "A,1,2"], "row 1: the column 'wbc' stands twice"),
        (["slide,wbc", "A,6.2", "B,many"], "row 3: wbc: expected a number in 10⁹/L such as 6.2, found 'many'"),
        (["slide\twbc", "A\t6,2"], "row 2: wbc: expected a number in 10⁹/L such as 6.2, found '6,2'"),
        (["slide;wbc", "A;6,2,1"], "row 2: wbc: expected a number in 10⁹/L such as 6.2, found '6,2,1'"),
        (["slide,wbc", "A,6200"], "row 2: .*Did you mean 6.2"),
        (["slide,wbc", "A,0"], "row 2: .*wbc"),
        (["slide,collected", "A,2025-03-04"], "row 2: .*no time of day"),
        (["slide,collected", "A,2999-03-04T09:05"], "row 2: .*after it was counted"),
        (["slide,specimen", f"A,{'S' * 65}"], "row 2: .*specimen"),
        (["slide,wbc", "A,6", "A,7"], "row 3: the slide 'A' stands twice, in row 2 before"),
        (["slide,accession", "A,1", "B,1"], "row 3: the accession '1' stands twice, in row 2 before"),
        (["slide,wbc", ",6"], "row 2: no slide is named"),
        (["slide,wbc", "A,6,7"], "row 2: more values than columns"),
        (["slide,wbc", "A,x", "B,y"], "row 2: .*found 'x'; row 3: .*found 'y'"),
        (["slide"], "holds no slide"),
    ],
)
def test_a_wrong_sheet_is_said_by_row_before_anything_is_looked_at(
    here: Path, lines: list[str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def counted(*_: object, **__: object) -> None:
        raise AssertionError("photographs were looked at")

    monkeypatch.setattr(Predictor, "load", counted)
    with pytest.raises(DataError, match=f"(?s){said}"):
        run("A", "B", "--sheet", _sheet(here / "s.csv", *lines))


def test_a_decimal_comma_is_read_where_semicolons_separate_and_advised_on_elsewhere(tmp_path: Path) -> None:
    sheet = Sheet(_sheet(tmp_path / "s.csv", "slide;wbc", "A;6,2", "B;5.1", "C;"))
    assert [sheet.of(name).wbc for name in "ABC"] == [6.2, 5.1, None]
    for option, advice in (("--wbc", "write 6.2"), ("--level", "write 6.2")):
        code, _, err = run("x.jpg", option, "6,2")
        assert code == 2
        assert advice in err
    code, _, err = run("x.jpg", "--wbc", "many")
    assert code == 2
    assert "'many' is not a number" in " ".join(err.split())


def test_a_sheet_and_the_slides_must_be_the_same(bundle: Path, here: Path) -> None:
    with pytest.raises(DataError, match=r"(?s)no row for the slide 'B'.*Did you mean 'B1'"):
        run("A", "B", "-b", bundle, "--sheet", _sheet(here / "s.csv", "slide", "A", "B1"), "-o", "t.hl7")
    with pytest.raises(DataError, match="slides that were not counted: row 2: 'C'"):
        run("A", "B", "-b", bundle, "--sheet", _sheet(here / "s.csv", "slide", "C", "A", "B"), "-o", "t.hl7")
    assert not (here / "t.hl7").exists()
    with pytest.raises(UsageError, match="--wbc and --accession and --sheet contradict"):
        run("A", "--sheet", here / "s.csv", "--wbc", 6, "--accession", "1")
    with pytest.raises(DataError, match="cannot be read"):
        run("A", "--sheet", "none.csv")


def test_the_same_accession_and_the_specimens_time_from_the_command(bundle: Path, here: Path) -> None:
    for name in ("1.hl7", "2.hl7"):
        given = ("--accession", "25-0417", "--collected", "2025-03-04T09:05+01:00", "--specimen", "S")
        assert run("A", "-b", bundle, *given, "-o", name, "-q")[0] == 0
    segments = [line.split("|") for line in (here / "2.hl7").read_bytes().decode().split("\r")]
    (order,) = [line for line in segments if line[0] == "OBR"]
    assert order[2:4] == ["25-0417", "25-0417^BUFFYCOAT"]
    assert order[7] == "20250304090500+0100"
    first = (here / "1.hl7").read_text(encoding="utf-8")
    assert "|25-0417|25-0417^BUFFYCOAT|" in first, "counted again it replaces the first"
    for wrong, said in (
        (("--collected", "2025-03-04"), "--collected: .*no time of day"),
        (("--wbc", 6200), "mean 6.2"),
    ):
        with pytest.raises(UsageError, match=f"(?s){said}"):
            run("A", "-b", bundle, *wrong)
    with pytest.raises(UsageError, match="--collected and --accession belongs"):
        run("A", "B", "-b", bundle, "--collected", "2025-03-04T09:05Z", "--accession", "1")


def test_a_comparison_is_in_the_csv_where_it_is_the_only_output(bundle: Path, here: Path) -> None:
    _sheet(here / "r.csv", "type,count", "lymphocyte,150", "neutrophil,50")
    assert run("A", "-b", bundle, "--against", "r.csv", "--against-name", "reader", "-o", "t.csv", "-q")[0] == 0
    rows = {row["type"]: row for row in csv.DictReader((here / "t.csv").read_text(encoding="utf-8").splitlines())}
    assert (rows["lymphocyte"]["compared_with"], rows["lymphocyte"]["other_count"]) == ("reader", "150")
