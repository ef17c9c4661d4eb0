"""A worker process ends when it is told to, in order, and by itself when the server is gone."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator

import pytest
from sqlalchemy import func, select

from buffycoat.review import slides, uploads, workers
from buffycoat.review.desk import Desk
from buffycoat.review.schema import Event
from buffycoat.review.sign_in import HERE
from tests.review.desks import small_photograph

pytestmark = pytest.mark.slow


@pytest.fixture
def worker(desk: Desk) -> Iterator[subprocess.Popen[bytes]]:
    """Return a worker process that has done a first job and waits for another."""
    slide = slides.create(desk, HERE, "Slide")
    uploads.take_in(desk, HERE, slide.id, uploads.from_bytes([("1.png", small_photograph(1))]))
    process = workers.start(desk.settings)
    end = time.monotonic() + 60
    while not _analysed(desk):
        assert process.poll() is None
        assert time.monotonic() < end
        time.sleep(0.05)
    yield process
    process.kill()
    process.communicate()


def _analysed(desk: Desk) -> int:
    with desk.database.read() as session:
        return session.scalar(select(func.count()).select_from(Event).where(Event.kind == "field.analysed")) or 0


def test_told_to_end_it_ends_without_a_word(worker: subprocess.Popen[bytes], capfd: pytest.CaptureFixture[str]) -> None:
    worker.terminate()
    assert worker.wait(20) == 0
    assert "Fatal" not in capfd.readouterr().err


def test_it_does_not_outlive_the_server(worker: subprocess.Popen[bytes]) -> None:
    assert worker.stdin is not None
    worker.stdin.close()  # as happens when the server is killed
    assert worker.wait(20) == 3
