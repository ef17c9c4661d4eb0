"""The command ``buffycoat``: gathers the commands and turns errors into one plain message."""

from __future__ import annotations

import importlib
import os
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from buffycoat import __version__
from buffycoat.cli.console import remarks, results
from buffycoat.errors import BuffycoatError

COMMANDS: tuple[str, ...] = (
    *("study", "data", "synth", "evaluate", "report", "export", "card"),
    *("predict", "differential", "review", "doctor"),
)
"""The modules of :mod:`buffycoat.cli` that add a command, in the order in which help lists them."""


_STOPPED = {
    "study": "What was finished is kept; the same command goes on from there.",
    "data": "Files that were fetched whole are kept.",
    "predict": "Finished parts of --out are kept; --resume goes on from there.",
    "differential": "Outputs are written when every slide is counted; the same command begins anew.",
}
"""What Ctrl-C leaves behind, by command; of the others there is nothing to say."""


class _Commands(TyperGroup):
    """The commands; Ctrl-C in any of them ends in words."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was chosen."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:  # before Typer, which would only say "Aborted."
            if os.environ.get("RANK", "0") == "0":
                said = _STOPPED.get(ctx.invoked_subcommand or "", "")
                remarks().print(f"Stopped.{said and ' '}{said}", soft_wrap=True)
            raise typer.Exit(130) from None


app = typer.Typer(
    name="buffycoat",
    cls=_Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Tells white blood cells apart in photographs of stained smears, and says how far to trust the answer. "
    "Research software, not a medical device.",
)


def _show_version(wanted: bool) -> None:
    if wanted:
        results().print(f"buffycoat {__version__}")
        raise typer.Exit


@app.callback()
def _buffycoat(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    pass


for _name in COMMANDS:
    importlib.import_module(f"buffycoat.cli.{_name}").register(app)


def run() -> None:
    """Run the command line; every foreseen fault ends in one message and its exit code, never a traceback."""
    try:
        app()
    except BuffycoatError as error:
        from rich.markup import escape

        remarks().print(f"[bold red]Error:[/] {escape(error.what)}")
        if error.hint:
            remarks().print(escape(error.hint))
        sys.exit(error.exit_code)
    except BrokenPipeError:  # the reader of our output left, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
