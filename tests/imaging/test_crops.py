"""The store of crops: made once, resumed after anything, never trusted when damaged."""

from __future__ import annotations

import errno
import logging
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from buffycoat.errors import DataError, OutputError
from buffycoat.imaging import crops
from buffycoat.imaging.crops import INDEX, CropItem, CropStore, build_crops
from buffycoat.imaging.decode import read_image
from buffycoat.imaging.frame import frame
from buffycoat.imaging.journal import Journal
from buffycoat.records.documents import FrameSpec
from tests.imaging.imaging_drawing import leukocyte, red_cells

SPEC = FrameSpec(stored_px=32)


@pytest.fixture(autouse=True)
def _small_pieces(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a few dozen cells fill several pieces of the journal; other processes keep the true size."""
    if request.function is not test_killed_and_resumed_gives_the_same:
        monkeypatch.setattr(crops, "_CHUNK", 16)


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    """Return a folder of three fields with a leukocyte, one without, and two files that are no images."""
    folder = tmp_path / "photographs"
    folder.mkdir()
    for k, centre in enumerate([(100, 90), (200, 120), (240, 180)]):
        Image.fromarray(leukocyte(red_cells(320, 240, seed=k), centre, 42, lobe=30)).save(folder / f"cell{k}.jpg")
    Image.fromarray(red_cells(320, 240)).save(folder / "red.jpg")
    (folder / "cut.jpg").write_bytes((folder / "cell0.jpg").read_bytes()[:2000])
    (folder / "words.jpg").write_text("not an image")
    return folder


def items(folder: Path, n: int = 40) -> list[CropItem]:
    """Return n cells, over more than two pieces of the journal, drawn from the folder's files in turn."""
    paths = sorted(folder.glob("*.jpg"))
    return [CropItem(f"cell-{k}", paths[k % len(paths)]) for k in range(n)]


def test_every_item_has_its_row_and_its_reason(photographs: Path, tmp_path: Path) -> None:
    names = ["cell0", "red", "cell1", "cut", "words", "gone", "boxed", "cell2"]
    wanted = [CropItem(name, photographs / f"{name}.jpg") for name in names]
    wanted[6] = CropItem("boxed", photographs / "cell0.jpg", (10, 10, 60, 60))
    store = build_crops(wanted, SPEC, tmp_path / "crops")
    index = store.index
    assert dict(index.schema) == INDEX
    assert index["cell_id"].to_list() == names
    assert index["framing"].to_list() == ["cell", "none", "cell", "none", "none", "none", "boxed", "cell"]
    assert index["fault"].to_list() == [None, None, None, "truncated", "not an image", "missing", None, None]
    assert index["row"].is_null().to_list() == [False, True, False, True, True, True, False, False]
    assert store.images.shape == (8, 32, 32, 3)
    assert not store.images.flags.writeable
    for name in ("cell0", "cell1", "cell2"):
        framed = frame(read_image(photographs / f"{name}.jpg"), SPEC, None)
        assert framed.crop is not None
        (row,) = store.rows([name])
        assert (store.images[row] == framed.crop).all()
        assert index.filter(cell_id=name).select("x0", "y0", "x1", "y1").row(0) == framed.box
    assert (store.rows(["cell2", "cell0"]) == [7, 0]).all()
    with pytest.raises(DataError, match=r"2 of 3 cells have no crop: red, gone"):
        store.rows(["cell0", "red", "gone"])


def test_threads_change_nothing(photographs: Path, tmp_path: Path) -> None:
    one = build_crops(items(photographs), SPEC, tmp_path / "one", workers=1)
    four = build_crops(items(photographs), SPEC, tmp_path / "four", workers=4)
    assert (one.images == four.images).all()
    assert one.index.equals(four.index)


def test_a_second_call_makes_nothing_anew(photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = items(photographs)
    first = build_crops(wanted, SPEC, tmp_path / "crops")
    monkeypatch.setattr(crops, "read_image", lambda *_: pytest.fail("an image was decoded again"))
    progress: list[tuple[int, int]] = []
    again = build_crops(wanted, SPEC, tmp_path / "crops", on_progress=lambda done, n: progress.append((done, n)))
    assert (again.images == first.images).all()
    assert progress == [(40, 40)]
    assert CropStore.open(tmp_path / "crops").index.equals(first.index)


def test_progress_runs_to_the_end(photographs: Path, tmp_path: Path) -> None:
    progress: list[tuple[int, int]] = []
    build_crops(items(photographs), SPEC, tmp_path / "crops", on_progress=lambda done, n: progress.append((done, n)))
    assert progress == [(16, 40), (32, 40), (40, 40)]


def test_no_items(tmp_path: Path) -> None:
    store = build_crops([], SPEC, tmp_path / "crops")
    assert store.images.shape == (0, 32, 32, 3)
    assert store.index.height == 0
    assert store.rows([]).shape == (0,)


def test_names_must_be_distinct(photographs: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="'a'"):
        build_crops([CropItem("a", photographs / "cell0.jpg")] * 2, SPEC, tmp_path / "crops")


@pytest.mark.parametrize("change", ["file", "framing", "box", "items", "order"])
def test_whatever_the_crops_depend_on_makes_them_anew(photographs: Path, tmp_path: Path, change: str) -> None:
    wanted, spec = items(photographs, 12), SPEC
    build_crops(wanted, spec, tmp_path / "crops")
    if change == "file":
        shutil.copyfile(photographs / "cell1.jpg", photographs / "cell0.jpg")
    elif change == "framing":
        spec = SPEC.model_copy(update={"side_px": 200})
    elif change == "box":
        wanted[0] = CropItem("cell-0", wanted[0].path, (0, 0, 50, 50))
    elif change == "items":
        wanted = wanted[:-1]
    else:
        wanted = wanted[::-1]
    changed = build_crops(wanted, spec, tmp_path / "crops")
    fresh = build_crops(wanted, spec, tmp_path / "fresh")
    assert changed.index.equals(fresh.index)
    assert (changed.images == fresh.images).all()


def damage_pixels(folder: Path) -> None:
    with (folder / "images.u8").open("r+b") as stream:
        stream.seek(32 * 32 * 3 * 20)
        stream.write(b"damage")


def shorten_pixels(folder: Path) -> None:
    os.truncate(folder / "images.u8", 32 * 32 * 3 * 30)


def remove_pixels(folder: Path) -> None:
    (folder / "images.u8").unlink()


def damage_journal(folder: Path) -> None:
    content = bytearray((folder / "journal.jsonl").read_bytes())
    content[len(content) // 2] ^= 0xFF
    (folder / "journal.jsonl").write_bytes(content)


def damage_first_line(folder: Path) -> None:
    content = (folder / "journal.jsonl").read_bytes()
    (folder / "journal.jsonl").write_bytes(b"{" + content[1:])


def shorten_journal(folder: Path) -> None:
    os.truncate(folder / "journal.jsonl", (folder / "journal.jsonl").stat().st_size - 20)


def empty_journal(folder: Path) -> None:
    (folder / "journal.jsonl").write_bytes(b"")


@pytest.mark.parametrize(
    "harm",
    [
        damage_pixels,
        shorten_pixels,
        remove_pixels,
        damage_journal,
        damage_first_line,
        shorten_journal,
        empty_journal,
    ],
)
def test_damage_is_noticed_and_mended(
    photographs: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, harm: object
) -> None:
    wanted = items(photographs)
    fresh = build_crops(wanted, SPEC, tmp_path / "fresh")
    build_crops(wanted, SPEC, tmp_path / "crops")
    assert callable(harm)
    harm(tmp_path / "crops")
    with caplog.at_level(logging.WARNING, "buffycoat"):
        mended = build_crops(wanted, SPEC, tmp_path / "crops")
    assert "made anew" in caplog.text
    assert (mended.images == fresh.images).all()
    assert mended.index.equals(fresh.index)


def test_only_the_damaged_piece_is_made_again(
    photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = items(photographs)
    build_crops(wanted, SPEC, tmp_path / "crops")
    damage_pixels(tmp_path / "crops")
    decoded: list[Path] = []

    def count(path: Path) -> NDArray[np.uint8]:
        decoded.append(path)
        return read_image(path)

    monkeypatch.setattr(crops, "read_image", count)
    build_crops(wanted, SPEC, tmp_path / "crops")
    assert len(decoded) == 16


@pytest.mark.parametrize("harm", [remove_pixels, shorten_pixels, shorten_journal, empty_journal])
def test_opening_a_damaged_store_says_so(photographs: Path, tmp_path: Path, harm: object) -> None:
    build_crops(items(photographs), SPEC, tmp_path / "crops")
    assert callable(harm)
    harm(tmp_path / "crops")
    with pytest.raises(DataError, match="made anew"):
        CropStore.open(tmp_path / "crops")


def test_opening_nothing_says_so(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no crops"):
        CropStore.open(tmp_path / "none")


SCRIPT = """
import sys
from pathlib import Path
from buffycoat.imaging.crops import CropItem, build_crops
from buffycoat.records.documents import FrameSpec
paths = sorted(Path(sys.argv[1]).glob("*.jpg"))
items = [CropItem(f"cell-{k}", paths[k % len(paths)]) for k in range(300)]
build_crops(items, FrameSpec(stored_px=32), Path(sys.argv[2]), workers=1,
            on_progress=lambda done, n: print(done, flush=True))
"""


@pytest.mark.slow
def test_killed_and_resumed_gives_the_same(photographs: Path, tmp_path: Path) -> None:
    folder = tmp_path / "crops"
    command = [sys.executable, "-c", SCRIPT, str(photographs), str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "64\n"
        process.send_signal(signal.SIGKILL)
    with pytest.raises(DataError, match="unfinished"):
        CropStore.open(folder)
    progress: list[int] = []
    resumed = build_crops(items(photographs, 300), SPEC, folder, on_progress=lambda done, _: progress.append(done))
    assert progress[0] >= 128  # what was finished was kept
    fresh = build_crops(items(photographs, 300), SPEC, tmp_path / "fresh")
    assert (resumed.images == fresh.images).all()
    assert resumed.index.equals(fresh.index)


def test_an_interrupted_caller_loses_nothing(photographs: Path, tmp_path: Path) -> None:
    def interrupt(done: int, _: int) -> None:
        if done >= 16:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_crops(items(photographs), SPEC, tmp_path / "crops", on_progress=interrupt)
    progress: list[int] = []
    build_crops(items(photographs), SPEC, tmp_path / "crops", on_progress=lambda done, _: progress.append(done))
    assert progress == [32, 40]


def test_a_folder_in_use_is_refused(photographs: Path, tmp_path: Path) -> None:
    def build_again(*_: int) -> None:
        build_crops(items(photographs), SPEC, tmp_path / "crops")

    with pytest.raises(OutputError, match="being written by another process"):
        build_crops(items(photographs), SPEC, tmp_path / "crops", on_progress=build_again)


def test_a_full_disk_is_named_before_and_during(
    photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
        with pytest.raises(OutputError, match="are free"):
            build_crops(items(photographs), SPEC, tmp_path / "crops")

    def fill(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "append", fill)
        with pytest.raises(OutputError, match="the disk is full"):
            build_crops(items(photographs), SPEC, tmp_path / "crops")
    assert build_crops(items(photographs), SPEC, tmp_path / "crops").images.shape[0] == 40


def test_a_file_where_the_folder_should_be(photographs: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "crops"):
        with pytest.raises(OutputError, match="a file stands where a folder is needed"):
            build_crops(items(photographs), SPEC, folder)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="an administrator may write anywhere")
def test_a_read_only_folder(photographs: Path, tmp_path: Path) -> None:
    folder = tmp_path / "crops"
    folder.mkdir(mode=0o500)
    with pytest.raises(OutputError, match="no permission to write"):
        build_crops(items(photographs), SPEC, folder)


def test_a_read_only_file_system(photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(OutputError, match="read-only"):
        build_crops(items(photographs), SPEC, tmp_path / "crops")


def test_the_index_is_what_the_images_say(photographs: Path, tmp_path: Path) -> None:
    store = build_crops(items(photographs), SPEC, tmp_path / "crops")
    empty = ~np.asarray(store.images).reshape(40, -1).any(axis=1)
    assert (store.index["row"].is_null().to_numpy() == empty).all()
