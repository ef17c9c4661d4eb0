"""Reading the boxes that came with a set (Pascal VOC files)."""

from __future__ import annotations

import xml.parsers.expat
from pathlib import Path

from buffycoat.data.rows import Box
from buffycoat.errors import DataError


def read_voc(path: Path) -> list[tuple[str, Box]]:
    """Read a Pascal VOC file and return the name and box of each object, in the order of the file.

    Boxes are in pixels, x1 and y1 exclusive: the format's own upper bounds are the last pixel inside, so one
    is added. Objects without a whole box are left out. The parser resolves no entities and reads no other file.

    Raises
    ------
    DataError
        The file is missing, or is not such a file.

    References
    ----------
    Everingham et al. (2010), The Pascal Visual Object Classes (VOC) Challenge, IJCV 88:303-338.
    """
    objects: list[dict[str, str]] = []
    inside: list[str] = []

    def start(name: str, _attributes: dict[str, str]) -> None:
        inside.append(name)
        if name == "object":
            objects.append({})

    def end(_name: str) -> None:
        inside.pop()

    def text(value: str) -> None:
        if len(inside) < 2 or "object" not in inside or not objects:
            return
        if inside[-2] in ("object", "bndbox"):
            objects[-1][inside[-1]] = objects[-1].get(inside[-1], "") + value

    def refuse(*_arguments: object) -> None:
        raise DataError(f"{path} declares entities, which a box file has no use for.")

    parser = xml.parsers.expat.ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = start, end, text
    parser.EntityDeclHandler = refuse
    try:
        with path.open("rb") as stream:
            parser.ParseFile(stream)
    except xml.parsers.expat.ExpatError as error:
        raise DataError(f"{path} is not a Pascal VOC file: {error}.") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from error
    return [(found["name"].strip(), box) for found in objects if "name" in found and (box := _box(found)) is not None]


def _box(found: dict[str, str]) -> Box | None:
    try:
        x0, y0, x1, y1 = (round(float(found[name])) for name in ("xmin", "ymin", "xmax", "ymax"))
    except (KeyError, ValueError, OverflowError):
        return None
    return (x0, y0, x1 + 1, y1 + 1) if x1 >= x0 and y1 >= y0 else None
