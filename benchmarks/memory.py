"""How much memory exploring and caching a large data set takes.

    python benchmarks/memory.py                 # 50,000 files
    python benchmarks/memory.py --files 2000

A few drawn fields are linked under as many names as asked for, so that little disk is needed for them; the crops
themselves take 150 kB each (7.5 GB for 50,000). Prints the peak of resident memory above the start.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import polars as pl
import psutil

from buffycoat.explore.survey import MOST_FIELDS, explore
from buffycoat.imaging.crops import CropItem, build_crops
from buffycoat.records.documents import FrameSpec
from buffycoat.records.tables import CELLS
from buffycoat.synth.smear import draw_field
from buffycoat.taxonomy import CLASS_NAMES

MIB = 1 << 20


def make_files(root: Path, files: int) -> pl.DataFrame:
    """Draw one field of each type, link it under many names, and return the table of cells."""
    root.mkdir(parents=True)
    originals = []
    for place, name in enumerate(CLASS_NAMES):
        path = root / f"original_{name}.jpg"
        rgb = draw_field(np.random.default_rng(place), [name]).rgb
        assert cv2.imwrite(str(path), np.ascontiguousarray(rgb[..., ::-1]))  # noqa: S101
        originals.append(path)
    rows = []
    for place in range(files):
        kind = place % len(originals)
        os.link(originals[kind], root / f"{place}.jpg")
        row = {"cell_id": f"{place}", "image": f"{place}.jpg", "label": CLASS_NAMES[kind], "label_count": 1}
        rows.append(row | {"group": f"{place}"})
    return pl.DataFrame(rows, schema=dict(CELLS))


def peak() -> int:
    """Return the peak of this process's resident memory in bytes.

    From the kernel's record of this program where there is one: what getrusage says begins with the peak of the
    process that started it.
    """
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def progress(what: str) -> Callable[[int, int], None]:
    def show(done: int, total: int) -> None:
        if done % 5000 == 0 or done == total:
            print(f"  {what}: {done:,} of {total:,}", file=sys.stderr)

    return show


def run(files: int, most_fields: int, stored_px: int, workers: int, folder: Path) -> None:
    cells = make_files(folder / "data", files)
    spec = FrameSpec(stored_px=stored_px)
    start = psutil.Process().memory_info().rss
    began = time.monotonic()
    items = [
        CropItem(cell_id, folder / "data" / name) for cell_id, name in cells.select("cell_id", "image").iter_rows()
    ]
    store = build_crops(items, spec, folder / "crops", workers=workers, on_progress=progress("crops"))
    cached, middle = peak() - start, time.monotonic()
    explore(
        cells,
        folder / "data",
        store,
        folder / "explore",
        seed=0,
        spec=spec,
        most_fields=most_fields,
        on_progress=progress("exploring"),
    )
    explored, end = peak() - start, time.monotonic()
    print(f"files                      {files:,}")
    print(f"pictures looked at, at most {most_fields:,} fields and {most_fields:,} crops")
    print(f"caching crops              {middle - began:.0f} s, peak {cached / MIB:.0f} MiB above the start")
    print(f"then exploring             {end - middle:.0f} s, peak {explored / MIB:.0f} MiB above the start")


def main() -> None:
    parser = argparse.ArgumentParser(description="Peak memory of caching crops and exploring.")
    parser.add_argument("--files", type=int, default=50_000)
    parser.add_argument("--most-fields", type=int, default=MOST_FIELDS, help="cap on pictures looked at")
    parser.add_argument("--stored-px", type=int, default=FrameSpec().stored_px)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--folder", type=Path, help="where to work; needs room for the crops (default: temporary)")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        run(given.files, given.most_fields, given.stored_px, given.workers, Path(folder))


if __name__ == "__main__":
    main()
