"""What a report says of how much the data can tell: seeds, overlapping folds, and numbers of cells."""

from __future__ import annotations

import math
from dataclasses import dataclass

from buffycoat.records.documents import Results
from buffycoat.records.evidence import LearningPoint, SampleSize, Spread
from buffycoat.report.figures.learning import learning_curve
from buffycoat.report.numbers import listed, share, whole
from buffycoat.report.svg import Drawing
from buffycoat.report.words import ranked

NO_SEEDS = (
    "How much of the spread comes from the training itself was not measured: every network was trained with one seed. "
    "buffycoat study … --set train_seeds=3 measures it, at three times the time."
)
NO_LEARNING = (
    "How the networks fare with fewer training cells was not measured. "
    "buffycoat study … --set learning_curve=[0.25,0.5] measures it."
)


@dataclass(frozen=True)
class EvidenceView:
    """The section about how much the data can tell.

    Attributes
    ----------
    sentence
        One sentence that needs no statistics.
    sizes
        Numbers of cells, for the most accurate model.
    title
        That model's.
    spread, learning
        Measured where asked for; the other sentences say what was not.
    curves
        A drawing per model.
    """

    sentence: str
    title: str
    sizes: tuple[SampleSize, ...]
    spread: tuple[tuple[str, Spread], ...]
    learning: tuple[LearningPoint, ...]
    learning_sentence: str
    curves: tuple[tuple[str, Drawing], ...]
    missing: tuple[str, ...]


def evidence_view(results: Results) -> EvidenceView:
    """Gather how much the data can tell."""
    models = [model for model in ranked(results) if model.collapsed is None]
    titles = {model.model: model.title for model in results.models}
    best = models[0] if models else None
    sizes = tuple(size for size in results.enough if best is not None and size.model == best.model)
    missing = [] if results.spread else [NO_SEEDS]
    if not results.learning:
        missing.append(NO_LEARNING)
    learners = [model for model in ranked(results) if any(point.model == model.model for point in results.learning)]
    curves = tuple(
        (
            model.title,
            learning_curve(
                [point for point in results.learning if point.model == model.model], results.classes, model.title
            ),
        )
        for model in learners
    )
    return EvidenceView(
        sentence=_sentence(sizes),
        title=best.title if best else "",
        sizes=sizes,
        spread=tuple((titles.get(one.model, one.model), one) for one in results.spread),
        learning=results.learning,
        learning_sentence=_learning(results, learners[0].model, learners[0].title) if learners else "",
        curves=curves,
        missing=tuple(missing),
    )


def _sentence(sizes: tuple[SampleSize, ...]) -> str:
    over_all = next((size for size in sizes if size.name is None), None)
    of_class = [size for size in sizes if size.name is not None]
    if over_all is None or not of_class:
        return ""
    rarest = min(of_class, key=lambda size: size.cells)
    target = rarest.targets[0]
    return (
        f"With {whole(over_all.cells)} cells the accuracy is known to within {_points(over_all.half_width)} "
        f"percentage points, but the {whole(rarest.cells)} cells of the class {rarest.name} tell its sensitivity only "
        f"to within {_points(rarest.half_width)}; to know that to within {100 * target.half_width:g} points would "
        f"take about {whole(target.cells)} of them."
    )


def _points(half_width: float) -> str:
    """Return a half-width in percentage points, rounded up so that no more is claimed than is known.

    Examples
    --------
    >>> _points(0.034), _points(0.0041)
    ('4', '0.5')
    """
    points = 100 * half_width
    return f"{math.ceil(points - 1e-9)}" if points > 1 else f"{math.ceil(10 * points - 1e-9) / 10:g}"


def _learning(results: Results, model: str, title: str) -> str:
    points = sorted((point for point in results.learning if point.model == model), key=lambda point: point.share)
    first, last = points[0], points[-1]
    gained = (last.accuracy.value or 0.0) - (first.accuracy.value or 0.0)
    hungry = [
        name
        for name, before, after in zip(results.classes, first.sensitivity, last.sensitivity, strict=True)
        if (after.value or 0.0) - (before.value or 0.0) > max(2 * gained, 0.05)
        and (after.interval.low or 0.0) > (1.0 if before.interval.high is None else before.interval.high)
    ]
    text = (
        f"From {first.training_cells:.0f} to {last.training_cells:.0f} training cells the accuracy of {title} went "
        f"from {share(first.accuracy.value, 2)} to {share(last.accuracy.value, 2)}"
    )
    text += f"; {listed(hungry)} gained most." if hungry else "."
    return (
        f"{text} Every share is trained for as many epochs, so fewer cells are also fewer steps of training: part of "
        "the gain may be theirs."
    )
