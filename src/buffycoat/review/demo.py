"""Drawn slides, to try the desk without a photograph of blood."""

from __future__ import annotations

import cv2
import numpy as np

from buffycoat.review import slides, uploads
from buffycoat.review.desk import Desk
from buffycoat.review.documents import Person
from buffycoat.synth.smear import draw_field
from buffycoat.synth.write import COMMON_SHARES

NOTE = "Drawn by the program; not a photograph of blood."
_CELLS_PER_FIELD = 3


def draw_slides(desk: Desk, who: Person, n: int, fields: int = 12, seed: int = 7) -> None:
    """Add `n` slides of drawn fields and queue them for analysis."""
    names = list(COMMON_SHARES)
    shares = np.array([COMMON_SHARES[name] for name in names])
    for number in range(1, n + 1):
        rng = np.random.default_rng([seed, number])
        slide = slides.create(desk, who, f"Drawn slide {number}", NOTE)
        files = []
        for place in range(1, fields + 1):
            types = [names[k] for k in rng.choice(len(names), _CELLS_PER_FIELD, p=shares / shares.sum())]
            rgb = draw_field(rng, types).rgb
            content = cv2.imencode(".png", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))[1].tobytes()
            files.append((f"field {place:02}.png", content))
        uploads.take_in(desk, who, slide.id, uploads.from_bytes(files))
