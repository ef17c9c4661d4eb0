"""``buffycoat study``: the main job, from labelled smears to a report."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal

import typer

from buffycoat.cli.console import remarks, results
from buffycoat.cli.outputs import local
from buffycoat.errors import FetchError, UsageError
from buffycoat.files import is_folder

AUTO = "auto"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("study", help="Compare networks on labelled smears: clean, explore, split, train, evaluate, report.")(
        study
    )


def study(
    data: Annotated[
        str,
        typer.Argument(
            help="bccd, synthetic[:N], a folder (Kaggle's, or one folder per class) or a CSV with image,label. "
            "Default: bccd where it can be had, otherwise synthetic.",
            show_default=False,
        ),
    ] = AUTO,
    out: Annotated[
        Path, typer.Option("--out", "-o", callback=local, help="The study folder; a begun study goes on.")
    ] = Path("study"),
    preset: Annotated[
        Literal["quick", "standard", "thorough"] | None,
        typer.Option(
            help="One hold-out, 5-fold, or 5-fold on three splits, with a second seed and fewer cells, too.",
            show_default="quick",
        ),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option("--model", "-m", help="A network (repeatable); default resnet18, efficientnet, alexnet."),
    ] = None,
    weights: Annotated[
        list[str] | None,
        typer.Option(
            help="auto, none, or a file of weights; MODEL=… for one network (repeatable).", show_default="auto"
        ),
    ] = None,
    recipe: Annotated[str | None, typer.Option(help="Cleaning recipe: seeds or none.", show_default="seeds")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="The study's one seed.", show_default="7")] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="Change one choice, e.g. train.epochs=5 or recipe.thin.neutrophil=0.2."),
    ] = None,
    config: Annotated[Path | None, typer.Option(help="TOML file with the same choices.")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Where named data sets live.")] = None,
    devices: Annotated[int, typer.Option(min=1, help="Processes on this machine, trained together.")] = 1,
    jobs: Annotated[
        int | None,
        typer.Option(
            min=1, help="Folds trained side by side, the cores shared out to them.", show_default="one a core"
        ),
    ] = None,
    nodes: Annotated[int, typer.Option(min=1, help="Machines; start the command on each with torchrun.")] = 1,
    labels: Annotated[
        Path | None, typer.Option(help="Labels corrected by hand: the file of `buffycoat data labels apply`.")
    ] = None,
    allow_leakage: Annotated[
        bool, typer.Option("--allow-leakage", help="Go on with a split that leaks; marks every result.")
    ] = False,
    overwrite: Annotated[bool, typer.Option(help="Replace another study in the folder.")] = False,
    tensorboard: Annotated[bool, typer.Option(help="Write TensorBoard logs beside each fold.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print results.json instead of the table.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress; warnings and errors only.")] = False,
) -> None:
    """Run a study."""
    from buffycoat.cli.watching import Terminal
    from buffycoat.study.config import configure
    from buffycoat.study.needs import require_training

    require_training(tensorboard=tensorboard)
    _apart(data, out)
    resolved = configure(
        preset=preset,
        models=model or (),
        seed=seed,
        weights=weights or (),
        recipe=recipe,
        settings=[*(settings or ()), *(["split.leaks=allow"] if allow_leakage else [])],
        file=config,
    )
    _together(devices, nodes)
    from buffycoat.report.terminal import show
    from buffycoat.study.conduct import conduct
    from buffycoat.train.distributed import join, leave

    first = join().is_first
    with _parting(leave), _following(first), Terminal(remarks(), quiet=quiet or not first) as watch:
        what = _choose(watch, data_dir) if first and data == AUTO else data  # the others read what it prepares
        found = conduct(
            what,
            resolved,
            out,
            command=_command(),
            data_dir=data_dir,
            labels=labels,
            overwrite=overwrite,
            tensorboard=tensorboard,
            side_by_side=jobs,
            watch=watch,
        )
    if not first:
        return
    if json:
        results().print_json(found.model_dump_json())
    else:
        show(results(), found, str(out / "report.html"))


def _apart(data: str, out: Path) -> None:
    """Refuse to write a study into the folder of its own data."""
    if data not in {AUTO, "bccd"} and is_folder(Path(data)) and is_folder(out) and Path(data).samefile(out):
        raise UsageError(f"--out {out} is the folder of the data itself.", hint="Choose another folder, beside it.")


def _choose(watch: object, data_dir: Path | None) -> str:
    """Return bccd where it can be had, else synthetic, saying so."""
    from buffycoat.cli.watching import Terminal
    from buffycoat.data.load import load

    try:
        if isinstance(watch, Terminal):
            watch.stage("Looking for the 410-image set (bccd)")
            load("bccd", data_dir=data_dir, on_progress=watch.count)
    except FetchError as error:
        remarks().rule("[bold yellow]SYNTHETIC DATA", style="yellow")
        remarks().print(
            f"The 410-image set cannot be had: {error.what}\n"
            "This study runs on smears drawn by the program instead. Its numbers say nothing about real blood.",
            markup=False,
        )
        if error.hint:
            remarks().print(error.hint, markup=False)
        remarks().rule(style="yellow")
        return "synthetic"
    return "bccd"


def _together(devices: int, nodes: int) -> None:
    """Start the other processes where several are wanted and torchrun has not done so."""
    from buffycoat.train.distributed import launch, launched

    if launched():
        return
    if nodes > 1:
        raise UsageError(
            f"--nodes {nodes}: start the same command on each machine with torchrun.",
            hint=f"torchrun --nnodes={nodes} --nproc-per-node={devices} --rdzv-endpoint=HOST:PORT -m buffycoat study …",
        )
    if devices > 1:
        raise typer.Exit(launch(devices, sys.argv[1:]))


@contextmanager
def _following(first: bool) -> Iterator[None]:
    """Keep a process that lost its fellows from talking over the one that says why."""
    try:
        yield
    except RuntimeError:
        if first:
            raise
        raise typer.Exit(1) from None


@contextmanager
def _parting(leave: object) -> Iterator[None]:
    try:
        yield
    finally:
        if callable(leave):
            leave()


def _command() -> str:
    import shlex

    return shlex.join(["buffycoat", *sys.argv[1:]])
