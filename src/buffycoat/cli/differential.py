"""``buffycoat differential``: a slide's fields in, a differential count out."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from buffycoat.cli.outputs import local
from buffycoat.cli.starting import uncollected, whole_pixels
from buffycoat.errors import UsageError


def with_point(text: str) -> float:
    """Return a number of the command line; one with a decimal comma is refused, and said how to write it."""
    try:
        return float(text)
    except ValueError:
        advice = f": write {text.replace(',', '.')}" if re.fullmatch(r"[0-9]+,[0-9]+", text.strip()) else ""
        raise typer.BadParameter(f"{text[:40]!r} is not a number{advice}.") from None


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("differential", help="Count the leukocytes of a slide by type, with exact limits.")(differential)


def differential(
    fields: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="FIELDS…",
            help="Photographs, folders (each folder of photographs is a slide), archives, - for a list; or counts: "
            ".json written before, .csv with type,count.",
            show_default=False,
        ),
    ] = None,
    bundle: Annotated[
        Path | None,
        typer.Option("--bundle", "-b", help="The bundle's folder.", show_default="the one that is built in"),
    ] = None,
    out: Annotated[
        list[Path] | None,
        typer.Option(
            "--out",
            "-o",
            callback=local,
            help=".html, .json, .csv, .fhir.json, .hl7 or .txt; may be given several times.",
            show_default=False,
        ),
    ] = None,
    form: Annotated[
        str | None,
        typer.Option(
            "--format",
            "-f",
            help="table, json, csv, html, fhir or hl7, whatever the ending; without --out it is printed.",
            show_default="by the ending; a table is printed",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON; the same as --format json.")] = False,
    slide: Annotated[
        str | None,
        typer.Option("--slide", help="Count everything given as one slide of this name.", show_default="by folder"),
    ] = None,
    specimen: Annotated[
        str | None, typer.Option(help="Your identifier of the specimen, for the outputs.", show_default=False)
    ] = None,
    subject: Annotated[
        str | None, typer.Option(help="Your identifier of the subject, for the outputs.", show_default=False)
    ] = None,
    collected: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="When the specimen was collected: ISO 8601; without a zone it is this computer's.",
            show_default=False,
        ),
    ] = None,
    accession: Annotated[
        str | None,
        typer.Option(
            help="Your accession number: a later result that carries it replaces this one.",
            show_default="made of specimen, slide and time",
        ),
    ] = None,
    sheet: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="For several slides: a .csv with slide and any of specimen, subject, wbc, collected, accession.",
            show_default=False,
        ),
    ] = None,
    wbc: Annotated[
        float | None,
        typer.Option(
            parser=with_point, metavar="FLOAT", help="Leukocytes, 10⁹/L, measured elsewhere: gives absolute counts."
        ),
    ] = None,
    ranges: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Reference ranges (.toml or .json); the word example for a trial."),
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Compare with another count: .json of this program, .csv with type,count, or .csv with "
            "image,cell,class.",
        ),
    ] = None,
    against_name: Annotated[str | None, typer.Option(help="What to call who made the other count.")] = None,
    level: Annotated[
        float, typer.Option(parser=with_point, metavar="FLOAT", help="Confidence level of the limits, in percent.")
    ] = 95.0,
    views: Annotated[int, typer.Option(help="1, or 4 for the mean over four quarter turns.")] = 1,
    max_pixels: Annotated[float, typer.Option(help="Refuse larger photographs.")] = 100e6,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Threads at work.", show_default="found by measurement")
    ] = None,
    null: Annotated[bool, typer.Option("--null", "-0", help="The list ends names with a zero (find -print0).")] = False,
    processing: Annotated[
        str, typer.Option("--hl7-processing", help="MSH-11 of HL7 messages: T training, D debugging, P production.")
    ] = "T",
    print_example_ranges: Annotated[
        bool, typer.Option("--print-example-ranges", help="Print the example of a file of ranges, and leave.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no remarks.")] = False,
) -> None:
    """Count; the exit code is 1 where a photograph could not be read."""
    if print_example_ranges:
        from buffycoat.differential.ranges import example_text

        typer.echo(example_text(), nl=False)
        return
    if as_json and out:
        raise UsageError("--json prints to the terminal; with --out the ending chooses the format.", hint="Use .json.")
    if as_json and form not in (None, "json"):
        raise UsageError(f"--json and --format {form} contradict each other.", hint="Give one of them.")
    with uncollected():
        from buffycoat.cli.counting_slides import Options, run_differential

    unread = run_differential(
        Options(
            fields=fields or [],
            bundle=bundle,
            out=out or [],
            form="json" if as_json else form,
            slide=slide,
            specimen=specimen,
            subject=subject,
            wbc=wbc,
            collected=collected,
            accession=accession,
            sheet=sheet,
            ranges=ranges,
            against=against,
            against_name=against_name,
            level=level / 100,
            views=views,
            max_pixels=whole_pixels(max_pixels),
            threads=threads,
            null=null,
            processing=processing,
            quiet=quiet,
        )
    )
    if unread:
        raise typer.Exit(1)
