"""Audit 12,500 photographs: time, processor time, memory above the start, and whether every copy was found.

    python benchmarks/audit.py [--files 12500] [--kind links|copies] [--data bccd]

``links`` are hard links to the set's photographs; ``copies`` are files of their own, each photograph turned by any
angle, mirrored and saved again, so that every one has to be decoded and compared with all others.
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
import psutil
from memory import MIB, peak

from buffycoat.audit.judge import judge
from buffycoat.audit.scan import scan
from buffycoat.clean.recipe import named
from buffycoat.data.dataset import DataSet, cells_table
from buffycoat.data.load import load
from buffycoat.data.rows import Row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=12_500)
    parser.add_argument("--kind", choices=("links", "copies"), default="copies")
    parser.add_argument("--data", default="bccd", help="whose photographs: a named set, a folder or a table")
    given = parser.parse_args()
    data = load(given.data)
    table = data.cells.drop_nulls("image")
    originals = [data.root / image for image in table.get_column("image")]
    groups, labels = table.get_column("group").to_list(), table.get_column("label").to_list()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["BUFFYCOAT_CACHE"] = str(folder / "cache")
        rows = []
        for k in range(given.files):
            place = k % len(originals)
            target = folder / f"{k:06d}.jpg"
            if given.kind == "links":
                _link(originals[place], target)
            else:
                _copy(originals[place], target, k)
            label = labels[place]
            rows.append(Row(target.name, label, label, 1, "x", cell_id=target.stem, group=groups[place]))
        _measure(DataSet("many", folder, cells_table(rows), (), False, ""))


def _measure(data: DataSet) -> None:
    start, before = psutil.Process().memory_info().rss, resource.getrusage(resource.RUSAGE_SELF)
    started = time.monotonic()
    found = scan(data)
    wall = time.monotonic() - started
    after = resource.getrusage(resource.RUSAGE_SELF)
    scanned = peak() - start
    judge(data, found, named("seeds"), 5)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    group = dict(data.cells.select("image", "group").iter_rows())
    wrong = [pair for pair in found.pairs if group[pair.first] != group[pair.second]]
    print(f"{found.files.height:,} files: {wall:.0f} s, {processor:.0f} s of processor time")
    print(f"memory above the start: {scanned / MIB:.0f} MiB; after judging too: {(peak() - start) / MIB:.0f} MiB")
    print(f"pairs that join copies: {len(found.pairs):,}; {len(wrong)} of them join what does not belong together")
    for pair in wrong[:10]:
        print(
            f"  {pair.first} ({group[pair.first]}) and {pair.second} ({group[pair.second]}): {pair.kind}",
            pair.similarity,
        )
    left = found.files.height - len(found.pairs)
    print(f"distinct after joining: {left:,}; photographs they were made from: {len(set(group.values())):,} groups")


def _copy(source: Path, target: Path, seed: int) -> None:
    generator = np.random.default_rng(seed)
    rgb = cv2.imread(str(source))
    if rgb is None:
        raise SystemExit(f"{source} cannot be read")
    height, width = rgb.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), float(generator.uniform(0, 360)), 1.0)
    mirrored = rgb[:, ::-1].copy() if generator.random() < 0.5 else rgb
    cv2.imwrite(str(target), cv2.warpAffine(mirrored, matrix, (width, height)), [cv2.IMWRITE_JPEG_QUALITY, 88])


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system
        target.symlink_to(source)


if __name__ == "__main__":
    main()
