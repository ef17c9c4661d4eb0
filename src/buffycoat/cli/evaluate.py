"""``buffycoat evaluate``: count a study's results again from its stored predictions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    study: Annotated[Path, typer.Argument(help="The folder a study wrote.", show_default=False)],
    error_rate: Annotated[
        float | None,
        typer.Option(
            min=0.0001,
            max=0.5,
            help="Share of the answers that may be wrong where uncertain cells stay unidentified.",
            show_default="the study's, 0.05",
        ),
    ] = None,
    half_width: Annotated[
        list[float] | None,
        typer.Option(
            min=0.005,
            max=0.25,
            help="How narrow an interval should be, to either side: how many cells that takes is told. Several times.",
            show_default="the study's, 0.05 and 0.025",
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print results.json instead of the table.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print the report's path only.")] = False,
) -> None:
    """Count every figure of a study again from its stored predictions, and write the report; nothing is trained."""
    from buffycoat.cli.console import results
    from buffycoat.report.build import build
    from buffycoat.report.terminal import show
    from buffycoat.study.count import count
    from buffycoat.study.folder import StudyFolder

    found = count(StudyFolder(study), error_rate=error_rate, half_widths=half_width)
    report = build(study)
    if json:
        results().print_json(found.model_dump_json())
    elif quiet:
        typer.echo(str(report))
    else:
        show(results(), found, str(report))


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("evaluate")(command)
