"""``buffycoat predict`` as its user meets it: answers on standard output, remarks beside, an exit code that is true."""

from __future__ import annotations

import errno
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import cv2
import numpy as np
import polars as pl
import pytest
from PIL import Image

from buffycoat.predict.archives import MARK
from buffycoat.predict.explain import SIDE_PX
from tests.predict.conftest import Run


def test_a_table_is_printed(command: Run, bundle: Path, photographs: Path) -> None:
    code, out, err = command("predict", "--bundle", bundle, photographs)
    assert code == 0, err
    lines = out.splitlines()
    assert lines[0].split()[:4] == ["image", "cell", "box", "class"]
    assert len(lines) == 2 + 7
    assert "6 photographs, 7 cells" in err
    assert "not a medical device" in err


def test_json_lines_are_printed(command: Run, bundle: Path, photographs: Path) -> None:
    code, out, err = command("predict", "-b", bundle, "--json", "--quiet", photographs / "0.jpg", photographs / "5.jpg")
    rows = [json.loads(line) for line in out.splitlines()]
    assert (code, err) == (0, "")
    assert [row["cell"] for row in rows] == [1, 1, 2]
    assert sum(rows[0]["probabilities"].values()) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("ending", ["csv", "parquet", "jsonl", "txt"])
def test_a_file_is_written_by_its_ending(
    command: Run, bundle: Path, photographs: Path, tmp_path: Path, ending: str
) -> None:
    out = tmp_path / "deep" / f"cells.{ending}"
    code, printed, err = command("predict", "--bundle", bundle, photographs, "--out", out)
    assert (code, printed) == (0, ""), err
    assert str(out) in err
    if ending == "parquet":
        table = pl.read_parquet(out)
        assert table["image"].n_unique() == 6
        assert table.height == 7
    else:
        assert len(out.read_text().splitlines()) == 7 + {"csv": 1, "jsonl": 0, "txt": 2}[ending]


def test_the_unreadable_has_its_row_and_the_exit_code_says_so(
    command: Run, bundle: Path, photographs: Path, tmp_path: Path
) -> None:
    wrong = tmp_path / "wrong"
    wrong.mkdir()
    (wrong / "empty.jpg").touch()
    (wrong / "text, really.png").write_text("no picture")
    sound = (photographs / "0.jpg").read_bytes()
    (wrong / "cut\nshort.jpg").write_bytes(sound[: len(sound) // 2])
    (wrong / "page.jpg").write_text("<html>404</html>")
    out = tmp_path / "o.csv"
    code, _, err = command("predict", "-b", bundle, wrong, photographs / "0.jpg", tmp_path / "none.tif", "-o", out)
    assert code == 1
    assert "5 could not be read" in err
    assert "cut\\nshort.jpg: truncated" in err
    table = pl.read_csv(out)
    errors = {Path(str(image)).name: error for image, error in table.select("image", "error").iter_rows()}
    assert errors == {
        "empty.jpg": "empty file",
        "text, really.png": "not an image",
        "cut\nshort.jpg": "truncated",
        "page.jpg": "not an image",
        "0.jpg": None,
        "none.tif": "missing",
    }


def test_a_field_without_leukocyte_has_its_row(command: Run, bundle: Path, tmp_path: Path) -> None:
    Image.new("RGB", (640, 480), (205, 208, 203)).save(tmp_path / "blank.png")
    code, out, err = command("predict", "-b", bundle, tmp_path / "blank.png")
    assert code == 0
    assert "no leukocyte found" in out
    assert "No leukocyte was found in 1" in err


def test_every_kind_of_photograph_is_read(command: Run, bundle: Path, photographs: Path, tmp_path: Path) -> None:
    rgb = Image.open(photographs / "0.jpg").convert("RGB")
    for ending in ("png", "tiff", "bmp", "webp", "jpg"):
        rgb.save(tmp_path / f"a.{ending}", lossless=True)
    rgb.convert("RGBA").save(tmp_path / "alpha.png")
    rgb.save(tmp_path / "no_ending", format="png")
    code, out, err = command("predict", "-b", bundle, "--json", tmp_path, tmp_path / "no_ending")
    rows = [json.loads(line) for line in out.splitlines()]
    assert code == 0, err
    assert len(rows) == 7
    boxes = {tuple(row["box"]) for row in rows if not row["image"].endswith(".jpg")}
    assert len(boxes) == 1
    assert "1 other file" in err


def test_archives_lists_and_patterns(
    command: Run, bundle: Path, photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = tmp_path / "slide.zip"
    with zipfile.ZipFile(archive, "w") as stream:
        stream.write(photographs / "0.jpg", "fields/0.jpg")
        stream.writestr("../out.jpg", b"x")
    listed = f"{photographs}/1.jpg\n{photographs}/2.jpg\n"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(listed.encode())))
    code, out, _ = command("predict", "-b", bundle, "--json", archive, "-", photographs / "[34].jpg")
    rows = {json.loads(line)["image"]: json.loads(line)["error"] for line in out.splitlines()}
    assert code == 1
    assert rows == {
        f"{archive}{MARK}fields/0.jpg": None,
        f"{archive}{MARK}../out.jpg": "a name that leads out of its archive (..)",
        **{f"{photographs}/{place}.jpg": None for place in (1, 2, 3, 4)},
    }


@pytest.mark.parametrize(
    ("times", "words"),
    [
        (
            1,
            "1 other file in folders and archives was passed over. "
            "1 archive in the folders was not opened: name it to have it read. "
            "1 archive inside an archive was not opened: unpack it first.",
        ),
        (
            2,
            "2 other files in folders and archives were passed over. "
            "2 archives in the folders were not opened: name them to have them read. "
            "2 archives inside archives were not opened: unpack them first.",
        ),
    ],
)
def test_what_is_passed_over_is_said(
    command: Run, bundle: Path, photographs: Path, tmp_path: Path, times: int, words: str
) -> None:
    folder = tmp_path / "slides"
    folder.mkdir()
    shutil.copy(photographs / "0.jpg", folder)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as stream:
        stream.write(photographs / "1.jpg", "1.jpg")
        for place in range(times):
            (folder / f"{place}.zip").write_bytes(b"x")
            stream.writestr(f"{place}.tgz", b"x")
            stream.writestr(f"{place}.txt", b"x")
    code, _, err = command("predict", "-b", bundle, folder, tmp_path / "a.zip")
    assert code == 0, err
    assert words in " ".join(err.split())


def test_an_empty_list_is_an_error_and_keeps_earlier_rows(
    command: Run, bundle: Path, photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "r.csv"
    assert command("predict", "-b", bundle, photographs / "0.jpg", photographs / "1.jpg", "-o", out)[0] == 0
    before = out.read_text().splitlines()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"")))
    code, _, err = command("predict", "-b", bundle, "-", "-o", out, "--resume")
    assert code == 1
    assert "the list on standard input is empty" in err
    after = out.read_text().splitlines()
    assert after[: len(before)] == before
    assert [line.partition(",")[0] for line in after[len(before) :]] == ["-"]


