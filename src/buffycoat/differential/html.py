"""A count as one page: the figures with their limits, then the cells, each type in its well, the most doubtful first.

The page is one file, asks for nothing from anywhere (its content security policy forbids it), runs no script, reads on
light and dark screens, and prints.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from itertools import takewhile
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from buffycoat import __version__
from buffycoat.differential import words
from buffycoat.differential.gallery import GalleryCell, Well, wells
from buffycoat.differential.identity import given_accession
from buffycoat.records.differential import ARTEFACT, NOTICE, UNIDENTIFIED, Differential, TypeCount
from buffycoat.report.colours import class_roles, lightened, palettes, variables
from buffycoat.taxonomy import order

MOST_CELLS = 400
"""Cells shown of each label; more are counted and not shown."""

DOUBTFUL = 0.80
"""Probabilities below this are drawn in colour; it decides nothing else."""

_GRAVE = {"nothing-named", "few-cells", "example-ranges"}
_WIDTH = 240
_KINDS = {b"\xff\xd8": "jpeg", b"\x89P": "png", b"RI": "webp"}


@dataclass(frozen=True, slots=True)
class _SlideView:
    made: Differential
    status: str
    state: str
    method: str
    level: str
    facts: list[tuple[str, str]]
    rows: list[tuple[TypeCount, dict[str, Any]]]
    roles: dict[str, str]
    rest: int
    reasons: str
    perhaps: str
    reading: str
    review: tuple[str, ...]
    wells: list[dict[str, Any]]
    gallery_words: str

    def share(self, name: str) -> str:
        """Return a type's percentage for the table of slides."""
        return next((words.percent_text(row) for row in self.made.types if row.name == name), words.MISSING)


def html_text(
    counts: Sequence[Differential],
    gallery: Mapping[str, Sequence[GalleryCell]] | None = None,
    *,
    most: int = MOST_CELLS,
) -> str:
    """Return the page.

    Parameters
    ----------
    counts
        One or several slides.
    gallery
        The cells to show, by slide; none for a page of figures only.
    most
        Cells shown of each label.
    """
    names = order({row.name for made in counts for row in made.types})
    labels = (*names, UNIDENTIFIED, ARTEFACT)
    roles = class_roles(labels)
    light, dark = palettes(labels)
    for palette, good, low in ((light, "#1d6b3a", "#1f5fa8"), (dark, "#7bd39a", "#8ab8f5")):
        palette["good"], palette["low"] = good, low
    for label in (UNIDENTIFIED, ARTEFACT):
        light[roles[label]] = "#77717f"
        dark[roles[label]] = lightened("#77717f", dark["paper"], 5.0)
    return (
        _environment()
        .get_template("differential.html.j2")
        .render(
            title=_title(counts[0]) if len(counts) == 1 else f"{len(counts)} slides",
            version=__version__,
            notice=NOTICE,
            light=Markup(variables(light)),  # noqa: S704 (our own palettes and style sheet)
            dark=Markup(variables(dark)),  # noqa: S704
            css=Markup(_css()),  # noqa: S704
            names=names,
            grave=_GRAVE,
            slides=[_slide(made, (gallery or {}).get(made.slide, ()), roles, most) for made in counts],
        )
    )


def _title(made: Differential) -> str:
    """Return the page's title, which a browser proposes as the name of a PDF."""
    return ", ".join(part for part in (made.slide, words.reading(made).partition(",")[0].lower()) if part)


def _slide(made: Differential, cells: Sequence[GalleryCell], roles: dict[str, str], most: int) -> _SlideView:
    shown = wells(cells, most)
    reasons = ", ".join(f"{reason}: {n}" for reason, n in sorted(made.unidentified_reasons.items()) if n)
    return _SlideView(
        made=made,
        status=words.status(made),
        state=words.state(made),
        method=words.method(made),
        level=f"{100 * made.level:g} %",
        facts=_facts(made),
        rows=[(row, _strip(row)) for row in made.types],
        roles=roles,
        rest=3 + (2 if made.wbc else 0) + (2 if made.ranges else 0),
        reasons=reasons,
        perhaps=words.perhaps(made),
        reading=words.reading(made),
        review=(*words.amendments(made), *words.earlier(made)),
        wells=[_well(well, made, roles, _folder(cells)) for well in shown],
        gallery_words=_gallery_words(cells),
    )


def _facts(made: Differential) -> list[tuple[str, str]]:
    when = made.created.strftime("%Y-%m-%d %H:%M %Z").strip()
    drawn = None if made.collected is None else made.collected.strftime("%Y-%m-%d %H:%M %Z").strip()
    facts = [("Specimen", made.specimen), ("Subject", made.subject), ("Collected", drawn)]
    facts += [("Accession", given_accession(made)), ("Counted", when), ("By", made.counted_by.name)]
    if made.signer is not None:
        signed = made.signer.signed_at.strftime("%Y-%m-%d %H:%M %Z").strip()
        facts.append(("Signed", f"{made.signer.name}, {signed}"))
    elif made.review is not None and made.review.state == "amending":
        last = made.review.signatures[-1]
        facts.append(("Last signed", f"{last.name}, {words.when(last.signed_at)}"))
    if made.review is not None:
        facts.append(("Seen", words.seen(made)))
    if made.fields is not None:
        without = f" ({made.fields_without} without a leukocyte)" if made.fields_without else ""
        facts.append(("Fields", f"{made.fields}{without}"))
    facts.append(("Leukocytes found", f"{made.found - made.artefacts}"))
    return [(name, value) for name, value in facts if value]


