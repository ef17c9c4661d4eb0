"""``buffycoat synth``: write a set of drawn smears."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from buffycoat.cli.console import counting, results
from buffycoat.cli.outputs import local


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("synth")(command)


def command(
    out: Annotated[
        Path, typer.Argument(metavar="OUT", callback=local, help="Folder to write; new, empty, or an unfinished set.")
    ],
    n: Annotated[int, typer.Option("--n", "-n", help="Fields to draw (640×480 px each).")] = 300,
    seed: Annotated[int, typer.Option("--seed", help="Fixes every byte: the same seed draws the same set.")] = 7,
    balanced: Annotated[
        bool,
        typer.Option(
            "--balanced", help="As many cells of each type, instead of shares near those of the 410-image set."
        ),
    ] = False,
    cells_per_field: Annotated[
        int, typer.Option("--cells-per-field", help="Leukocytes in every field, 0 to 8; red cells are always there.")
    ] = 1,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing unless something is wrong.")] = False,
) -> None:
    """Draw stained smears with the five leukocyte types, to try everything without real data.

    Writes images/*.jpg, masks/*.png (nuclei), labels.csv (type, group and box of every cell) and SYNTHETIC.json.
    Run again after an interruption, it goes on where it stopped. Results on drawn smears say nothing about real ones.
    """
    from collections import Counter

    from rich.markup import escape

    from buffycoat.synth.write import BALANCED_SHARES, COMMON_SHARES, labels_of, write_set
    from buffycoat.taxonomy import order

    shares = BALANCED_SHARES if balanced else COMMON_SHARES
    with counting("Drawing smears", quiet=quiet) as move:
        write_set(out, n, seed, shares=shares, cells_per_field=cells_per_field, on_progress=move)
    if quiet:
        return
    counts = Counter(labels_of(out))
    say = results().print
    cells = sum(counts.values())
    say(f"{n} drawn field{'s' * (n != 1)} with {cells} leukocyte{'s' * (cells != 1)} in [bold]{escape(str(out))}[/]")
    for name in order(counts):
        say(f"  {name:<11}{counts[name]:>6}")
    if cells:
        say(f"Next: [bold]buffycoat study {escape(str(out))}[/]")
