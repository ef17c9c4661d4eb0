"""How well leukocytes are counted: found on drawn fields with known truth, and on the real fields with boxes.

Run ``python benchmarks/counting.py [DATA]``, or set BUFFYCOAT_DATA to the folder that holds ``kaggle-blood-cells`` and
``bccd-boxes``; without it only the drawn fields are counted. The drawn fields take a few minutes on one core; fewer
with ``--fields 20``.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from buffycoat.data.boxes import read_voc
from buffycoat.differential.limits import percent
from buffycoat.imaging.decode import read_image
from buffycoat.imaging.find import Box, find_leukocytes
from buffycoat.synth.smear import draw_field
from buffycoat.taxonomy import CLASS_NAMES

MATCH = 0.3  # least overlap (IoU) for a found cell to count as a known one
SEED = 7_000_000  # of the drawn fields; the finder was tuned on others
SCENES: tuple[tuple[str, int, bool, bool], ...] = (
    ("no leukocyte", 0, False, False),
    ("one", 1, False, False),
    ("two apart", 2, False, False),
    ("five apart", 5, False, False),
    ("two touching", 2, True, False),
    ("five touching", 5, True, False),
    ("one cut by the border", 1, False, True),
    ("two touching, one cut by the border", 2, True, True),
)


@dataclass
class Tally:
    """What was found of what is there."""

    fields: int = 0
    known: int = 0
    found: int = 0
    matched: int = 0
    right: int = 0  # fields whose number of cells is right
    extra: list[str] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)

    def add(self, name: str, found: Sequence[Box], known: Sequence[Box]) -> None:
        """Count one field."""
        pairs = matches(found, known)
        self.fields += 1
        self.known += len(known)
        self.found += len(found)
        self.matched += len(pairs)
        self.right += len(found) == len(known)
        self.extra += [name] * (len(found) - len(pairs))
        self.missed += [name] * (len(known) - len(pairs))

    def plus(self, other: Tally) -> Tally:
        """Return both together."""
        return Tally(
            self.fields + other.fields,
            self.known + other.known,
            self.found + other.found,
            self.matched + other.matched,
            self.right + other.right,
        )

    def row(self, title: str) -> str:
        """Return a line of the table."""
        return (
            f"| {title} | {self.fields} | {self.known} | {self.found} | {share(self.matched, self.known)} | "
            f"{share(self.matched, self.found)} | {share(self.right, self.fields)} |"
        )


def share(part: int, whole: int) -> str:
    """Return a share with its exact 95 % limits."""
    if not whole:
        return "–"
    found = percent(part, whole).interval
    return f"{part}/{whole} = {part / whole:.3f} ({(found.low or 0) / 100:.3f}–{(found.high or 0) / 100:.3f})"


def matches(found: Sequence[Box], known: Sequence[Box]) -> list[tuple[int, int]]:
    """Pair found cells with known ones, best overlap first, each used once."""
    ranked = sorted(
        ((overlap(a, b), i, j) for i, a in enumerate(found) for j, b in enumerate(known)), key=lambda one: -one[0]
    )
    pairs: list[tuple[int, int]] = []
    for value, i, j in ranked:
        if value >= MATCH and all(i != k and j != m for k, m in pairs):
            pairs.append((i, j))
    return pairs


def overlap(a: Box, b: Box) -> float:
    """Return the intersection over the union of two boxes."""
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    both = max(width, 0) * max(height, 0)
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)


def drawn(scene: tuple[str, int, bool, bool], fields: int, seed: int) -> Tally:
    """Count drawn fields of one scene."""
    name, n, touching, at_border = scene
    tally = Tally()
    for k in range(fields):
        rng = np.random.default_rng(seed + 1000 * SCENES.index(scene) + k)
        types = [str(label) for label in rng.choice(CLASS_NAMES, n)]
        smear = draw_field(rng, types, touching=touching, at_border=at_border)
        found = [cell.box for cell in find_leukocytes(smear.rgb)]
        tally.add(f"{name} {k}", found, [cell.box for cell in smear.cells])
    return tally


def real(paths: Iterable[Path], boxes: Path) -> Tally:
    """Count the real fields that have a box file."""
    tally = Tally()
    for path in paths:
        table = boxes / f"{path.stem}.xml"
        if table.is_file():
            known = [box for name, box in read_voc(table) if name == "WBC"]
            number = path.stem.removeprefix("BloodImage_").lstrip("0") or "0"
            tally.add(number, [cell.box for cell in find_leukocytes(read_image(path))], known)
    return tally


def main() -> None:
    parser = argparse.ArgumentParser(description="How well leukocytes are counted.")
    parser.add_argument("data", nargs="?", default=os.environ.get("BUFFYCOAT_DATA"))
    parser.add_argument("--fields", type=int, default=100, help="drawn fields of each scene")
    parser.add_argument("--seed", type=int, default=SEED)
    given = parser.parse_args()
    cv2.setNumThreads(1)
    print("| fields | n | leukocytes | found | recall | precision | fields counted right |")
    print("|---|---|---|---|---|---|---|")
    total = Tally()
    for scene in SCENES:
        tally = drawn(scene, given.fields, given.seed)
        total = total.plus(tally)
        print(tally.row(f"drawn: {scene[0]}"), flush=True)
    print(total.row("drawn: all"))
    if given.data is None:
        return
    data = Path(given.data)
    pictures = sorted((data / "kaggle-blood-cells/dataset-master/dataset-master/JPEGImages").glob("*.jpg"))
    tally = real(pictures, data / "bccd-boxes")
    print(tally.row("`bccd`, against the WBC boxes"))
    print(f"\nOn `bccd`, found without a box in fields {', '.join(tally.extra) or 'none'}.")
    print(f"Boxes not found in fields {', '.join(tally.missed) or 'none'}.")


if __name__ == "__main__":
    main()
