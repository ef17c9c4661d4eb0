"""Files in object storage, by their address: ``s3://bucket/slides/a.jpg``, ``gs://…``, ``memory://…``, ``file://…``.

fsspec and the driver of a protocol (s3fs, gcsfs, adlfs …) do the work; they find their own credentials, in the
environment or in files of the user's. Neither is imported before an address is given. What an address says about who
may get in is never shown: it is cut from names, and from the words of every error.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, BinaryIO

from buffycoat.errors import UsageError, did_you_mean
from buffycoat.predict.items import Remote

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_USER = re.compile(r"(?<=://)[^/@\s]*@")
_WEB = ("http://", "https://", "ftp://")
_VERSIONS = ("ETag", "etag", "md5Hash", "generation", "content_md5")
_TIMES = ("LastModified", "mtime", "last_modified", "updated", "created")


class StorageError(OSError):
    """What the storage said, in one line without credentials."""


def is_address(name: str) -> bool:
    """Return whether a name is an address and not a path.

    Examples
    --------
    >>> is_address("s3://bucket/a.jpg"), is_address("C:/a.jpg"), is_address("a.jpg")
    (True, False, False)
    """
    return _ADDRESS.match(name) is not None


def shown(address: str) -> str:
    """Return an address without what lets one in: user and password, and the signature of a web address.

    Examples
    --------
    >>> shown("sftp://me:secret@host/a.jpg"), shown("https://host/a.jpg?signature=1")
    ('sftp://host/a.jpg', 'https://host/a.jpg')
    >>> shown("abfs://container@account/a.jpg")
    'abfs://container@account/a.jpg'
    """
    web = address.startswith(_WEB)
    if web:
        address = address.partition("?")[0]
    found = _USER.search(address)
    # A user alone is no secret, and for Azure it is the container; on the web it may be a token.
    return _USER.sub("", address, count=1) if found and (web or ":" in found[0]) else address


def open_storage(address: str) -> tuple[Any, str]:
    """Return the storage behind an address, an fsspec file system, and the path in it.

    Raises
    ------
    UsageError
        fsspec or the protocol's driver is not installed, the protocol is unknown, or addresses are chained.
    StorageError
        The storage does not let us in.
    """
    try:
        import fsspec
    except ImportError as error:
        raise UsageError(
            f"{shown(address)}: addresses of object storage need fsspec.", hint="pip install 'buffycoat[scale]'"
        ) from error
    if "::" in address:
        raise UsageError(
            f"{shown(address)}: chained addresses (::) are not supported.",
            hint="Give the address of the file, folder or archive itself.",
        )
    protocol = address.partition("://")[0]
    try:
        fsspec.get_filesystem_class(protocol)
    except ValueError as error:
        known = did_you_mean(protocol, fsspec.available_protocols())
        raise UsageError(f"{shown(address)}: the protocol {protocol!r} is not known.", hint=known) from error
    except ImportError as error:
        raise UsageError(
            f"{shown(address)}: the driver of {protocol}:// is missing. {_words(error, address)}",
            hint=f"Install it beside buffycoat[scale], as pip install {_driver(error)}.",
        ) from error
    with plainly(address):
        storage, path = fsspec.core.url_to_fs(address)
        return storage, str(path)


def read(remote: Remote, most_bytes: int) -> bytes:
    """Return a file's bytes.

    Raises
    ------
    FileNotFoundError, IsADirectoryError, PermissionError
        As of a file.
    StorageError
        The storage said something else, or the file has more than `most_bytes`.
    """
    try:
        storage, _ = open_storage(remote.address)
    except UsageError as error:  # on a worker that lacks the driver
        raise StorageError(error.what) from error
    with plainly(remote.address), storage.open(remote.path, "rb", block_size=1 << 20, cache_type="none") as stream:
        size = getattr(stream, "size", None)
        if size is not None and size > most_bytes:
            raise StorageError(f"a file of {size:,} bytes; the limit is {most_bytes:,}")
        content = bytes(stream.read(most_bytes + 1))
    if len(content) > most_bytes:
        raise StorageError(f"a file of more than {most_bytes:,} bytes")
    return content


def open_file(remote: Remote) -> BinaryIO:
    """Open a file for reading, piece by piece and anywhere in it.

    Raises
    ------
    FileNotFoundError, PermissionError, StorageError
        As :func:`read`.
    """
    storage, _ = open_storage(remote.address)
    with plainly(remote.address):
        return io.BufferedReader(_Plain(storage.open(remote.path, "rb"), remote.address), 1 << 16)


class _Plain(io.RawIOBase):
    """A storage's file whose errors are of the operating system, without credentials."""

    def __init__(self, inner: Any, address: str) -> None:
        self._inner, self._address = inner, address

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        with plainly(self._address):
            content = self._inner.read(len(buffer))
        buffer[: len(content)] = content
        return len(content)

    def seek(self, offset: int, whence: int = 0) -> int:
        with plainly(self._address):
            return int(self._inner.seek(offset, whence))

    def tell(self) -> int:
        return int(self._inner.tell())

    def close(self) -> None:
        if not self.closed:
            self._inner.close()
        super().close()


@contextmanager
def plainly(address: str) -> Iterator[None]:
    """Turn whatever a driver raises into an error of the operating system, in one line without credentials.

    Raises
    ------
    FileNotFoundError, IsADirectoryError, PermissionError, StorageError
        By what was raised inside.
    """
    try:
        yield
    except StorageError:
        raise
    except (FileNotFoundError, IsADirectoryError, PermissionError) as error:
        raise type(error)(error.errno or 0, _words(error, address)) from None
    # Each driver has a family of its own: botocore, aiohttp, google.auth, paramiko …
    except Exception as error:  # noqa: BLE001
        raise StorageError(_words(error, address)) from None


def remote_of(address: str, path: str, info: Mapping[str, Any]) -> Remote:
    """Return a file with what a listing says of it."""
    said = [str(info.get(name)) for name in ("size", *_VERSIONS, *_TIMES)]
    digest = hashlib.blake2b("\n".join(said).encode(), digest_size=8).digest()
    return Remote(address, path, int.from_bytes(digest, "little") >> 1 or 1, modified_ns(info))


def modified_ns(info: Mapping[str, Any]) -> int | None:
    """Return when a file was written, by a listing (ns since 1970); None where it does not say."""
    for name in _TIMES:
        value = info.get(name)
        if isinstance(value, str):
            try:
                value = datetime.fromisoformat(value)
            except ValueError:
                continue
        if isinstance(value, datetime):
            value = (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
        if isinstance(value, (int, float)):
            return int(value * 1e9)
    return None


def _words(error: BaseException, address: str) -> str:
    """Return an error in one line, without user, password or signature."""
    text = " ".join(str(error).split()) or type(error).__name__
    user = _USER.search(address)
    secrets = [user[0].rstrip("@")] if user else []
    secrets += [part for secret in secrets for part in secret.split(":", 1)[1:]]
    if address.startswith(_WEB):
        secrets.append(address.partition("?")[2])
    for secret in secrets:
        if secret:
            text = text.replace(secret, "…")
    return _USER.sub("", text)[:200]


def _driver(error: ImportError) -> str:
    """Return the package that an error of fsspec's asks for: "Install s3fs to access S3"."""
    named = re.search(r"[Ii]nstall (?:the )?([A-Za-z0-9_.-]+)", str(error))
    return named[1] if named and named[1].lower() not in ("following", "package") else "the package it names"
