"""From photographs to slides: the folder a photograph lies in is its slide.

Nothing joins two folders silently: they may be two patients. Who has one slide in several folders gives it a name. What
could not be opened at all makes no slide, nor does what holds no photograph.
"""

from __future__ import annotations

import glob
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

from buffycoat.differential.copies import Copies
from buffycoat.differential.gallery import GalleryCell
from buffycoat.errors import DataError
from buffycoat.predict.listing import is_photograph
from buffycoat.predict.rows import shown
from buffycoat.predict.sources import NO_PHOTOGRAPH
from buffycoat.records.documents import Fault

if TYPE_CHECKING:
    from buffycoat.predict.items import Item
    from buffycoat.predict.predictor import Predictor
    from buffycoat.predict.results import PhotographResult, Prediction


_NAMED = 8  # sources in an error
_NO_IMAGE = {"not an image", "empty file"}  # of a file whose name promises no image


@dataclass(slots=True)
class Slide:
    """What was read of one slide.

    Attributes
    ----------
    name
        As shown.
    cells
        Every leukocyte found, in the order of the fields; with pictures where they were asked for.
    fields
        Photographs read.
    fields_without
        Of these, without a leukocyte.
    cut
        Cells that a field's border cuts and that were named.
    reasons
        Why cells were left unidentified.
    faults
        Photographs that could not be read, and copies.
    copies
        Files that were left out because their bytes are those of another that was read. Copies are known once all
        photographs were looked at.
    """

    name: str
    cells: list[GalleryCell] = field(default_factory=list)
    fields: int = 0
    fields_without: int = 0
    cut: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    copies: int = 0

    @property
    def unread(self) -> int:
        """Photographs that could not be used."""
        return len(self.faults) - self.copies

    @property
    def labels(self) -> list[str]:
        """The label of each cell."""
        return [cell.label for cell in self.cells]


def read_slides(
    predictor: Predictor,
    items: Iterable[Item],
    *,
    name: str | None = None,
    pictures: bool = False,
    stop: Event | None = None,
    unopened: list[Fault] | None = None,
) -> Iterator[tuple[Slide, PhotographResult]]:
    """Classify photographs and gather them by slide; yields the slide as far as it is known after each photograph.

    Parameters
    ----------
    predictor
        An open predictor.
    items
        As from :func:`buffycoat.predict.sources.walk`.
    name
        Joins everything into one slide of this name.
    pictures
        Whether to keep a small picture of each cell.
    stop
        Once set, no further photograph is taken.
    unopened
        Filled at the end with the sources that could not be opened and belong to no slide: a name that does not exist,
        a pattern without a match, an address. One that belongs to a slide is among its faults: a missing photograph
        of its folder, an archive that breaks off, anything where all is one slide. What holds no photograph belongs to
        none: a folder without one, a file that neither its name nor its content makes an image.

    Raises
    ------
    DataError
        There are such sources, and no list to put them into; raised after everything else was counted.
    """
    gathering = _Gathering(predictor, name, pictures=pictures)
    for result in predictor.run(gathering.fresh(items), stop=stop, also=gathering.picture if pictures else None):
        slide = gathering.take(result)
        if slide is not None:
            yield slide, result
    homeless = gathering.settle()
    if unopened is not None:
        unopened += homeless
    elif homeless:
        raise cannot_be_opened(homeless)


def cannot_be_opened(faults: Sequence[Fault]) -> DataError:
    """Return the error that names sources of which none could be opened."""
    said = "; ".join(f"{fault.file}: {fault.problem}" for fault in faults[:_NAMED])
    more = f"; and {len(faults) - _NAMED} more" if len(faults) > _NAMED else ""
    return DataError(f"Cannot be opened: {said}{more}.")


def slides_of(
    predictor: Predictor,
    items: Iterable[Item],
    *,
    name: str | None = None,
    pictures: bool = False,
    unopened: list[Fault] | None = None,
) -> list[Slide]:
    """Return the slides of some photographs, in the order in which each began; parameters as in :func:`read_slides`."""
    found: dict[int, Slide] = {}
    for slide, _ in read_slides(predictor, items, name=name, pictures=pictures, unopened=unopened):
        found.setdefault(id(slide), slide)
    return list(found.values())


