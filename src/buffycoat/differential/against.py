"""Another count to compare with: a document, a person's totals, or a person's label for each cell."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from buffycoat.data.csv_file import header, records
from buffycoat.differential import write
from buffycoat.differential.by_hand import known_label, read_counts, refuse_larger, whole
from buffycoat.differential.compare import compare, compare_cells
from buffycoat.differential.count import count
from buffycoat.differential.slides import one_line
from buffycoat.errors import DataError, UsageError
from buffycoat.records.differential import CountComparison, Counter, Differential

if TYPE_CHECKING:
    from buffycoat.differential.slides import Slide

Labels = dict[tuple[str, int], str | None]
"""By photograph and cell number: a label."""

Parts = tuple[str, ...]
"""A photograph's path, folder by folder."""

_MOST_BYTES = 256 << 20


class Other:
    """The other count, read from a file.

    Parameters
    ----------
    path
        A JSON document of this program, a CSV with the columns ``type`` and ``count``, or a CSV with the columns
        ``image``, ``cell`` and ``class`` (as ``buffycoat predict`` writes, its classes put right by a person).
    name
        What to call who made it; the document's own name for it, or "the count in …" by the file, if not given.

    Attributes
    ----------
    unnamed
        Whether it is one count that does not say of which slide.
    warning
        Set where a count was compared with one that carries another slide's name.

    Raises
    ------
    DataError
        The file cannot be read, or holds none of these.
    """

    def __init__(self, path: Path, name: str | None = None) -> None:
        self.path, self.name = path, name
        self.counts: tuple[Differential, ...] = ()
        self.unnamed = False
        self.warning: str | None = None
        self.labels: Labels | None = None
        if path.suffix.lower() == ".json":
            self.counts = write.read(path)
        elif _has_cells(path):
            self.labels = read_cells(path)
        else:
            self.unnamed = True
            who = Counter(kind="person", name=name or count_in(path))
            self.counts = (count(read_counts(path), slide=path.stem, counted_by=who),)

    def compared(self, made: Differential, slide: Slide | None = None, *, slides: int = 1) -> CountComparison:
        """Return a count compared with this one.

        Parameters
        ----------
        made
            The count.
        slide
            Its cells, where they are known.
        slides
            How many slides are compared with this file.

        Raises
        ------
        UsageError
            The file does not say which of several slides it counted, holds none of this name, or labels no cell of
            this count or one of them twice.
        """
        if self.labels is not None:
            if slide is None:
                raise UsageError(f"{self.path} labels cells; a count read from a file knows only numbers.")
            return self._same_cells(made, slide, self.labels)
        other = self._of(made.slide, slides)
        return compare(made, other, names=(made.counted_by.name, self.name or other.counted_by.name))

    def _of(self, slide: str, slides: int) -> Differential:
        if self.unnamed and slides > 1:
            raise UsageError(
                f"{self.path} is one count and does not say of which of the {slides} slides.",
                hint="Compare one slide at a time, or join the folders of one slide with --slide NAME.",
            )
        if self.unnamed:
            return self.counts[0]
        for one in self.counts:
            if one.slide == slide:
                return one
        if len(self.counts) == slides == 1:
            self.warning = f"{self.path} counts the slide {self.counts[0].slide!r}, not {slide!r}."
            return self.counts[0]
        held = ", ".join(one.slide for one in self.counts[:8]) or "none"
        raise UsageError(f"{self.path} holds no count of the slide {slide!r}.", hint=f"It holds: {held}.")

    def _same_cells(self, made: Differential, slide: Slide, labels: Labels) -> CountComparison:
        ours: dict[Hashable, str | None] = {}
        theirs: dict[Hashable, str | None] = {}
        by_name: dict[tuple[str, int], list[Parts]] = {}
        given = {(_parts(image), number): label for (image, number), label in labels.items()}
        for parts, number in given:
            by_name.setdefault((parts[-1], number), []).append(parts)
        taken: dict[tuple[Parts, int], str] = {}
        for cell in slide.cells:
            key, parts = (cell.field, cell.number), _parts(cell.field)
            ours[key] = cell.label
            found = _closest(parts, by_name.get((parts[-1], cell.number), ()))
            if len(found) > 1:
                raise self._ambiguous(cell.field, cell.number, "/".join(found[0]), "/".join(found[1]))
            for one in found:
                if (one, cell.number) in taken:
                    raise self._ambiguous("/".join(one), cell.number, taken[(one, cell.number)], cell.field)
                taken[(one, cell.number)] = cell.field
                theirs[key] = given[(one, cell.number)]
        if not theirs and ours:
            raise UsageError(
                f"{self.path} labels none of the cells of the slide {made.slide!r}.",
                hint="Cells are matched by the photograph's folder and name, or by name where no folder is given.",
            )
        them = self.name or f"the labels in {one_line(self.path.name)}"[:200]
        return compare_cells(ours, theirs, names=(made.counted_by.name, them))

    def _ambiguous(self, image: str, cell: int, first: str, second: str) -> UsageError:
        return UsageError(
            f"{self.path}: cell {cell} of {image!r} may be that of {first!r} or of {second!r}.",
            hint="Write the photographs' folders into the column image.",
        )


def count_in(path: Path) -> str:
    """Return what a count is called that does not say who made it: by its file."""
    return f"the count in {one_line(path.name)}"[:200]


def _parts(image: str) -> Parts:
    return tuple(part for part in image.replace("\\", "/").replace("!/", "/").split("/") if part not in {"", "."}) or (
        "",
    )


def _closest(parts: Parts, candidates: Iterable[Parts]) -> list[Parts]:
    """Return the candidates that share most of a path's end: folder and name, or the name where no more is given."""
    shared: dict[Parts, int] = {}
    for one in candidates:
        same = 0
        for a, b in zip(reversed(one), reversed(parts), strict=False):
            if a != b:
                break
            same += 1
        if same >= 2 or one == parts or len(one) == 1:
            shared[one] = same
    return [one for one, same in shared.items() if same == max(shared.values())]


def read_cells(path: Path) -> Labels:
    """Read a label for each cell from a CSV with the columns ``image``, ``cell`` and ``class``.

    Raises
    ------
    DataError
        The file cannot be read as CSV in UTF-8, a row has no whole cell number, a cell stands twice, or a class looks
        like a slip of a known type.
    """
    found: Labels = {}
    sound: set[str] = set()
    for line, row in records(path):
        number = row.get("cell", "").strip()
        if not number:
            continue  # a photograph without a cell
        cell = whole(number)
        if cell is None:
            raise DataError(f"{path}, row {line}: expected a cell's number, found {number[:40]!r}.")
        key = (row.get("image", ""), cell)
        if key in found:
            raise DataError(f"{path}, row {line}: cell {number} of {key[0]!r} stands twice.")
        label = row.get("class")
        if label and label not in sound:
            known_label(label, f"{path}, row {line}")
            sound.add(label)
        found[key] = label
    return found


def _has_cells(path: Path) -> bool:
    refuse_larger(path, _MOST_BYTES, "count")
    return {"image", "cell", "class"} <= {name.casefold() for name in header(path)}


def with_comparison(made: Differential, found: CountComparison) -> Differential:
    """Return a count that carries its comparison."""
    return made.model_copy(update={"comparison": found})


__all__ = ["Labels", "Other", "count_in", "read_cells", "with_comparison"]
