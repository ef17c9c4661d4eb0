"""Several processes train one study, started by ``--devices`` or by torchrun; one that is stopped goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
import torch

from buffycoat.records.documents import Results
from buffycoat.train.distributed import Processes
from tests.study.conftest import MODELS, command, wait_for

TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
ENVIRONMENT = {"OMP_NUM_THREADS": "1"}


def _run(words: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, capture_output=True, text=True, check=False, env={**os.environ, **ENVIRONMENT})


@pytest.fixture(scope="module")
def alone(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the study as one process trains it, one fold at a time; not to be changed."""
    out = tmp_path_factory.mktemp("alone") / "out"
    done = _run(command(drawn, out, "--jobs", "1"))
    assert done.returncode == 0, done.stderr
    return out


def _history(out: Path, column: str) -> list[float]:
    return pl.read_csv(out / "history.csv").sort("model", "fold", "epoch")[column].to_list()


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["--devices", "torchrun"])
def test_two_processes_train_one_study(launcher: str, drawn: Path, alone: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    if launcher == "torchrun":
        _, *module = command(drawn, out, "--quiet", "--json")
        done = _run([*TORCHRUN, *module])
    else:
        done = _run(command(drawn, out, "--devices", "2", "--quiet", "--json"))
    assert done.returncode == 0, done.stderr
    results = Results.model_validate_json(done.stdout)
    assert [model.model for model in results.models if model.model not in results.baselines] == list(MODELS)
    assert Results.read(out / "results.json") == results
    assert len(_history(out, "epoch")) == 2 * 6
    rates = [_history(folder, "learning_rate") for folder in (out, alone)]
    assert rates[0] == pytest.approx(rates[1]), "as many steps: a batch is shared out, not drawn twice"
    losses = [_history(folder, "train_loss") for folder in (out, alone)]
    assert losses[0] != pytest.approx(losses[1], rel=1e-6), "two processes draw their own augmentation"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("how", "jobs"),
    [
        pytest.param(signal.SIGKILL, "2", id="kill -9, two folds side by side"),  # one at a time: test_study_killed.py
        pytest.param(signal.SIGINT, "1", id="Ctrl-C, one fold at a time"),
        pytest.param(signal.SIGINT, "2", id="Ctrl-C, two folds side by side"),
    ],
)
def test_an_interrupted_study_ends_as_an_uninterrupted_one(
    drawn: Path, alone: Path, tmp_path: Path, how: signal.Signals, jobs: str
) -> None:
    out = tmp_path / "out"
    words = command(drawn, out, "--jobs", jobs)
    process = subprocess.Popen(
        words,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, **ENVIRONMENT},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 (jobs in the background ignore it)
    )
    wait_for(out / "models" / MODELS[0] / "r0f0" / "last.ckpt", process)
    process.send_signal(how)
    said = process.communicate(timeout=120)[1]
    assert process.returncode in {-signal.SIGKILL, 130}, said
    if how == signal.SIGINT:
        assert "goes on from there" in said
        assert "Traceback" not in said
    again = _run(words)
    assert again.returncode == 0, again.stderr
    # Side by side, a fold comes out as it does alone.
    assert pl.read_parquet(out / "predictions.parquet").equals(pl.read_parquet(alone / "predictions.parquet"))
    history = [pl.read_csv(folder / "history.csv").drop("seconds") for folder in (out, alone)]
    assert history[0].equals(history[1])


@pytest.mark.slow
def test_a_process_ends_with_the_one_that_launched_it() -> None:
    """Else it would hold the study's folder, and the same command would be refused until it had trained to its end."""
    waiting = (
        "import time; from buffycoat.train.distributed import join; join(); print('here', flush=True); time.sleep(99)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", waiting],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "BUFFYCOAT_LAUNCHED": "1"},
    )
    assert process.stdout is not None and process.stdin is not None
    assert process.stdout.readline() == b"here\n"
    process.stdin.close()  # as a killed launcher's end does
    assert process.wait(20) == 1
    process.stdout.close()


@pytest.mark.parametrize(("rank", "ends"), [(0, RuntimeError), (1, SystemExit)])
def test_who_loses_the_first_process_leaves_the_word_to_it(
    rank: int, ends: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    def closed() -> None:
        raise RuntimeError("Connection closed by peer")

    monkeypatch.setattr(torch.distributed, "barrier", closed)
    with pytest.raises(ends):
        Processes(rank=rank, world=2, local_world=2).wait()


@pytest.mark.slow
def test_a_fault_in_several_processes_keeps_its_words_and_exit_code(tmp_path: Path) -> None:
    (tmp_path / "data" / "neutrophil").mkdir(parents=True)
    done = _run(command(tmp_path / "data", tmp_path / "out", "--devices", "2", "--quiet"))
    assert done.returncode == 3, done.stderr
    said = " ".join(done.stderr.split())
    assert said.count("holds no images") == 1 and "Expected one folder per class" in said
    assert "Traceback" not in said
