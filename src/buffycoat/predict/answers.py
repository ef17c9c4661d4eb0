"""From what the network gave for a batch of cells to what is said of each photograph."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from buffycoat.bundle.answer import Answers
from buffycoat.predict.look import Looked
from buffycoat.predict.results import UNIDENTIFIED, PhotographResult, Prediction


def photograph_results(
    looked: Sequence[Looked], answers: Answers | None, classes: tuple[str, ...]
) -> Iterator[PhotographResult]:
    """Yield one result per photograph.

    Parameters
    ----------
    looked
        The photographs, in order.
    answers
        To all their cells, in the same order; None where they have none.
    classes
        In the bundle's order.
    """
    first = 0
    for one in looked:
        cells: tuple[Prediction, ...] = ()
        if answers is not None:
            cells = tuple(_prediction(one, cell, answers, first + cell, classes) for cell in range(len(one.boxes)))
        first += len(one.boxes)
        yield PhotographResult(one.name, one.width, one.height, one.error, cells, one.framing)


def _prediction(looked: Looked, cell: int, answers: Answers, row: int, classes: tuple[str, ...]) -> Prediction:
    best = int(answers.best[row])
    reason = answers.reason(row)
    probabilities = answers.probabilities[row].tolist()
    return Prediction(
        number=cell + 1,
        box=looked.boxes[cell],
        label=classes[best] if reason is None else UNIDENTIFIED,
        best=classes[best],
        probability=probabilities[best],
        probabilities=dict(zip(classes, probabilities, strict=True)),
        conformal=tuple(name for name, inside in zip(classes, answers.sets[row].tolist(), strict=True) if inside),
        reason=reason,
        unlikeness=float(answers.unlikeness[row]),
        touches_border=looked.touches_border[cell],
    )
