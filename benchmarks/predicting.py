"""How fast photographs become answers, what bounds it, and how much memory it takes; prints Markdown.

    python benchmarks/predicting.py --bundle DIR                     # stages, pipeline, cold start
    python benchmarks/predicting.py --bundle DIR --memory            # 100,000 files against 1,000 instead

Other programs beside this one: benchmarks/peers.py.

The photographs are the 366 originals (640×480 JPEGs; BUFFYCOAT_DATA, or --data), linked under as many names as asked
for. Everything runs one after the other on the cores of this process; nothing else should run.
"""

from __future__ import annotations

import argparse
import compileall
import contextlib
import csv
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
import psutil

import buffycoat
from buffycoat.data.load import load
from buffycoat.imaging.find import find_leukocytes
from buffycoat.imaging.view import as_inputs
from buffycoat.predict import Predictor
from buffycoat.predict.look import centre, decode
from buffycoat.predict.pace import BATCHES
from buffycoat.settings import usable_cores

ORIGINALS = "kaggle-blood-cells/dataset-master/dataset-master/JPEGImages"
T = TypeVar("T")
R = TypeVar("R")
_ROUNDS = 3


@dataclass
class Run:
    """One run of a program."""

    seconds: float
    processor_seconds: float
    peak_mb: float
    output: str


def main() -> None:
    given = arguments()
    if given.data is None:
        raise SystemExit("Give the folder of the real images with --data, or set BUFFYCOAT_DATA.")
    originals = sorted((given.data / ORIGINALS).glob("*.jpg"))
    compiled()
    with tempfile.TemporaryDirectory(dir=given.folder) as temporary:
        work = Path(temporary)
        print(f"{usable_cores()} cores, {len(originals)} photographs under {given.files:,} names\n")
        bundle = [] if given.bundle is None else ["--bundle", str(given.bundle)]
        if given.memory:
            memory(originals, bundle, work, (1_000, 100_000))
            return
        predictor = Predictor.load(given.bundle)
        print(f"{predictor.card.title}, {predictor.card.precision}, {predictor.card.input_px} px\n")
        bound = stages(predictor, originals[:200])
        many = linked(originals, work / "many", given.files)
        pipeline(many, bundle, bound, work, given.data)
        cold(originals[3], bundle)


def stages(predictor: Predictor, paths: Sequence[Path]) -> float:
    """Measure each stage alone on one core; return the photographs a second that all cores could do at best."""
    cv2.setNumThreads(1)
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    view, card = predictor.view, predictor.card
    taken: dict[str, float] = {}

    def measure(name: str, work: Callable[[T], R], things: Sequence[T], per: int) -> list[R]:
        best = float("inf")
        made: list[R] = []
        for _ in range(_ROUNDS):
            began = time.process_time()
            made = [work(thing) for thing in things]
            best = min(best, time.process_time() - began)
        taken[name] = best / per * 1e3
        return made

    n = len(paths)
    pictures = [rgb for rgb, _ in measure("decode", lambda path: decode(path, view), paths, n)]
    found = measure("find", find_leukocytes, pictures, n)
    pairs = [(rgb, cell) for rgb, cells in zip(pictures, found, strict=True) for cell in cells]
    seen = measure("crop", lambda pair: view.cell(pair[0], centre(pair[1].box)), pairs, n)
    sizes = {}
    for size in BATCHES:  # the bound is that of the size that is fastest alone
        batches = [np.stack(seen[k : k + size]) for k in range(0, len(seen), size)]
        inputs = measure("normalise", lambda batch: as_inputs(batch, card.mean, card.std), batches, n)
        measure("infer", predictor.session.classify, inputs, n)
        sizes[size] = taken["normalise"], taken["infer"]
    best = min(sizes, key=lambda size: sum(sizes[size]))
    taken["normalise"], taken["infer"] = sizes[best]
    os.sched_setaffinity(0, before)
    total = sum(taken.values())
    cores = len(before)
    print("| stage, alone on one core | ms a photograph |\n|---|---|")
    for name, milliseconds in {**taken, "all of them": total}.items():
        print(f"| {name} | {milliseconds:.2f} |")
    print(f"\nThe network takes {best} cells at once: the fastest of {', '.join(map(str, sorted(sizes)))}.")
    print(f"Bound: {cores} cores / {total:.2f} ms = {cores / total * 1e3:.0f} photographs/s.\n")
    return cores / total * 1e3


def pipeline(many: Path, bundle: Sequence[str], bound: float, work: Path, data: Path) -> None:
    out = work / "cells.csv"
    files = sum(1 for _ in many.iterdir())
    run = command([*predict(bundle), str(many), "--out", str(out)])
    rate = files / run.seconds
    said = next((word for word in run.output.splitlines() if "a second" in word), "")
    print("| our pipeline, whole process | |\n|---|---|")
    print(f"| photographs | {files:,} |\n| seconds | {run.seconds:.1f} |\n| photographs/s | {rate:.0f} |")
    print(f"| processor time, ms a photograph (start included) | {run.processor_seconds / files * 1e3:.2f} |")
    print(f"| of the bound | {rate / bound:.0%} |\n| peak memory | {run.peak_mb:.0f} MB |")
    right, n = accuracy(out, data)
    print(f"| right, of the labelled originals (the built-in network was trained on most of them) | {right}/{n} |")
    print(f"| aim: 80 % of the bound | {'reached' if rate >= 0.8 * bound else 'NOT reached'} |\n\n{said}\n")


