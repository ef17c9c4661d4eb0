"""What a published data set consists of: each file's size and SHA-256, and where it can be fetched."""

from __future__ import annotations

from functools import lru_cache
from importlib import resources
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from buffycoat.files import sha256


class Manifest(BaseModel):
    """The files of a data set.

    Attributes
    ----------
    sources
        For each beginning of a path (the longest that fits counts), the addresses it is replaced by, in the
        order in which to try them. Whatever the address, a file is only taken if its SHA-256 is right.
    files
        Size in bytes and SHA-256 (hex) by path, relative, with forward slashes.
    same_field
        Images (by number) that show one and the same field or parts of it, so that they share a cell.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    version: int
    sources: dict[str, tuple[str, ...]]
    files: dict[str, tuple[int, str]]
    same_field: tuple[tuple[int, ...], ...] = ()

    def addresses(self, path: str) -> tuple[str, ...]:
        """Return where a file can be fetched, best first."""
        start = max((start for start in self.sources if path.startswith(start)), key=len)
        return tuple(base + path.removeprefix(start) for base in self.sources[start])

    @property
    def total_bytes(self) -> int:
        """Size of all files together."""
        return sum(size for size, _ in self.files.values())

    def has_size(self, root: Path, path: str) -> bool:
        """Return whether a file of the set is in `root` with the published size."""
        return path in self.files and _size(root / path) == self.files[path][0]

    def missing(self, root: Path, *, under: tuple[str, ...] = ("",)) -> list[str]:
        """Return the files (those whose path begins with one of `under`) that are not in `root`, by size alone."""
        return [path for path, (size, _) in self.files.items() if path.startswith(under) and _size(root / path) != size]

    def different(self, root: Path) -> list[str]:
        """Return the files that are in `root` with other bytes than the published ones."""
        return [
            path
            for path, (size, digest) in self.files.items()
            if (found := _size(root / path)) is not None and (found != size or sha256(root / path) != digest)
        ]


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None


@lru_cache(maxsize=4)
def read_manifest(name: str) -> Manifest:
    """Return the manifest of a named set that comes with the program."""
    text = resources.files("buffycoat.data").joinpath("manifests", f"{name}.json").read_text(encoding="utf-8")
    return Manifest.model_validate_json(text)
