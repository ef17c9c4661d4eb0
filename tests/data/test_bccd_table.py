"""The table of the 410-image set: every row stays, and what is wrong is named with file and row."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from buffycoat.data import bccd
from buffycoat.data.boxes import read_voc
from buffycoat.data.labels import read_label
from buffycoat.data.load import load
from buffycoat.data.rows import number_repeats, stems
from buffycoat.errors import DataError
from buffycoat.records.tables import CELLS
from buffycoat.taxonomy import CLASS_NAMES


def make(folder: Path, table: bytes, numbers: range | tuple[int, ...] = range(6)) -> Path:
    (folder / bccd.IMAGES).mkdir(parents=True)
    for number in numbers:
        (folder / bccd.IMAGES / f"BloodImage_{number:05d}.jpg").write_bytes(b"picture %d" % number)
    (folder / bccd.LABELS).write_bytes(table)
    return folder


@pytest.mark.parametrize(
    ("written", "label", "count"),
    [
        ("NEUTROPHIL", "neutrophil", 1),
        (" neutrophil ", "neutrophil", 1),
        ("", None, 0),  # unlabelled
        ("  ", None, 0),
        (None, None, 0),  # the record ended before the column
        ("NEUTROPHIL,NEUTROPHIL", "neutrophil", 2),  # two cells of one type: one label, two cells
        ("NEUTROPHIL, NEUTROPHIL", "neutrophil", 2),  # the other way of writing it
        ("NEUTROPHIL, EOSINOPHIL", None, 2),  # no one label can be read off
        ("MONOCYTE,LYMPHOCYTE", None, 2),
        ("NEUTROPHIL,", "neutrophil", 1),
        ("NEUTROPHILL", None, 0),  # a word that is no type names no cell
        ("NEUTROPHIL, BLAST", None, 1),
        (",", None, 0),
    ],
)
def test_labels(written: str | None, label: str | None, count: int) -> None:
    read = read_label(written, CLASS_NAMES)
    assert (read.label, read.count) == (label, count)
    assert read.raw == ((written or "").strip() or None)


def test_any_word_is_a_class_where_classes_are_open() -> None:
    assert read_label("Smudge, large").label == "smudge, large"
    assert read_label("Neutrophil, Monocyte").label is None
    assert read_label("Neutrophil, Monocyte").count == 2


def test_every_row_stays(tmp_path: Path) -> None:
    table = b',Image,Category\r\n,0,NEUTROPHIL\r\n,1,"NEUTROPHIL, EOSINOPHIL"\r\n,2,\r\n,3,MONOCYTE\r\n,9,EOSINOPHIL'
    data = load(str(make(tmp_path, table)))
    cells = data.cells
    assert list(cells.schema.items()) == list(CELLS.items())
    assert cells.get_column("cell_id").to_list() == [f"BloodImage_{i:05d}" for i in (0, 1, 2, 3, 9)]
    assert cells.get_column("image").to_list()[3:] == ["JPEGImages/BloodImage_00003.jpg", None]
    assert cells.get_column("source").to_list() == [f"labels.csv:{line}" for line in (2, 3, 4, 5, 6)]
    assert data.counts() == {"neutrophil": 1, "monocyte": 1, "two cells": 1, "unlabelled": 1, "no image": 1}


@pytest.mark.parametrize(
    ("rows", "line", "said"),
    [
        ([",9,MONOCYTE"], 4, "there is no image BloodImage_00009.jpg, though it is labelled 'MONOCYTE'"),
        ([",9,"], 4, "there is no image BloodImage_00009.jpg, and no label"),
        ([",3,"], 4, "BloodImage_00003 has no label"),
        ([",3,NEUTROPHILL"], 4, "unknown label 'NEUTROPHILL'. Did you mean 'neutrophil'?"),
        ([",three,MONOCYTE"], 4, "Image should be a whole number, found 'three'"),
        ([",3.5,MONOCYTE"], 4, "Image should be a whole number, found '3.5'"),
        ([",-1,MONOCYTE"], 4, "Image should be a whole number, found '-1'"),
        ([",0,NEUTROPHIL"], 4, "repeats labels.csv:2"),
        ([",0,MONOCYTE"], 4, "contradicts labels.csv:2"),
        ([",3,MONOCYTE", "", ",9,"], 6, "there is no image BloodImage_00009.jpg"),  # blank lines count as lines
        (["", '"a', 'b",9,'], 5, "there is no image"),  # a record over two lines is named by its first
    ],
)
def test_faults_are_named_with_file_and_row(tmp_path: Path, rows: list[str], line: int, said: str) -> None:
    table = "\r\n".join([",Image,Category", ",0,NEUTROPHIL", ",1,EOSINOPHIL", *rows, ",4,MONOCYTE"])
    data = load(str(make(tmp_path, table.encode())))
    assert [(fault.file, fault.row) for fault in data.faults if said in fault.problem] == [("labels.csv", line)], (
        data.faults
    )


def test_an_image_without_a_row_is_named(tmp_path: Path) -> None:
    data = load(str(make(tmp_path, b",Image,Category\n,0,NEUTROPHIL\n,1,MONOCYTE", (0, 1, 5))))
    assert [(fault.file, fault.row) for fault in data.faults] == [("JPEGImages/BloodImage_00005.jpg", None)]


def test_of_repeated_rows_one_is_used_and_of_contradicting_ones_none(tmp_path: Path) -> None:
    table = b",Image,Category\n,0,NEUTROPHIL\n,0,neutrophil\n,1,MONOCYTE\n,1,EOSINOPHIL\n,2,EOSINOPHIL"
    data = load(str(make(tmp_path, table + b"\n,3,LYMPHOCYTE")))
    cells = data.cells
    assert cells.get_column("cell_id").to_list() == [
        "BloodImage_00000",
        "BloodImage_00000#2",
        "BloodImage_00001",
        "BloodImage_00001#2",
        "BloodImage_00002",
        "BloodImage_00003",
    ]
    assert cells.get_column("excluded_by").to_list() == [None, "repeated", "contradicted", "contradicted", None, None]
    assert data.counts() == {"neutrophil": 1, "eosinophil": 1, "lymphocyte": 1, "left out": 3}
    assert cells.get_column("group").to_list()[1] == "BloodImage_00000"


def test_files_of_another_set_with_the_same_names_are_not_joined(tmp_path: Path) -> None:
    table = b",Image,Category\n,19,NEUTROPHIL\n,20,MONOCYTE"  # 19 and 20 of the published set overlap
    data = load(str(make(tmp_path, table, (19, 20))))
    assert data.cells.get_column("group").n_unique() == 2


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (b",Image,Categories\n,0,NEUTROPHIL", "Column 'category' is missing. Did you mean 'categories'?"),
        (b",Image,Category\n,7,NEUTROPHIL", "names none of the images"),
        (b",Image,Category\n,0,\xff\xfe", "is not UTF-8"),
        (b',Image,Category\n,0,"NEUTROPHIL', "line"),  # a quotation without an end
    ],
)
def test_a_table_that_cannot_be_used(tmp_path: Path, table: bytes, said: str) -> None:
    with pytest.raises(DataError) as caught:
        bccd.read(make(tmp_path, table))
    assert said in str(caught.value)


@settings(deadline=None)
@given(st.lists(st.sampled_from(["a", "b", "a#2", "a#3", "b#2"]), max_size=20))
def test_numbered_names_are_unique_and_the_first_keeps_its_own(names: list[str]) -> None:
    unique = number_repeats(names)
    assert len(set(unique)) == len(names)
    assert all(unique[names.index(name)] == name for name in names)


@pytest.mark.slow
@settings(deadline=None)
@given(st.lists(st.from_regex(r"[ab]/[xy]\.(jpg|png)", fullmatch=True), unique=True))
def test_stems_of_different_images_differ(images: list[str]) -> None:
    assert len(set(stems(images))) == len(images)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (
            "<annotation><object><name>WBC</name><bndbox><xmin>1</xmin><ymin>2</ymin><xmax>10</xmax><ymax>20</ymax>"
            "</bndbox></object></annotation>",
            [("WBC", (1, 2, 11, 21))],
        ),
        ("<annotation><filename>x</filename></annotation>", []),  # no objects
        ("<annotation><object><name>WBC</name></object></annotation>", []),  # an object without a box
    ],
)
def test_boxes(tmp_path: Path, text: str, found: list[object]) -> None:
    (tmp_path / "a.xml").write_text(text)
    assert read_voc(tmp_path / "a.xml") == found


@pytest.mark.parametrize(
    "text",
    [
        "<annotation>",  # cut short
        "not xml",
        '<!DOCTYPE a [<!ENTITY b "cccccccc">]><a>&b;</a>',  # the beginning of an entity bomb
    ],
)
def test_bad_box_files(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.xml").write_text(text)
    with pytest.raises(DataError, match=r"a\.xml"):
        read_voc(tmp_path / "a.xml")


@pytest.mark.real
def test_the_published_counts(real_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUFFYCOAT_DATA", str(real_data))
    data = load("bccd", download=False)
    assert data.cells.height == 411
    assert data.counts() == {
        "neutrophil": 206,
        "eosinophil": 88,
        "basophil": 3,
        "lymphocyte": 33,
        "monocyte": 20,
        "two cells": 15,
        "unlabelled": 1,
        "no image": 45,
    }
    there = data.cells.drop_nulls("image")
    twice_the_same = there.filter((pl.col("label_count") == 2) & pl.col("label").is_not_null())
    assert twice_the_same.height == 7
    assert sum("there is no image" in fault.problem for fault in data.faults) == 45
    assert len(data.faults) == 46
    assert data.summary().files == 366
    assert data.summary().content_hash == load("bccd", download=False).summary().content_hash


@pytest.mark.real
def test_fields_that_overlap_share_a_group(real_data: Path) -> None:
    cells = load(str(real_data / "kaggle-blood-cells")).cells
    groups = dict(cells.select("cell_id", "group").iter_rows())
    assert groups["BloodImage_00278"] == groups["BloodImage_00206"]  # one cell, called two types
    assert groups["BloodImage_00276"] == groups["BloodImage_00205"]
    assert sum(name != group for name, group in groups.items()) == 72 - 33


@pytest.mark.real
def test_every_box_file_is_read(real_data: Path) -> None:
    for folder in (real_data / "bccd-boxes", *real_data.rglob("Annotations")):
        boxes = {path.stem: read_voc(path) for path in sorted(folder.glob("*.xml"))}
        assert len(boxes) in (343, 364)
        assert all(found for found in boxes.values())
