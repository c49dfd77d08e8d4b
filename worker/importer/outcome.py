"""How accounts and runs end: from errors and counts to a status and a code that tell the truth. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from typing import Any

from worker.connectors.errors import (
    AuthenticationError,
    ProviderUnavailableError,
    RateLimitError,
    RateLimitScope,
)
from worker.errors import KeyProviderUnavailableError, WorkerError
from worker.runs.states import Counts, Outcome, RunStatus

BURST_DEFER_S = 15 * 60
KEYS_DEFER_S = 5 * 60
MAX_DEFER_S = 7 * 24 * 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountResult:
    """What a run did for one account. status: succeeded, partial or failed."""

    account_id: int
    status: str
    code: str
    message: str | None = None
    counts: Counts = field(default_factory=Counts)


def stops_connection(error: WorkerError) -> bool:
    """Say whether this error makes it pointless to go on with the other accounts."""
    if isinstance(error, ProviderUnavailableError):
        return error.everyone
    return isinstance(error, (AuthenticationError, RateLimitError, KeyProviderUnavailableError))


def defer_s(error: WorkerError, now: datetime) -> float | None:
    """Return how long to wait before the run goes on; None when waiting is not the answer.

    A spent allowance without a stated time is taken to return at the next UTC midnight.
    """
    if isinstance(error, KeyProviderUnavailableError):
        return KEYS_DEFER_S
    if not isinstance(error, RateLimitError):
        return None
    if error.retry_after_s is not None:
        return min(max(error.retry_after_s, 1.0), MAX_DEFER_S)
    if error.scope == RateLimitScope.BURST:
        return BURST_DEFER_S
    midnight = datetime.combine(now.date() + timedelta(days=1), time(), tzinfo=now.tzinfo)
    return (midnight - now).total_seconds()


def outcome_of(
    results: Sequence[AccountResult], stopped_by: WorkerError | None, now: datetime, report: dict[str, Any]
) -> Outcome:
    """Sum up a run. Deferred when waiting helps; partial when something is missing; succeeded only when nothing is."""
    counts = Counts()
    for result in results:
        counts = counts + result.counts
    wait_s = None if stopped_by is None else defer_s(stopped_by, now)
    if stopped_by is not None and wait_s is not None:
        return Outcome(
            status=RunStatus.DEFERRED,
            code=stopped_by.code,
            message=str(stopped_by),
            defer_s=wait_s,
            counts=counts,
            report=report,
        )
    bad = [result for result in results if result.status != "succeeded"]
    good = len(results) - len([result for result in bad if result.status == "failed"])
    if stopped_by is not None or bad:
        code, message = _why(bad, stopped_by)
        status = RunStatus.PARTIAL if good else RunStatus.FAILED
        return Outcome(status=status, code=code, message=message, counts=counts, report=report)
    moved = counts.created + counts.updated + counts.linked + counts.removed
    return Outcome(status=RunStatus.SUCCEEDED, code="ok" if moved else "nothing_new", counts=counts, report=report)


def _why(bad: Sequence[AccountResult], stopped_by: WorkerError | None) -> tuple[str, str | None]:
    """One reason stands as it is; several different ones are `account_failed`."""
    if stopped_by is not None:
        return stopped_by.code, str(stopped_by)
    codes = {result.code for result in bad}
    message = "; ".join(f"account {result.account_id}: {result.message or result.code}" for result in bad)[:1000]
    return (codes.pop() if len(codes) == 1 else "account_failed"), message
