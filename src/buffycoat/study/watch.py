"""What a conductor tells whoever watches: stages, counts, epochs, and things worth saying aloud."""

from __future__ import annotations

from typing import Any, Protocol


class Watcher(Protocol):
    """Somebody who watches a study; every method may be called often and must be quick."""

    def stage(self, title: str) -> None:
        """Say that a stage begins."""

    def count(self, done: int, total: int) -> None:
        """Say how far the stage is."""

    def plan(self, epochs: dict[str, int], at_once: int) -> None:
        """Announce the training to come: the most epochs of each model over all its folds, and folds at once."""

    def epoch(self, model: str, title: str, fold: str, done: int, figures: dict[str, Any]) -> None:
        """Say that a model has `done` of its planned epochs behind it."""

    def say(self, text: str, *, warning: bool = False) -> None:
        """Say something the user should know."""


class Silent:
    """Watches and says nothing."""

    def stage(self, title: str) -> None:
        """Ignore it."""

    def count(self, done: int, total: int) -> None:
        """Ignore it."""

    def plan(self, epochs: dict[str, int], at_once: int) -> None:
        """Ignore it."""

    def epoch(self, model: str, title: str, fold: str, done: int, figures: dict[str, Any]) -> None:
        """Ignore it."""

    def say(self, text: str, *, warning: bool = False) -> None:
        """Ignore it."""
