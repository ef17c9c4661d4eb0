"""Conducting ``buffycoat differential``: photographs or counts in, counts out in every format asked for."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from pydantic import ValidationError

from buffycoat.cli.console import counting, remarks, results
from buffycoat.differential import write
from buffycoat.differential.against import Other, count_in, with_comparison
from buffycoat.differential.by_hand import read_counts
from buffycoat.differential.count import count
from buffycoat.differential.from_slides import differential_of
from buffycoat.differential.hl7 import Processing
from buffycoat.differential.limits import LEVEL
from buffycoat.differential.particulars import Particulars, moment
from buffycoat.differential.ranges import read_ranges
from buffycoat.differential.sheet import Sheet, trial
from buffycoat.differential.slides import Slide, cannot_be_opened, read_slides
from buffycoat.errors import OutputError, UsageError
from buffycoat.files import probe
from buffycoat.predict.predictor import Predictor
from buffycoat.predict.sources import check, walk
from buffycoat.predict.storage import is_address
from buffycoat.records.differential import Counter
from buffycoat.records.documents import Fault, explain

if TYPE_CHECKING:
    from buffycoat.differential.gallery import GalleryCell
    from buffycoat.records.differential import Differential, ReferenceRanges


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line asked for; see ``buffycoat differential --help``."""

    fields: list[str]
    bundle: Path | None
    out: list[Path]
    form: str | None
    slide: str | None
    specimen: str | None
    subject: str | None
    wbc: float | None
    collected: str | None
    accession: str | None
    sheet: Path | None
    ranges: str | None
    against: Path | None
    against_name: str | None
    level: float
    views: int
    max_pixels: int
    threads: int | None
    null: bool
    processing: str
    quiet: bool


Known = Callable[[str], Particulars]
"""Gives what is known of a slide by its name."""


def run_differential(options: Options) -> int:
    """Do what was asked for; return how many photographs could not be read, and sources not be opened."""
    _check(options)
    ranges = None if options.ranges is None else read_ranges(options.ranges)  # a fault in it is said before any work
    sheet = None if options.sheet is None else Sheet(options.sheet)
    given = _name(options)
    known: Known = (lambda _: given) if sheet is None else sheet.of
    formats = [write.format_of(path, options.form) for path in options.out]
    for path in options.out:
        probe(path)
    printed = write.format_of(Path(), options.form) if options.form is not None and not options.out else "table"
    other = None if options.against is None else Other(options.against, options.against_name)
    gallery: dict[str, Sequence[GalleryCell]] = {}
    unopened: list[Fault] = []
    unread = 0
    if all(map(_is_count, options.fields)):
        counts = _read(options, ranges, known)
        if other is not None:
            counts = [with_comparison(made, other.compared(made, slides=len(counts))) for made in counts]
    else:
        pictures = "html" in {*formats, printed}
        slides, predictor = _look(options, known, unopened, pictures=pictures)
        if not slides:
            raise cannot_be_opened(unopened)
        counts = [_count(slide, predictor, options, ranges, known(slide.name)) for slide in slides]
        if other is not None:
            counts = [
                with_comparison(made, other.compared(made, slide, slides=len(slides)))
                for made, slide in zip(counts, slides, strict=True)
            ]
        gallery = {slide.name: slide.cells for slide in slides} if pictures else {}
        unread = sum(slide.unread for slide in slides)
    for fault in unopened:
        remarks().print(f"{fault.file}: {fault.problem}", style="bold yellow", markup=False, soft_wrap=True)
    if sheet is not None:
        sheet.hold(made.slide for made in counts)
    if other is not None and other.warning is not None:
        remarks().print(other.warning, style="bold yellow", markup=False, soft_wrap=True)
    _put_out(counts, options, formats, printed, gallery)
    return unread + len(unopened)


def _put_out(
    counts: Sequence[Differential],
    options: Options,
    formats: Sequence[write.Format],
    printed: write.Format,
    gallery: Mapping[str, Sequence[GalleryCell]],
) -> None:
    """Write and print counts; where an output cannot be written they are printed all the same."""
    processing: Processing = options.processing  # type: ignore[assignment]
    written: list[Path] = []
    fault: OutputError | None = None
    for path, name in zip(options.out, formats, strict=True):
        try:
            write.write(counts, path, name, gallery=gallery, processing=processing)
            written.append(path)
        except OutputError as error:
            fault = fault or error
    if printed != "table":
        sys.stdout.write(write.text_of(counts, printed, gallery=gallery, processing=processing))
    elif fault is not None or not (options.quiet and options.out):
        _show(counts)
    if not options.quiet:
        for path in written:
            remarks().print(f"Written: {path}", markup=False, soft_wrap=True)
    if fault is not None:
        raise fault


def _check(options: Options) -> None:
    if not options.fields:
        raise UsageError(
            "No fields were given.", hint="Give photographs, or a folder of them: buffycoat differential DIR"
        )
    here = [name for name in options.fields if not is_address(name)]  # an address is a fault of its own, never opened
    if here:
        check(here)
    if options.views not in (1, 4):
        raise UsageError(f"--views is 1 or 4, not {options.views}.")
    if not 0.5 <= options.level < 1:
        raise UsageError(f"--level must be at least 50 and below 100 %, not {100 * options.level:g}.")
    if options.wbc is not None and not 0 < options.wbc < math.inf:
        raise UsageError(f"--wbc is the leukocyte count in 10⁹/L, above 0; not {options.wbc:g}.")
    if options.sheet is not None and _of_one_slide(options):
        raise UsageError(
            f"{_of_one_slide(options)} and --sheet contradict each other.", hint="Write it into the sheet."
        )
    if options.processing not in get_args(Processing):
        raise UsageError(f"--hl7-processing is T, D or P, not {options.processing!r}.")
    if "-" in options.fields and (sys.stdin is None or sys.stdin.isatty()):
        raise UsageError("- reads a list of names from standard input, and nothing is piped into it.")
    counts = [_is_count(name) for name in options.fields]
    if any(counts) and not all(counts):
        raise UsageError("Give photographs, or counts (.json, or .csv with type,count), not both.")


