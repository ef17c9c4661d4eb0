"""From labels to a differential: plain data in, a document out.

The labels may come from the program, from a person, or from the program corrected by a person.
"""

from __future__ import annotations

import math
from collections import Counter as Tally
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from pydantic import ValidationError

from buffycoat import __version__
from buffycoat.differential.cautions import Circumstances, cautions
from buffycoat.differential.identity import accession_of
from buffycoat.differential.limits import LEVEL, absolute, not_assessed, percent
from buffycoat.differential.ranges import flags
from buffycoat.errors import UsageError
from buffycoat.records.differential import (
    ARTEFACT,
    UNIDENTIFIED,
    Classifier,
    CountComparison,
    Counter,
    Differential,
    ReferenceRanges,
    Review,
    Signer,
    Status,
    TypeCount,
)
from buffycoat.records.documents import Fault, explain
from buffycoat.taxonomy import CLASS_NAMES, canonical, order

MOST_WBC = 1000.0
"""The highest leukocyte count that is taken, 10⁹/L; a higher one is most likely in another unit."""

_OTHER_NAMES = {
    **dict.fromkeys(("", "unknown", "unclassified", "not classified", "u"), UNIDENTIFIED),
    **dict.fromkeys(("artifact", "artefacts", "artifacts", "not a leukocyte", "no leukocyte"), ARTEFACT),
}


def label_of(given: str | None) -> str:
    """Return the project's spelling of a label: a type, "unidentified" (also for None) or "artefact".

    Examples
    --------
    >>> label_of("Neutrophils"), label_of(None), label_of("artifact")
    ('neutrophil', 'unidentified', 'artefact')
    """
    name = canonical(given or "")
    return _OTHER_NAMES.get(name, name)


def count(
    labels: Iterable[str | None] | Mapping[str, int],
    *,
    slide: str = "slide",
    counted_by: Counter | str = "program",
    known: Sequence[str] | None = None,
    reasons: Mapping[str, int] | None = None,
    wbc: float | None = None,
    ranges: ReferenceRanges | None = None,
    status: Status = "preliminary",
    signer: Signer | None = None,
    specimen: str | None = None,
    subject: str | None = None,
    fields: int | None = None,
    fields_without: int | None = None,
    cut_cells: int | None = None,
    copies: int = 0,
    faults: Iterable[Fault] = (),
    classifier: Classifier | None = None,
    comparison: CountComparison | None = None,
    review: Review | None = None,
    level: float = LEVEL,
    created: datetime | None = None,
    collected: datetime | None = None,
    accession: str | None = None,
) -> Differential:
    """Count labels.

    Parameters
    ----------
    labels
        One label for each cell, or the number of cells by label. "unidentified" (or None) and "artefact" are counted
        apart; every other label is a leukocyte type. The five types of a five-part differential always have a row.
    slide
        What the slide is called.
    counted_by
        Who gave the labels: a :class:`~buffycoat.records.differential.Counter`, or one of "program", "reviewed"
        and "person" where there is no more to say.
    known
        The types that whoever gave the labels can name; None: all five, as a person can. A type outside is shown as
        not assessed instead of 0 %.
    reasons
        Why cells were left unidentified, and how many.
    wbc
        Leukocytes, 10⁹/L, measured elsewhere: gives absolute counts. At most 1000.
    ranges
        The laboratory's reference ranges; None: nothing is flagged.
    status, signer
        "preliminary" until somebody signed; "final" and "amended" need a signer.
    specimen, subject
        The laboratory's own identifiers, if they are to stand in the outputs.
    fields, fields_without, cut_cells, copies, faults
        What is known of the photographs: how many were read, how many had no leukocyte, how many counted cells a
        border cuts, how many files were copies of others and left out, and what could not be read.
    classifier
        The network behind the labels.
    comparison
        Against another count; see :mod:`buffycoat.differential.compare`.
    review
        How far its reading at the review desk has come.
    level
        Confidence level of the limits.
    created
        When the count was made; now, if not given.
    collected
        When the specimen was collected, if it is known; with its zone, and not after `created`.
    accession
        By which a receiver of HL7 or FHIR knows later results of this count: give the final and the amended one that of
        the preliminary, or all of them the laboratory's own. None: one made of specimen, slide and `created`.

    Raises
    ------
    UsageError
        Something given is out of range; every fault is named.

    Examples
    --------
    >>> made = count(["neutrophil"] * 110 + ["lymphocyte"] * 80 + ["monocyte"] * 10 + [None] * 4, counted_by="person")
    >>> made.denominator, made.unidentified, made.of("monocyte").percent.value
    (200, 4, 5.0)
    """
    tally = _tally(labels)
    unidentified, artefacts = tally.pop(UNIDENTIFIED, 0), tally.pop(ARTEFACT, 0)
    denominator = sum(tally.values())
    assessed = set(CLASS_NAMES if known is None else map(canonical, known)) | {name for name in tally if tally[name]}
    who = counted_by if isinstance(counted_by, Counter) else _counter(counted_by)
    if wbc is not None:
        _hold_wbc(wbc)
    try:
        rows = tuple(
            _row(name, tally[name], denominator, name in assessed, wbc, ranges, level)
            for name in order([*CLASS_NAMES, *tally])
        )
        made = Differential(
            slide=slide,
            specimen=specimen,
            subject=subject,
            accession=accession,
            status=status,
            signer=signer,
            counted_by=who,
            created=created or datetime.now(UTC).replace(microsecond=0),
            collected=collected,
            denominator=denominator,
            types=rows,
            unidentified=unidentified,
            unidentified_reasons=dict(reasons or {}),
            artefacts=artefacts,
            fields=fields,
            fields_without=fields_without,
            cut_cells=cut_cells,
            wbc=wbc,
            level=level,
            ranges=ranges,
            classifier=classifier,
            faults=tuple(faults),
            comparison=comparison,
            review=review,
            versions={"buffycoat": __version__},
        )
    except ValidationError as error:
        raise UsageError(f"The differential of {slide!r} cannot be made: {explain(error)}.") from error
    if made.collected is not None and made.collected > made.created:
        raise UsageError(
            f"The specimen of {slide!r} was collected {made.collected.isoformat()}, after it was counted "
            f"({made.created.isoformat()}).",
            hint="Give the zone with the time, such as 2025-03-04T09:05+01:00.",
        )
    return made.model_copy(
        update={"cautions": cautions(made, Circumstances(copies=copies)), "accession": accession_of(made)}
    )


