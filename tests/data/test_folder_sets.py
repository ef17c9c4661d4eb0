"""Folders of labelled images, tables, and everything that may be wrong with them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from buffycoat.data.csv_table import _box
from buffycoat.data.identical import identical_files
from buffycoat.data.load import load
from buffycoat.errors import DataError, UsageError
from buffycoat.records.tables import CELLS


def put(folder: Path, *names: str) -> Path:
    """Write a different little file under each name."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(f"picture {name}".encode(errors="surrogateescape"))
    return folder


def test_one_folder_per_class_whatever_it_is_called(tmp_path: Path) -> None:
    put(tmp_path, "Neutrophils/1.jpg", "Neutrophils/slide 2/1.PNG", "Smudge cell/1.tif", "Smudge cell/notes.txt")
    data = load(str(tmp_path))
    assert data.cells.select("cell_id", "image", "label", "label_raw").rows() == [
        ("Neutrophils/1", "Neutrophils/1.jpg", "neutrophil", "Neutrophils"),
        ("Neutrophils/slide 2/1", "Neutrophils/slide 2/1.PNG", "neutrophil", "Neutrophils"),
        ("Smudge cell/1", "Smudge cell/1.tif", "smudge cell", "Smudge cell"),
    ]
    assert list(data.cells.schema.items()) == list(CELLS.items())
    assert data.cells.get_column("group").n_unique() == 3
    assert not data.faults
    assert not data.synthetic


def test_class_folders_are_found_inside_wrappers(tmp_path: Path) -> None:
    put(tmp_path, "set/images/eos/1.jpg", "set/images/mono/1.jpg", "__MACOSX/set/._x.jpg")
    data = load(str(tmp_path))
    assert data.root == tmp_path / "set" / "images"
    assert data.counts() == {"eosinophil": 1, "monocyte": 1}
    assert str(data.root) in data.remarks[0]


def test_a_split_given_by_folders_is_kept(tmp_path: Path) -> None:
    put(tmp_path, "train/a/1.jpg", "val/a/2.jpg", "test/b/3.jpg", "train/b/4.jpg")
    cells = load(str(tmp_path)).cells
    assert dict(cells.select("image", "given_split").iter_rows()) == {
        "train/a/1.jpg": "train",
        "val/a/2.jpg": "train",
        "test/b/3.jpg": "test",
        "train/b/4.jpg": "train",
    }
    assert cells.columns[-1] == "given_split"


def test_identical_files_share_a_group_and_contradictions_are_named(tmp_path: Path) -> None:
    put(tmp_path, "a/1.jpg", "a/2.jpg", "b/3.jpg", "b/4.jpg")
    (tmp_path / "a/copy.jpg").write_bytes((tmp_path / "a/1.jpg").read_bytes())
    (tmp_path / "a/link.jpg").hardlink_to(tmp_path / "a/1.jpg")
    (tmp_path / "b/copy.jpg").write_bytes((tmp_path / "a/2.jpg").read_bytes())
    data = load(str(tmp_path))
    groups = dict(data.cells.select("cell_id", "group").iter_rows())
    assert groups["a/1"] == groups["a/copy"] == groups["a/link"]
    assert groups["a/2"] == groups["b/copy"]
    assert len(set(groups.values())) == 4
    assert [("labels differ: a, b" in fault.problem, fault.file) for fault in data.faults] == [
        (False, "a/1.jpg"),
        (True, "a/2.jpg"),
    ]


def test_files_alike_at_both_ends_but_not_between_are_different(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in "abc"]
    for path, middle in zip(paths, (b"1", b"2", b"1"), strict=True):
        path.write_bytes(b"x" * 10_000 + middle + b"x" * 10_000)
    empty = tmp_path / "empty"
    empty.touch()
    assert identical_files([*paths, empty, empty, tmp_path / "missing"]) == [[0, 2]]


def test_empty_classes_strays_and_empty_files_are_faults(tmp_path: Path) -> None:
    put(tmp_path, "a/1.jpg", "b/1.jpg", "stray.jpg")
    (tmp_path / "c").mkdir()
    (tmp_path / "b/empty.jpg").touch()
    data = load(str(tmp_path))
    assert {fault.file: fault.problem for fault in data.faults} == {
        "stray.jpg": "lies outside the class folders",
        "b/empty.jpg": "the file is empty (0 bytes)",
        "c": "no image in this class folder",
    }
    assert data.cells.height == 3


