"""The program's own count of a slide."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from buffycoat.differential.count import count
from buffycoat.differential.limits import LEVEL
from buffycoat.records.differential import Classifier, CountComparison, Counter, Differential, ReferenceRanges

if TYPE_CHECKING:
    from buffycoat.differential.slides import Slide
    from buffycoat.records.card import BundleCard


def classifier_of(card: BundleCard, views: int = 1) -> Classifier:
    """Return what a count says of the network behind it."""
    point = card.operating["4" if views == 4 else "1"]
    return Classifier(
        name=card.name,
        title=card.title,
        sha256=card.model_sha256,
        classes=card.classes,
        accuracy=point.accuracy,
        error_rate=point.expected.error_rate,
        trained_on=card.data.description,
    )


def differential_of(
    slide: Slide,
    card: BundleCard,
    *,
    views: int = 1,
    wbc: float | None = None,
    ranges: ReferenceRanges | None = None,
    specimen: str | None = None,
    subject: str | None = None,
    comparison: CountComparison | None = None,
    level: float = LEVEL,
    created: datetime | None = None,
    collected: datetime | None = None,
    accession: str | None = None,
) -> Differential:
    """Return the program's preliminary count of a slide; parameters as in :func:`buffycoat.differential.count`."""
    classifier = classifier_of(card, views)
    return count(
        slide.labels,
        slide=slide.name,
        counted_by=Counter(kind="program", name=f"the program ({card.name})"),
        known=card.classes,
        reasons=slide.reasons,
        wbc=wbc,
        ranges=ranges,
        specimen=specimen,
        subject=subject,
        fields=slide.fields,
        fields_without=slide.fields_without,
        cut_cells=slide.cut,
        copies=slide.copies,
        faults=slide.faults,
        classifier=classifier,
        comparison=comparison,
        level=level,
        created=created,
        collected=collected,
        accession=accession,
    )