def _name(options: Options) -> Particulars:
    """Return what was said of the slide; refuse what could not stand in the outputs, before anything is looked at."""
    try:
        collected = None if options.collected is None else moment(options.collected)
    except ValueError as error:
        raise UsageError(f"--collected: {error}.") from error
    given = Particulars(
        specimen=options.specimen,
        subject=options.subject,
        wbc=options.wbc,
        collected=collected,
        accession=options.accession,
    )
    trial(given, "slide" if options.slide is None else options.slide)
    try:
        Counter(kind="person", name="a person" if options.against_name is None else options.against_name)
    except ValidationError as error:
        raise UsageError(f"--against-name {options.against_name!r} cannot be used: {explain(error)}.") from error
    return given


def _is_count(name: str) -> bool:
    return name.lower().endswith((".json", ".csv"))


def _look(options: Options, known: Known, unopened: list[Fault], *, pictures: bool) -> tuple[list[Slide], Predictor]:
    """Classify all photographs, gathered by slide; `unopened` is filled with what makes none."""
    predictor = Predictor.load(
        options.bundle,
        threads=options.threads,
        views=4 if options.views == 4 else 1,
        max_pixels=options.max_pixels,
    )
    listed = sys.stdin.buffer if "-" in options.fields else None
    items = walk(options.fields, stdin=listed, zeros=options.null)
    given = _of_one_slide(options)
    found: dict[int, Slide] = {}
    quiet = options.quiet or not sys.stderr.isatty()
    with counting("Counting", quiet=quiet) as move:
        for done, (slide, _) in enumerate(
            read_slides(predictor, items, name=options.slide, pictures=pictures, unopened=unopened), start=1
        ):
            if id(slide) not in found:
                known(slide.name)  # a sheet without it is said as soon as it is met
                found[id(slide)] = slide
            if given and len(found) > 1:  # as soon as it is known: the rest need not be looked at
                names = " and ".join(slide.name for slide in found.values())
                raise UsageError(
                    f"{given} belongs to one slide, and several were given: {names} are two.",
                    hint="Count one slide at a time, join the folders of one slide with --slide NAME, or say it of "
                    "each slide in a --sheet FILE.",
                )
            move(done, done)
    return list(found.values()), predictor


def _of_one_slide(options: Options) -> str:
    given = {
        **{"--wbc": options.wbc, "--specimen": options.specimen, "--subject": options.subject},
        **{"--collected": options.collected, "--accession": options.accession},
    }
    return " and ".join(name for name, value in given.items() if value is not None)


def _count(
    slide: Slide, predictor: Predictor, options: Options, ranges: ReferenceRanges | None, known: Particulars
) -> Differential:
    return differential_of(
        slide,
        predictor.card,
        views=options.views,
        wbc=known.wbc,
        ranges=ranges,
        specimen=known.specimen,
        subject=known.subject,
        level=options.level,
        collected=known.collected,
        accession=known.accession,
    )


def _read(options: Options, ranges: ReferenceRanges | None, known: Known) -> list[Differential]:
    """Read counts made before: to compare them, or to write them in another format."""
    if options.bundle is not None:
        raise UsageError(f"--bundle is for photographs; {options.fields[0]} is a count already.")
    documents = [name for name in options.fields if name.lower().endswith(".json")]
    totals = [name for name in options.fields if not name.lower().endswith(".json")]
    made_anew = {
        **{"--wbc": options.wbc, "--ranges": options.ranges, "--specimen": options.specimen},
        **{"--subject": options.subject, "--slide": options.slide, "--sheet": options.sheet},
        **{"--collected": options.collected, "--accession": options.accession},
        "--level": None if options.level == LEVEL else 100 * options.level,
    }
    for name, value in made_anew.items():
        if value is not None and documents:
            raise UsageError(f"{name} changes a count when it is made; {documents[0]} is one already.")
        if value is not None and len(totals) > 1 and name not in ("--ranges", "--sheet"):
            raise UsageError(f"{name} belongs to one slide, and {len(totals)} counts were given.")
    counts = [made for name in documents for made in write.read(Path(name))]
    return counts + [_totals(Path(name), options, ranges, known) for name in totals]


def _totals(path: Path, options: Options, ranges: ReferenceRanges | None, known: Known) -> Differential:
    """Return a person's totals as a count, called by the file's name."""
    slide = options.slide or path.stem
    given = known(slide)
    return count(
        read_counts(path),
        slide=slide,
        counted_by=Counter(kind="person", name=count_in(path)),
        wbc=given.wbc,
        ranges=ranges,
        specimen=given.specimen,
        subject=given.subject,
        level=options.level,
        collected=given.collected,
        accession=given.accession,
    )


def _show(counts: Sequence[Differential]) -> None:
    from buffycoat.differential.table import show

    for place, made in enumerate(counts):
        if place:
            results().print()
        show(results(), made)