def test_a_link_back_to_its_own_folder_ends(tmp_path: Path) -> None:
    put(tmp_path, "a/1.jpg", "b/1.jpg")
    (tmp_path / "a" / "again").symlink_to(tmp_path / "a", target_is_directory=True)
    (tmp_path / "b" / "other").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "b" / "self").symlink_to("self")
    images = load(str(tmp_path)).cells.get_column("image").to_list()
    assert images == ["a/1.jpg", "b/1.jpg", "b/other/a/1.jpg"], "a link out of its class folder is followed once"


def nothing(_folder: Path) -> None:
    pass


def only_notes(folder: Path) -> None:
    (folder / "notes.md").write_text("nothing here")


def images_without_classes(folder: Path) -> None:
    put(folder, "1.jpg", "2.jpg")


def one_class(folder: Path) -> None:
    put(folder, "a/1.jpg", "a/2.jpg")


def folders_without_images(folder: Path) -> None:
    (folder / "a").mkdir()
    (folder / "b").mkdir()


@pytest.mark.parametrize(
    ("build", "said"),
    [
        (nothing, "is empty"),
        (only_notes, "holds no images"),
        (images_without_classes, "no class folders"),
        (one_class, "one class only (a)"),
        (folders_without_images, "holds no images"),
    ],
)
def test_folders_that_cannot_be_used(tmp_path: Path, build: object, said: str) -> None:
    assert callable(build)
    build(tmp_path)
    with pytest.raises(DataError) as caught:
        load(str(tmp_path))
    assert said in caught.value.what
    assert str(tmp_path) in caught.value.what


@pytest.mark.parametrize(
    ("what", "kind", "said"),
    [
        ("bcdd", UsageError, "Did you mean 'bccd'?"),  # a set misspelt
        ("synthetik", UsageError, "Did you mean 'synthetic'?"),
        ("smear", UsageError, "Did you mean 'smears'?"),  # a folder nearby misspelt
        ("zzz", UsageError, "Known names: bccd, synthetic"),
        ("synthetic:many", UsageError, "synthetic:N@SEED"),
        ("synthetic:0", UsageError, "synthetic:N@SEED"),
        ("./smeers", DataError, "Did you mean"),
        ("./no/such/folder", DataError, "nor does"),
        ("smears/1.jpg", DataError, "is a file"),
        ("x" * 5000, DataError, "cannot be read"),  # longer than any file name
    ],
)
def test_names_that_are_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str, kind: type[Exception], said: str
) -> None:
    put(tmp_path, "smears/1.jpg")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(kind) as caught:
        load(what, download=False)
    assert said in str(caught.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read(tmp_path: Path) -> None:
    put(tmp_path, "a/1.jpg", "b/1.jpg")
    (tmp_path / "a").chmod(0)
    try:
        with pytest.raises(DataError, match="permission denied"):
            load(str(tmp_path))
    finally:
        (tmp_path / "a").chmod(0o755)


def test_a_folder_that_may_not_be_read_even_as_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_path: object) -> object:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("buffycoat.data.walk.os.scandir", refuse)
    with pytest.raises(DataError, match="permission denied"):
        load(str(tmp_path))


def test_a_table(tmp_path: Path) -> None:
    put(tmp_path, "pictures/1.jpg", "pictures/2.jpg")
    (tmp_path / "cells.csv").write_text(
        "image,label,group,x0,y0,x1,y1\n"
        "pictures/1.jpg,Neutrophil,patient 1,1,2,30,40\n"
        "pictures/1.jpg,Monocyte,patient 1,50,2,80.4,40\n"
        "pictures/2.jpg,Blast,patient 2,,,,\n"
    )
    for what in (tmp_path / "cells.csv", tmp_path):  # the only table in the folder
        data = load(str(what))
        assert data.cells.select("cell_id", "image", "x0", "x1", "label", "group", "source").rows() == [
            ("pictures/1", "pictures/1.jpg", 1, 30, "neutrophil", "patient 1", "cells.csv:2"),
            ("pictures/1#2", "pictures/1.jpg", 50, 80, "monocyte", "patient 1", "cells.csv:3"),
            ("pictures/2", "pictures/2.jpg", None, None, "blast", "patient 2", "cells.csv:4"),
        ]
        assert not data.faults
        assert data.summary().files == 2