class _Gathering:
    """Sorts results by slide while they come."""

    def __init__(self, predictor: Predictor, name: str | None, *, pictures: bool) -> None:
        self._predictor, self._name = predictor, name
        self._slides: dict[str, Slide] = {}
        self._names: set[str] = set()
        self._pictures: dict[int, list[bytes]] | None = {} if pictures else None
        self._seen = Copies()
        self._copied: list[tuple[str, str, str]] = []  # key of the slide, the copy, the first with these bytes
        self._failed: dict[tuple[str, str], str] = {}
        self._sources: list[tuple[str, str]] = []
        self._strangers: list[tuple[str, str]] = []  # what holds no photograph: no slide lacks it

    def fresh(self, items: Iterable[Item]) -> Iterator[Item]:
        """Yield what can be looked at and is not a copy of another photograph of its slide."""
        for item in items:
            if item.content is None and item.error is not None and _is_source(item.name):
                found = self._strangers if item.error == NO_PHOTOGRAPH else self._sources
                found.append((item.name, item.error))
                continue
            key = self._key(item.name)
            first = self._seen.first(key, item)
            if first is None:
                yield item
                continue
            self._copied.append((key, item.name, first))

    def picture(self, item: Item, result: PhotographResult) -> None:
        """Keep a picture of each cell of a photograph; called on the threads at work."""
        from buffycoat.differential.pictures import cell_pictures

        if result.cells and self._pictures is not None:
            self._pictures[id(result)] = cell_pictures(self._predictor, item, result)

    def take(self, result: PhotographResult) -> Slide | None:
        """Add a photograph's cells to its slide; return None where it was no photograph."""
        if result.error in _NO_IMAGE and not is_photograph(result.image):
            self._strangers.append((result.image, result.error))
            return None
        slide = self._slide(self._key(result.image))
        if result.error is not None:
            self._failed[(self._key(result.image), result.image)] = result.error
            slide.faults.append(Fault(file=shown(result.image), problem=shown(result.error), action="left out"))
            return slide
        slide.fields += 1
        slide.fields_without += not result.cells
        pictures = [] if self._pictures is None else self._pictures.pop(id(result), [])
        for place, cell in enumerate(result.cells):
            slide.cells.append(_shown(cell, result, pictures[place] if place < len(pictures) else None))
            slide.cut += cell.touches_border and cell.reason is None
            if cell.reason is not None:
                slide.reasons[cell.reason] = slide.reasons.get(cell.reason, 0) + 1
        return slide

    def settle(self) -> list[Fault]:
        """Judge what can be judged only after the rest: copies, and sources that could not be opened.

        Returns
        -------
        The sources that belong to no slide.
        """
        no_images = {name for name, _ in self._strangers}
        for key, name, first in self._copied:
            if first in no_images:
                self._strangers.append((name, f"the same file as {shown(first)}"))
                continue
            slide = self._slide(key)
            same = f"the same file as {shown(first)}"
            # A file that was named twice is one photograph; one of its own, with the same bytes, is a second.
            error = self._failed.get((key, first)) if name != first else None
            slide.copies += error is None
            problem = same if error is None else f"{shown(error)}, {same}"
            slide.faults.append(Fault(file=shown(name), problem=problem, action="left out"))
        homeless = [Fault(file=shown(name), problem=shown(error), action="left out") for name, error in self._strangers]
        for name, error in self._sources:
            fault = Fault(file=shown(name), problem=shown(error), action="left out")
            homes = self._homes(name)
            for slide in homes:
                slide.faults.append(fault)
            if not homes:
                homeless.append(fault)
        return homeless

    def _homes(self, source: str) -> list[Slide]:
        """Return the slides that lack something because a source could not be opened."""
        if self._name is not None:
            return list(self._slides.values())
        inside = [slide for key, slide in self._slides.items() if key == source or key.startswith(f"{source}!/")]
        beside = self._slides.get(folder_of(source))
        if inside or beside is None or not is_photograph(source) or glob.has_magic(source):
            return inside
        return [beside]

    def _key(self, image: str) -> str:
        return "" if self._name is not None else folder_of(image)

    def _slide(self, key: str) -> Slide:
        if key not in self._slides:
            self._slides[key] = Slide(self._unique(self._name or slide_name(key), key))
        return self._slides[key]

    def _unique(self, name: str, key: str) -> str:
        """Return a name no other slide has: two folders of one name keep more of their paths."""
        parts = [part for part in Path(key).parts if part != "/"]
        for length in range(2, len(parts) + 1):
            if name not in self._names:
                break
            name = one_line("/".join(parts[-length:]))
        tries, base = 2, name
        while name in self._names:
            name, tries = f"{base} ({tries})", tries + 1
        self._names.add(name)
        return name


def folder_of(image: str) -> str:
    """Return what a photograph lies in: its folder, or its archive and the folder there.

    Examples
    --------
    >>> folder_of("slides/12/a.jpg"), folder_of("slides.zip!/12/a.jpg"), folder_of("slides.zip!/a.jpg")
    ('slides/12', 'slides.zip!/12', 'slides.zip')
    """
    archive, mark, member = image.rpartition("!/")
    if mark:
        inside = member.rpartition("/")[0]
        return f"{archive}!/{inside}" if inside else archive
    return str(Path(image).parent)


def _is_source(name: str) -> bool:
    """Return whether something that could not be opened is no member of an archive, which belongs to its slide."""
    return "!/" not in name


def slide_name(folder: str) -> str:
    """Return what a slide is called: the last part of its folder.

    Examples
    --------
    >>> slide_name("slides/12"), slide_name("slides.zip!/12"), slide_name("slides.zip")
    ('12', '12', 'slides')
    """
    path = Path(folder.rpartition("!/")[2] or folder)
    if not path.name or path.name == "..":
        path = path.resolve()
    name = path.stem if path.suffix.lower() in {".zip", ".tar", ".tgz", ".gz", ".xz", ".bz2"} else path.name
    return one_line(name) or "slide"


def one_line(text: str) -> str:
    """Return a name that fits a document: one line, no control characters, 200 characters at most."""
    seen = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
    return seen.strip()[:200]


def _size(result: PhotographResult) -> tuple[int, int] | None:
    """Return a field's size, px; none of a photograph of a single cell, which is shown whole."""
    if result.framing == "whole" or result.width is None or result.height is None:
        return None
    return result.width, result.height


def _shown(cell: Prediction, result: PhotographResult, picture: bytes | None) -> GalleryCell:
    return GalleryCell(
        label=cell.label,
        picture=picture,
        field=shown(result.image),
        number=cell.number,
        probability=cell.probability,
        best=cell.best if cell.best != cell.label else None,
        reason=cell.reason,
        touches_border=cell.touches_border,
        field_px=_size(result),
    )
