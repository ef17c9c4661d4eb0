"""Serving a desk: one process that answers, and the workers beside it."""

from __future__ import annotations

import gc
import shutil
import socket
import tempfile
from collections.abc import Callable
from pathlib import Path

from buffycoat.errors import OutputError, UsageError
from buffycoat.files import output_error
from buffycoat.review import accounts
from buffycoat.review.app import create_app
from buffycoat.review.desk import Desk

_GRACE_SECONDS = 10
_BACKLOG = 2048


def refuse_unsafe(desk: Desk) -> None:
    """Refuse to listen where others can reach a desk that asks nobody who they are.

    Raises
    ------
    UsageError
        The address is not loopback and there are no accounts, or nobody could administer them.
    """
    settings = desk.settings
    if not settings.loopback and not settings.accounts:
        raise UsageError(
            f"{settings.host} can be reached from other machines, and this desk has no accounts.",
            hint="Start it with --accounts, or leave --host at 127.0.0.1.",
        )
    accounts.need_somebody(desk)


def bound(host: str, port: int) -> socket.socket:
    """Return a socket that listens.

    Raises
    ------
    OutputError
        The port is taken, or the address is not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    opened = socket.socket(family, socket.SOCK_STREAM)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        opened.bind((host, port))
        opened.listen(_BACKLOG)
    except OSError as error:
        opened.close()
        raise OutputError(
            f"cannot listen on {host}:{port}: {error.strerror or error}",
            hint="Perhaps a desk runs there already; choose another with --port.",
        ) from error
    opened.set_inheritable(False)
    return opened


def _spool_in(folder: Path) -> None:
    """Let uploads under way lie on the desk's own disk: the system's folder for such things may be small memory.

    What a killed desk left there is removed.
    """
    try:
        folder.mkdir(exist_ok=True, mode=0o700)
        for left in folder.iterdir():  # by a desk that was killed while photographs came in or corrections went out
            if left.is_dir() and not left.is_symlink():
                shutil.rmtree(left, ignore_errors=True)  # corrections that were being packed
            else:
                left.unlink(missing_ok=True)
    except OSError as error:
        raise output_error(folder, error) from error
    tempfile.tempdir = str(folder)


def serve(desk: Desk, ready: Callable[[str], None]) -> None:
    """Serve until interrupted; `ready` is called with the address once the socket listens.

    Raises
    ------
    UsageError, OutputError
        See :func:`refuse_unsafe` and :func:`bound`.
    DataError
        The bundle cannot be used.
    """
    import uvicorn

    refuse_unsafe(desk)
    _ = desk.labels  # a bundle that cannot be used is said now, not at the first photograph
    _spool_in(desk.settings.folder / "tmp")
    opened = bound(desk.settings.host, desk.settings.port)
    host, port = opened.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    config = uvicorn.Config(
        create_app(desk),
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )
    ready(f"http://{shown}:{port}")
    gc.collect()
    gc.freeze()  # what is there now stays: looked through again and again, it would delay every large answer
    try:
        uvicorn.Server(config).run(sockets=[opened])
    finally:
        opened.close()
        desk.close()