@pytest.mark.parametrize(
    "table",
    [
        b"image,label\n1.jpg,a\n2.jpg,b\n",
        b"\xef\xbb\xbfimage,label\r\n1.jpg,a\r\n2.jpg,b\r\n",  # Excel: byte-order mark, CRLF
        b"image;label\n1.jpg;a\n2.jpg;b\n",  # Excel in much of Europe
        b"image\tlabel\n1.jpg\ta\n2.jpg\tb\n",
        b" IMAGE , Label \n 1.jpg , a \n\n./2.jpg,b",  # blanks, capitals, a blank line, no newline at the end
        b'label,"image",remark\na,"1.jpg","x, y"\nb,2.jpg,\n',  # another order, quotes, a column of one's own
        b"image,label\nsub\\..\\1.jpg,a\n2.jpg,b\n",  # written on Windows
    ],
)
def test_tables_as_people_write_them(tmp_path: Path, table: bytes) -> None:
    put(tmp_path, "1.jpg", "2.jpg", "sub/3.jpg")
    (tmp_path / "labels.csv").write_bytes(table)
    data = load(str(tmp_path))
    assert data.cells.select("image", "label").rows() == [("1.jpg", "a"), ("2.jpg", "b")]
    assert not data.faults


def test_a_table_among_class_folders_is_read_and_what_it_does_not_name_is_told(tmp_path: Path) -> None:
    put(tmp_path, *(f"{label}/{k}.jpg" for label in ("neutrophil", "lymphocyte") for k in range(3)), "other/9.jpg")
    (tmp_path / "notes.csv").write_text("image,label\nneutrophil/0.jpg,neutrophil\nlymphocyte/0.jpg,lymphocyte\n")
    data = load(str(tmp_path))
    assert data.cells.height == 2
    told = {fault.file: fault for fault in data.faults}
    assert set(told) == {f"{label}/{k}.jpg" for label in ("neutrophil", "lymphocyte") for k in (1, 2)}
    assert told["neutrophil/1.jpg"].problem == "no row of notes.csv names it"
    assert load(str(tmp_path / "notes.csv")).faults == (), "a table that is named outright is what was meant"


def test_a_table_saved_with_its_row_numbers_has_no_faults(tmp_path: Path) -> None:
    put(tmp_path, "0.jpg", "1.jpg")
    (tmp_path / "labels.csv").write_text(",image,label\n0,0.jpg,neutrophil\n1,1.jpg,lymphocyte\n")
    data = load(str(tmp_path))
    assert data.cells.height == 2 and data.faults == ()


