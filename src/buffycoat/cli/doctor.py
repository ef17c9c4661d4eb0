"""``buffycoat doctor``: what will work here, and what to do about the rest."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from buffycoat.cli.console import results
from buffycoat.cli.outputs import local

_MARKS = {"good": "[green]✓[/]", "limited": "[yellow]•[/]", "missing": "[red]✗[/]"}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("doctor", help="Look at processor, packages, data, weights and disk: what will work here.")(doctor)


def doctor(
    out: Annotated[Path, typer.Option("--out", "-o", callback=local, help="Where studies would be written.")] = Path(
        "study"
    ),
    data_dir: Annotated[Path | None, typer.Option(help="Where named data sets live.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Examine this machine; the exit code is 1 where something cannot be done at all."""
    from rich.table import Table
    from rich.text import Text

    from buffycoat.doctor import examine

    findings = examine(out, data_dir)
    if as_json:
        results().print_json(data=[asdict(finding) for finding in findings])
    else:
        table = Table(box=None, show_header=False, padding=(0, 1))
        for finding in findings:
            words = Text(finding.found)
            if finding.advice:
                words.append(f"\n{finding.advice}", style="dim")
            table.add_row(_MARKS[finding.state], finding.what, words)
        results().print(table)
    if any(finding.state == "missing" for finding in findings):
        raise typer.Exit(1)
