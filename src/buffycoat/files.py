"""Writing files so that an interruption never leaves half of one, and hashing them."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from buffycoat.errors import OutputError

if TYPE_CHECKING:
    import polars as pl

_CHUNK_BYTES = 1 << 20


@contextmanager
def replacing(path: Path, *, mode: int = 0o644, durable: bool = False) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it takes its place in one step.

    Parameters
    ----------
    mode
        Who may read the file: by default everybody, 0o600 its owner alone.
    durable
        Return only when the file would survive a power cut.

    Raises
    ------
    OutputError
        The folder is read-only, missing, or the disk is full.
    """
    temporary: Path | None = None
    try:
        made = not path.parent.is_dir()
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=path.suffix, dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        yield temporary
        temporary.chmod(mode)
        if durable:
            sync_file(temporary)
        temporary.replace(path)
        if durable:
            sync_folder(path.parent)
            if made:
                sync_folder(path.parent.parent)
    except OSError as error:
        raise output_error(path, error) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def sync_file(path: Path) -> None:
    """Wait until a file's bytes are on the disk."""
    with path.open("rb+") as stream:
        os.fsync(stream.fileno())


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk; nothing to do where the system opens no folders."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def output_error(path: Path, error: OSError) -> OutputError:
    """Turn an operating-system error on writing into a message a person can act on."""
    reasons = {
        errno.EACCES: ("no permission to write", "Choose another --out, or change the folder's permissions."),
        errno.EPERM: ("no permission to write", "Choose another --out, or change the folder's permissions."),
        errno.EROFS: ("the file system is read-only", "Choose another --out."),
        errno.ENOSPC: ("the disk is full", "Free some room and run the same command again: it goes on from here."),
        errno.EDQUOT: ("the disk quota is used up", "Free some room and run the same command again."),
        errno.ENOTDIR: ("a file stands where a folder is needed", "Choose another --out."),
        errno.EEXIST: ("a file stands where a folder is needed", "Choose another --out."),
    }
    reason, hint = reasons.get(error.errno or 0, (error.strerror or str(error), "Choose another --out."))
    return OutputError(f"cannot write {path}: {reason}", hint=hint)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text in one step."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_bytes(path: Path, content: bytes, *, mode: int = 0o644, durable: bool = False) -> None:
    """Write bytes in one step; see :func:`replacing`."""
    with replacing(path, mode=mode, durable=durable) as temporary:
        temporary.write_bytes(content)


def write_json(path: Path, document: Any) -> None:
    """Write a JSON document in one step: sorted only where the caller sorted, two spaces, newline at the end."""
    write_text(path, json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def write_parquet(path: Path, table: pl.DataFrame) -> None:
    """Write a Parquet file in one step."""
    with replacing(path) as temporary:
        table.write_parquet(temporary)


def write_csv(path: Path, table: pl.DataFrame) -> None:
    """Write a CSV file in one step."""
    with replacing(path) as temporary:
        table.write_csv(temporary)


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, as lower-case hex, reading it in pieces."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def fingerprint(document: Any) -> str:
    """Return a short stable hash (16 hex digits) of a JSON-able document: a key for caches."""
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]
