"""The stain of one field: optical densities per structure, varying from field to field as smears do.

Densities are natural-log absorbances of the red, green and blue channel at full strength. Negative blue values
are meant: cameras balanced on the slide render azure-stained chromatin bluer than the empty background.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Density = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Stain:
    """Densities of one field, each of shape (3,)."""

    light: Density  # the empty background, 0 to 255
    red_cell: Density
    chromatin: Density
    platelet: Density
    pale_plasma: Density  # neutrophil cytoplasm
    lilac: Density  # its fine granules
    eosin: Density  # eosinophil granules
    blue_black: Density  # basophil granules
    sky_blue: Density  # lymphocyte cytoplasm
    grey_blue: Density  # monocyte cytoplasm


def draw_stain(rng: np.random.Generator) -> Stain:
    """Draw the stain of one field: strength of both dyes, their balance (buffer pH) and the lamp."""
    azure = float(np.exp(np.clip(rng.normal(0, 0.19), -0.45, 0.40)))  # strength of the blue dye
    eosin = float(np.exp(np.clip(rng.normal(0, 0.17), -0.45, 0.30)))  # strength of the red dye
    balance = float(np.clip(rng.normal(0, 0.6), -1.2, 1.2))  # −1 acid and reddish, 1 alkaline and bluish
    violet = float(rng.beta(1.6, 1.1))  # 0: blue nuclei, 1: violet nuclei

    def density(red: float, green: float, blue: float, strength: float) -> Density:
        shift = np.array([1 + 0.16 * balance, 1.0, 1 - 0.10 * balance])
        value = np.array([red, green, blue]) * np.where(np.array([red, green, blue]) > 0, shift, 1.0) * strength
        return np.asarray(value + rng.normal(0, 0.008, 3), dtype=np.float32)

    lamp = rng.normal(1.0, 3.0)
    light = np.array([207.0, 208.5, 203.0]) + lamp + rng.normal(0, 1.6, 3)
    return Stain(
        light=np.asarray(light, dtype=np.float32),
        red_cell=density(0.112, 0.295, 0.272 + 0.035 * rng.normal(), eosin**0.6),
        chromatin=density(0.66 - 0.24 * violet, 0.87, 0.03 - 0.10 * violet, azure),
        platelet=density(0.34 - 0.10 * violet, 0.40, 0.02, azure),
        pale_plasma=density(0.045, 0.135, 0.025, 0.5 * (azure + eosin)),
        lilac=density(0.16, 0.30, 0.04, azure),
        eosin=density(0.07, 0.46, 0.33 - 0.17 * violet, eosin),
        blue_black=density(0.84, 1.10, 0.22, azure),
        sky_blue=density(0.32, 0.23, 0.01, azure),
        grey_blue=density(0.29, 0.28, 0.05, azure),
    )
