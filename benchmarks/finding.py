"""How well leukocytes are found, measured on the real images; prints Markdown.

Usage: ``python benchmarks/finding.py [DATA]`` with DATA (or BUFFYCOAT_DATA) the folder that holds
``kaggle-blood-cells``, ``bccd-boxes``, ``bccd-nucleus-masks`` and ``olympus-bx53``. One core, about a minute.
"""

from __future__ import annotations

import hashlib
import os
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from buffycoat.data.boxes import read_voc
from buffycoat.imaging.decode import read_image
from buffycoat.imaging.find import Box, Leukocyte, find_leukocytes, nucleus_mask
from buffycoat.imaging.frame import is_single_cell

Rgb = NDArray[np.uint8]
_MATCH = 0.3  # least overlap for a found cell to count as a boxed one
_NUCLEUS, _CELL = 207, 80  # the masks hold 0, about 160 (cytoplasm) and 255 (nucleus)


@dataclass
class Field:
    """One field with its truth; `boxes` is None where it has no box file."""

    number: int
    rgb: Rgb
    boxes: list[Box] | None
    levels: Rgb


@dataclass
class Tally:
    """What was counted over some fields."""

    fields: int = 0
    hits: int = 0
    found: int = 0
    boxed: int = 0
    matched: int = 0
    ious: list[float] = field(default_factory=list)
    mask_ious: list[float] = field(default_factory=list)
    dice: list[float] = field(default_factory=list)
    milliseconds: list[float] = field(default_factory=list)


def read_fields(data: Path) -> list[Field]:
    pictures = data / "kaggle-blood-cells/dataset-master/dataset-master/JPEGImages"
    fields = []
    for path in sorted(pictures.glob("*.jpg")):
        number = path.stem.removeprefix("BloodImage_")
        levels = cv2.imread(str(data / f"bccd-nucleus-masks/BloodImage_Mask_{number}.png"), cv2.IMREAD_GRAYSCALE)
        boxes = read_boxes(data / f"bccd-boxes/BloodImage_{number}.xml")
        fields.append(Field(int(number), read_image(path), boxes, np.asarray(levels, np.uint8)))
    return fields


def read_boxes(path: Path) -> list[Box] | None:
    return [box for name, box in read_voc(path) if name == "WBC"] if path.is_file() else None


