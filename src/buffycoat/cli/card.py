"""``buffycoat card``: what a bundle says of itself, as a model card."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("card", help="Check a bundle and print it as a model card (Markdown, in the Hugging Face layout).")(
        card
    )


def card(
    bundle: Annotated[
        Path | None, typer.Argument(help="The bundle's folder; default: the one in the package.", show_default=False)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print card.json instead.")] = False,
) -> None:
    """Print a bundle's card; nothing is run."""
    from buffycoat.bundle.default import default_bundle
    from buffycoat.bundle.markdown import markdown
    from buffycoat.bundle.read import open_bundle

    opened = open_bundle(bundle or default_bundle())
    if as_json:
        typer.echo(opened.card.model_dump_json(indent=2))
    else:
        typer.echo(markdown(opened.card), nl=False)
