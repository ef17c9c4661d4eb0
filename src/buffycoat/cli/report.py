"""``buffycoat report``: write a study's report again, from its files alone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    study: Annotated[Path, typer.Argument(help="The folder a study wrote.", show_default=False)],
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print every table as Markdown instead; nothing is written.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print the report's path only.")] = False,
) -> None:
    """Write report.html and the project page of a finished study again; nothing is trained."""
    from buffycoat.cli.console import results
    from buffycoat.report.build import build
    from buffycoat.report.terminal import show

    if markdown:
        from buffycoat.report.markdown import tables
        from buffycoat.report.study_files import read_study

        found = read_study(study)
        typer.echo(tables(found.results, found.about.command_line), nl=False)
        return
    report = build(study)
    if quiet:
        typer.echo(str(report))
        return
    from buffycoat.records.documents import Results

    show(results(), Results.read(study / "results.json"), str(report))


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("report")(command)
