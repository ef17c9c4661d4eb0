"""``buffycoat predict``: photographs in, a table of cells out."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from buffycoat import worker_source
from buffycoat.cli.starting import uncollected, whole_pixels


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("predict", help="Find and classify the leukocytes of photographs.")(predict)


def predict(
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH…",
            help="Files, folders, 'patterns', zip and tar archives, here or at an address (s3://…); - for a list on "
            "standard input.",
        ),
    ],
    bundle: Annotated[
        Path | None,
        typer.Option("--bundle", "-b", help="The bundle's folder.", show_default="the one that is built in"),
    ] = None,
    out: Annotated[
        str | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            help=".csv, .tsv, .jsonl, .parquet, or .txt for a table, here or at an address; else a table is printed.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON lines instead of a table.")] = False,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Go on with --out, or add to it: what is done is not done again, and all other rows stay.",
        ),
    ] = False,
    prune: Annotated[
        bool, typer.Option("--prune", help="With --resume: drop the rows of what is not asked for.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Drop an unfinished run.")] = False,
    views: Annotated[int, typer.Option(help="1, or 4 for the mean over four quarter turns.")] = 1,
    explain: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write where the network looked, one picture a cell.")
    ] = None,
    max_pixels: Annotated[float, typer.Option(help="Refuse larger photographs.")] = 100e6,
    null: Annotated[bool, typer.Option("--null", "-0", help="The list ends names with a zero (find -print0).")] = False,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Photographs looked at side by side.", show_default="found by measurement")
    ] = None,
    batch: Annotated[
        int | None, typer.Option(min=1, help="Cells the network takes at once.", show_default="found by measurement")
    ] = None,
    engine: Annotated[
        str,
        typer.Option(
            help="processes; threads, for less memory and speed; or ray, for a cluster (docs/cluster.md).",
        ),
    ] = "processes",
    address: Annotated[
        str | None, typer.Option(help="Of a running Ray cluster.", show_default="one is started on this machine")
    ] = None,
    jobs: Annotated[int | None, typer.Option(min=1, help="Workers of --engine ray.", show_default="all cores")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no remarks.")] = False,
) -> None:
    """Classify photographs; the exit code is 1 where any could not be read."""
    many = engine == "processes" and worker_source.surely_many(paths)
    if many:
        with suppress(OSError):  # it is tried again when there is work, and done without where that fails
            worker_source.start()
    with uncollected():
        from buffycoat.cli.predicting import Options, run_predict

    code = run_predict(
        Options(
            paths=paths,
            bundle=bundle,
            out=out,
            as_json=as_json,
            resume=resume,
            prune=prune,
            overwrite=overwrite,
            views=views,
            explain=explain,
            max_pixels=whole_pixels(max_pixels),
            null=null,
            threads=threads,
            batch=batch,
            engine=engine,
            address=address,
            jobs=jobs,
            quiet=quiet,
            surely_many=many,
        )
    )
    if code:
        raise typer.Exit(code)
