"""Photographs to labels: this program beside others as people use them on a processor, in one run.

    python benchmarks/peers.py --data DIR --environment FOLDER [--rounds 3]

The others are Ultralytics classify (PyTorch, and exported to ONNX and OpenVINO), fastai and a script with timm. They
are installed into an environment of their own (FOLDER, some gigabytes; made where it is missing) and are no part of
this program: Ultralytics is AGPL-3.0. Their weights are random, which changes neither time nor memory; so no accuracy
is printed for them. All of them classify whole photographs; this program finds the cells first.

Each program is timed as a whole process, in turn, on one photograph and on many. The rate is that of the photographs
after the first: (many − 1) / (seconds for many − seconds for one).
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import venv
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from predicting import ORIGINALS, Run, command, compiled, linked, predict

from buffycoat.bundle.default import default_bundle
from buffycoat.bundle.read import open_bundle
from buffycoat.bundle.words import figure
from buffycoat.settings import usable_cores

PACKAGES = ("ultralytics", "fastai", "timm", "onnx", "onnxslim", "onnxruntime", "openvino")
SCRIPTS = Path(__file__).parent / "peer_scripts"
QUIET = {"YOLO_OFFLINE": "true", "YOLO_AUTOINSTALL": "false", "YOLO_VERBOSE": "false"}


@dataclass
class Program:
    """A program and how it did."""

    name: str
    line: list[str]
    many: int
    exported: bool = False
    one_runs: list[Run] = field(default_factory=list)
    many_runs: list[Run] = field(default_factory=list)

    def rates(self) -> list[float]:
        """Return photographs a second, by round."""
        pairs = zip(self.one_runs, self.many_runs, strict=True)
        return [(self.many - 1) / (many.seconds - one.seconds) for one, many in pairs]

    def cold(self) -> list[float]:
        """Return the seconds for one photograph, by round."""
        return [run.seconds for run in self.one_runs]

    def cold_mb(self) -> float:
        """Return the median of the peak memory for one photograph."""
        return statistics.median(run.peak_mb for run in self.one_runs)


def main() -> None:
    given = arguments()
    if given.data is None:
        raise SystemExit("Give the folder of the real images with --data, or set BUFFYCOAT_DATA.")
    os.environ.update(QUIET)
    compiled()
    python = environment(given.environment)
    originals = sorted((given.data / ORIGINALS).glob("*.jpg"))
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        programs = [ours(given.bundle, work, given.files), *others(python, work, given.peer_files)]
        folders = {n: linked(originals, work / f"photographs{n}", n) for n in {1, *(p.many for p in programs)}}
        for _ in range(given.rounds):
            for program in programs:
                program.one_runs.append(command([*program.line, str(folders[1])]))
                program.many_runs.append(command([*program.line, str(folders[program.many])]))
                print(f"{program.name}: {program.rates()[-1]:.1f} photographs/s", file=sys.stderr, flush=True)
    tell(programs, versions(python), given)


def ours(bundle: Path | None, work: Path, many: int) -> Program:
    chosen = [] if bundle is None else ["--bundle", str(bundle)]
    line = [*predict(chosen), "--overwrite", "--out", str(work / "cells.csv")]
    return Program("Buffycoat", line, many)


def others(python: Path, work: Path, many: int) -> list[Program]:
    run = str(python)
    yolo = [run, str(SCRIPTS / "ultralytics_classify.py")]
    weights = work / "yolo11n-cls.pt"
    make = f"from ultralytics import YOLO; YOLO('yolo11n-cls.yaml').save({str(weights)!r})"
    subprocess.run([run, "-c", make], check=True, stdout=subprocess.DEVNULL)
    programs = [Program("Ultralytics yolo11n-cls, 224 px", [*yolo, str(weights)], many)]
    for kind, made in (("onnx", "yolo11n-cls.onnx"), ("openvino", "yolo11n-cls_openvino_model")):
        subprocess.run([*yolo, str(weights), "--export", kind], check=True, stdout=subprocess.DEVNULL)
        programs.append(Program(f"the same, exported to {kind}", [*yolo, str(work / made)], many, exported=True))
    programs.append(Program("fastai resnet18, 224 px", [run, str(SCRIPTS / "fastai_classify.py"), "resnet18"], many))
    timm = [run, str(SCRIPTS / "timm_classify.py")]
    for model, side in (("resnet18", 224), ("tf_efficientnet_lite0", 224), ("tf_efficientnet_lite0", 128)):
        programs.append(Program(f"timm {model}, {side} px", [*timm, model, str(side)], many))
    return programs


def environment(folder: Path) -> Path:
    """Return the Python of an environment with the other programs; make it where it is missing."""
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "torch", "torchvision"], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *PACKAGES], check=True)
    return python


def versions(python: Path) -> str:
    say = """