def test_images_elsewhere(tmp_path: Path) -> None:
    put(tmp_path, "elsewhere/1.jpg", "elsewhere/2.jpg")
    (tmp_path / "tables").mkdir()
    table = tmp_path / "tables" / "labels.csv"
    table.write_text(f"image,label\n../elsewhere/1.jpg,a\n{tmp_path}/elsewhere/2.jpg,b\n")
    data = load(str(table))
    images = data.cells.get_column("image").to_list()
    assert images == ["../elsewhere/1.jpg", "../elsewhere/2.jpg"]
    assert all((data.root / image).is_file() for image in images)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("9.jpg,a,,,,", "there is no image '9.jpg'"),
        (",a,,,,", "no image is named"),
        ("3.jpg,,,,,", "no label for '3.jpg'"),
        ("3.jpg,a,5,1,5,9", "is empty"),  # x0 = x1
        ("3.jpg,a,5,1,2,9", "is empty"),  # the wrong way round
        ("3.jpg,a,one,1,2,9", "four numbers"),
        ("3.jpg,a,nan,1,2,9", "four numbers"),
        ("3.jpg,a,1,1,,", "four numbers"),  # half a box
        ("3.jpg,a,-9,-9,-1,-1", "outside"),
        ("3.jpg,a,,,,,b", "more columns"),
        ("1.jpg,a,,,,", "repeats labels.csv:2"),
        ("1.jpg,b,,,,", "contradicts labels.csv:2"),
        ("images,a,,,,", "there is no image"),  # a folder
    ],
)
def test_faults_in_a_table_are_named_with_their_row(tmp_path: Path, row: str, said: str) -> None:
    put(tmp_path, "1.jpg", "2.jpg", "3.jpg", "4.jpg", "images/5.jpg")
    (tmp_path / "labels.csv").write_text(f"image,label,x0,y0,x1,y1\n1.jpg,a\n2.jpg,b\n4.jpg,a\n{row}\n")
    data = load(str(tmp_path))
    assert data.cells.height == 4  # the row stays
    left_out = any(word in said for word in ("empty", "four numbers", "outside", "repeats", "contradicts"))
    assert (data.cells.get_column("excluded_by")[3] is not None) == left_out
    assert [(fault.file, fault.row) for fault in data.faults if said in fault.problem] == [("labels.csv", 5)]


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("image,lable\n1.jpg,a\n", "Column 'label' is missing. Did you mean 'lable'?"),
        ("filename,class\n1.jpg,a\n", "Column 'image' is missing"),
        ("image,label,x0,y0,x1\n1.jpg,a,1,2,3\n", "Column 'y1' is missing"),
        ("image,label\n", "no rows"),
        ("image,label\n8.jpg,a\n9.jpg,b\n", "none of the 2 images"),
        ("", "Column 'image' is missing"),
        ("image,label\n1.jpg,a\n", "one class only"),
        ('image,label\n1.jpg,"a\n', "line"),
    ],
)
def test_tables_that_cannot_be_used(tmp_path: Path, table: str, said: str) -> None:
    put(tmp_path, "1.jpg")
    (tmp_path / "cells.csv").write_text(table)
    with pytest.raises(DataError) as caught:
        load(str(tmp_path / "cells.csv"))
    assert said in str(caught.value)


@settings(deadline=None)
@given(st.lists(st.text(st.sampled_from("0123456789.-einfa "), max_size=6), min_size=4, max_size=4))
def test_a_box_is_either_right_or_refused(written: list[str]) -> None:
    box, wrong = _box([value.strip() for value in written])
    assert box is None or wrong is None
    if box is not None:
        assert box[0] < box[2]
        assert box[1] < box[3]


def test_a_synthetic_folder_says_so(tmp_path: Path) -> None:
    put(tmp_path, "images/1.jpg", "images/2.jpg")
    (tmp_path / "labels.csv").write_text("image,label\nimages/1.jpg,a\nimages/2.jpg,b\n")
    (tmp_path / "SYNTHETIC.json").write_text(json.dumps({"seed": 5, "n": 2}))
    data = load(str(tmp_path))
    assert data.synthetic
    assert data.summary().synthetic
    assert data.description.startswith("SYNTHETIC")
    (tmp_path / "SYNTHETIC.json").write_text("damaged")
    assert load(str(tmp_path)).synthetic


def test_synthetic_is_drawn_once_and_the_seed_matters(tmp_path: Path) -> None:
    first = load("synthetic:3@1", data_dir=tmp_path)
    assert first.synthetic
    assert first.cells.height == 3
    assert first.cells.select("x0", "y0", "x1", "y1").null_count().sum_horizontal().item() == 0
    written = {path: path.stat().st_mtime_ns for path in first.root.rglob("*.jpg")}
    assert load("synthetic:3@1", data_dir=tmp_path).cells.equals(first.cells)
    assert written == {path: path.stat().st_mtime_ns for path in first.root.rglob("*.jpg")}
    other = load("synthetic:3@2", data_dir=tmp_path)
    assert other.summary().content_hash != first.summary().content_hash


