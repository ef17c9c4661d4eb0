"""The pages' own files: read once, answered from memory, under an address that changes when any of them does.

A browser keeps them for good, and an upgrade never meets an old script.
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import NamedTuple

from fastapi import APIRouter
from fastapi.responses import Response

from buffycoat.review.faults import NotFound

STATIC = Path(__file__).parent / "static"
_KINDS = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml", ".txt": "text/plain"}

router = APIRouter()


class Assets(NamedTuple):
    """All files by name, and what they are together."""

    version: str
    files: dict[str, bytes]


@cache
def assets() -> Assets:
    """Return the files."""
    paths = sorted(path for path in STATIC.rglob("*") if path.suffix in _KINDS)
    files = {path.relative_to(STATIC).as_posix(): path.read_bytes() for path in paths}
    digest = hashlib.sha256()
    for name, content in files.items():
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return Assets(digest.hexdigest()[:12], files)


def address(name: str) -> str:
    """Return where a file is.

    Raises
    ------
    KeyError
        There is no such file.
    """
    version, files = assets()
    if name not in files:
        raise KeyError(name)
    return f"/static/{version}/{name}"


@router.api_route("/static/{version}/{name:path}", methods=["GET", "HEAD"])
async def asset(version: str, name: str) -> Response:
    """Return a file; under the address of another version it is not to be kept."""
    here, files = assets()
    if name not in files:
        raise NotFound("There is no such file.")
    keep = "public, max-age=31536000, immutable" if version == here else "no-store"
    return Response(files[name], media_type=_KINDS[Path(name).suffix], headers={"cache-control": keep})
