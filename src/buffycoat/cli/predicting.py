"""Conducting ``buffycoat predict``: where words, bars and signals meet the pipeline."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from buffycoat.cli.outputs import is_address_as_path
from buffycoat.errors import UsageError
from buffycoat.files import IF_FULL
from buffycoat.predict.job import Account, to_file
from buffycoat.predict.pace import rate_shown
from buffycoat.predict.parts import GO_ON
from buffycoat.predict.passed import Passed
from buffycoat.predict.predictor import Predictor
from buffycoat.predict.rows import model_name, rows
from buffycoat.predict.sources import check, walk
from buffycoat.predict.storage import is_address, shown
from buffycoat.predict.storage_out import Delivery

if TYPE_CHECKING:
    from buffycoat.predict.items import Item
    from buffycoat.predict.ray_engine import RayEngine
    from buffycoat.predict.results import PhotographResult

Watch = Callable[["PhotographResult", Account], None]

ENGINES = ("processes", "threads", "ray")
NOT_A_DEVICE = "Research software, not a medical device."


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line asked for; see ``buffycoat predict --help``."""

    paths: list[str]
    bundle: Path | None
    out: str | None
    as_json: bool
    resume: bool
    prune: bool
    overwrite: bool
    views: int
    explain: Path | None
    max_pixels: int
    null: bool
    threads: int | None
    batch: int | None
    engine: str
    address: str | None
    jobs: int | None
    quiet: bool
    surely_many: bool = False


def run_predict(options: Options) -> int:
    """Do what was asked for; return the exit code: 1 where a photograph could not be read."""
    _check(options)
    predictor = Predictor.load(
        options.bundle,
        threads=options.threads,
        views=4 if options.views == 4 else 1,
        batch=options.batch,
        max_pixels=options.max_pixels,
        processes=options.engine == "processes",
    )
    model = model_name(predictor.card.name, predictor.card.model_sha256, options.views)
    delivery = Delivery(options.out) if options.out is not None and is_address(options.out) else None
    passed = Passed()
    listed = sys.stdin.buffer if "-" in options.paths else None
    items = walk(options.paths, stdin=listed, zeros=options.null, passed=passed, storage=True)
    also = None
    if options.explain is not None:
        from buffycoat.predict.explain import Explainer

        also = Explainer(predictor, options.explain, if_full=IF_FULL if options.out is None else GO_ON).write
    with _stopping(quiet=options.quiet) as stop, _watching(options) as watch, _cluster(options, predictor) as cluster:

        def engine(wanted: Iterable[Item]) -> Iterator[PhotographResult]:
            if cluster is not None:
                return cluster(wanted, stop=stop)
            return predictor.run(wanted, stop=stop, also=also, surely_many=options.surely_many)

        if options.out is not None:

            def write(out: Path) -> Account:
                return to_file(
                    items,
                    engine,
                    out,
                    classes=predictor.classes,
                    model=model,
                    resume=options.resume,
                    overwrite=options.overwrite,
                    prune=options.prune,
                    sources=[shown(path) for path in options.paths],
                    stop=stop,
                    on_result=watch,
                )

            account = (
                write(Path(options.out))
                if delivery is None
                else delivery.run(write, resume=options.resume, overwrite=options.overwrite)
            )
        else:
            account = _print(engine(items), predictor.classes, model, as_json=options.as_json)
            account.stopped = stop.is_set()
        signal_number = stop.number
    if not options.quiet:
        _tell(account, passed, options, predictor)
    if account.stopped:
        return 128 + signal_number
    return 1 if account.failed else 0


def _check(options: Options) -> None:
    check(options.paths)
    if options.views not in (1, 4):
        raise UsageError(f"--views is 1 or 4, not {options.views}.")
    if options.engine not in ENGINES:
        raise UsageError(f"--engine is {', '.join(ENGINES[:-1])} or {ENGINES[-1]}, not {options.engine!r}.")
    if options.engine != "ray" and (options.address or options.jobs):
        raise UsageError("--address and --jobs belong to --engine ray; --threads sets the workers of this machine.")
    if options.engine == "ray" and (options.threads or options.batch):
        raise UsageError("--threads and --batch are of this machine; --jobs sets the workers of a cluster.")
    if options.engine == "ray" and options.explain is not None:
        raise UsageError("--explain does not work with --engine ray.")
    if options.out is None and (options.resume or options.overwrite):
        raise UsageError("--resume and --overwrite need --out.")
    if options.prune and not options.resume:
        raise UsageError("--prune drops rows of the file that --resume adds to.", hint="Add --resume.")
    if options.out is not None and options.as_json:
        raise UsageError("--json prints to the terminal; with --out the ending chooses the format.", hint="Use .jsonl.")
    if options.explain is not None and is_address_as_path(options.explain):
        raise UsageError("--explain takes a folder of this machine, not an address.")
    if "-" in options.paths and (sys.stdin is None or sys.stdin.isatty()):
        raise UsageError("- reads a list of names from standard input, and nothing is piped into it.")


