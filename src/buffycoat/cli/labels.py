"""``buffycoat data labels``: suspects to a sheet, a person's corrections to an override file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from buffycoat.cli.console import remarks, results
from buffycoat.cli.outputs import local


def register(group: typer.Typer) -> None:
    """Add the command group ``labels`` to ``data``."""
    labels = typer.Typer(no_args_is_help=True, help="Labels that look wrong: list them, and apply corrections.")
    labels.command("export")(export)
    labels.command("apply")(apply)
    group.add_typer(labels, name="labels")


def export(
    study: Annotated[Path, typer.Argument(metavar="STUDY", help="A finished study's folder.")],
    out: Annotated[Path, typer.Option("--out", "-o", callback=local, help="The sheet to write (CSV).")] = Path(
        "suspects.csv"
    ),
    as_json: Annotated[bool, typer.Option("--json", help="Print labels.json instead.")] = False,
) -> None:
    """Write the labels that look wrong as a sheet to be corrected: fill in corrected, by and why."""
    from buffycoat.labels.of_study import labels_of
    from buffycoat.labels.sheet import write_sheet

    found = labels_of(study)
    if as_json:
        results().print_json(found.model_dump_json())
        return
    written = write_sheet(found, out)
    results().print(found.sentence, markup=False)
    results().print(
        f"{written} suspects: {out}. Look at each (the report shows them), fill in corrected, by and why where the "
        f"label is wrong, then: buffycoat data labels apply {out} --to DATA --out overrides.csv",
        markup=False,
        soft_wrap=True,
    )


def apply(
    sheet: Annotated[Path, typer.Argument(metavar="CSV", help="The corrected sheet.")],
    to: Annotated[str, typer.Option("--to", help="The data set, or the study whose labels were corrected.")],
    out: Annotated[
        Path, typer.Option("--out", "-o", callback=local, help="The override file; changes already in it are kept.")
    ] = Path("overrides.csv"),
    by: Annotated[str | None, typer.Option(help="Whose corrections they are, where the sheet does not say.")] = None,
    data_dir: Annotated[Path | None, typer.Option("--data-dir", help="Where named data sets live.")] = None,
) -> None:
    """Check corrections against the data and add them to an override file; the data stay as they are."""
    from buffycoat.files import exists
    from buffycoat.labels.of_study import cells_of
    from buffycoat.labels.overrides import corrected, read_overrides, write_overrides
    from buffycoat.labels.sheet import read_sheet

    made, left = read_sheet(sheet, by=by)
    before = read_overrides(out) if exists(out) else ()
    known = {(one.cell_id, one.corrected, one.by, one.why) for one in before}
    new = [one for one in made if (one.cell_id, one.corrected, one.by, one.why) not in known]
    now = {one.cell_id: one.corrected for one in before}
    overtaken = [one.cell_id for one in made if one not in new and now[one.cell_id] != one.corrected]
    cells = cells_of(to, data_dir=data_dir)
    corrected(cells, [*before, *new])
    same = [one for one in new if one.label == one.corrected]
    kept = [one for one in new if one.label != one.corrected]
    write_overrides([*before, *kept], out)
    results().print(
        f"{len(kept)} changes added to {out} ({len(before)} were in it); "
        f"{left + len(same)} rows of the sheet change nothing"
        + (f", {len(made) - len(new)} were applied before" if len(made) > len(new) else "")
        + ".",
        markup=False,
        soft_wrap=True,
    )
    if overtaken:
        remarks().print(
            f"{len(overtaken)} of them were changed again since, and the later change stands: "
            f"{', '.join(overtaken[:8])}{', …' if len(overtaken) > 8 else ''}. To change one back once more, give "
            "another reason in why.",
            markup=False,
            soft_wrap=True,
        )
    remarks().print(f"The next study honours them with: buffycoat study DATA --labels {out}", markup=False)