def test_the_content_hash_knows_what_matters(tmp_path: Path) -> None:
    put(tmp_path / "one", "a/0.jpg", "a/1.jpg", "b/1.jpg")
    put(tmp_path / "two", "a/0.jpg", "a/1.jpg", "b/1.jpg")
    first = load(str(tmp_path / "one"))
    known = first.summary().content_hash
    assert load(str(tmp_path / "two")).summary().content_hash == known  # the place does not
    (tmp_path / "two/a/1.jpg").write_bytes(b"picture a/2.jpg")  # one byte does
    assert load(str(tmp_path / "two")).summary().content_hash != known
    (tmp_path / "one/a/1.jpg").rename(tmp_path / "one/b/2.jpg")  # a label does
    assert load(str(tmp_path / "one")).summary().content_hash != known
    from buffycoat.data.dataset import content_hash

    cleaned = first.cells.with_columns(pl.lit("thinned").alias("excluded_by"), pl.lit(1, pl.Int32).alias("fold"))
    put(tmp_path / "one", "a/1.jpg")
    assert content_hash(cleaned, first.root) == known  # cleaning and splitting do not


def test_the_content_hash_sees_one_byte_in_a_set_of_any_size(tmp_path: Path) -> None:
    names = [f"{label}/{place}.jpg" for label in "ab" for place in range(300)]
    put(tmp_path, *names)
    large = tmp_path / names[-1]
    os.truncate(large, 130 << 20)  # a hole: it takes no room on the disk
    known = load(str(tmp_path)).summary().content_hash
    with large.open("rb+") as stream:
        stream.seek(99 << 20)
        stream.write(b"x")
    changed = load(str(tmp_path)).summary().content_hash
    assert changed != known
    (tmp_path / names[400]).write_bytes(b"picture b/xxx.jpg")
    assert load(str(tmp_path)).summary().content_hash not in {known, changed}


@pytest.mark.real
def test_the_other_microscope(real_data: Path) -> None:
    data = load(str(real_data / "olympus-bx53"))
    assert data.counts() == {"neutrophil": 231, "eosinophil": 123, "lymphocyte": 52, "monocyte": 5}
    assert sum("byte for byte" in fault.problem for fault in data.faults) == 50
    assert data.cells.get_column("cell_id").n_unique() == 411


def test_a_label_that_looks_like_a_slip_is_named_once(tmp_path: Path) -> None:
    put(tmp_path, "1.jpg", "2.jpg", "3.jpg", "4.jpg")
    (tmp_path / "labels.csv").write_text(
        "image,label\n1.jpg,neutrophil\n2.jpg,neutrophill\n3.jpg,Neutrophill\n4.jpg,band neutrophil\n"
    )
    data = load(str(tmp_path))
    (fault,) = data.faults
    assert (fault.row, fault.problem) == (3, "label 'neutrophill' looks like 'neutrophil' (2 rows)")
    assert data.counts()["neutrophill"] == 2


def test_names_that_are_no_text_are_faults(tmp_path: Path) -> None:
    put(tmp_path, "a/1.jpg", "b/1.jpg", "a/caf\udce9.jpg", "caf\udce9.jpg", "\udcff/1.jpg", "c\udcff/notes.txt")
    data = load(str(tmp_path))
    assert data.cells.get_column("image").to_list() == ["a/1.jpg", "b/1.jpg"]
    assert {fault.file for fault in data.faults} == {"a/caf\\xe9.jpg", "caf\\xe9.jpg", "\\xff/1.jpg", "c\\xff", "\\xff"}
    assert "its name is no text" in {fault.problem for fault in data.faults}
    put(tmp_path / "s\udcff", "a/1.jpg", "b/1.jpg")
    with pytest.raises(DataError, match="this name is no text"):
        load(str(tmp_path / "s\udcff"))


def test_a_study_written_into_the_data_is_no_class(tmp_path: Path) -> None:
    put(tmp_path, "train/a/1.jpg", "test/b/1.jpg", "study/study.json", "study/crops/1.jpg", "begun/.lock")
    data = load(str(tmp_path))
    assert data.counts() == {"a": 1, "b": 1}
    assert data.cells.get_column("given_split").to_list() == ["test", "train"]
    put(tmp_path / "train", "b/1.jpg", "study/study.json", "study/crops/1.jpg")
    data = load(str(tmp_path / "train"))
    assert data.counts() == {"a": 1, "b": 1}
    assert [(fault.file, fault.action) for fault in data.faults] == [("study", "passed over: it is no class")]


@pytest.mark.parametrize("name", ["", "  "])
def test_an_empty_name_is_not_the_working_folder(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "a/1.jpg", "b/1.jpg")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="is empty"):
        load(name)
