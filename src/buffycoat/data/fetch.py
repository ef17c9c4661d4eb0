"""Fetching many small files: several at a time, patient where patience helps, checked, and resumable.

pooch keeps each file whole (temporary file, SHA-256, rename). Its own retries treat every failure alike, with
no limit on a slow answer, and would ask 700 times for a host that has no address; so the asking is done here.
"""

from __future__ import annotations

import errno
import itertools
import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import urlsplit

from buffycoat import __version__
from buffycoat.errors import FetchError, OutputError
from buffycoat.files import sha256

if TYPE_CHECKING:
    import requests

_CHUNK_BYTES = 1 << 15
_HOPELESS = 8  # so many files lost and none won: the answers come from something else than the source
_STALE_S = 600.0
_NO_WAY = {
    "NameResolutionError": "its name is not known here (no network?)",
    "gaierror": "its name is not known here (no network?)",
    "NewConnectionError": "it takes no connection",
}


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file to be had: where it goes (relative), what it must be, and the addresses to try in turn."""

    path: str
    size: int
    sha256: str
    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to try. Seconds where not said otherwise."""

    workers: int = 8  # files at a time
    attempts: int = 5  # per file, over all its addresses
    connect_s: float = 10.0
    silence_s: float = 20.0  # between two pieces of an answer
    file_s: float = 90.0  # for one whole answer
    back_off_s: float = 0.5  # before the second attempt; doubled before each further one
    longest_wait_s: float = 20.0


class _GoneError(Exception):
    """The address does not have the file: asking again is useless, another address may have it."""


class _BusyError(Exception):
    """The answer was no good this time; `wait_s` is what the server asked for, if it did."""

    def __init__(self, reason: str, wait_s: float = 0.0) -> None:
        super().__init__(reason)
        self.wait_s = wait_s


class _UnreachableError(Exception):
    """The host cannot be reached at all."""


@dataclass(slots=True)
class _State:
    """What the workers know together."""

    stop: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)
    won: int = 0
    lost: dict[str, str] = field(default_factory=dict)  # why, by path
    unreachable: str | None = None
    tried: str | None = None  # the address that said so
    write_error: OSError | None = None
    mine: threading.local = field(default_factory=threading.local)
    sessions: list[requests.Session] = field(default_factory=list)

    def session(self) -> requests.Session:
        """Return this thread's session: one connection serves many files."""
        import requests

        if not hasattr(self.mine, "session"):
            self.mine.session = requests.Session()
            self.mine.session.headers["User-Agent"] = f"buffycoat/{__version__}"
            with self.lock:
                self.sessions.append(self.mine.session)
        session: requests.Session = self.mine.session
        return session


