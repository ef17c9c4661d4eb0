"""Watching a study in the terminal: one bar for the stage, one per model, one for the whole training."""

from __future__ import annotations

import math
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

_RECENT = 20  # epochs that the time left is reckoned from


class Terminal:
    """A :class:`~buffycoat.study.watch.Watcher` that draws bars on a console; use it as a context manager."""

    def __init__(self, console: Console, *, quiet: bool = False) -> None:
        self._console, self._quiet = console, quiet
        self._bars = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.completed:.0f}/{task.total:.0f}"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}"),
            TextColumn("[dim]{task.fields[note]}"),
            console=console,
            transient=True,
            disable=quiet,
        )
        self._stage: TaskID | None = None
        self._models: dict[str, TaskID] = {}
        self._planned: dict[str, int] = {}
        self._done: dict[str, int] = {}
        self._seconds: dict[str, list[float]] = {}  # of the epochs seen, by model
        self._at_once = 1
        self._whole: TaskID | None = None
        self._drawn = console.is_terminal

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def stage(self, title: str) -> None:
        """Show that a stage begins."""
        self._drop_stage()
        if not self._quiet:
            self._console.print(f"[bold]›[/] {title}")

    def count(self, done: int, total: int) -> None:
        """Move the stage's bar."""
        if self._stage is None:
            self._stage = self._bars.add_task("  ", total=total, note="", left="")
        self._bars.update(self._stage, completed=done, total=max(total, 1))
        if done >= total:
            self._drop_stage()

    def plan(self, epochs: dict[str, int], at_once: int) -> None:
        """Draw a bar per model and one for the whole, in epochs."""
        self.stage("Training" + (f", {at_once} folds side by side" if at_once > 1 else ""))
        self._planned, self._at_once = dict(epochs), at_once
        for model, count in epochs.items():
            self._models[model] = self._bars.add_task(f"  {model}", total=count, note="", left="", start=False)
            self._done[model], self._seconds[model] = 0, []
        self._whole = self._bars.add_task("  [bold]all models", total=sum(epochs.values()), note="epochs", left="")

    def epoch(self, model: str, title: str, fold: str, done: int, figures: dict[str, Any]) -> None:
        """Move a model's bar and the whole's; without a terminal, a line a fold."""
        task = self._models[model]
        self._bars.start_task(task)
        note = fold
        if figures.get("validation_loss") is not None:
            note += (
                f" · validation loss {figures['validation_loss']:.2f}, accuracy {figures['validation_accuracy']:.2f}"
            )
        elif not figures and not self._drawn and not self._quiet:
            self._console.print(f"  {title}: {fold} done")
        if figures.get("seconds") is not None:
            self._seconds[model].append(float(figures["seconds"]))
        self._done[model] = done
        self._bars.update(task, completed=done, note=note, left=_in_words(self._left(model)))
        if self._whole is not None:
            parts = [self._left(name) for name in self._planned]
            self._bars.update(self._whole, completed=sum(self._done.values()), left=_in_words(sum(parts)))

    def _left(self, model: str) -> float:
        """Return the seconds that a model's remaining epochs will take; nan before any epoch was seen.

        A model not met yet is taken to be as slow as those that were.
        """
        seen = self._seconds[model][-_RECENT:] or [s for times in self._seconds.values() for s in times[-_RECENT:]]
        each = sum(seen) / len(seen) if seen else math.nan
        return (self._planned[model] - self._done[model]) * each / self._at_once

    def say(self, text: str, *, warning: bool = False) -> None:
        """Print a remark, or a warning even when quiet."""
        if warning:
            self._console.print(text, style="bold yellow", markup=False)
        elif not self._quiet:
            self._console.print(f"  {text}", style="dim", markup=False)

    def _drop_stage(self) -> None:
        if self._stage is not None:
            self._bars.remove_task(self._stage)
            self._stage = None


def _in_words(seconds: float) -> str:
    """Return a time left as people say it."""
    if math.isnan(seconds) or seconds <= 0:
        return ""
    if seconds < 90:
        return f"{max(1, round(seconds))} s left"
    minutes = round(seconds / 60)
    return f"{minutes} min left" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min left"
