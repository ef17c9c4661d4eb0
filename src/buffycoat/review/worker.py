"""A worker: takes photographs from the queue, one at a time, until it is told to stop."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Final

from sqlalchemy.exc import DBAPIError

from buffycoat.errors import BuffycoatError, ImageError
from buffycoat.review import jobs
from buffycoat.review.classifier import Classifier
from buffycoat.review.database import Database
from buffycoat.review.images import ImageStore
from buffycoat.review.settings import ReviewSettings

_logger = logging.getLogger("buffycoat.review.worker")
CROP_PX: Final = 160
"""Side of the crops that pages ask for; cut in advance."""
_IDLE_SECONDS = 0.25
_TROUBLE_SECONDS = 2.0


def work_once(database: Database, images: ImageStore, classifier: Classifier, settings: ReviewSettings) -> bool:
    """Do one job, if there is one; returns whether there was."""
    taken = jobs.take(database, settings.lease_seconds, settings.attempts)
    if taken is None:
        return False
    began = time.monotonic()
    with _Renewing(database, taken, settings.lease_seconds):
        try:
            content = images.path(taken.image).read_bytes()
            looked = classifier.look(content)
            rgb = images.pixels(taken.image)
            for cell in looked.cells:
                images.cut(rgb, taken.image, cell.box, CROP_PX)
        except ImageError as error:
            ended = jobs.fail(database, taken, error.reason)
            _logger.warning("field failed", extra={"field": taken.field_id, "applied": ended})
            return True
        except FileNotFoundError:
            jobs.fail(database, taken, "the photograph is missing from the store")
            _logger.error("photograph missing", extra={"field": taken.field_id})
            return True
        except (BuffycoatError, OSError):
            raise  # the disk, the bundle: no fault of this photograph, which is tried again
        except Exception as error:  # a defect, or a photograph nobody thought of: told, and the others go on
            jobs.fail(database, taken, f"the analysis failed ({type(error).__name__})")
            _logger.exception("analysis failed", extra={"field": taken.field_id})
            return True
        applied = jobs.finish(database, taken, looked, classifier.name)
    _logger.info(
        "field analysed",
        extra={
            "field": taken.field_id,
            "cells": len(looked.cells),
            "seconds": round(time.monotonic() - began, 3),
            "attempt": taken.attempt,
            "applied": applied,
        },
    )
    return True


def work(
    database: Database,
    images: ImageStore,
    classifier: Callable[[], Classifier],
    settings: ReviewSettings,
    stop: Callable[[], bool],
) -> None:
    """Work until `stop` says so; faults of the database are waited out."""
    swept = 0.0
    while not stop():
        try:
            if time.monotonic() - swept > settings.lease_seconds / 2:
                swept = time.monotonic()
                jobs.give_up(database, settings.attempts)
            if not work_once(database, images, classifier(), settings):
                time.sleep(_IDLE_SECONDS)
        except DBAPIError as error:
            _logger.error("database trouble", extra={"fault": type(error.orig).__name__})
            time.sleep(_TROUBLE_SECONDS)
        except (BuffycoatError, OSError) as error:
            _logger.error("worker trouble", extra={"fault": type(error).__name__})
            time.sleep(_TROUBLE_SECONDS)


class _Renewing:
    """Renews a lease from another thread while a job is under way."""

    def __init__(self, database: Database, taken: jobs.Taken, lease_seconds: float) -> None:
        self._arguments = (database, taken, lease_seconds)
        self._pause = lease_seconds / 3
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._renew, daemon=True, name="lease")

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _renew(self) -> None:
        while not self._ended.wait(self._pause):
            try:
                if not jobs.renew(*self._arguments):
                    return
            except DBAPIError:
                continue
