"""``buffycoat data audit``: what is wrong with a data set, before anything is trained on it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from buffycoat.cli.console import counting, remarks, results
from buffycoat.cli.outputs import local
from buffycoat.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from buffycoat.records.audit import Audit, Problem
    from buffycoat.study.paint_out import Plan

_SHOWN = 4
_PICTURE = "audit-groups.svg"
_MARKS = {"sound": ("✓", "green"), "look": ("!", "yellow"), "serious": ("✗", "bold red")}


def audit(
    data: Annotated[str, typer.Argument(metavar="DATA", help="bccd, synthetic[:N[@SEED]], a folder, or a CSV table.")],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            callback=local,
            help="Where audit.json goes: a file, or a folder, which also gets the table of groups and its picture.",
            show_default="nowhere",
        ),
    ] = None,
    recipe: Annotated[str, typer.Option(help="Cleaning recipe the class counts are held against.")] = "seeds",
    folds: Annotated[int, typer.Option(min=2, help="Folds of the study to come.")] = 5,
    paint_out: Annotated[
        bool,
        typer.Option("--paint-out", help="Train on the fields with the leukocytes painted out: it must find nothing."),
    ] = False,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="Change one choice of that control, e.g. epochs=20, folds=5 or network=resnet18."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of permutations, resamples and the control.")] = 7,
    data_dir: Annotated[Path | None, typer.Option(help="Where named data sets live.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print audit.json instead of the table.")] = False,
    every: Annotated[bool, typer.Option("--all", help="List every finding, not the first few.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no remarks.")] = False,
) -> None:
    """Audit a data set: broken and odd files, copies, leaks, class counts, and shortcuts a network could take."""
    from buffycoat.audit import judge
    from buffycoat.clean.recipe import named
    from buffycoat.data.load import load

    chosen = named(recipe)
    still = quiet or as_json
    if settings and not paint_out:
        raise UsageError("--set changes the control, which only --paint-out trains.")
    plan = _plan(settings or (), seed) if paint_out else None
    with counting("Reading", quiet=still) as move:
        found = load(data, data_dir=data_dir, on_progress=move)
    if not still:
        for remark in found.remarks:
            remarks().print(remark, markup=False)
    with counting("Looking at every file", quiet=still) as looking, counting("Comparing", quiet=still) as comparing:
        document, cells = judge.audit(found, chosen, folds, seed=seed, on_progress=looking, on_compare=comparing)
    if plan is not None:
        from buffycoat.study.paint_out import paint_out as train

        with counting("Training without the leukocytes", quiet=still) as move:
            control = train(found, cells, chosen, plan, on_progress=move)
        document = judge.with_control(document, control)
    path = None if out is None else _write(document, out)
    if as_json:
        results().print(document.model_dump_json(indent=2), markup=False, soft_wrap=True)
    else:
        show(document, every=every)
    if path is not None and not still:
        remarks().print(f"Written: {path}", markup=False, soft_wrap=True)


def _write(document: Audit, out: Path) -> Path:
    """Write the audit, and into a folder of its own the picture of its groups; return the audit's path."""
    from buffycoat.audit import judge
    from buffycoat.files import write_text
    from buffycoat.report.audit import strips_sheet
    from buffycoat.report.colours import LIGHT

    path = judge.write(document, out)
    sheet = strips_sheet(document) if judge.own_folder(out) else None
    if sheet is not None:
        write_text(out / _PICTURE, sheet.standalone(LIGHT))
    return path


def show(document: Audit, *, every: bool = False) -> None:
    """Print an audit: what matters first, sound things in one line each."""
    from rich.text import Text

    out = results()
    if document.synthetic:
        out.print("SYNTHETIC DATA: these smears were drawn by a program.", style="bold yellow")
    out.print(document.name, style="bold", markup=False)
    out.print(
        f"{document.images:,} files, {document.readable:,} readable, at most {document.distinct:,} distinct cells; "
        f"{document.groups_given:,} groups given, {document.groups_used:,} used for splits."
    )
    order = ("serious", "look", "sound")
    for problem in sorted(document.problems, key=lambda one: order.index(one.flag)):
        mark, style = _MARKS[problem.flag]
        head = Text.assemble((f"{mark} {problem.title}", style), f"  score {problem.score:.2f}  ", problem.sentence)
        out.print(head, soft_wrap=True)
        if problem.flag != "sound":
            _show_findings(problem, every=every)
    out.print("Research software, not a medical device.", style="dim")


def _plan(settings: Iterable[str], seed: int) -> Plan:
    """Return how the control is trained; the workbench must be installed."""
    from buffycoat.study.needs import require_training

    require_training()
    from buffycoat.study.paint_out import Plan

    return Plan.of(settings, seed)


def _show_findings(problem: Problem, *, every: bool) -> None:
    out = results()
    shown = problem.findings if every else problem.findings[:_SHOWN]
    for finding in shown:
        files = ", ".join(finding.files if every else finding.files[:3])
        more = "" if every or len(finding.files) <= 3 else f" and {len(finding.files) - 3} more"
        text = f"{files}{more}: {finding.note}" if files else finding.note
        out.print(f"    {text}", markup=False, soft_wrap=True)
    if len(shown) < len(problem.findings):
        out.print(f"    … {len(problem.findings) - len(shown):,} more: --all lists them.")
    out.print(f"    → {problem.advice}", markup=False, soft_wrap=True)