def _hold_wbc(wbc: float) -> None:
    """Refuse a leukocyte count that is most likely in another unit."""
    if not MOST_WBC < wbc < math.inf:
        return
    likely = [wbc / per for per in (1e3, 1e6, 1e9) if 1 <= wbc / per <= 100]
    raise UsageError(
        f"A leukocyte count (wbc) of {wbc:g} × 10⁹/L is most likely in another unit; at most {MOST_WBC:g} is taken.",
        hint=(f"Did you mean {likely[0]:g}? " if likely else "") + "It is in 10⁹/L: divide cells per µL by 1000.",
    )


def _tally(labels: Iterable[str | None] | Mapping[str, int]) -> Tally[str]:
    if isinstance(labels, str):
        raise TypeError("expected labels or numbers by label, found one string")
    tally: Tally[str] = Tally()
    if isinstance(labels, Mapping):
        for name, n in labels.items():
            if isinstance(n, bool) or int(n) != n or n < 0:
                raise UsageError(f"{n!r} cells of type {name!r}: expected a whole number, 0 or more.")
            tally[label_of(name)] += int(n)
        return tally
    tally.update(label_of(name) for name in labels)
    return tally


def _counter(word: str) -> Counter:
    names = {
        "program": "the program",
        "reviewed": "the program, corrected by a person",
        "person": "a person",
    }
    if word not in names:
        raise UsageError(f"counted_by is {word!r}; expected one of {', '.join(names)} or a Counter.")
    return Counter.model_validate({"kind": word, "name": names[word]})


def _row(
    name: str,
    n: int,
    denominator: int,
    assessed: bool,
    wbc: float | None,
    ranges: ReferenceRanges | None,
    level: float,
) -> TypeCount:
    share = percent(n, denominator, level) if assessed else not_assessed(level)
    number = None if wbc is None else absolute(share, wbc)
    return TypeCount(
        name=name,
        count=n,
        assessed=assessed,
        percent=share,
        absolute=number,
        flags=flags(name, share, number, ranges),
    )
