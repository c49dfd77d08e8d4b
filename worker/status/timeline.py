"""Builds the timeline of a run: requested, published, each attempt with what it asked the bank, per account, ended."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

from worker.runs.attempt_log import FIRST, LoggedAttempt, LoggedRequest, read_attempts

_ASKED_BY = {
    "user": "a person asked for it",
    "schedule": "the schedule asked for it",
    "webhook": "the provider's webhook asked for it",
    "retry": "it was asked for again",
}
_LONG_WAIT_S = 0.05
_KIB = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineEntry:
    """One moment of a run (UTC), and what happened.

    Attributes:
        after_s: Seconds since the entry before.
        request: The request to the bank that it tells of; None for everything else.
    """

    at: datetime
    what: str
    after_s: float = 0.0
    request: LoggedRequest | None = None


def timeline(
    run: Mapping[str, Any], accounts: Sequence[Mapping[str, Any]], *, names_workers: bool = True
) -> list[TimelineEntry]:
    """Return the recorded moments of a run, oldest first. Pure.

    Args:
        run: The run as `run_queries.told_run` shows it.
        accounts: What it did per account, as `run_queries.accounts_of` shows it.
        names_workers: Whether the workers are named, which are no business of the person whose run it is.
    """
    moments = [*_of_start(run), *_of_attempts(run, names_workers=names_workers), *_of_end(run)]
    moments += [TimelineEntry(at=one["finished_at"], what=_of_account(one)) for one in accounts]
    ordered = sorted(moments, key=lambda entry: entry.at)
    gaps_s = [0.0, *((later.at - earlier.at).total_seconds() for earlier, later in pairwise(ordered))]
    return [
        TimelineEntry(at=one.at, what=one.what, after_s=gap_s, request=one.request)
        for one, gap_s in zip(ordered, gaps_s, strict=True)
    ]


def _of_start(run: Mapping[str, Any]) -> Iterator[TimelineEntry]:
    yield TimelineEntry(at=run["queued_at"], what=f"queued: {_ASKED_BY.get(run['trigger'], run['trigger'])}")
    if run["dispatched_at"] is not None:
        times = run["dispatch_count"]
        what = "sent to a worker" if times < 2 else f"sent to a worker, {times} times"  # noqa: PLR2004 - once
        yield TimelineEntry(at=run["dispatched_at"], what=what)


def _of_attempts(run: Mapping[str, Any], *, names_workers: bool) -> Iterator[TimelineEntry]:
    attempts = read_attempts(run)
    for attempt in attempts:
        yield from _of_attempt(attempt, named=names_workers)
    if run["started_at"] is not None and not attempts:
        number = f", attempt {run['attempt']}" if run["attempt"] > 1 else ""
        yield TimelineEntry(
            at=run["started_at"], what=f"started by {_worker(run['worker_name'], names_workers)}{number}"
        )


def _of_end(run: Mapping[str, Any]) -> Iterator[TimelineEntry]:
    if run["cancel_requested_at"] is not None:
        yield TimelineEntry(at=run["cancel_requested_at"], what="somebody asked to cancel it")
    if run["status"] == "running" and run["heartbeat_at"] is not None:
        what = f"last heartbeat; {run['pages']} pages, {run['fetched']} rows so far"
        yield TimelineEntry(at=run["heartbeat_at"], what=what)
    if run["not_before"] is not None and run["finished_at"] is None:
        yield TimelineEntry(at=run["not_before"], what=f"goes on at this moment ({run['code'] or 'waits'})")
    if run["finished_at"] is not None:
        yield TimelineEntry(at=run["finished_at"], what=f"ended: {run['status']} ({run['code']})")


def _worker(name: str | None, named: bool) -> str:  # noqa: FBT001 - private
    return name if name and named else "a worker"


def _of_attempt(attempt: LoggedAttempt, *, named: bool) -> Iterator[TimelineEntry]:
    yield TimelineEntry(at=attempt.claimed_at, what=f"started by {_worker(attempt.worker_name, named)}")
    left_out = attempt.asked - len(attempt.requests)
    for number, request in enumerate(attempt.requests):
        if left_out and number == FIRST:
            yield TimelineEntry(at=request.at, what=f"{left_out} requests before this one are not kept")
        yield TimelineEntry(at=request.at, what=_of_request(request), request=request)
    if attempt.ended_at is not None:
        lost = attempt.code == "worker_lost"
        what = "the last sign of its worker, which was lost" if lost else f"handed back ({attempt.code or 'waits'})"
        yield TimelineEntry(at=attempt.ended_at, what=what)


def _of_request(request: LoggedRequest) -> str:
    waited = f" after a wait of {request.waited_s:.1f} s" if request.waited_s >= _LONG_WAIT_S else ""
    tried = f", try {request.tried}" if request.tried > 1 else ""
    size = f", {_size(request.body_bytes)}" if request.body_bytes else ""
    return f"{request.method} {request.label}{waited}{tried}: {request.result} in {request.took_s:.2f} s{size}"


def _size(body_bytes: int) -> str:
    return f"{body_bytes} bytes" if body_bytes < _KIB else f"{body_bytes / _KIB:,.1f} KiB"


def _of_account(account: Mapping[str, Any]) -> str:
    days = f", {account['from_on']} to {account['to_on']}" if account["from_on"] else ""
    changed = account["created"] + account["updated"] + account["linked"] + account["removed"]
    return f"{account['name']}{days}: {account['fetched']} rows read, {changed} changed ({account['code']})"
