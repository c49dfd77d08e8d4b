"""Keeps what one attempt at a run asked the bank: method, label, result, time and size of each request.

It holds no address, no header and nothing of an answer, so that no secret, account number or id of a bank can be in it.
It is bounded, and written with what is written of the run anyway: its end, its hand-back, the renewal of its lease.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the web app's client does without an HTTP client
    from worker.net.request_timing import MeasuredRequest

FIRST, LAST = 10, 30
"""Requests of an attempt that are kept: the first ones, and the last ones, which led to its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedRequest:
    """One request to the bank.

    Attributes:
        at: When it was sent (UTC).
        label: The connector's own name of it.
        result: The status of the answer, or what happened instead of one, such as `timeout`.
        took_s: Until the whole answer was read (s).
        body_bytes: Size of the answer, unpacked.
        waited_s: For how long the run waited before it, for limits and before another try (s).
        tried: 1, or how often the same was asked for in a row because the bank did not answer well.
    """

    at: datetime
    method: str
    label: str
    result: str
    took_s: float
    body_bytes: int
    waited_s: float
    tried: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedAttempt:
    """One attempt of a worker at a run.

    Attributes:
        claimed_at: When the worker took it (UTC).
        ended_at: When the worker last said something of it (UTC); None while it may go on.
        code: Why it went on later; `worker_lost` when its worker fell silent; None of the newest one.
        asked: Requests altogether; more than are kept.
    """

    claimed_at: datetime
    ended_at: datetime | None
    worker_name: str | None
    code: str | None
    asked: int
    requests: Sequence[LoggedRequest]


class AttemptLog:
    """Collects the requests of the attempt under way; several threads may use it.

    Args:
        clock: Measures seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._claimed_s = clock()
        self._lock = threading.Lock()
        self._first: list[list[Any]] = []
        self._last: deque[list[Any]] = deque(maxlen=LAST)
        self._asked = 0
        self._waited_s = 0.0
        self._before: tuple[str, str, str | None] | None = None
        self._tried = 1

    def note_wait(self, seconds: float) -> None:
        """Add a wait before the next request."""
        with self._lock:
            self._waited_s += seconds

    def note(self, request: "MeasuredRequest") -> None:
        """Add a request that has just ended."""
        sent_s = self._clock() - self._claimed_s - request.took_s
        with self._lock:
            same = (request.method, request.endpoint, request.account_id)
            self._tried = self._tried + 1 if same == self._before else 1
            # What is answered well is not asked again: the next one is another page of the same.
            self._before = None if request.is_answered else same
            row = [
                round(1000 * max(0.0, sent_s)),
                request.method[:10],
                request.endpoint,
                request.result,
                round(1000 * request.took_s),
                request.body_bytes,
                round(1000 * self._waited_s),
                self._tried,
            ]
            self._waited_s = 0.0
            self._asked += 1
            (self._first if len(self._first) < FIRST else self._last).append(row)

    def as_json(self) -> dict[str, Any] | None:
        """Return it as it is stored; None when nothing was asked."""
        with self._lock:
            kept = [*self._first, *self._last]
            return {"asked": self._asked, "kept": kept} if kept else None


def read_attempts(run: Mapping[str, Any]) -> list[LoggedAttempt]:
    """Return the attempts of a run whose workers told of them, oldest first. Pure.

    Args:
        run: Its columns `earlier_attempts`, `claimed_at`, `worker_name`, `heartbeat_at`, `status` and `requests`.
    """
    found = [
        _attempt(one, claimed_at=datetime.fromisoformat(one["claimed_at"]), ended_at=_moment(one["ended_at"]))
        for one in run["earlier_attempts"] or ()
    ]
    if run["claimed_at"] is not None:
        ended_at = run["heartbeat_at"] if run["status"] in {"queued", "deferred"} else None
        newest = {"worker_name": run["worker_name"], "requests": run["requests"]}
        newest["code"] = None if ended_at is None else run["code"]
        found.append(_attempt(newest, claimed_at=run["claimed_at"], ended_at=ended_at))
    return found


def _attempt(stored: Mapping[str, Any], *, claimed_at: datetime, ended_at: datetime | None) -> LoggedAttempt:
    log = stored["requests"] or {"asked": 0, "kept": []}
    return LoggedAttempt(
        claimed_at=claimed_at,
        ended_at=ended_at,
        worker_name=stored["worker_name"],
        code=stored["code"],
        asked=log["asked"],
        requests=[_request(row, claimed_at) for row in log["kept"]],
    )


def _request(row: Sequence[Any], claimed_at: datetime) -> LoggedRequest:
    sent_ms, method, label, result, took_ms, body_bytes, waited_ms, tried = row
    return LoggedRequest(
        at=claimed_at + timedelta(milliseconds=sent_ms),
        method=method,
        label=label,
        result=result,
        took_s=took_ms / 1000,
        body_bytes=body_bytes,
        waited_s=waited_ms / 1000,
        tried=tried,
    )


def _moment(stored: str | None) -> datetime | None:
    return None if stored is None else datetime.fromisoformat(stored)
