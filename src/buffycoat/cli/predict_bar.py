"""The bar of ``buffycoat predict``: done, rate and time left; the total is counted on the side."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from buffycoat.cli.console import remarks
from buffycoat.predict.folders import folders_below
from buffycoat.predict.listing import is_photograph
from buffycoat.predict.pace import rate_shown

if TYPE_CHECKING:
    from buffycoat.predict.job import Account
    from buffycoat.predict.results import PhotographResult


@contextmanager
def bar(paths: Sequence[str]) -> Iterator[Callable[[PhotographResult, Account], None]]:
    """Yield what moves the bar."""
    counted: list[int] = []
    gone = threading.Event()
    threading.Thread(target=_count, args=(list(paths), counted, gone), daemon=True).start()
    with Progress(
        SpinnerColumn(),
        TextColumn("Looking"),
        BarColumn(bar_width=30),
        TextColumn("{task.fields[shown]}"),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=remarks(),
        transient=True,
        speed_estimate_period=30,
    ) as progress:
        task = progress.add_task("", total=None, shown="", rate="")

        def move(_: PhotographResult, account: Account) -> None:
            done = account.photographs + account.skipped
            if done % 16 and done > 16:
                return
            total = counted[0] if counted else None
            speed = progress.tasks[0].speed
            progress.update(
                task,
                completed=done,
                total=None if total is None else max(total, done),
                shown=f"{done:,}" + ("" if total is None else f" of {total:,}"),
                rate="" if not speed else f"{rate_shown(speed)}/s",
            )

        try:
            yield move
        finally:
            gone.set()


def _count(paths: list[str], counted: list[int], gone: threading.Event) -> None:
    """Count the photographs below plain files and folders; lists, patterns and archives leave the total open."""
    total = 0
    for path in paths:
        if os.path.isdir(path):  # noqa: PTH112
            for _, folder in folders_below(path):
                if gone.is_set():
                    return
                total += 0 if isinstance(folder, str) else len(folder.photographs)
        elif is_photograph(path):
            total += 1
        else:
            return
    counted.append(total)