def _print(results: Iterator[PhotographResult], classes: tuple[str, ...], model: str, *, as_json: bool) -> Account:
    """Print results as they come."""
    from buffycoat.predict.formats import JsonLines, Table

    account, began = Account(), time.monotonic()
    form = JsonLines(classes) if as_json else Table(classes)
    out = sys.stdout.buffer
    out.write(form.header())
    for result in results:
        account.add(result)
        out.write(form.encode(list(rows(result, model))))
        if account.photographs % 64 < 2 or sys.stdout.isatty():
            out.flush()
    out.flush()
    account.seconds = time.monotonic() - began
    return account


class _Stop(threading.Event):
    """A request to finish what is under way, and the signal that asked."""

    number = 0


@contextmanager
def _stopping(*, quiet: bool) -> Iterator[_Stop]:
    """Turn the first Ctrl-C (or SIGTERM) into a request to finish what is under way; a second one stops at once."""
    stop = _Stop()

    def ask(number: int, _: FrameType | None) -> None:
        if stop.is_set():
            if number == signal.SIGINT:
                raise KeyboardInterrupt
            return
        stop.number = number
        stop.set()
        if not quiet:
            _acknowledge()

    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before: dict[signal.Signals, Any] = {}
    for number in (signal.SIGINT, signal.SIGTERM):
        before[number] = signal.signal(number, ask)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _acknowledge() -> None:
    """Say that a signal was heard; past Python's streams, which the signal may have interrupted in a write."""
    with suppress(OSError):
        # On a terminal the line may hold the bar, which is drawn again below.
        clear = b"\r\x1b[2K" if os.isatty(2) and os.environ.get("TERM", "dumb") != "dumb" else b""
        os.write(2, clear + b"Stopping: finishing what is under way; Ctrl-C again stops at once.\n")


@contextmanager
def _cluster(options: Options, predictor: Predictor) -> Iterator[RayEngine | None]:
    """Yield the Ray cluster that was asked for, or None."""
    if options.engine != "ray":
        yield None
        return
    from buffycoat.predict.ray_engine import RayEngine

    cluster = RayEngine(
        predictor.bundle,
        views=options.views,
        max_pixels=options.max_pixels,
        address=options.address,
        workers=options.jobs,
    )
    try:
        yield cluster
    finally:
        cluster.close()


@contextmanager
def _watching(options: Options) -> Iterator[Watch | None]:
    """Show a bar with rate and time left, on a terminal."""
    if options.quiet or options.out is None or not sys.stderr.isatty():
        yield None
        return
    from buffycoat.cli.predict_bar import bar

    with bar(options.paths) as watch:
        yield watch


def _tell(account: Account, passed: Passed, options: Options, predictor: Predictor) -> None:
    """Say on standard error what was done, what failed, and what was passed over."""
    say = _say
    done = f"{_count(account.photographs, 'photograph')}, {_count(account.cells, 'cell')}"
    if account.unidentified:
        done += f", {account.unidentified:,} unidentified"
    if account.seconds >= 1 and account.photographs > 1:
        done += f", {rate_shown(account.photographs / account.seconds)} photographs a second"
    if account.skipped:
        done += f"; {account.skipped:,} were done before"
    say(done + ".")
    if account.without_cell:
        say(f"No leukocyte was found in {account.without_cell:,}.")
    if account.failed:
        say(f"{account.failed:,} could not be read:")
        from buffycoat.predict.table import one_line

        for name, reason in account.faults[:10]:
            say(f"  {one_line(name)}: {one_line(reason)}")
        if account.failed > 10:
            say(f"  … and {account.failed - 10:,} more; the column error names every one.")
    if account.repeated:
        say(f"{account.repeated:,} were given more than once; each mention has its rows.")
    if account.unasked:
        say(_unasked(account, prune=options.prune))
    for remark in _passed_over(passed):
        say(remark)
    if account.stopped:
        kept = "" if options.out is None else " What was finished is kept; --resume goes on from there."
        say(f"Stopped.{kept}")
    elif options.out is not None:
        say(f"Written: {shown(options.out)}")
    say(f"By {predictor.card.title}. {NOT_A_DEVICE}")


def _unasked(account: Account, *, prune: bool) -> str:
    """Return the word on answers of earlier runs that this one did not ask for."""
    one = account.unasked == 1
    said = f"{_count(account.unasked, 'photograph')} of earlier runs {'was' if one else 'were'} not asked for"
    said += f"; {'its' if one else 'their'} rows"
    if account.pruned:
        return f"{said} are dropped."
    if prune:
        return f"{said} are kept: what could not be opened may hold {'it' if one else 'them'}."
    return f"{said} are kept (--prune drops them)."


def _passed_over(passed: Passed) -> Iterator[str]:
    """Yield the words on what was passed over."""
    if passed.others:
        was = "was" if passed.others == 1 else "were"
        yield f"{_count(passed.others, 'other file')} in folders and archives {was} passed over."
    if passed.archives:
        one = passed.archives == 1
        yield (
            f"{_count(passed.archives, 'archive')} in the folders {'was' if one else 'were'} not opened: "
            f"name {'it to have it' if one else 'them to have them'} read."
        )
    if passed.nested:
        one = passed.nested == 1
        yield (
            f"{_count(passed.nested, 'archive')} inside {'an archive was' if one else 'archives were'} not opened: "
            f"unpack {'it' if one else 'them'} first."
        )


def _count(n: int, what: str) -> str:
    return f"{n:,} {what}" + ("" if n == 1 else "s")


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
