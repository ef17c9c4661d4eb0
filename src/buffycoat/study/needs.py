"""What a study needs installed: said in one message before anything starts."""

from __future__ import annotations

from importlib.util import find_spec

from buffycoat.doctor import TRAINING
from buffycoat.errors import UsageError


def missing(modules: tuple[str, ...] = TRAINING) -> list[str]:
    """Return which of the modules are not installed."""
    return [name for name in modules if find_spec(name) is None]


def require_training(*, tensorboard: bool = False) -> None:
    """Refuse to start where the workbench is not installed.

    Raises
    ------
    UsageError
        Naming what is missing and the command that installs it.
    """
    lacking = missing()
    if lacking:
        raise UsageError(
            f"Training needs more than prediction does: {', '.join(lacking)} not installed.",
            hint='Install it with: pip install "buffycoat[train]"',
        )
    if tensorboard and missing(("tensorboard",)):
        raise UsageError(
            "--tensorboard needs the package tensorboard.",
            hint='Install it with: pip install "buffycoat[train,tensorboard]"',
        )
