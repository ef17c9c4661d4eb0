"""``buffycoat export``: from a finished study to a bundle that runs without PyTorch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from buffycoat.cli.outputs import local


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("export", help="Write a study's network as a bundle (model.onnx, card.json) that runs anywhere.")(
        export
    )


def export(
    study: Annotated[
        str,
        typer.Argument(
            metavar="STUDY[:MODEL]",
            help="A finished study, and which of its networks; default: the one with the highest accuracy.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path,
        typer.Option("--out", "-o", callback=local, help="The bundle's folder: new, empty or a bundle to replace."),
    ],
    precision: Annotated[
        Literal["fp32", "int8"], typer.Option(help="8 bits: a quarter of the size, about twice as fast.")
    ] = "int8",
    model_weights: Annotated[
        Literal["final", "r0f0"],
        typer.Option(help="final: trained on every cell of the study (once, then kept); r0f0: the first fold's."),
    ] = "final",
    error_rate: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            max=1.0,
            help="Share of answers that may be wrong; the less certain are left unidentified.",
            show_default="the study's, where it was set; else three quarters of all errors",
        ),
    ] = None,
    allow_loss: Annotated[
        bool, typer.Option("--allow-loss", help="Let 8 bits cost more than 1 % of balanced accuracy.")
    ] = False,
    name: Annotated[str | None, typer.Option(help="Name in the card.", show_default="DATA-MODEL")] = None,
    licence: Annotated[str, typer.Option(help="Licence of the bundle, as the card states it.")] = "Apache-2.0",
    as_json: Annotated[bool, typer.Option("--json", help="Print the card instead of a summary.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress; warnings and errors only.")] = False,
) -> None:
    """Export a network."""
    from buffycoat.cli.console import remarks, results
    from buffycoat.cli.watching import Terminal
    from buffycoat.errors import DataError
    from buffycoat.files import is_file
    from buffycoat.study.needs import require_training

    folder, model = _parted(study)
    if not is_file(folder / "study.json"):  # before the workbench is loaded, which takes seconds
        raise DataError(f"{folder} holds no study.", hint="Run one first: buffycoat study DATA --out DIR.")
    require_training()
    from buffycoat.bundle.summary import summary
    from buffycoat.study.export import Wanted, export_study

    wanted = Wanted(model, precision, model_weights, error_rate, allow_loss, licence, name)
    with Terminal(remarks(), quiet=quiet) as watch:
        bundle = export_study(folder, out, wanted, watch=watch)
    if as_json:
        results().print_json(bundle.card.model_dump_json())
    else:
        typer.echo(summary(bundle.card))
        typer.echo(f"\nWritten to {out}. Its whole card: buffycoat card {out}")


def _parted(text: str) -> tuple[Path, str | None]:
    """Part STUDY:MODEL; a folder whose name holds a colon is taken as it is."""
    from buffycoat.files import is_folder

    if is_folder(Path(text)) or ":" not in text:
        return Path(text), None
    folder, _, model = text.rpartition(":")
    return Path(folder), model