def test_adding_one_photograph_keeps_the_answers_of_the_others(
    command: Run, bundle: Path, photographs: Path, tmp_path: Path
) -> None:
    out, new = tmp_path / "m.csv", tmp_path / "new.jpg"
    assert command("predict", "-b", bundle, photographs, "-o", out)[0] == 0
    before = out.read_text()
    shutil.copy(photographs / "0.jpg", new)
    code, _, err = command("predict", "-b", bundle, new, "-o", out, "--resume")
    assert code == 0, err
    assert "6 photographs of earlier runs were not asked for; their rows are kept (--prune drops them)." in err
    after = out.read_text()
    assert after.startswith(before)
    assert {line.partition(",")[0] for line in after[len(before) :].splitlines()} == {str(new)}
    code, _, err = command("predict", "-b", bundle, photographs, "-o", out, "--resume", "--prune")
    assert code == 0, err
    assert "1 photograph of earlier runs was not asked for; its rows are dropped." in err
    assert out.read_text() == before
    code, _, err = command("predict", "-b", bundle, photographs / "0.jpg", tmp_path / "n", "-o", out, *_PRUNE)
    assert code == 1
    assert "5 photographs of earlier runs were not asked for; their rows are kept: what could not be opened" in err
    assert out.read_text().startswith(before)


_PRUNE = ("--resume", "--prune")


def test_large_photographs_are_refused_unless_asked_for(
    command: Run, bundle: Path, photographs: Path, tmp_path: Path
) -> None:
    content = bytearray((photographs / "0.jpg").read_bytes())
    at = content.index(b"\xff\xc0") + 5
    content[at : at + 4] = (20_000).to_bytes(2, "big") * 2
    (tmp_path / "huge.jpg").write_bytes(content)
    code, out, _ = command("predict", "-b", bundle, tmp_path / "huge.jpg")
    assert code == 1
    assert "too large (20000×20000" in out
    code, out, _ = command("predict", "-b", bundle, photographs / "0.jpg", "--max-pixels", "1e5")
    assert "too large (640×480" in out
    assert code == 1


