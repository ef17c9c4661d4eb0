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
    share: Annotated[
        Path | None,
        typer.Option(
            help="Copy the numbers alone into a new folder, to publish: no picture, no weights, no path.",
            show_default=False,
        ),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print the report's path only.")] = False,
) -> None:
    """Write report.html and the project page of a finished study again, or share its numbers; nothing is trained."""
    from buffycoat.cli.console import results
    from buffycoat.report.build import build
    from buffycoat.report.terminal import show

    if markdown:
        from buffycoat.report.markdown import tables
        from buffycoat.report.study_files import read_study

        found = read_study(study)
        typer.echo(tables(found.results, found.about.command_line), nl=False)
        return
    if share is not None:
        _share(study, share, quiet=quiet)
        return
    report = build(study)
    if quiet:
        typer.echo(str(report))
        return
    from buffycoat.records.documents import Results

    show(results(), Results.read(study / "results.json"), str(report))


def _share(study: Path, out: Path, *, quiet: bool) -> None:
    from buffycoat.cli.console import results
    from buffycoat.report.share import share

    written = share(study, out)
    if quiet:
        typer.echo(str(out))
        return
    size = sum(path.stat().st_size for path in written) / 1000
    results().print(
        f"Written: {out}, {len(written)} files, {size:,.0f} kB: tables, cards, configuration; no picture, no weights.",
        f"Anyone counts every figure again with: buffycoat evaluate {out}",
        sep="\n",
        markup=False,
        soft_wrap=True,
    )


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("report")(command)