def fetch_files(
    files: Sequence[RemoteFile],
    into: Path,
    *,
    patience: Patience | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> int:
    """Bring the files into a folder and return how many had to be fetched; those already right are kept.

    Parameters
    ----------
    files
        What to fetch; each is taken only with the right SHA-256, from whichever address gives it.
    into
        The folder; made where it is missing.
    patience
        Attempts, time limits and how many at a time.
    on_progress
        Called in this thread with (files that are right, all files).

    Raises
    ------
    FetchError
        Some files could not be had; what was fetched stays, and the same call goes on from there.
    OutputError
        The folder cannot be written.
    """
    import pooch  # here: what is already on the disk needs no network library

    patience = patience or Patience()
    report = on_progress or (lambda _done, _total: None)
    _sweep(into, {file.path for file in files})
    wanted = [file for file in files if not _right(into / file.path, file)]
    here = len(files) - len(wanted)
    report(here, len(files))
    if not wanted:
        return 0
    pooch.get_logger().setLevel(logging.WARNING)  # one line a file is not for people
    state = _State()
    pool = ThreadPoolExecutor(patience.workers, thread_name_prefix="fetch")
    try:
        waiting: set[Future[None]] = {pool.submit(_fetch_one, file, into, patience, state) for file in wanted}
        while waiting:
            done, waiting = wait(waiting, timeout=0.5, return_when=FIRST_COMPLETED)
            for future in done:
                future.result()
            report(here + state.won, len(files))
    finally:
        state.stop.set()  # an interruption ends the workers at their next step
        pool.shutdown(wait=True, cancel_futures=True)
        for session in state.sessions:
            session.close()
    _judge(state, files, here, into)
    return state.won


def _judge(state: _State, files: Sequence[RemoteFile], here: int, into: Path) -> None:
    """Raise what the run deserves, or return when every file is there."""
    if state.write_error is not None:
        error = state.write_error
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        raise OutputError(
            f"cannot write {into}: {'the disk is full' if full else error.strerror or error}",
            hint="Choose another place with --data-dir.",
        ) from error
    got = here + state.won
    if got == len(files):
        return
    hosts = ", ".join(sorted({urlsplit(address).netloc for file in files for address in file.addresses}))
    if state.unreachable is not None:
        raise FetchError(
            f"{hosts} cannot be reached: {state.unreachable}. {got} of {len(files)} files are here; "
            f"tried {state.tried or files[0].addresses[0]}."
        )
    shown = "; ".join(f"{path}: {why}" for path, why in itertools.islice(state.lost.items(), 3))
    more = f"; and {len(state.lost) - 3} more" if len(state.lost) > 3 else ""
    raise FetchError(f"{got} of {len(files)} files are here; the rest could not be had from {hosts} ({shown}{more}).")


def _fetch_one(file: RemoteFile, into: Path, patience: Patience, state: _State) -> None:
    """Fetch one file, or write down why not; never raises for what a network or a disk may do."""
    addresses = list(file.addresses)
    why = "no address is known"
    for attempt in range(patience.attempts):
        if state.stop.is_set() or not addresses:
            break
        address = addresses[attempt % len(addresses)]
        pause = 0.0
        try:
            _ask(address, file, into, patience, state)
        except _GoneError as gone:
            addresses.remove(address)
            why = f"{gone} ({address})"
            continue
        except _BusyError as busy:
            why = f"{busy} ({address})"
            pause = max(busy.wait_s, patience.back_off_s * 2**attempt)
        except _UnreachableError as error:
            why = str(error)
            with state.lock:
                # Nothing has come yet, twice: there is no network, or no way to that host.
                if not state.won and (attempt or patience.attempts == 1):
                    state.unreachable, state.tried = why, address
                    state.stop.set()
            pause = patience.back_off_s * 2**attempt
        except OSError as error:
            with state.lock:
                state.write_error = error
            state.stop.set()
            return
        else:
            with state.lock:
                state.won += 1
            return
        if attempt + 1 < patience.attempts:
            state.stop.wait(min(pause, patience.longest_wait_s))
    if not state.stop.is_set():
        with state.lock:
            state.lost[file.path] = why
            if not state.won and len(state.lost) >= _HOPELESS:
                state.stop.set()


def _ask(address: str, file: RemoteFile, into: Path, patience: Patience, state: _State) -> None:
    """Ask one address once; the file is in its place when this returns."""
    import pooch
    import requests

    def download(url: str, output_file: str | IO[bytes], _pooch: object) -> None:
        Path(str(output_file)).unlink()  # its owner's alone; made anew, the umask says who may read it
        with (
            state.session().get(url, stream=True, timeout=(patience.connect_s, patience.silence_s)) as answer,
            Path(str(output_file)).open("wb") as stream,
        ):
            _hold_to_status(answer)
            ends = time.monotonic() + patience.file_s
            received = 0
            for chunk in answer.iter_content(_CHUNK_BYTES):
                received += stream.write(chunk)
                if received > file.size:
                    raise _BusyError(f"more than the {file.size} bytes expected")
                if time.monotonic() > ends:
                    raise _BusyError(f"not finished after {patience.file_s:g} s")
                if state.stop.is_set():
                    raise _BusyError("stopped")

    target = into / file.path
    try:
        pooch.retrieve(
            address, known_hash=f"sha256:{file.sha256}", fname=target.name, path=target.parent, downloader=download
        )
    except ValueError as error:  # pooch's word for a wrong hash
        raise _BusyError("wrong content (its SHA-256 differs)") from error
    except requests.exceptions.RequestException as error:
        raise _meaning(error) from error


def _hold_to_status(answer: requests.Response) -> None:
    """Raise what an answer other than 200 means."""
    if answer.status_code == 200:
        return
    said = f"answer {answer.status_code} {answer.reason}".rstrip()
    if answer.status_code in (408, 425, 429) or answer.status_code >= 500:
        asked = answer.headers.get("Retry-After", "")
        raise _BusyError(said, wait_s=float(asked) if asked.isdigit() else 0.0)
    raise _GoneError(said)


def _meaning(error: requests.exceptions.RequestException) -> Exception:
    """Return whether a failure is worth another attempt."""
    import requests

    said = " ".join(f"{type(cause).__name__} {cause}" for cause in _causes(error))
    if isinstance(error, requests.exceptions.ProxyError):
        return _UnreachableError("the proxy does not answer (see HTTPS_PROXY)")
    if isinstance(error, requests.exceptions.SSLError):
        return _UnreachableError("it shows no valid certificate")
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return _UnreachableError("it does not answer")
    for sign, meaning in _NO_WAY.items():
        if sign in said:
            return _UnreachableError(meaning)
    slow = isinstance(error, requests.exceptions.Timeout) or "timed out" in said
    return _BusyError("the answer stopped half-way" if slow else "the connection broke")


def _causes(error: BaseException) -> Iterable[BaseException]:
    """Yield an error and everything it wraps (requests keeps the cause among the arguments)."""
    seen: set[int] = set()
    open_: list[Any] = [error]
    while open_:
        cause = open_.pop()
        if not isinstance(cause, BaseException) or id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        open_ += [cause.__cause__, cause.__context__, getattr(cause, "reason", None), *cause.args]


def _right(path: Path, file: RemoteFile) -> bool:
    try:
        return path.stat().st_size == file.size and sha256(path) == file.sha256
    except OSError:
        return False


def _sweep(into: Path, paths: Iterable[str]) -> None:
    """Remove the temporary files that a killed run left behind (pooch calls them ``tmp`` and eight letters)."""
    for folder in {(into / path).parent for path in paths}:
        for stray in folder.glob("tmp????????"):
            try:
                if stray.is_file() and time.time() - stray.stat().st_mtime > _STALE_S:
                    stray.unlink()
            except OSError:  # somebody else's run finished with it first
                continue