import sys
from importlib.metadata import version
print(", ".join(f"{name} {version(name)}" for name in sys.argv[1:]))
"""
    return subprocess.run(
        [python, "-c", say, "torch", *PACKAGES], check=True, capture_output=True, text=True
    ).stdout.strip()


def tell(programs: list[Program], said: str, given: argparse.Namespace) -> None:
    mine, *theirs = programs
    card = open_bundle(given.bundle or default_bundle()).card
    print(f"{usable_cores()} cores; {said}\n")
    print("| program | photographs | photographs/s | Buffycoat is faster by | one photograph, s | peak memory, MB |")
    print("|---|--:|--:|--:|--:|--:|")
    for program in programs:
        ratios = [a / b for a, b in zip(mine.rates(), program.rates(), strict=True)]
        faster = "" if program is mine else f"{statistics.median(ratios):.1f} ({min(ratios):.1f} to {max(ratios):.1f})"
        print(
            f"| {program.name} | {program.many:,} | {statistics.median(program.rates()):.1f} | {faster} "
            f"| {statistics.median(program.cold()):.2f} | {program.cold_mb():.0f} |"
        )
    print(f"\nWhat was timed: {card.title}, {card.precision}, {card.input_px} px, one view; by its card, accuracy on")
    print(f"cells its networks were not trained on {figure(card.operating['1'].accuracy)}.\n")
    best = [
        ("PyTorch", [p for p in theirs if not p.exported], 10.0),
        ("exported", [p for p in theirs if p.exported], 3.0),
    ]
    for name, group, aim in best:
        ratio = min(statistics.median(a / b for a, b in zip(mine.rates(), p.rates(), strict=True)) for p in group)
        print(f"- against the fastest ({name}): {ratio:.1f} times as fast; aim {aim:.0f}: {verdict(ratio >= aim)}")
    quickest = min(statistics.median(p.cold()) for p in theirs if not p.exported)
    ratio = quickest / statistics.median(mine.cold())
    print(f"- one photograph: {ratio:.1f} times as fast as the quickest in PyTorch; aim 6: {verdict(ratio >= 6)}")
    share = mine.cold_mb() / min(p.cold_mb() for p in theirs if not p.exported)
    print(f"- memory for it: {share:.2f} of the smallest in PyTorch; aim 0.25: {verdict(share <= 0.25)}")


def verdict(reached: bool) -> str:
    return "reached" if reached else "NOT reached"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    variable = os.environ.get("BUFFYCOAT_DATA")
    parser.add_argument("--data", type=Path, default=Path(variable) if variable else None)
    parser.add_argument("--bundle", type=Path, help="the bundle's folder (default: the one that is built in)")
    parser.add_argument("--environment", type=Path, required=True, help="where the other programs are, or go")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--files", type=int, default=5_000, help="photographs for this program")
    parser.add_argument("--peer-files", type=int, default=500, help="photographs for the others")
    return parser.parse_args()


if __name__ == "__main__":
    print(f"Load before the start: {psutil.getloadavg()[0]:.1f} (above 0.5 the figures are too low).", file=sys.stderr)
    main()
