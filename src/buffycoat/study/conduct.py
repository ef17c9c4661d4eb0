"""The conductor: runs a study from data to report, and goes on where an interruption left it."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

from buffycoat.data.dataset import DataSet
from buffycoat.data.load import load
from buffycoat.errors import DataError, OutputError, TrainingError
from buffycoat.imaging.crops import CropStore
from buffycoat.labels.overrides import digest, read_overrides, with_overrides, write_overrides
from buffycoat.networks.build import build as build_network
from buffycoat.networks.start import StartWeights
from buffycoat.records.documents import NetworkCard, Results
from buffycoat.report.build import build
from buffycoat.study import baseline
from buffycoat.study.config import StudyConfig
from buffycoat.study.count import count, gather
from buffycoat.study.folder import StudyFolder
from buffycoat.study.further import Further, further_jobs, gather_further
from buffycoat.study.jobs import fold_jobs
from buffycoat.study.prepare import prepare
from buffycoat.study.record import StudyRecord
from buffycoat.study.unlike import score_strangers
from buffycoat.study.watch import Silent, Watcher
from buffycoat.train.distributed import Processes, join
from buffycoat.train.fold import FoldJob, describe, run_fold
from buffycoat.train.precision import threads
from buffycoat.train.side_by_side import Crew, crew, run_folds


def conduct(
    what: str,
    config: StudyConfig,
    out: Path,
    *,
    command: str = "",
    data_dir: Path | None = None,
    overwrite: bool = False,
    tensorboard: bool = False,
    side_by_side: int | None = 1,
    labels: Path | None = None,
    watch: Watcher | None = None,
) -> Results:
    """Run a study, or what is left of it.

    Parameters
    ----------
    what
        A named data set, a folder, or a table.
    out
        The study folder; one that holds the same study is gone on with.
    overwrite
        Remove another study that is in the folder; the same one is gone on with.
    side_by_side
        Folds trained at once; None: as many as the machine can.
    labels
        An override file: labels that somebody corrected by hand.

    Returns
    -------
    Results
        What was written to ``results.json``.

    Raises
    ------
    OutputError
        The folder cannot be used, or holds another study.
    DataError, FetchError, UsageError, TrainingError
        As the rooms raise them.
    """
    watch = watch or Silent()
    processes = join()
    folder = StudyFolder(out)
    if not processes.is_first:
        processes.wait()
        _train(folder, processes, Crew(1, threads()), Silent(), tensorboard=tensorboard)
        processes.wait()
        return Results.read(folder / "results.json")
    folder.open()
    with folder.alone():
        folder.recover()
        watch.stage("Reading the data")
        data = load(what, data_dir=data_dir, on_progress=watch.count)
        if labels is not None:
            changes = read_overrides(labels)
            data = with_overrides(data, changes)
            config = config.model_copy(update={"labels": digest(changes)})
        _say_first(data, watch)
        another = _is_another(folder, config, data, overwrite=overwrite)
        with folder.replacing() if another else nullcontext():
            if labels is not None:
                write_overrides(changes, folder / "label-overrides.csv")
            weights = _try_networks(config, folder)
            together = crew(config.trainings(), side_by_side if processes.world == 1 else 1)
            # Going on, too: what is sound is kept.
            prepare(data, config, folder, command, together.threads, watch, weights)
        processes.wait()
        _train(folder, processes, together, watch, tensorboard=tensorboard)
        if config.baseline:
            baseline.run(folder, watch)
        if config.unlike:
            record = StudyRecord.read(folder / "study.json")
            score_strangers(folder, record, fold_jobs(folder, record), data.root, watch)
        watch.stage("Counting")
        results = _evaluate(folder)
        watch.stage("Writing the report")
        build(folder.path)
        processes.wait()
    return results


def _say_first(data: DataSet, watch: Watcher) -> None:
    if data.synthetic:
        watch.say(
            "SYNTHETIC smears, drawn by the program: good for trying everything, no evidence about real blood.",
            warning=True,
        )
    for remark in data.remarks:
        watch.say(remark)
    if data.faults:
        watch.say(f"{len(data.faults)} faults were found in the data; the report names each of them.")


def _try_networks(config: StudyConfig, folder: StudyFolder) -> dict[str, StartWeights]:
    """Build each network once, and return the weights that all its folds start from.

    A wrong file of weights or input size is said now, not when its turn comes. A study that is gone on with keeps the
    weights it began with: a network connection that comes or goes changes nothing.
    """
    known = StudyRecord.read(folder / "study.json").weights if (folder / "study.json").exists() else {}
    found = {}
    for model in config.models:
        before = known.get(model)
        weights = config.start_of(model) if before is None else before.choice(config.start_of(model))
        _, report = build_network(config.network(model), 2, weights, config.train[model].input_px)
        found[model] = before or StartWeights.of(report)
    return found


def _is_another(folder: StudyFolder, config: StudyConfig, data: DataSet, *, overwrite: bool) -> bool:
    """Say whether the folder holds a study of other data or with another configuration; refused unless to `overwrite`.

    The same study is never replaced: repeating a command that says --overwrite goes on where it was stopped.
    """
    if not (folder / "study.json").exists():
        return False
    try:
        differences = StudyRecord.read(folder / "study.json").differences(config, data.summary().content_hash)
    except DataError:
        if not overwrite:
            raise
        differences = ["its study.json cannot be read"]
    if differences and not overwrite:
        shown = "; ".join(differences[:4]) + (f"; and {len(differences) - 4} more" if len(differences) > 4 else "")
        raise OutputError(
            f"{folder.path} holds another study ({shown}).",
            hint="Choose another --out (make study OUT=…), or --overwrite to replace it.",
        )
    return bool(differences)


def _train(folder: StudyFolder, processes: Processes, together: Crew, watch: Watcher, *, tensorboard: bool) -> None:
    record = StudyRecord.read(folder / "study.json")
    plain = list(fold_jobs(folder, record, tensorboard=tensorboard))
    trainings = [*map(Further, plain), *further_jobs(folder, record, plain)]
    # A fold of every network, then the next: what a network costs an epoch is known early.
    trainings.sort(key=lambda one: (one.job.repeat, one.job.fold))
    jobs = [one.job for one in trainings]
    if not all(len(job.rows["validation"]) for job in jobs):
        watch.say(
            "Too few rows to set any aside: some folds train to the last epoch, without early stopping.", warning=True
        )
    planned = dict.fromkeys(record.models, 0)
    for job in jobs:
        planned[job.network.name] += job.config.epochs
    watch.plan(planned, together.workers)
    done = [0] * len(jobs)
    cards: dict[str, NetworkCard] = {}

    def behind(model: str) -> int:
        return sum(epochs for epochs, job in zip(done, jobs, strict=True) if job.network.name == model)

    def label(one: Further) -> str:
        repeat = f", repeat {one.job.repeat + 1}" if record.config.split.repeats > 1 else ""
        return f"fold {one.job.fold + 1}{repeat}{one.words}"

    def on_epoch(place: int, epoch: int, figures: dict[str, Any]) -> None:
        job = jobs[place]
        done[place] = epoch
        watch.epoch(job.network.name, job.network.title, label(trainings[place]), behind(job.network.name), figures)

    def on_done(place: int) -> None:
        job = jobs[place]
        on_epoch(place, job.config.epochs, {})
        card = describe(job)
        _refuse_mixture(cards.setdefault(job.network.name, card), card, job)
        card.write(folder.card(job.network.name))
        _say_fallback(card, job, watch)

    if processes.world == 1:
        run_folds(jobs, folder / "crops", together, on_epoch=on_epoch, on_done=on_done)
        return
    images = CropStore.open(folder / "crops").images
    for place, job in enumerate(jobs):

        def tell(epoch: int, _: int, figures: dict[str, Any], place: int = place) -> None:
            on_epoch(place, epoch, figures)

        run_fold(job, images, processes, on_epoch=tell)
        if processes.is_first:
            on_done(place)


def _refuse_mixture(first: NetworkCard, card: NetworkCard, job: FoldJob) -> None:
    """Refuse folds of one network that started from different weights."""
    if card.weights != first.weights:
        raise TrainingError(
            f"{card.title}: fold {job.fold + 1} started from {card.weights}, an earlier one from {first.weights}.",
            hint="Begin it anew in another --out: this study was begun by a version that did not hold weights fast.",
        )


def _say_fallback(card: NetworkCard, job: FoldJob, watch: Watcher) -> None:
    if card.weights_fallback and job.repeat == job.fold == 0:
        watch.say(f"{card.title} was trained from scratch: {card.weights_fallback}.", warning=True)


def _evaluate(folder: StudyFolder) -> Results:
    record = StudyRecord.read(folder / "study.json")
    jobs = list(fold_jobs(folder, record))
    gather_further(folder, further_jobs(folder, record, jobs))
    gather(folder, [job.folder for job in jobs], baseline.parts(folder, record))
    return count(folder)