@pytest.mark.slow
def test_a_photograph_of_a_hundred_million_pixels_is_read_when_asked_for(
    command: Run, bundle: Path, photographs: Path, tmp_path: Path
) -> None:
    rgb = cv2.imread(str(photographs / "0.jpg"))
    assert cv2.imwrite(str(tmp_path / "huge.jpg"), cv2.resize(np.asarray(rgb), (12_000, 9_000)))
    code, out, _ = command("predict", "-b", bundle, tmp_path / "huge.jpg", "--json")
    assert code == 1
    assert "too large (12000×9000 = 108 megapixels; the limit is 100)" in out
    code, out, _ = command("predict", "-b", bundle, tmp_path / "huge.jpg", "--json", "--max-pixels", "2e8")
    assert code == 0
    small = json.loads(command("predict", "-b", bundle, photographs / "0.jpg", "--json")[1])
    large = json.loads(out)
    assert np.abs(np.array(large["box"]) / 18.75 - np.array(small["box"])).max() < 6


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--views", "3"], 2, "--views is 1 or 4"),
        (["--out", "cells.xlsx"], 2, ".csv"),
        (["--resume"], 2, "--out"),
        (["--prune", "--out", "cells.csv"], 2, "--resume"),
        (["--max-pixels", "0"], 2, "--max-pixels"),
        (["--json", "--out", "cells.csv"], 2, ".jsonl"),
        (["--bundle", "nowhere"], 3, "nowhere"),
    ],
)
def test_a_wrong_option_is_refused_in_words(
    command: Run,
    bundle: Path,
    photographs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    code: int,
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    given = [] if "--bundle" in arguments else ["--bundle", bundle]
    found, out, err = command("predict", *given, photographs, *arguments)
    assert (found, out) == (code, ""), err
    assert words in err
    assert "Traceback" not in err


def test_overlays_are_written(command: Run, bundle: Path, photographs: Path, tmp_path: Path) -> None:
    code, _, err = command(
        "predict", "-b", bundle, photographs, "--explain", tmp_path / "why", "-o", tmp_path / "o.csv"
    )
    assert code == 0, err
    pictures = sorted((tmp_path / "why").glob("*.png"))
    assert len(pictures) == 7
    for path in pictures:
        with Image.open(path) as picture:
            assert picture.height == SIDE_PX


def test_a_disk_that_fills_with_overlays_is_said_with_what_goes_on(
    command: Run, bundle: Path, photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("buffycoat.files.tempfile.mkstemp", full)
    run = ["predict", "-b", bundle, photographs / "0.jpg", "--explain", tmp_path / "why", "--engine", "threads"]
    code, _, err = command(*run)
    assert (code, "run the command again." in " ".join(err.split())) == (5, True), err
    code, _, err = command(*run, "--out", tmp_path / "o.csv")
    assert (code, "run the command again with --resume" in " ".join(err.split())) == (5, True), err


def test_a_reader_that_leaves_ends_the_run_quietly(bundle: Path, photographs: Path) -> None:
    line = f"{sys.executable} -m buffycoat predict -b {bundle} --quiet {photographs}/*.jpg | head -n 1"
    done = subprocess.run(line, shell=True, capture_output=True, text=True, check=False)  # noqa: S602
    assert done.stdout.startswith("image")
    assert "Traceback" not in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_loses_nothing_finished(bundle: Path, photographs: Path, tmp_path: Path, number: int) -> None:
    many = tmp_path / "many"
    many.mkdir()
    for place in range(400):
        os.link(photographs / f"{place % 6}.jpg", many / f"{place:04d}.jpg")
    out = tmp_path / "o.csv"
    run = [sys.executable, "-m", "buffycoat", "predict", "-b", str(bundle), str(many), "-o", str(out)]
    process = subprocess.Popen(run, stderr=subprocess.PIPE, text=True)
    while not (tmp_path / "o.csv.parts").exists() and process.poll() is None:
        time.sleep(0.02)
    time.sleep(0.5)
    process.send_signal(number)
    assert process.stderr is not None
    assert process.stderr.readline() == "Stopping: finishing what is under way; Ctrl-C again stops at once.\n"
    _, err = process.communicate(timeout=60)
    assert process.returncode == 128 + number, err
    assert "--resume goes on" in err
    assert "Traceback" not in err
    assert not out.exists()
    done = subprocess.run([*run, "--resume"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "were done before" in done.stderr
    names = pl.read_csv(out)["image"].unique().sort().to_list()
    assert names == [f"{many}/{place:04d}.jpg" for place in range(400)]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="a small disk is made by mounting one")
def test_a_disk_that_is_really_full(bundle: Path, photographs: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)], check=False)
    if mounted.returncode:
        pytest.skip("mounting is not allowed here")
    try:
        many = [str(photographs / "0.jpg")] * 500
        run = [sys.executable, "-m", "buffycoat", "predict", "-b", str(bundle), *many, "-o", str(disk / "o.csv")]
        done = subprocess.run(run, capture_output=True, text=True, check=False)
        assert done.returncode == 5
        assert "the disk is full" in " ".join(done.stderr.split())
        assert "Traceback" not in done.stderr
        assert not (disk / "o.csv").exists()
    finally:
        subprocess.run(["umount", str(disk)], check=True)
