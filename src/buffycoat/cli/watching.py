"""Watching a study in the terminal: one bar for the stage, one per model, one for the whole training."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn


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
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("[dim]{task.fields[note]}"),
            console=console,
            transient=True,
            disable=quiet,
            speed_estimate_period=600,
        )
        self._stage: TaskID | None = None
        self._models: dict[str, TaskID] = {}
        self._done: dict[str, int] = {}
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
            self._stage = self._bars.add_task("  ", total=total, note="")
        self._bars.update(self._stage, completed=done, total=max(total, 1))
        if done >= total:
            self._drop_stage()

    def plan(self, units: dict[str, int]) -> None:
        """Draw a bar per model and one for the whole, in epochs."""
        self.stage("Training")
        for model, epochs in units.items():
            self._models[model] = self._bars.add_task(f"  {model}", total=epochs, note="", start=False)
        self._whole = self._bars.add_task("  [bold]all models", total=sum(units.values()), note="epochs")

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
        self._bars.update(task, completed=done, note=note)
        self._done[model] = done
        if self._whole is not None:
            self._bars.update(self._whole, completed=sum(self._done.values()))

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
