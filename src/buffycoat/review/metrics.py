"""Figures for Prometheus: how much is asked, how fast it is answered, what waits."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import func, select

from buffycoat.review import log
from buffycoat.review.database import Database
from buffycoat.review.schema import Event, Job


class Metrics:
    """The figures of one application, in a registry of their own."""

    def __init__(self, database: Database) -> None:
        self.registry = CollectorRegistry()
        here = self.registry
        self.requests = Counter(
            "buffycoat_requests", "Requests answered.", ["method", "route", "status"], registry=here
        )
        self.seconds = Histogram(
            "buffycoat_request_seconds",
            "Time to answer.",
            ["method", "route"],
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
            registry=here,
        )
        self.in_flight = Gauge("buffycoat_requests_in_flight", "Requests being answered.", registry=here)
        self.predicted = Counter(
            "buffycoat_predicted_images", "Images answered by predict.", ["outcome"], registry=here
        )
        self.moves = Counter("buffycoat_moves", "Actions of readers.", ["action"], registry=here)
        self.workers = Gauge("buffycoat_workers_alive", "Worker processes that run.", registry=here)
        self.registry.register(_Stored(database))

    def text(self) -> bytes:
        """Return the figures in Prometheus' text format."""
        return generate_latest(self.registry)


class _Stored(Collector):
    """Figures that are read from the database when asked for."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield them."""
        queue = GaugeMetricFamily("buffycoat_jobs", "Photographs in the queue, by state.", labels=["state"])
        age = GaugeMetricFamily("buffycoat_oldest_job_seconds", "How long the oldest photograph has waited.")
        events = GaugeMetricFamily("buffycoat_events", "Lines of the log.")
        with self._database.read() as session:
            counted = select(Job.state, func.count()).group_by(Job.state)
            found = {state: n for state, n in session.execute(counted)}  # noqa: C416 - rows, typed as such
            oldest = session.scalar(select(func.min(Job.queued_at)).where(Job.state == "queued"))
            last = session.scalar(select(func.max(Event.id))) or 0
        for state in ("queued", "running", "done", "failed"):
            queue.add_metric([state], found.get(state, 0))
        age.add_metric([], 0 if oldest is None else max(0, (log.now_us() - oldest) / 1e6))
        events.add_metric([], last)
        yield from (queue, age, events)

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Yield nothing: registering is not to ask the database."""
        return iter(())
