"""The queue: a worker that dies, one that only seemed dead, a photograph that kills, a restart."""

from __future__ import annotations

import threading
from collections import Counter

import pytest
from sqlalchemy import func, select

from buffycoat.review import jobs, log, slides, uploads, worker
from buffycoat.review.classifier import Looked
from buffycoat.review.desk import Desk
from buffycoat.review.schema import Event, Job
from buffycoat.review.sign_in import HERE
from buffycoat.review.verify import verify
from tests.review.clients import Page
from tests.review.desks import analyse, drawn_slide, photograph, small_photograph

LOOKED = Looked(640, 480, "none", ())


def _queued(desk: Desk, n: int = 1) -> str:
    slide = slides.create(desk, HERE, "Slide")
    uploads.take_in(desk, HERE, slide.id, uploads.from_bytes([(f"{k}.png", small_photograph(k)) for k in range(n)]))
    return slide.id


def _count(desk: Desk, kind: str) -> int:
    with desk.database.read() as session:
        return session.scalar(select(func.count()).select_from(Event).where(Event.kind == kind)) or 0


def _run_out(desk: Desk) -> None:
    with desk.database.touch() as session:
        for job in session.scalars(select(Job).where(Job.state == "running")):
            job.lease_until = log.now_us() - 1


def test_a_job_is_held_by_one_worker_at_a_time(any_desk: Desk) -> None:
    _queued(any_desk)
    assert jobs.take(any_desk.database, 60, 3) is not None
    assert jobs.take(any_desk.database, 60, 3) is None


def test_a_dead_workers_job_goes_to_another_and_what_it_wrote_late_is_dropped(any_desk: Desk) -> None:
    _queued(any_desk)
    first = jobs.take(any_desk.database, 60, 3)
    assert first is not None
    assert jobs.renew(any_desk.database, first, 60)
    _run_out(any_desk)
    second = jobs.take(any_desk.database, 60, 3)
    assert second is not None
    assert second.attempt == 2
    assert not jobs.renew(any_desk.database, first, 60)
    assert not jobs.finish(any_desk.database, first, LOOKED, "late")
    assert not jobs.fail(any_desk.database, first, "late")
    assert jobs.finish(any_desk.database, second, LOOKED, "in time")
    assert not jobs.finish(any_desk.database, second, LOOKED, "twice")
    assert _count(any_desk, "field.analysed") == 1
    assert verify(any_desk).sound


def test_a_photograph_that_ends_every_worker_is_given_up(desk: Desk) -> None:
    slide = _queued(desk)
    for _ in range(3):
        assert jobs.take(desk.database, 60, 3) is not None
        _run_out(desk)
    assert jobs.take(desk.database, 60, 3) is None
    assert jobs.give_up(desk.database, 3) == 1
    field = slides.fields(desk, HERE, slide)[0]
    assert (field.state, field.reason) == ("failed", jobs.GIVEN_UP)
    assert slides.retry(desk, HERE, field.id).state == "queued"
    analyse(desk)
    assert slides.fields(desk, HERE, slide)[0].state == "analysed"
    assert verify(desk).sound


def test_a_photograph_lost_from_the_store_is_told_and_the_others_go_on(desk: Desk, page: Page) -> None:
    slide = _queued(desk, 2)
    victim = next(path for path in sorted((desk.settings.folder / "images").rglob("*")) if path.is_file())
    victim.unlink()
    analyse(desk)
    states = Counter(field.state for field in slides.fields(desk, HERE, slide))
    assert states == {"failed": 1, "analysed": 1}
    assert page.get(f"/slides/{slide}/progress")["failed"] == 1


@pytest.mark.slow
def test_many_workers_do_every_job_once(any_desk: Desk) -> None:
    slide = _queued(any_desk, 12)

    def work() -> None:
        while worker.work_once(any_desk.database, any_desk.images, any_desk.classifier, any_desk.settings):
            pass

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert _count(any_desk, "field.analysed") == 12
    assert slides.get(any_desk, HERE, slide).state == "to_review"
    assert verify(any_desk).sound


def test_what_was_queued_is_done_after_a_restart(desk: Desk) -> None:
    slide = _queued(desk, 2)
    assert jobs.take(desk.database, 60, 3) is not None  # and the machine lost its power
    desk.close()
    again = Desk(desk.settings)
    _run_out(again)
    analyse(again)
    assert slides.get(again, HERE, slide).state == "to_review"
    again.close()


def test_a_removed_slides_photographs_are_not_analysed_into_it(desk: Desk) -> None:
    slide = _queued(desk)
    slides.remove(desk, HERE, slide, "a mistake")
    analyse(desk)
    assert _count(desk, "field.analysed") == 0
    assert verify(desk).sound


@pytest.mark.parametrize("broken", [b"", b"\xff\xd8\xff\xe0 not really", photograph(3)[:5000]])
def test_broken_photographs_never_get_into_the_queue(page: Page, broken: bytes) -> None:
    slide = page.post("/slides", {"name": "x"}, 201)["id"]
    answer = page.upload(slide, [("a.jpg", photograph(4)), ("b.jpg", broken)])
    assert [one["name"] for one in answer["refused"]] == ["b.jpg"]
    assert len(answer["added"]) == 1


def test_analysing_again_gives_the_same_cells(desk: Desk) -> None:
    one, other = drawn_slide(desk, fields=1), drawn_slide(desk, fields=1, name="Again")
    page = Page(desk)
    first, second = (
        [(cell["box"], cell["label"], cell["probability"]) for cell in page.get(f"/slides/{slide.id}/cells")]
        for slide in (one, other)
    )
    assert first == second
    assert len(list((desk.settings.folder / "images").rglob("*"))) == 2  # the folder and the one photograph
