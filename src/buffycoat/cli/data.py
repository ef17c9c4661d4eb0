"""``buffycoat data``: which data sets there are, fetching them, and what is in one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from buffycoat.cli import labels
from buffycoat.cli.audit import audit
from buffycoat.cli.console import counting, remarks, results

if TYPE_CHECKING:
    from collections.abc import Sequence

    from buffycoat.data.dataset import DataSet
    from buffycoat.records.documents import Fault

DataDir = Annotated[
    Path | None,
    typer.Option("--data-dir", help="Where named sets live; else BUFFYCOAT_DATA, else your cache.", show_default=False),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of tables.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no remarks.")]

_FAULTS_SHOWN = 10


def register(app: typer.Typer) -> None:
    """Add the command group ``data``."""
    group = typer.Typer(no_args_is_help=True, help="Data sets: which there are, fetch them, see what is in one.")
    group.command("list")(list_sets)
    group.command("fetch")(fetch)
    group.command("show")(show)
    group.command("audit")(audit)
    labels.register(group)
    app.add_typer(group, name="data")


def list_sets(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """List the data sets that have a name: where each lives, its size and licence."""
    from buffycoat import settings
    from buffycoat.data import bccd, named
    from buffycoat.data.manifest import read_manifest

    manifest = read_manifest(bccd.NAME)
    places = named.find_bccd(data_dir)
    here = str(places[0].root) if places and not places[0].missing else None
    lacking = len(places[0].missing) if places else 0
    if as_json:
        sets: list[dict[str, Any]] = [
            {"name": bccd.NAME, "at": here, "bytes": manifest.total_bytes, "images": 366, "licence": bccd.LICENCE},
            {"name": named.SYNTHETIC, "at": None, "bytes": None, "images": named.SYNTHETIC_N, "licence": "Apache-2.0"},
        ]
        _print_json({"sets": sets, "looked_in": [str(place) for place in settings.data_dirs(data_dir)]})
        return
    where = here or (
        f"incomplete: {lacking} files are missing in {places[0].root}; buffycoat data fetch bccd completes it"
        if lacking
        else "not here; fetch it: buffycoat data fetch bccd"
    )
    _describe(
        bccd.NAME,
        what=bccd.DESCRIPTION,
        where=where,
        size=f"{manifest.total_bytes / 1e6:.1f} MB in {len(manifest.files)} files",
        licence=bccd.LICENCE,
    )
    _describe(
        named.SYNTHETIC,
        what="smears drawn by the program, no photographs: synthetic, synthetic:N or synthetic:N@SEED",
        where="drawn when asked for, kept in your cache",
        size=f"{named.SYNTHETIC_N} fields unless N is given",
        licence="Apache-2.0, as the program",
    )
    results().print("Anything else is given by its path: a folder or a CSV table (image,label).")


def _describe(name: str, **lines: str) -> None:
    results().print(name, style="bold", markup=False)
    for title, text in lines.items():
        results().print(f"  {title + ':':<9}{text}", markup=False, soft_wrap=True)
    results().print()


def fetch(
    name: Annotated[str, typer.Argument(help="The set to fetch: bccd.")],
    data_dir: DataDir = None,
    quiet: Quiet = False,
) -> None:
    """Fetch a named set; files that are already right are kept, so it goes on where it stopped."""
    from buffycoat.data import bccd, named
    from buffycoat.data.manifest import read_manifest
    from buffycoat.errors import UsageError, did_you_mean

    drawn = named.parse_synthetic(name)
    if drawn is not None:
        with counting("Drawing", quiet=quiet) as move:
            data = named.load_synthetic(*drawn, data_dir, on_progress=move)
        results().print(f"{name} is drawn: {data.root}", soft_wrap=True)
        return
    if name != bccd.NAME:
        raise UsageError(f"There is no set {name!r} to fetch.", hint=did_you_mean(name, named.NAMES))
    places = [] if data_dir else [place for place in named.find_bccd() if not place.missing]
    manifest = read_manifest(bccd.NAME)
    if places and manifest.different(places[0].root):
        places = []  # somebody's own version: fetch the published one beside it
    if places and not manifest.missing(places[0].root):
        results().print(f"{name} is here, complete and checked: {places[0].root}", soft_wrap=True, markup=False)
        return
    with counting("Fetching", quiet=quiet) as move:
        root, fetched = named.fetch_bccd(data_dir, on_progress=move)
    total = len(manifest.files)
    results().print(
        f"{name} is here, complete and checked: {root} ({fetched} files fetched, {total - fetched} were right already)",
        soft_wrap=True,
    )


def show(
    data: Annotated[str, typer.Argument(metavar="DATA", help="bccd, synthetic[:N[@SEED]], a folder, or a CSV table.")],
    data_dir: DataDir = None,
    as_json: AsJson = False,
    every_fault: Annotated[bool, typer.Option("--faults", help="List every fault, not the first few.")] = False,
    no_download: Annotated[bool, typer.Option("--no-download", help="Fail instead of fetching.")] = False,
    quiet: Quiet = False,
) -> None:
    """Show what is in a data set: cells of each class, groups, and everything found wrong."""
    from buffycoat.data.load import load

    with counting("Reading", quiet=quiet or as_json) as move:
        found = load(data, data_dir=data_dir, download=not no_download, on_progress=move)
    if as_json:
        _print_json(
            {
                **found.summary().model_dump(mode="json"),
                "rows": found.cells.height,
                "counts": found.counts(),
                "groups": found.cells.get_column("group").n_unique(),
                "remarks": list(found.remarks),
                "faults": [fault.model_dump(mode="json") for fault in found.faults],
            }
        )
        return
    _show(found, every_fault=every_fault)
    if not quiet:
        for remark in found.remarks:
            remarks().print(remark, markup=False)


def _show(data: DataSet, *, every_fault: bool) -> None:
    from rich.markup import escape
    from rich.table import Table

    out = results()
    out.print(data.name, style="bold", markup=False)
    out.print(data.description, markup=False)
    out.print(str(data.root), soft_wrap=True, markup=False)
    counts = data.counts()
    total = sum(counts.values())
    table = Table(show_footer=True)
    table.add_column("label", footer="all rows")
    table.add_column("rows", justify="right", footer=f"{total:,}")
    table.add_column("share", justify="right")
    for label, n in counts.items():
        table.add_row(escape(label), f"{n:,}", f"{n / total:.1%}")
    out.print(table)
    groups = data.cells.get_column("group").n_unique()
    out.print(f"{groups:,} groups in {data.cells.height:,} rows (rows of one group are never parted by a split).")
    _show_faults(data.faults, every_fault=every_fault)


def _show_faults(faults: Sequence[Fault], *, every_fault: bool) -> None:
    out = results()
    if not faults:
        out.print("Nothing was found wrong.")
        return
    shown = faults if every_fault else faults[:_FAULTS_SHOWN]
    out.print(f"Found wrong: {len(faults)}" + ("" if len(shown) == len(faults) else f", first {len(shown)}:"))
    for fault in shown:
        place = fault.file if fault.row is None else f"{fault.file}, row {fault.row}"
        out.print(f"  {place}: {fault.problem}; {fault.action}.", markup=False, soft_wrap=True)
    if len(shown) < len(faults):
        out.print("All of them: --faults.")


def _print_json(document: dict[str, Any]) -> None:
    import json

    results().print(json.dumps(document, indent=2, ensure_ascii=False), markup=False, soft_wrap=True)
