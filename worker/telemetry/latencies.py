"""Histograms of latencies for Prometheus, measured by the worker's processes; off until `start_measuring`.

Every process writes a file in one folder (prometheus_client's multiprocess mode), and the metrics endpoint adds them
up. A file belongs to a slot, such as the second child of a pool: the next child in that slot continues the counts of
one that died, so that files do not pile up.
"""

import os
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prometheus_client import Histogram
    from prometheus_client.metrics_core import Metric

_SHORT_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 120)
_LONG_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300, 900)
SOUND_LABEL = re.compile(r"[A-Za-z0-9_.:-]{1,60}")
"""What a label of a request may be."""

_MOST_VALUES = 60
"""Most values of one label in a process; further ones become `other`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """One histogram, in seconds.

    Attributes:
        labels: Names of its labels. Each has a bounded set of values; none is a user, a connection or an account.
    """

    name: str
    help: str
    labels: tuple[str, ...]
    buckets_s: tuple[float, ...]


RUN = Latency(
    name="finmind_run_seconds",
    help="A run in a worker, from claim to close; outcome handed_back: it goes on later.",
    labels=("outcome",),
    buckets_s=_LONG_S,
)
DELIVERY = Latency(
    name="finmind_delivery_seconds",
    help="One attempt of a webhook delivery.",
    labels=("outcome",),
    buckets_s=_SHORT_S,
)
TASK = Latency(
    name="finmind_task_seconds",
    help="A Celery task in a worker, with the state it ended in.",
    labels=("task", "state"),
    buckets_s=_LONG_S,
)
PROVIDER_REQUEST = Latency(
    name="finmind_provider_request_seconds",
    help="One request to a bank or aggregator without the wait for its limits; status `none`: no answer.",
    labels=("connector", "endpoint", "status"),
    buckets_s=_SHORT_S,
)
API_REQUEST = Latency(
    name="finmind_api_request_seconds",
    help="One request to the HTTP API.",
    labels=("operation", "status"),
    buckets_s=_SHORT_S,
)
LATENCIES: tuple[Latency, ...] = (RUN, DELIVERY, TASK, PROVIDER_REQUEST, API_REQUEST)
_OF_SPANS: Mapping[str, Latency] = {"run": RUN, "delivery": DELIVERY}

_place: str | None = None
_outcome: ContextVar[str] = ContextVar("outcome", default="handed_back")
_values_seen: dict[tuple[str, int], set[str]] = {}
_histograms: "dict[Latency, Histogram]" = {}


def start_measuring(folder: Path, place: str) -> None:
    """Measure latencies in this process from now on. After a fork, call it again with the child's own place.

    Args:
        place: Names the file; no two running processes may share one.
    """
    from prometheus_client import CollectorRegistry, Histogram, values  # noqa: PLC0415 - only where something is measured

    global _place  # noqa: PLW0603 - one per process
    folder.mkdir(parents=True, exist_ok=True)
    if _place is None:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)
        values.ValueClass = values.MultiProcessValue(lambda: _place)  # type: ignore[no-untyped-call]
        # Before any thread observes: two histograms of one name would overwrite each other's counts in the file.
        for one in LATENCIES:
            _histograms[one] = Histogram(
                one.name, one.help, one.labels, buckets=one.buckets_s, registry=CollectorRegistry()
            )
    _place = place.replace("/", "-")


def is_measuring() -> bool:
    """Say whether this process measures."""
    return _place is not None


def observe(latency: Latency, seconds: float, *labels: str) -> None:
    """Count one duration.

    Args:
        labels: Values in the order of `latency.labels`; an invalid or surplus value becomes `other`.
    """
    if _place is not None:
        bounded = [_bounded(latency, index, value) for index, value in enumerate(labels)]
        _histograms[latency].labels(*bounded).observe(seconds)


@contextmanager
def timed_span(name: str) -> Iterator[None]:
    """Measure a block of code; `note_outcome_of_span` sets the outcome it is counted under."""
    if _place is None or name not in _OF_SPANS:
        yield
        return
    started_s, token = time.perf_counter(), _outcome.set("handed_back")
    try:
        yield
    finally:
        observe(_OF_SPANS[name], time.perf_counter() - started_s, _outcome.get())
        _outcome.reset(token)


def note_outcome_of_span(outcome: str) -> None:
    """Set the outcome of the current span."""
    _outcome.set(outcome)


def read_latencies(folder: Path) -> "Iterable[Metric]":
    """Add up what all processes have measured, without files that are just being created."""
    from prometheus_client.multiprocess import MultiProcessCollector  # noqa: PLC0415 - only where something is served

    files = [str(path) for path in sorted(folder.glob("histogram_*.db")) if path.stat().st_size]
    found: Iterable[Metric] = MultiProcessCollector.merge(files)  # type: ignore[no-untyped-call]
    return found


def forget_latencies(folder: Path) -> None:
    """Delete all files, so that counters start at zero; only while no process measures in the folder."""
    for path in folder.glob("histogram_*.db"):
        path.unlink()


def _bounded(latency: Latency, index: int, value: str) -> str:
    seen = _values_seen.setdefault((latency.name, index), set())
    if value in seen:
        return value
    if len(seen) >= _MOST_VALUES or not SOUND_LABEL.fullmatch(value):
        return "other"
    seen.add(value)
    return value
