"""The nucleus inside one cell body, and whether it is a leukocyte's.

Lengths are in pixels at the working width; masks are uint8, 0 or 255.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from buffycoat.imaging.bodies import Mask, disc
from buffycoat.imaging.stain import percentile

_OWN_SHARE = 0.5  # of the nucleus's own strong stain: about where it ends
_LEAST_LOBE = 0.07  # of the whole nucleus; smaller specks are granules or platelets lying on the cell


def outline_nucleus(chromatin: NDArray[np.uint8], body: Mask, seed: Mask) -> Mask:
    """Return the nucleus inside a body.

    Parameters
    ----------
    chromatin
        From :func:`buffycoat.imaging.stain.chromatin_stain`, cut to the body's box.
    body
        The cell.
    seed
        The strongly stained part of the body, not empty.
    """
    values = chromatin[body > 0]
    own = _OWN_SHARE * percentile(chromatin, 75, seed)
    # Otsu's threshold finds the step from cytoplasm to nucleus; the share keeps it in place where a cell has
    # next to no cytoplasm.
    between, _ = cv2.threshold(values, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    nucleus = np.where((body > 0) & (chromatin > 0.5 * (own + between)), 255, 0).astype(np.uint8)
    nucleus = np.asarray(cv2.morphologyEx(nucleus, cv2.MORPH_OPEN, disc(1)), np.uint8)
    return _without_specks(nucleus)


def _without_specks(nucleus: Mask) -> Mask:
    if len(cv2.findContours(nucleus, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)[0]) < 2:
        return nucleus  # in a piece, without holes: told faster than by labels
    count, labels, stats, _ = cv2.connectedComponentsWithStatsWithAlgorithm(nucleus, 8, cv2.CV_32S, cv2.CCL_GRANA)
    if count < 3:
        return nucleus
    areas = stats[1:, cv2.CC_STAT_AREA]
    kept = np.flatnonzero(areas >= _LEAST_LOBE * areas.sum()) + 1
    return np.where(np.isin(labels, kept), 255, 0).astype(np.uint8)
