"""Desks for tests: SQLite in a folder of the test's own, and a classifier that answers at once and always alike."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import uvicorn
from numpy.typing import NDArray

from buffycoat.errors import ImageError
from buffycoat.imaging.decode import read_image
from buffycoat.imaging.find import find_leukocytes
from buffycoat.records.card import BundleCard
from buffycoat.records.documents import Estimate
from buffycoat.review import slides, uploads, worker
from buffycoat.review.app import create_app
from buffycoat.review.classifier import Box, Found, Looked
from buffycoat.review.desk import Desk
from buffycoat.review.documents import Person, SlideRow
from buffycoat.review.settings import ReviewSettings
from buffycoat.review.sign_in import HERE
from buffycoat.synth.smear import draw_field

CLASSES = ("neutrophil", "eosinophil", "basophil", "lymphocyte", "monocyte")
FAKE = "tests.review.desks:FakeClassifier"


class FakeClassifier:
    """Finds cells as the real one does and names them by the colour of their middle: quick, and always alike."""

    name = "fake 0000"
    classes = CLASSES
    expected: Estimate | None = None
    card: BundleCard | None = None

    def look(self, content: bytes) -> Looked:
        rgb = read_image(content)
        boxes = [cell.box for cell in find_leukocytes(rgb)]
        return Looked(rgb.shape[1], rgb.shape[0], "cell", self.name_boxes(rgb, boxes))

    def look_at(self, contents: Sequence[bytes]) -> list[Looked | ImageError]:
        found: list[Looked | ImageError] = []
        for content in contents:
            try:
                found.append(self.look(content))
            except ImageError as error:
                found.append(error)
        return found

    def close(self) -> None:
        pass

    def name_boxes(self, rgb: NDArray[np.uint8], boxes: Sequence[Box]) -> tuple[Found, ...]:
        return tuple(_named(rgb, box) for box in boxes)

    def explain(self, rgb: NDArray[np.uint8], box: Box) -> NDArray[np.uint8] | None:
        x0, y0, x1, y1 = box
        return np.ascontiguousarray(rgb[y0:y1, x0:x1, ::-1])


def _named(rgb: NDArray[np.uint8], box: Box) -> Found:
    x0, y0, x1, y1 = box
    middle = rgb[max(y0, 0) : y1, max(x0, 0) : x1].reshape(-1, 3).mean(axis=0)
    value = int(middle @ np.array([3, 5, 7])) % 97
    best = CLASSES[value % len(CLASSES)]
    probability = 0.5 + value / 200
    rest = (1 - probability) / (len(CLASSES) - 1)
    reason = "uncertain" if probability < 0.6 else None
    return Found(
        box=box,
        label="unidentified" if reason else best,
        best=best,
        probability=probability,
        probabilities={name: probability if name == best else rest for name in CLASSES},
        conformal=(best,),
        reason=reason,
        unlikeness=value / 10,
        touches_border=x0 <= 0 or y0 <= 0,
    )


def make_desk(folder: Path, **settings: Any) -> Desk:
    """Return a desk on an empty folder; nothing runs beside it."""
    return Desk(ReviewSettings(**{"folder": folder, "classifier": FAKE, "workers": 0, **settings}))


def photograph(seed: int, cells: int = 4) -> bytes:
    """Return the JPEG of a drawn field."""
    return _photograph(seed, cells)


@lru_cache(maxsize=256)
def _photograph(seed: int, cells: int) -> bytes:
    rng = np.random.default_rng(seed)
    types = [CLASSES[k] for k in rng.integers(0, 5, cells)]
    rgb = draw_field(rng, types).rgb
    return cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()


def small_photograph(seed: int) -> bytes:
    """Return a tiny PNG, each seed another; quick to make, and without a leukocyte."""
    rng = np.random.default_rng(seed)
    return cv2.imencode(".png", rng.integers(0, 255, (16, 16, 3), dtype=np.uint8))[1].tobytes()


def drawn_slide(
    desk: Desk,
    fields: int = 3,
    cells_per_field: int = 4,
    *,
    name: str = "Slide 1",
    who: Person = HERE,
    seed: int = 1000,
    **more: Any,
) -> SlideRow:
    """Make a slide of drawn fields and analyse it here and now."""
    slide = slides.create(desk, who, name, **more)
    files = [(f"field {k}.jpg", photograph(seed + k, cells_per_field)) for k in range(fields)]
    uploads.take_in(desk, who, slide.id, uploads.from_bytes(files))
    analyse(desk)
    return slides.get(desk, who, slide.id)


def analyse(desk: Desk) -> None:
    """Do all that waits in the queue."""
    while worker.work_once(desk.database, desk.images, desk.classifier, desk.settings):
        pass


def big_slide(desk: Desk, cells: int = 2000, per_field: int = 8, who: Person = HERE) -> SlideRow:
    """Make a slide with many cells: drawn fields, each mirrored and turned to give several photographs."""
    slide = slides.create(desk, who, f"{cells} cells")
    made, seed, files = 0, 0, []
    while made < cells:
        rgb = read_image(photograph(5000 + seed, per_field))
        for turn in range(4):
            for turned in (np.rot90(rgb, turn), np.rot90(rgb[:, ::-1], turn)):
                for k in range(8):
                    content = cv2.imencode(".png", np.ascontiguousarray(np.roll(turned, 40 * k, 1)[..., ::-1]))[1]
                    files.append((f"{seed}-{turn}-{k}.png", content.tobytes()))
        seed += 1
        uploads.take_in(desk, who, slide.id, uploads.from_bytes(files))
        files = []
        analyse(desk)
        made = slides.get(desk, who, slide.id).cells
    return slides.get(desk, who, slide.id)


@contextmanager
def serving(desk: Desk) -> Iterator[str]:
    """Serve a desk on a free port from a thread; yields its address."""
    config = uvicorn.Config(create_app(desk), host="127.0.0.1", port=0, log_config=None, lifespan="on")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
        assert thread.is_alive(), "the server did not start"
    try:
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(20)
