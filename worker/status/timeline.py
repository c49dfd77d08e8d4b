"""Builds the timeline of a run: requested, published, started, per account, stopped, ended, reverted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

_ASKED_BY = {
    "user": "a person asked for it",
    "schedule": "the schedule asked for it",
    "webhook": "the provider's webhook asked for it",
    "retry": "it was asked for again",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineEntry:
    """One moment of a run (UTC), and what happened.

    Attributes:
        after_s: Seconds since the entry before.
    """

    at: datetime
    what: str
    after_s: float = 0.0


def timeline(run: Mapping[str, Any], accounts: Sequence[Mapping[str, Any]]) -> list[TimelineEntry]:
    """Return the recorded moments of a run, oldest first. Pure.

    Args:
        run: The run as `run_queries.run_of` shows it, with `dispatched_at` and `dispatch_count`.
        accounts: What it did per account, as `run_queries.accounts_of` shows it.
    """
    found = [(run["queued_at"], f"queued: {_ASKED_BY.get(run['trigger'], run['trigger'])}")]
    if run["dispatched_at"] is not None:
        times = run["dispatch_count"]
        found.append((run["dispatched_at"], "sent to a worker" if times < 2 else f"sent to a worker, {times} times"))  # noqa: PLR2004 - once
    if run["started_at"] is not None:
        attempt = f", attempt {run['attempt']}" if run["attempt"] > 1 else ""
        found.append((run["started_at"], f"started by {run['worker_name'] or 'a worker'}{attempt}"))
    found += [(one["finished_at"], _of_account(one)) for one in accounts]
    if run["cancel_requested_at"] is not None:
        found.append((run["cancel_requested_at"], "somebody asked to cancel it"))
    if run["status"] == "running" and run["heartbeat_at"] is not None:
        found.append((run["heartbeat_at"], f"last heartbeat; {run['pages']} pages, {run['fetched']} rows so far"))
    if run["not_before"] is not None and run["finished_at"] is None:
        found.append((run["not_before"], f"goes on at this moment ({run['code'] or 'waits'})"))
    if run["finished_at"] is not None:
        found.append((run["finished_at"], f"ended: {run['status']} ({run['code']})"))
    ordered = sorted(found, key=lambda entry: entry[0])
    times_at = [at for at, _ in ordered]
    gaps_s = [0.0, *((later - earlier).total_seconds() for earlier, later in pairwise(times_at))]
    return [TimelineEntry(at=at, what=what, after_s=gap_s) for (at, what), gap_s in zip(ordered, gaps_s, strict=True)]


def _of_account(account: Mapping[str, Any]) -> str:
    days = f", {account['from_on']} to {account['to_on']}" if account["from_on"] else ""
    changed = account["created"] + account["updated"] + account["linked"] + account["removed"]
    return f"{account['name']}{days}: {account['fetched']} rows read, {changed} changed ({account['code']})"
