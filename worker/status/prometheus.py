"""Serves the metrics to Prometheus: each is read from Postgres at every scrape.

They are computed from rows, so that no process keeps counters and none are lost at a restart.
"""

from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

import redis
from kombu import Connection
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import text
from sqlalchemy.orm import Session

from worker.db.engine import Sessions
from worker.status.kept_readings import KeptReadings
from worker.status.metrics import GAUGES, Gauge
from worker.status.overview import queue_lengths
from worker.telemetry.latency_endpoint import LatencyCollector

FIRST_WAIT_S = 0.15
"""How long the first scrape of a process waits for its readings (s). What takes longer is in a later one."""


class DatabaseCollector(Collector):
    """Reads every gauge in one short transaction, and the lengths of the queues.

    Args:
        kept: Readings of earlier scrapes; None: every gauge is read now, however long that takes.
    """

    def __init__(
        self, sessions: Sessions, broker: "redis.Redis | Connection", kept: KeptReadings[Metric] | None
    ) -> None:
        self._sessions = sessions
        self._broker = broker
        self._kept = kept or KeptReadings()
        self._first_wait_s = None if kept is None else FIRST_WAIT_S

    def collect(self) -> Iterable[Metric]:
        """Return the current metrics."""
        until_s = None if self._first_wait_s is None else self._kept.clock() + self._first_wait_s
        with self._sessions() as session:
            metrics = [
                self._kept.get(
                    gauge.name,
                    partial(_read, session, gauge),
                    partial(self._read_apart, gauge),
                    first_until_s=until_s,
                )
                for gauge in GAUGES
            ]
        return [*filter(None, metrics), *self._queues()]

    def _read_apart(self, gauge: Gauge) -> Metric:
        with self._sessions() as session:
            return _read(session, gauge)

    def _queues(self) -> Iterator[Metric]:
        lengths = queue_lengths(self._broker)
        up = GaugeMetricFamily("finmind_broker_up", "1 when Redis answers.", value=float(lengths is not None))
        yield up
        messages = GaugeMetricFamily("finmind_queue_messages", "Messages that wait in Redis.", labels=["queue"])
        for queue, length in (lengths or {}).items():
            messages.add_metric([queue], length)
        yield messages


def exposition(
    sessions: Sessions,
    broker: "redis.Redis | Connection",
    measured_in: Path | None = None,
    kept: KeptReadings[Metric] | None = None,
) -> bytes:
    """Return all metrics in the text format of Prometheus.

    Args:
        measured_in: The folder of latency files, if any.
        kept: Readings of earlier scrapes, for those that take long. Without them every gauge is read now.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(DatabaseCollector(sessions, broker, kept))
    if measured_in is not None:
        registry.register(LatencyCollector(measured_in))
    return generate_latest(registry)


def _read(session: Session, gauge: Gauge) -> Metric:
    family = GaugeMetricFamily(gauge.name, gauge.help, labels=gauge.labels)
    for row in session.execute(text(gauge.query)):
        family.add_metric([str(value) for value in row[:-1]], float(row[-1]))
    return family