def accuracy(out: Path, data: Path) -> tuple[int, int]:
    """Return (right, n) over the labelled originals, by the most probable class of the most prominent cell.

    A photograph in which no cell was found counts as wrong. This shows that speed was not bought with wrong answers;
    how good the network is on cells it has not seen stands in its card.
    """
    cells = load("bccd", data_dir=data).cells
    labels = {Path(image).name: label for image, label in cells.select("image", "label").iter_rows() if image}
    right = n = 0
    counted: set[str] = set()
    with out.open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            name = Path(row["image"]).name.partition("-")[2]
            label = labels.get(name)
            classes = [key.removeprefix("p_") for key in row if key.startswith("p_")]
            if name in counted or label not in classes or row["cell"] not in {"", "1"}:
                continue
            counted.add(name)
            n += 1
            right += row["best"] == label
    return right, max(n, 1)


def cold(photograph: Path, bundle: Sequence[str]) -> None:
    runs = [command([*predict(bundle), str(photograph)]) for _ in range(5)]
    seconds = sorted(run.seconds for run in runs)
    print(
        f"One photograph from a cold start, whole process: {seconds[2]:.2f} s (of five: {seconds[0]:.2f} to "
        f"{seconds[-1]:.2f}), {max(run.peak_mb for run in runs):.0f} MB.\n"
    )


def memory(originals: Sequence[Path], bundle: Sequence[str], work: Path, sizes: Sequence[int]) -> None:
    print("| files | seconds | peak memory of all its processes, MB |\n|---|---|---|")
    medians = []
    for size in sizes:
        folder = linked(originals, work / f"memory{size}", size)
        peaks = []
        # A run of seconds peaks where its processes happen to start: from one to the next by a tenth.
        for _ in range(_ROUNDS if size == sizes[0] else 1):
            out = work / f"memory{size}.csv"
            seconds, peak = watched([*predict(bundle), str(folder), "--out", str(out), "--overwrite", "--quiet"])
            peaks.append(peak)
            print(f"| {size:,} | {seconds:.0f} | {peak:.0f} |", flush=True)
        medians.append(float(np.median(peaks)))
        shutil.rmtree(folder)
    ratio = medians[-1] / medians[0]
    said = "reached" if ratio <= 1.1 else "NOT reached"
    print(f"\n{sizes[-1]:,} files take {ratio:.2f} times the memory of {sizes[0]:,} (median); aim 1.1: {said}.\n")


def watched(line: Sequence[str]) -> tuple[float, float]:
    """Run a program; return its seconds and the peak of what it and its processes hold, MB.

    Pages that processes share are counted once (proportional set size), looked at twice a second.
    """
    began = time.perf_counter()
    peak = 0
    with psutil.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT) as child:
        while child.poll() is None:
            peak = max(peak, _held(child))
            time.sleep(0.5)
    if child.returncode:
        raise SystemExit(f"{' '.join(line)} ended with {child.returncode}")
    return time.perf_counter() - began, peak / 1e6


def _held(process: psutil.Process) -> int:
    """Return the bytes that a process and those below it hold."""
    total = 0
    with contextlib.suppress(psutil.NoSuchProcess):
        for one in [process, *process.children(recursive=True)]:
            with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                total += one.memory_full_info().pss
    return total


def linked(originals: Sequence[Path], folder: Path, files: int) -> Path:
    """Link the originals under many names, in one folder."""
    kept = folder.parent / "originals"
    kept.mkdir(parents=True, exist_ok=True)
    for path in originals:
        if not (kept / path.name).exists():
            shutil.copyfile(path, kept / path.name)
    folder.mkdir(parents=True)
    for place in range(files):
        name = originals[place % len(originals)].name
        os.link(kept / name, folder / f"{place:06d}-{name}")
    return folder


def compiled() -> None:
    """Compile this package's modules, as pip does where it installs one; a checkout's are compiled at a first start."""
    compileall.compile_dir(Path(buffycoat.__file__).parent, quiet=2)


def predict(bundle: Sequence[str]) -> list[str]:
    return [sys.executable, "-m", "buffycoat", "predict", *bundle]


_LAUNCH = """
import os, sys, time
began = time.perf_counter()
child = os.posix_spawn(sys.argv[2], sys.argv[2:], os.environ)
_, status, usage = os.wait4(child, 0)
seconds = time.perf_counter() - began
with open(sys.argv[1], "w") as heard:
    print(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, file=heard)
sys.exit(os.waitstatus_to_exitcode(status))
"""


def command(line: Sequence[str]) -> Run:
    """Run a program; measure it whole.

    It is started by a process of a few megabytes: what the kernel keeps as a child's peak begins with its parent's.
    """
    with tempfile.NamedTemporaryFile("r") as heard:
        launch = [sys.executable, "-S", "-c", _LAUNCH, heard.name, *line]
        done = subprocess.run(launch, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{' '.join(line)} ended with {done.returncode}:\n{done.stdout}")
        seconds, processor, peak = (float(value) for value in heard.read().split())
    return Run(seconds, processor, peak, done.stdout)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Speed and memory of prediction.")
    parser.add_argument("--bundle", type=Path, help="the bundle's folder (default: the one that is built in)")
    variable = os.environ.get("BUFFYCOAT_DATA")
    parser.add_argument("--data", type=Path, default=Path(variable) if variable else None)
    parser.add_argument("--files", type=int, default=5_000)
    parser.add_argument("--memory", action="store_true", help="100,000 files against 1,000, and nothing else")
    parser.add_argument("--folder", type=Path, help="where to work (default: temporary)")
    return parser.parse_args()


if __name__ == "__main__":
    print(f"Load before the start: {psutil.getloadavg()[0]:.1f} (above 0.5 the figures are too low).")
    main()
