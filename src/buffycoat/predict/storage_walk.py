"""The photographs behind an address: a file, a folder and all below it, a pattern, or an archive.

The walk only lists; whoever looks at a photograph reads it. One folder's listing is in memory at a time.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from buffycoat.errors import UsageError
from buffycoat.predict.archives import Limits, is_archive, photographs_in
from buffycoat.predict.items import Item, Remote
from buffycoat.predict.listing import ends_like_archive, is_aside, is_photograph
from buffycoat.predict.passed import Passed
from buffycoat.predict.storage import StorageError, open_storage, plainly, remote_of, shown


def walk_address(address: str, limits: Limits, passed: Passed) -> Iterator[Item]:
    """Yield the photographs behind an address, folders and patterns sorted; faults become items.

    Parameters
    ----------
    address
        As given. What ends like a photograph and holds no sign of a pattern is taken without asking the storage.
    limits
        What a member of an archive may be.
    passed
        Counts what is passed over.
    """
    try:
        place = _Place(address)
        if is_photograph(place.path) and not glob.has_magic(place.path):
            yield Item(shown(address), Remote(address, place.path))
            return
        info = place.info()
        if info is not None and info.get("type") == "directory":
            yield from place.below(place.path, passed)
        elif info is not None:
            yield from place.one(shown(address), remote_of(address, place.path, info), limits, passed)
        elif glob.has_magic(place.path):
            yield from place.matching(limits, passed)
        else:
            yield Item(shown(address), None, error="missing")
    except UsageError as error:
        yield Item(shown(address), None, error=f"cannot be read ({error.what})")
    except PermissionError:
        yield Item(shown(address), None, error="no permission to read")
    except OSError as error:
        yield Item(shown(address), None, error=f"cannot be read ({error.strerror or error})")


class _Place:
    """An address, opened."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.storage, self.path = open_storage(address)
        root = self.path.rstrip("/")
        given = shown(address).rstrip("/")
        self._before = given[: -len(root)] if root and given.endswith(root) else None

    def name(self, path: str) -> str:
        """Return what a file is called in results: the address that would give it alone."""
        if self._before is not None:
            return self._before + path
        return shown(str(self.storage.unstrip_protocol(path)))

    def info(self) -> Mapping[str, Any] | None:
        """Return what the storage says of the path; None where there is nothing."""
        with plainly(self.address):
            try:
                return dict(self.storage.info(self.path))
            except FileNotFoundError:
                return None
            finally:
                self.storage.invalidate_cache()

    def one(self, name: str, remote: Remote, limits: Limits, passed: Passed) -> Iterator[Item]:
        """Yield a file, or the members of an archive."""
        if is_archive(remote):
            yield from photographs_in(remote, limits, name=name, passed=passed)
        else:
            yield Item(name, remote)

    def below(self, folder: str, passed: Passed) -> Iterator[Item]:
        """Yield the photographs of a folder, sorted, then those of the folders in it."""
        with plainly(self.address):
            entries = self.storage.ls(folder, detail=True)
            self.storage.invalidate_cache()
        files, folders = self._sorted(folder, entries, passed)
        del entries
        for remote in files:
            yield Item(self.name(remote.path), remote)
        for below in folders:
            try:
                yield from self.below(below, passed)
            except StorageError as error:
                yield Item(self.name(below), None, error=f"the folder cannot be read ({error})")

    def _sorted(
        self, folder: str, entries: Iterable[Mapping[str, Any]], passed: Passed
    ) -> tuple[list[Remote], list[str]]:
        files: list[Remote] = []
        folders: list[str] = []
        for entry in entries:
            path = str(entry["name"])
            last = path.rstrip("/").rpartition("/")[2]
            # Some tools leave an empty file named like the folder itself.
            if path.rstrip("/") == folder.rstrip("/") or is_aside(last):
                continue
            if entry.get("type") == "directory":
                folders.append(path)
            elif is_photograph(path):
                files.append(remote_of(self.address, path, entry))
            elif ends_like_archive(path):
                passed.archives += 1
            else:
                passed.others += 1
        return sorted(files, key=lambda remote: os.fsencode(remote.path)), sorted(folders, key=os.fsencode)

    def matching(self, limits: Limits, passed: Passed) -> Iterator[Item]:
        """Yield what a pattern matches, sorted; ``**`` reaches into folders."""
        with plainly(self.address):
            found = dict(self.storage.glob(self.path, detail=True))
            self.storage.invalidate_cache()
        recursive = "**" in self.path
        for path in sorted(found, key=os.fsencode):
            info = found[path]
            if info.get("type") != "directory":
                yield from self.one(self.name(path), remote_of(self.address, path, info), limits, passed)
            elif not recursive:
                yield from self.below(path, passed)
