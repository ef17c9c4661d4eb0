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
from buffycoat.cli.streams import ReaderLeftError, standard_streams
from buffycoat.errors import BuffycoatError, OutputError

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
    with standard_streams():
        try:
            try:
                app()
            finally:
                sys.stdout.flush()  # what waits is written now: a fault in that ends in words, too
        except BuffycoatError as error:
            sys.exit(_tell(error))
        except ReaderLeftError as left:
            sys.exit(left.exit_code)
        except OSError as error:
            sys.exit(_tell(_of_the_system(error)))


def _tell(error: BuffycoatError) -> int:
    """Print an error; return its exit code."""
    from rich.markup import escape

    remarks().print(f"[bold red]Error:[/] {escape(error.what)}")
    if error.hint:
        remarks().print(escape(error.hint))
    return error.exit_code


def _of_the_system(error: OSError) -> OutputError:
    """Return what the operating system refused, where no command had words of its own for it."""
    name = error.filename.decode(errors="replace") if isinstance(error.filename, bytes) else error.filename
    what = f"a file or folder cannot be used: {name}" if name else "the system refused something"
    return OutputError(f"{what}: {error.strerror or error}", hint="Look at its name, its permissions and its disk.")