def overlap(a: Box, b: Box) -> float:
    """Return the intersection over the union of two boxes."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    both = width * height
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)


def match(cells: Sequence[Leukocyte], boxes: Sequence[Box]) -> list[float]:
    """Pair found cells with boxes, best overlap first, each used once; return the overlaps of the pairs."""
    ranked = sorted(
        ((overlap(cell.box, box), i, j) for i, cell in enumerate(cells) for j, box in enumerate(boxes)), reverse=True
    )
    used_cells: set[int] = set()
    used_boxes: set[int] = set()
    pairs = []
    for value, i, j in ranked:
        if value >= _MATCH and i not in used_cells and j not in used_boxes:
            used_cells.add(i)
            used_boxes.add(j)
            pairs.append(value)
    return pairs


def measure(fields: Iterable[Field]) -> Tally:
    tally = Tally()
    for one in fields:
        started = time.process_time()
        cells = find_leukocytes(one.rgb)
        tally.milliseconds.append((time.process_time() - started) * 1e3)
        nuclei, truth = nucleus_mask(one.rgb.shape, cells), one.levels > _NUCLEUS
        tally.dice.append(2 * float((nuclei & truth).sum()) / float(nuclei.sum() + truth.sum()))
        tally.mask_ious += match(cells, outlined(one.levels))
        if one.boxes is None:
            continue
        pairs = match(cells, one.boxes)
        tally.ious += pairs
        tally.matched += len(pairs)
        tally.found += len(cells)
        tally.boxed += len(one.boxes)
        if one.boxes:
            tally.fields += 1
            tally.hits += bool(cells) and any(holds(box, cells[0].centre) for box in one.boxes)
    return tally


def outlined(levels: Rgb) -> list[Box]:
    """Return the boxes of the hand-outlined cells."""
    count, _, stats, _ = cv2.connectedComponentsWithStats((levels > _CELL).astype(np.uint8))
    cells = [[int(value) for value in stats[k]] for k in range(1, count)]
    return [(x, y, x + w, y + h) for x, y, w, h, area in cells if area > 1500]


def holds(box: Box, point: tuple[float, float]) -> bool:
    return box[0] <= point[0] <= box[2] and box[1] <= point[1] <= box[3]


def without_leukocyte(fields: Iterable[Field]) -> list[Rgb]:
    """Return fields of red cells only: a half of a field that no leukocyte reaches, beside its mirror image."""
    made = []
    for one in fields:
        columns = np.flatnonzero((one.levels > _CELL).any(axis=0)).tolist()
        columns += [x for box in one.boxes or [] for x in (box[0], box[2])]  # one mask (177) is displaced
        if max(columns, default=0) < 300:
            half = one.rgb[:, 320:]
        elif min(columns, default=640) > 340:
            half = one.rgb[:, :320]
        else:
            continue
        made.append(np.ascontiguousarray(np.hstack([half, half[:, ::-1]])))
    return made


def cut_outs(fields: Iterable[Field], grow: float, out_px: int) -> list[Rgb]:
    """Return square cut-outs round boxed cells that lie wholly inside their field."""
    made = []
    for one in fields:
        for x0, y0, x1, y1 in one.boxes or []:
            half = round(max(x1 - x0, y1 - y0) * grow / 2)
            x, y = (x0 + x1) // 2, (y0 + y1) // 2
            inside = min(x - half, y - half, 640 - x - half, 480 - y - half) >= 0
            if inside and half >= 40:
                cut = np.ascontiguousarray(one.rgb[y - half : y + half, x - half : x + half])
                made.append(np.asarray(cv2.resize(cut, (out_px, out_px), interpolation=cv2.INTER_AREA), np.uint8))
    return made


def distinct(folder: Path) -> list[Path]:
    """Return the image files of a folder, identical ones once."""
    seen: dict[str, Path] = {}
    for path in sorted(folder.rglob("*.jp*g")):
        seen.setdefault(hashlib.sha256(path.read_bytes()).hexdigest(), path)
    return list(seen.values())


def counts(pictures: Iterable[Rgb]) -> str:
    """Return how many leukocytes were found, as words for a table."""
    tally = Counter(len(find_leukocytes(rgb)) for rgb in pictures)
    return ", ".join(f"{cells} in {n}" for cells, n in sorted(tally.items()))


def print_fields(fields: Sequence[Field]) -> None:
    groups = {
        "even numbers (constants chosen here)": [one for one in fields if one.number % 2 == 0],
        "odd numbers (held out)": [one for one in fields if one.number % 2 == 1],
        "all": list(fields),
    }
    rows: dict[str, list[str]] = {}
    for members in groups.values():
        t = measure(members)
        for name, value in {
            "most prominent leukocyte's centre inside a WBC box": f"{t.hits}/{t.fields}",
            "recall over all WBC boxes": f"{t.matched}/{t.boxed} = {t.matched / t.boxed:.3f}",
            "precision over all WBC boxes": f"{t.matched}/{t.found} = {t.matched / t.found:.3f}",
            "IoU with the WBC box, median": f"{np.median(t.ious):.3f}",
            "IoU with the WBC box ≥ 0.5": f"{np.mean(np.array(t.ious) >= 0.5):.3f}",
            "IoU with the box of the hand-outlined cell, median": f"{np.median(t.mask_ious):.3f}",
            "Dice of the nucleus, median (5th percentile)": (
                f"{np.median(t.dice):.3f} ({np.percentile(t.dice, 5):.3f})"
            ),
            "finding, ms a field (processor time)": f"{np.mean(t.milliseconds):.1f}",
        }.items():
            rows.setdefault(name, []).append(value)
    print("| 640×480 originals | " + " | ".join(groups) + " |")
    print("|---|" + "---|" * len(groups))
    for name, values in rows.items():
        print(f"| {name} | " + " | ".join(values) + " |")


def print_others(data: Path, fields: Sequence[Field]) -> None:
    print("\n| other pictures | n | result |\n|---|---|---|")
    boxed = [one for one in fields if one.boxes]
    for width in (320, 1280, 2560):
        size = (width, width * 3 // 4)
        right = 0
        for one in boxed:
            cells = find_leukocytes(np.asarray(cv2.resize(one.rgb, size, interpolation=cv2.INTER_AREA), np.uint8))
            centre = tuple(value * 640 / width for value in cells[0].centre) if cells else (-1.0, -1.0)
            right += any(holds(box, (centre[0], centre[1])) for box in one.boxes or [])
        print(f"| the originals at {size[0]}×{size[1]} | {len(boxed)} | centre inside a WBC box: {right} |")
    empty = without_leukocyte(fields)
    print(f"| red cells only (half a field and its mirror image) | {len(empty)} | leukocytes: {counts(empty)} |")
    augmented = distinct(data / "kaggle-blood-cells/dataset2-master")
    found = counts(read_image(path) for path in augmented)
    print(f"| augmented set, 320×240, rotated with black corners | {len(augmented)} | leukocytes: {found} |")
    olympus = distinct(data / "olympus-bx53")
    found = counts(read_image(path) for path in olympus)
    print(f"| second microscope, distinct files | {len(olympus)} | leukocytes: {found} |")
    single = sum(is_single_cell(read_image(path)) for path in augmented)
    print(f"| augmented set taken for single-cell photographs | {len(augmented)} | {single} |")
    for grow, out_px in ((1.0, 80), (1.15, 128), (1.4, 224), (1.6, 360)):
        cuts = cut_outs(fields, grow, out_px)
        single = sum(is_single_cell(rgb) for rgb in cuts)
        name = f"cut-outs {grow:g} × the box, at {out_px} px, taken for single-cell photographs"
        print(f"| {name} | {len(cuts)} | {single} |")


def main() -> None:
    given = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("BUFFYCOAT_DATA")
    if given is None:
        raise SystemExit("Give the folder of the real images, or set BUFFYCOAT_DATA.")
    cv2.setNumThreads(1)
    data = Path(given)
    paths = sorted((data / "kaggle-blood-cells/dataset-master/dataset-master/JPEGImages").glob("*.jpg"))
    started = time.process_time()
    for path in paths:
        read_image(path)
    decoding = (time.process_time() - started) / len(paths) * 1e3
    fields = read_fields(data)
    print_fields(fields)
    print_others(data, fields)
    print(f"\nDecoding: {decoding:.2f} ms a 640×480 JPEG (processor time, one core).")


if __name__ == "__main__":
    main()
