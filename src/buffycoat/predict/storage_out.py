"""Results for an address: written and kept beside the cache, sent to the storage in one step when all is done.

Parts, lock and finished file lie in a folder of their own on this machine, so that an interrupted run goes on as it
does with a local file. The storage never shows half a file.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any

from buffycoat.errors import OutputError
from buffycoat.files import output_error, replacing
from buffycoat.imaging.folder_lock import alone_in
from buffycoat.predict.job import Account
from buffycoat.predict.storage import modified_ns, open_storage, plainly, shown
from buffycoat.settings import cache_dir

_ALL_OR_NOTHING = frozenset({"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "oss", "oci"})
"""Protocols whose storage shows an object when all of it has arrived, and the former one until then."""


class Delivery:
    """An output that is an address.

    Parameters
    ----------
    address
        Of the file; its ending chooses the format.

    Attributes
    ----------
    local
        Where the file is written on this machine.

    Raises
    ------
    UsageError
        What the address needs is not installed.
    OutputError
        The storage does not let us in.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        try:
            self._storage, self._path = open_storage(address)
        except OSError as error:
            raise OutputError(f"cannot write {shown(address)}: {error}", hint="Choose another --out.") from error
        key = hashlib.sha256(f"{shown(address)}".encode("utf-8", "surrogateescape")).hexdigest()[:16]
        self.folder = cache_dir() / "predict" / key
        self.local = self.folder / (PurePosixPath(self._path).name or "out")

    def __str__(self) -> str:
        return shown(self._address)

    def run(self, work: Callable[[Path], Account], *, resume: bool, overwrite: bool) -> Account:
        """Let `work` write the local file, then send it.

        Parameters
        ----------
        work
            Writes the file whose path it is given; see :func:`buffycoat.predict.job.to_file`.
        resume
            Fetch the finished file first, unless one lies here that was not sent.
        overwrite
            Drop what lies here.

        Raises
        ------
        OutputError
            The storage does not take the file, which then stays here; or one that was not sent lies here.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise output_error(self.folder, error) from error
        with alone_in(self.folder, ".sending"):
            if overwrite:
                self.local.unlink(missing_ok=True)
            if self.local.exists() and not resume:
                raise OutputError(
                    f"{self.local} was finished, and could not be sent to {self}.",
                    hint="Add --resume to send it, or --overwrite to begin anew.",
                )
            parts = self.local.with_name(self.local.name + ".parts")
            fetched = resume and not self.local.exists() and not parts.exists()
            if fetched:
                self._fetch()
            try:
                account = work(self.local)
            except BaseException:
                if fetched and not parts.exists():  # it is still what the storage holds, and was never to be sent
                    self.local.unlink(missing_ok=True)
                raise
            if not account.stopped:
                self._send()
        if not account.stopped:
            shutil.rmtree(self.folder, ignore_errors=True)
        return account

    def _fetch(self) -> None:
        """Take the finished file, with its time, from the storage; nothing where there is none."""
        try:
            with plainly(self._address):
                info: dict[str, Any] = dict(self._storage.info(self._path))
                with replacing(self.local) as temporary:
                    self._storage.get_file(self._path, str(temporary))
        except FileNotFoundError:
            return
        except OSError as error:
            raise OutputError(f"{self} cannot be read to go on with it: {error.strerror or error}") from error
        written = modified_ns(info)
        if written is not None:
            os.utime(self.local, ns=(written, written))

    def _send(self) -> None:
        protocols = self._storage.protocol
        named = {protocols} if isinstance(protocols, str) else set(protocols)
        try:
            with plainly(self._address):
                if named & _ALL_OR_NOTHING:
                    self._storage.put_file(str(self.local), self._path)
                else:
                    self._send_and_rename()
        except OSError as error:
            raise OutputError(
                f"cannot write {self}: {error.strerror or error}. The finished file is {self.local}.",
                hint="The same command with --resume sends it.",
            ) from error

    def _send_and_rename(self) -> None:
        folder, _, name = self._path.rpartition("/")
        if folder:
            self._storage.makedirs(folder, exist_ok=True)
        temporary = f"{folder}/.{name}.{uuid.uuid4().hex[:8]}"
        try:
            self._storage.put_file(str(self.local), temporary)
            self._storage.mv(temporary, self._path)
        except BaseException:
            with suppress(Exception):  # what went wrong before is what counts
                self._storage.rm_file(temporary)
            raise