def _strip(row: TypeCount) -> dict[str, Any]:
    """Return where the parts of a type's strip stand, in its own units."""
    limits = row.percent.interval
    if row.percent.value is None or limits.low is None or limits.high is None:
        return {}
    flag = next((flag for flag in row.flags if flag.unit == "%"), None)
    reference = None
    if flag is not None:
        low, high = _x(flag.low or 0), _x(100 if flag.high is None else flag.high)
        reference = (low, round(high - low, 1))
    return {"low": _x(limits.low), "high": _x(limits.high), "at": _x(row.percent.value), "reference": reference}


def _x(share: float) -> float:
    return round(share / 100 * _WIDTH, 1)


def _well(well: Well, made: Differential, roles: dict[str, str], folder: str) -> dict[str, Any]:
    row = next((row for row in made.types if row.name == well.label), None)
    n = len(well.cells) + well.left_out
    said = f"{n} {'cell' if n == 1 else 'cells'}"
    if row is not None and row.percent.value is not None:
        said += f" · {words.percent_text(row)} % ({words.limits_text(row.percent)})"
    if well.left_out:
        said += f" · the {len(well.cells)} most doubtful are shown"
    title = well.label.capitalize() if well.label == UNIDENTIFIED else f"{well.label.capitalize()}s"
    return {
        "label": well.label,
        "title": title,
        "role": roles.get(well.label, roles[UNIDENTIFIED]),
        "words": said,
        "cells": [_cell(cell, folder) for cell in well.cells],
    }


def _folder(cells: Sequence[GalleryCell]) -> str:
    """Return what the names of all photographs begin with, up to a folder's end: it need not stand below each cell."""
    folders = [cell.field.split("/")[:-1] for cell in cells]
    shared = takewhile(lambda level: len(set(level)) == 1, zip(*folders, strict=False))
    return "".join(f"{level[0]}/" for level in shared)


def _cell(cell: GalleryCell, folder: str) -> dict[str, Any]:
    title = f"{cell.field}, cell {cell.number}: {cell.label}"
    if cell.probability is not None:
        title += f", probability {cell.probability:.2f}"
    guess = None
    if cell.was is not None:
        guess = f"was {cell.was}"
        title += f"; named {cell.was} by the program"
    elif cell.best is not None and cell.label == UNIDENTIFIED:
        guess = f"{cell.best}?"
    if cell.best is not None:
        title += f"; the program's best guess: {cell.best}"
    if cell.reason is not None:
        title += f" ({cell.reason})"
    if cell.touches_border:
        title += "; cut by the field's border"
    return {
        "uri": None if cell.picture is None else _uri(cell.picture),
        "title": title,
        "probability": None if cell.probability is None else f"{cell.probability:.2f}",
        "doubt": _doubtful(cell),
        "place": f"#{cell.number} {cell.field.removeprefix(folder)}",
        "guess": guess,
        "cut": cell.touches_border,
    }


def _doubtful(cell: GalleryCell) -> bool:
    return cell.probability is not None and round(cell.probability, 2) < DOUBTFUL  # as it is shown


def _gallery_words(cells: Sequence[GalleryCell]) -> str:
    said = f"The most doubtful of each type first. {_scale_words(cells)}Below each: "
    named = any(cell.probability is not None for cell in cells)
    said += "the calibrated probability the program gives its best guess, then " if named else ""
    said += "its number and photograph."
    if any(_doubtful(cell) for cell in cells):
        said += f" Red: below {DOUBTFUL:.2f}."
    if any(cell.touches_border for cell in cells):
        said += " Cut: the field's border cuts the cell."
    return said


def _scale_words(cells: Sequence[GalleryCell]) -> str:
    """Return what is known of the pictures' scale: photographs of one size have one if their magnification is one."""
    sizes = {None if cell.field_px is None else tuple(sorted(cell.field_px)) for cell in cells}
    if sizes <= {None}:
        return ""
    if len(sizes) == 1:
        return "All cells at one scale, if the photographs have one magnification. "
    return (
        "The photographs differ in size, and each cell is shown in proportion to its own: compare the sizes of cells "
        "only within a photograph. "
    )


def _uri(picture: bytes) -> str:
    kind = _KINDS.get(picture[:2], "jpeg")
    return f"data:image/{kind};base64,{base64.b64encode(picture).decode('ascii')}"


@lru_cache(maxsize=1)
def _css() -> str:
    return (resources.files("buffycoat.differential") / "templates" / "differential.css").read_text(encoding="utf-8")


@lru_cache(maxsize=1)
def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("buffycoat.differential", "templates"), autoescape=True, undefined=StrictUndefined
    )
    made.filters |= {
        "one": lambda value: words.MISSING if value is None else f"{value:.1f}",
        "signed": lambda value: words.MISSING if value is None else f"{value:+.1f}".replace("-", "−"),
        "limits": words.limits_text,
        "compared": words.compared,
        "absolute": words.absolute_text,
        "range": words.range_text,
        "flag": words.flag_text,
        "networks": words.networks_words,
        "p": lambda value: "< 0.001" if value < 0.001 else f"{value:.3f}",
        "sentence": lambda text: text[:1].upper() + text[1:],
    }
    return made
