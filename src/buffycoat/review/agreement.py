"""Two readers of one slide: how far they agree, beyond what chance would give.

Sources: Cohen, Educ. Psychol. Meas. 20 (1960) 37 (kappa); Fleiss, Cohen and Everitt, Psychol. Bull. 72 (1969) 323
(its large-sample standard error). Limits that are normal at that error hold a kappa near 1 in 0.91 of simulated counts.
So the error only says how many cells tell as much about the share agreed on; limits are those of that share (mid-P).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from buffycoat.evaluate.intervals import LEVEL, exact_interval, interval, mid_p
from buffycoat.records.documents import Estimate
from buffycoat.review import slides, views
from buffycoat.review.desk import Desk
from buffycoat.review.documents import AgreementView, CellView, Disagreement, Person
from buffycoat.review.schema import Amendment, Signature

_SAME_BOX = 0.5  # intersection over union from which two drawn boxes are one cell
METHOD = "mid-P at the effective number of cells (Fleiss, Cohen and Everitt 1969)"


def of_slide(desk: Desk, _who: Person, slide_id: str) -> AgreementView:
    """Return how far the two readers of a slide agree; not before both have signed."""
    with desk.database.read() as session:
        slide = slides.load(session, slide_id)
        known = views.readings_of(session, [slide_id])[slide_id]
        if len(known) < 2 or not views.all_signed(2, known):
            return AgreementView(ready=False, why_not=_why_not(len(known), slide.readings_wanted))
        amended = _amended_after_unblinding(session, [reading.id for reading in known[:2]])
        first, second = (views.cells_of(session, slide.id, reading.id) for reading in known[:2])
    pairs, only_first, only_second = paired(first, second)
    labels = tuple(label.name for label in desk.labels if any(label.name in pair[1:] for pair in pairs))
    matrix = confusion([pair[1:] for pair in pairs], labels)
    agreed = int(np.trace(matrix))
    return AgreementView(
        ready=True,
        why_not=None,
        labels=labels,
        matrix=tuple(tuple(int(n) for n in row) for row in matrix),
        n=len(pairs),
        agreed=agreed,
        percent_agreement=_share(agreed, len(pairs)),
        kappa=kappa(matrix),
        only_first=len(only_first),
        only_second=len(only_second),
        readers=tuple(reading.reader for reading in known[:2]),
        amended_after_unblinding=amended,
        cells=tuple(Disagreement(cell_id=cell, first=one, second=other) for cell, one, other in pairs if one != other),
    )


def _why_not(begun: int, wanted: int) -> str:
    """Return why there are no figures."""
    if begun >= 2:
        return "Not every reading is signed yet."
    said = "There is no reading yet." if begun == 0 else "There is only one reading."
    return said if wanted >= 2 else f"{said} This slide is to have one; agreement is that of two."


def _amended_after_unblinding(session: Session, readings: list[str]) -> bool:
    """Return whether a reading was opened again after both were signed: its reader could see the other's labels."""
    first = (
        select(func.min(Signature.event_id)).where(Signature.reading_id.in_(readings)).group_by(Signature.reading_id)
    )
    unblinded = max(session.scalars(first))
    later = select(Amendment.event_id).where(Amendment.reading_id.in_(readings), Amendment.event_id > unblinded)
    return session.scalar(later.limit(1)) is not None


def paired(
    first: tuple[CellView, ...], second: tuple[CellView, ...]
) -> tuple[list[tuple[str, str, str]], list[CellView], list[CellView]]:
    """Return the cells both readers kept, as (id, first's label, second's), and those that only one of them kept.

    A cell that both drew is one cell where the boxes overlap by half of their union.
    """
    one = {cell.id: cell for cell in first if not cell.deleted}
    other = {cell.id: cell for cell in second if not cell.deleted}
    pairs = [(key, cell.label, other[key].label) for key, cell in one.items() if key in other]
    free = [cell for key, cell in other.items() if key not in one]
    alone = []
    for key, cell in one.items():
        if key in other:
            continue
        best = max(free, key=lambda candidate: overlap(cell, candidate), default=None)
        if best is not None and overlap(cell, best) >= _SAME_BOX:
            free.remove(best)
            pairs.append((key, cell.label, best.label))
        else:
            alone.append(cell)
    return pairs, alone, free


def overlap(one: CellView, other: CellView) -> float:
    """Return intersection over union of two cells' boxes; 0 on different fields."""
    if one.field_id != other.field_id:
        return 0.0
    a, b = one.box, other.box
    across, down = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    if across <= 0 or down <= 0:
        return 0.0
    shared = across * down
    return shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared)


def confusion(pairs: list[tuple[str, ...]], labels: tuple[str, ...]) -> NDArray[np.int64]:
    """Return how often each pair of labels was given: rows the first reader, columns the second."""
    place = {label: k for k, label in enumerate(labels)}
    matrix = np.zeros((len(labels), len(labels)), np.int64)
    for one, other in pairs:
        matrix[place[one], place[other]] += 1
    return matrix


def kappa(matrix: NDArray[np.int64], level: float = LEVEL) -> Estimate:
    """Return Cohen's kappa of a square table of counts, with limits.

    The limits are those of the share of agreement at the effective number of cells, carried over with the agreement by
    chance held fixed; where the readers agree on every cell, or on none, the number is that of the cells. Kappa is
    undefined where chance alone would give full agreement: both readers used one label only.
    """
    n = int(matrix.sum())
    undefined = Estimate(value=None, interval=interval(math.nan, math.nan, level, "Cohen's kappa"))
    if n == 0:
        return undefined
    p = matrix / n
    rows, columns = p.sum(axis=1), p.sum(axis=0)
    observed, chance = float(np.trace(p)), float(rows @ columns)
    if chance >= 1 - 1e-12:
        return undefined
    value = (observed - chance) / (1 - chance)
    variance = max(kappa_variance(p, value, chance), 0.0) / n * (1 - chance) ** 2
    within = observed * (1 - observed)
    number = within / variance if variance > 1e-12 and within > 1e-12 else float(n)
    low, high = ((float(end) - chance) / (1 - chance) for end in mid_p(observed * number, number, level))
    method = f"{METHOD}: {number:.3g}"
    return Estimate(value=value, interval=interval(max(low, -1.0), min(high, 1.0), level, method))


def kappa_variance(p: NDArray[np.float64], value: float, chance: float) -> float:
    """Return n times the variance of kappa (Fleiss, Cohen and Everitt 1969, formula 13)."""
    rows, columns = p.sum(axis=1), p.sum(axis=0)
    sums = rows[None, :] + columns[:, None]  # [i, j]: share of column i plus share of row j
    diagonal = float(np.sum(np.diag(p) * (1 - (rows + columns) * (1 - value)) ** 2))
    outside = p * sums**2
    np.fill_diagonal(outside, 0)
    rest = (1 - value) ** 2 * float(outside.sum())
    return (diagonal + rest - (value - chance * (1 - value)) ** 2) / (1 - chance) ** 2


def _share(count: int, n: int) -> Estimate:
    return Estimate(
        value=None if n == 0 else count / n, interval=exact_interval(count, n), numerator=count, denominator=n
    )
