"""Plans the requests of a run: per account or per connection, by cursor or by windows.

Asks neither the bank nor the database; of the context it takes the present moment and the policy. What was asked in
the end is kept by `worker.runs.attempt_log`.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Self

from worker.connectors.base import Capabilities, Scope, Window
from worker.importer.account_state import AccountState
from worker.importer.context import ImportContext
from worker.importer.fetch.delivery import Delivery
from worker.importer.fetch.window import (
    HISTORY_DAYS,
    DaysRead,
    HistoryLimits,
    import_windows,
    out_of_reach,
    refresh_windows,
    split_window,
    without,
)
from worker.importer.job import Job, zone_of
from worker.models import BankConnectionAccount
from worker.runs.states import RunKind


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchRequest:
    """One delivery to fetch. Requests that ask the bank the same are equal, whichever accounts of ours they are for.

    Attributes:
        accounts: Our accounts that it is for.
        account_id: The bank's id of the account; None for all accounts of the connection in one call.
        cursor: Where it goes on from; of one by windows, after a delivery of the same days.
        asked_from_on: The first of the days that the run asks for of the accounts; None where it is that of the window.
        replays: Whether it is for rejected rows that are replayed: they come alone, and move no watermark or cursor.
    """

    accounts: Sequence[AccountState] = field(compare=False)
    account_id: str | None
    window: Window
    by_cursor: bool
    cursor: str | None = None
    asked_from_on: date | None = field(default=None, compare=False)
    replays: bool = False

    def following(self, delivery: Delivery) -> list[Self]:
        """Return the request that goes on after a delivery; none where that was the last one."""
        return [replace(self, cursor=delivery.next_cursor)] if delivery.continues else []


def days_read_of(account: AccountState | BankConnectionAccount) -> DaysRead:
    """Return how far an account was read."""
    return DaysRead(
        watermark_on=account.watermark_on,
        history_from_on=account.history_from_on,
        history_complete=account.history_complete,
        lateness_days=account.lateness_days,
    )


def history_limits(job: Job, capabilities: Capabilities, context: ImportContext) -> HistoryLimits:
    """Return the limits of this connection today, in the bank's zone."""
    wanted_days = job.options.history_days or HISTORY_DAYS
    return HistoryLimits(
        today=context.now().astimezone(zone_of(job, capabilities)).date(),
        history_days=min(wanted_days, capabilities.history_days or wanted_days),
        window_days=min(filter(None, (capabilities.window_days, job.part_days)), default=None),
    )


def plan_requests(
    job: Job,
    accounts: list[AccountState],
    capabilities: Capabilities,
    context: ImportContext,
    listed_ids: Collection[str] = (),
) -> list[FetchRequest]:
    """Return the deliveries of a run, in order: newest windows first, each account's own where the provider allows."""
    todo = [account for account in accounts if account.id not in job.done]
    if not todo:
        return []
    limits = history_limits(job, capabilities, context)
    stated_days = job.from_on is not None or job.to_on is not None
    if capabilities.cursor_scope is not None and not stated_days:
        # One cursor of the connection passes the rows of all its accounts, so that all of them are read with it.
        together = capabilities.cursor_scope == Scope.CONNECTION
        named_otherwise = listed_ids if capabilities.whole_days else ()
        named = accounts if together else [one for account in todo for one in _under_its_ids(account, named_otherwise)]
        return _cursor_requests(job, named, capabilities, limits)
    if capabilities.fetch_scope == Scope.CONNECTION:
        widest = max((_windows(job, account, limits) for account in todo), key=_days)
        return _window_requests(todo, None, widest)
    return [
        request
        for account in todo
        for request in _window_requests([account], account.external_id, _windows(job, account, limits))
    ]


def _window_requests(
    accounts: Sequence[AccountState], account_id: str | None, windows: Sequence[Window]
) -> list[FetchRequest]:
    asked_from_on = min((window.from_on for window in windows), default=None)
    return [
        FetchRequest(
            accounts=accounts, account_id=account_id, window=window, by_cursor=False, asked_from_on=asked_from_on
        )
        for window in windows
    ]


def request_for_single_rows(accounts: list[AccountState], today: date) -> FetchRequest:
    """Return the request for rows that are replayed: it proves no absence and moves neither watermark nor cursor."""
    return FetchRequest(
        accounts=accounts, account_id=None, window=Window(from_on=today, to_on=today), by_cursor=True, replays=True
    )


def days_lost(job: Job, requests: list[FetchRequest], capabilities: Capabilities, context: ImportContext) -> bool:
    """Say whether an outage lasted longer than the provider's memory, so that days between are never read."""
    limits = history_limits(job, capabilities, context)
    by_windows = [account for request in requests if not request.by_cursor for account in request.accounts]
    return job.kind == RunKind.REFRESH and any(out_of_reach(days_read_of(account), limits) for account in by_windows)


def _cursor_requests(
    job: Job, todo: list[AccountState], capabilities: Capabilities, limits: HistoryLimits
) -> list[FetchRequest]:
    """Return the requests by cursor. An import and an account without history start from the beginning."""
    window = Window(from_on=limits.oldest_on, to_on=limits.today)
    anew = job.kind == RunKind.IMPORT
    if capabilities.cursor_scope == Scope.CONNECTION:
        unread = any(account.history_from_on is None for account in todo)
        gone_on = next((job.goes_on_from[account.id] for account in todo if account.id in job.goes_on_from), None)
        cursor = gone_on or (None if anew or unread else job.cursor)
        return [FetchRequest(accounts=todo, account_id=None, window=window, by_cursor=True, cursor=cursor)]
    return [
        FetchRequest(
            accounts=[account],
            account_id=account.external_id,
            window=window,
            by_cursor=True,
            cursor=job.goes_on_from.get(account.id) or (None if anew else account.cursor),
        )
        for account in todo
    ]


def _under_its_ids(account: AccountState, listed_ids: Collection[str]) -> list[AccountState]:
    """Return an account under its present id and each former one that is listed: files name it by what they say."""
    former = [external_id for external_id in account.former_external_ids if external_id in listed_ids]
    return [account, *(replace(account, external_id=external_id) for external_id in former)]


def _windows(job: Job, account: AccountState, limits: HistoryLimits) -> list[Window]:
    if job.kind == RunKind.REFRESH:
        windows = refresh_windows(days_read_of(account), limits, account.withdrawn_from_on)
    else:
        windows = import_windows(job.from_on, job.to_on, limits)
    read = job.read.get(account.id)
    return windows if read is None else without(windows, read)


def parts_of(request: FetchRequest, days_read: int) -> list[FetchRequest]:
    """Cut a request that takes too long: half of what was read is asked for at once, a quarter of its days at most.

    New days are walked forward, so that the watermark follows, and history backward.
    """
    days = (request.window.to_on - request.window.from_on).days + 1
    half_read = max(1, days_read // 2) if days_read else days
    part_days = max(1, min(half_read, days // 4))
    parts = [replace(request, window=window) for window in split_window(request.window, part_days)]
    news = any(a.watermark_on is not None and a.watermark_on < request.window.to_on for a in request.accounts)
    return parts[::-1] if news else parts


def _days(windows: list[Window]) -> int:
    return sum((window.to_on - window.from_on).days + 1 for window in windows)
