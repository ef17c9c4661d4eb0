"""From photographs to slides: the folder a photograph lies in is its slide.

Nothing joins two folders silently: they may be two patients. Who has one slide in several folders gives it a name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

from buffycoat.differential.gallery import GalleryCell
from buffycoat.files import is_folder
from buffycoat.predict.rows import shown
from buffycoat.records.documents import Fault

if TYPE_CHECKING:
    from buffycoat.predict.items import Item
    from buffycoat.predict.predictor import Predictor
    from buffycoat.predict.results import PhotographResult, Prediction


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
        Files that were left out because their bytes are those of another.
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
    """
    gathering = _Gathering(predictor, name, pictures=pictures)
    for result in predictor.run(gathering.fresh(items), stop=stop, also=gathering.picture if pictures else None):
        yield gathering.take(result), result


def slides_of(
    predictor: Predictor, items: Iterable[Item], *, name: str | None = None, pictures: bool = False
) -> list[Slide]:
    """Return the slides of some photographs, in the order in which each began; parameters as in :func:`read_slides`."""
    found: dict[int, Slide] = {}
    for slide, _ in read_slides(predictor, items, name=name, pictures=pictures):
        found.setdefault(id(slide), slide)
    return list(found.values())


class _Gathering:
    """Sorts results by slide while they come."""

    def __init__(self, predictor: Predictor, name: str | None, *, pictures: bool) -> None:
        self._predictor, self._name = predictor, name
        self._slides: dict[str, Slide] = {}
        self._names: set[str] = set()
        self._pictures: dict[int, list[bytes]] | None = {} if pictures else None
        self._seen = _Copies()

    def fresh(self, items: Iterable[Item]) -> Iterator[Item]:
        """Yield what is not a copy of another photograph of its slide."""
        for item in items:
            key = self._key(item.name)
            first = self._seen.first(key, item)
            if first is None:
                yield item
                continue
            slide = self._slide(key)
            slide.copies += 1
            slide.faults.append(
                Fault(file=shown(item.name), problem=f"the same file as {shown(first)}", action="left out")
            )

    def picture(self, item: Item, result: PhotographResult) -> None:
        """Keep a picture of each cell of a photograph; called on the threads at work."""
        from buffycoat.differential.pictures import cell_pictures

        if result.cells and self._pictures is not None:
            self._pictures[id(result)] = cell_pictures(self._predictor, item, result)

    def take(self, result: PhotographResult) -> Slide:
        """Add a photograph's cells to its slide."""
        slide = self._slide(self._key(result.image))
        if result.error is not None:
            slide.faults.append(Fault(file=shown(result.image), problem=shown(result.error), action="left out"))
            return slide
        slide.fields += 1
        slide.fields_without += not result.cells
        pictures = [] if self._pictures is None else self._pictures.pop(id(result), [])
        for place, cell in enumerate(result.cells):
            slide.cells.append(_shown(cell, result.image, pictures[place] if place < len(pictures) else None))
            slide.cut += cell.touches_border and cell.reason is None
            if cell.reason is not None:
                slide.reasons[cell.reason] = slide.reasons.get(cell.reason, 0) + 1
        return slide

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


class _Copies:
    """Finds files of a slide with the same bytes; hashes only where the sizes agree."""

    def __init__(self) -> None:
        self._alone: dict[tuple[str, int], tuple[str, Path | bytes | None]] = {}
        self._known: dict[tuple[str, int, bytes], str] = {}

    def first(self, key: str, item: Item) -> str | None:
        """Return the name of the photograph that this one is a copy of, or None."""
        size = _size(item.content)
        if size is None:
            return None
        if (key, size) not in self._alone:
            # An archive's member is not kept in memory, only its hash.
            kept = item.content if isinstance(item.content, Path) else None
            self._alone[(key, size)] = (item.name, kept)
            if kept is None:
                self._known[(key, size, _digest(item.content))] = item.name
            return None
        name, waiting = self._alone[(key, size)]
        if waiting is not None:
            self._known.setdefault((key, size, _digest(waiting)), name)
            self._alone[(key, size)] = (name, None)
        mark = (key, size, _digest(item.content))
        if mark in self._known:
            return self._known[mark]
        self._known[mark] = item.name
        return None


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
    if image == "-" or is_folder(Path(image)):  # a list or a folder that gave nothing is a slide without a field
        return image
    return str(Path(image).parent)


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


def _shown(cell: Prediction, image: str, picture: bytes | None) -> GalleryCell:
    return GalleryCell(
        label=cell.label,
        picture=picture,
        field=shown(image),
        number=cell.number,
        probability=cell.probability,
        best=cell.best if cell.best != cell.label else None,
        reason=cell.reason,
        touches_border=cell.touches_border,
    )


def _size(content: object) -> int | None:
    if isinstance(content, Path):
        try:
            return content.stat().st_size
        except OSError:
            return None  # the predictor says what is wrong with it
    return len(content) if isinstance(content, bytes) else None


def _digest(content: object) -> bytes:
    if isinstance(content, bytes):
        return hashlib.sha256(content).digest()
    try:
        assert isinstance(content, Path)  # noqa: S101
        with content.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").digest()
    except OSError:
        return str(content).encode("utf-8", "surrogateescape")
