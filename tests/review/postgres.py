"""A real PostgreSQL for tests: a cluster of its own in a temporary folder, reached by a socket, gone afterwards."""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_numbers = itertools.count(1)


def binaries() -> Path | None:
    """Return the folder of PostgreSQL's programs, as Debian installs them; None where there is none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    if found:
        return found[-1].parent
    program = shutil.which("postgres")
    return None if program is None else Path(program).resolve().parent


@contextmanager
def cluster() -> Iterator[str]:
    """Start a cluster; yields the address of its server, without a database."""
    folder = Path(tempfile.mkdtemp(prefix="bc-pg-", dir="/tmp"))
    user = None
    if os.geteuid() == 0:  # PostgreSQL does not run as root
        user = "postgres"
        os.chown(folder, pwd.getpwnam(user).pw_uid, pwd.getpwnam(user).pw_gid)
    programs, data = binaries(), folder / "data"
    assert programs is not None
    made = ["--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C", "--no-sync"]
    subprocess.run([programs / "initdb", "-D", data, *made], check=True, capture_output=True, user=user, cwd=folder)
    options = ["-c", "listen_addresses=", "-c", f"unix_socket_directories={folder}", "-c", "max_connections=120"]
    speed = ["-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off"]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            [programs / "postgres", "-D", data, *options, *speed], stdout=log, stderr=log, user=user, cwd=folder
        )
    try:
        _wait(programs, folder, server)
        yield str(folder)
    finally:
        server.send_signal(signal.SIGINT)  # "fast": does not wait for clients to leave
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
        shutil.rmtree(folder, ignore_errors=True)


def new_database(server: str) -> str:
    """Make an empty database; returns its address."""
    import psycopg

    name = f"desk{os.getpid()}_{next(_numbers)}"
    with psycopg.connect(host=server, user="postgres", dbname="postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    return f"postgresql://postgres@/{name}?host={server}"


def _wait(programs: Path, folder: Path, server: subprocess.Popen[bytes]) -> None:
    for _ in range(300):
        ready = subprocess.run(
            [programs / "pg_isready", "-h", folder, "-U", "postgres"], capture_output=True, check=False
        )
        if ready.returncode == 0:
            return
        assert server.poll() is None, (folder / "log").read_text()
        time.sleep(0.1)
    raise AssertionError((folder / "log").read_text())
