"""Reads one delivery from a bank: all its pages, with retries. Network only, no database."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TypeVar

import tenacity

from worker.connectors.base import (
    Account,
    DatedBalance,
    Page,
    QuotaReading,
    RejectedRow,
    RemovedTransaction,
    Transaction,
    Window,
)
from worker.connectors.errors import (
    ConnectorError,
    CursorInvalidError,
    InvalidDataError,
    ProviderUnavailableError,
    RateLimitError,
    RateLimitScope,
)
from worker.errors import WorkerError
from worker.importer.context import ImportContext
from worker.importer.decide.read.days import UNDATED, rough_day
from worker.importer.decide.read.page_repeats import repeated_rows, times_told
from worker.importer.decide.read.placeholder_days import without_placeholder_days
from worker.importer.fetch.staging import Staging

T = TypeVar("T")

Reading = Callable[[], Iterator[Page]]
"""Asks the provider and yields its pages."""


class Cut(Enum):
    """Where a delivery that takes too long may be cut: not at all, at any page, or by asking for fewer days."""

    NOWHERE = auto()
    AT_PAGES = auto()
    BY_DAYS = auto()


class DeliveryTooLongError(WorkerError):
    """The delivery takes too long, or more requests than the bank answers at once: ask for fewer days at a time.

    Attributes:
        days: How many days its pages covered so far; 0 when their rows have no days.
    """

    code = "delivery_too_long"

    def __init__(self, days: int) -> None:
        super().__init__(f"the bank took too long; {days} days were read")
        self.days = days


BURST_TRIES = 3
"""How often a request is made that meets a burst rate limit."""

BURST_TOTAL_S = 30.0
"""How long these tries may take together."""

CURSOR_RESTARTS = 3
"""How often a delivery is begun whose cursor the provider voids."""

DEFAULT_BURST_WAIT_S = 2.0
"""How long the first of these waits is where the bank names none (s); each further one is twice as long."""

SECOND_TRY_S = 1.0
"""How long after an outage the second try is made (s)."""

_JITTER_S = 0.5
"""By how much these waits differ at random, so that runs do not ask all at once (s)."""


@dataclass(slots=True, kw_only=True)
class Delivery:
    """The combined pages of one delivery.

    Attributes:
        records: How many records its pages held, read or not.
        failures: Errors of single accounts in a response that is valid for the others.
        complete: Whether the provider left nothing out.
        last_page: The transactions of the page before, to see what the next one repeats; none once all were read.
        days: The days of its rows so far, by the first and the last row of each page.
        continues: Whether the next request goes on from its `next_cursor`: it was cut, or another delivery follows.
        repeated: By account, how many rows were left out because a page repeated them from the end of the page before.
        times_on_page: By account and id, how often one page told an id, where it did so several times.
    """

    staging: Staging = field(default_factory=Staging)
    pages: int = 0
    records: int = 0
    removed: list[RemovedTransaction] = field(default_factory=list)
    voided: list[Transaction] = field(default_factory=list)
    rejected: list[RejectedRow] = field(default_factory=list)
    failures: dict[str, ConnectorError] = field(default_factory=dict)
    accounts: dict[str, Account] = field(default_factory=dict)
    balances: list[DatedBalance] = field(default_factory=list)
    quota: list[QuotaReading] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    covers: Window | None = None
    complete: bool = True
    next_cursor: str | None = None
    provider_session: str | None = None
    last_page: Sequence[Transaction] = ()
    days: Window | None = None
    continues: bool = False
    repeated: Counter[str] = field(default_factory=Counter)
    times_on_page: Counter[tuple[str, str]] = field(default_factory=Counter)

    def removed_ids(self, account_id: str) -> list[str]:
        """Return the ids of rows that the provider lists as removed, of this account or without saying of which."""
        return [row.external_id for row in self.removed if row.account_id in (None, account_id)]

    def voided_rows(self, account_id: str) -> list[Transaction]:
        """Return the rows of an account that are void now."""
        return [row for row in self.voided if row.account_id == account_id]

    def start_over(self) -> None:
        """Discard everything that was read, except how many pages it took and the allowances that they used."""
        self.staging.close()
        fresh = Delivery(pages=self.pages, quota=self.quota)
        for name in self.__slots__:
            setattr(self, name, getattr(fresh, name))


def fetch(
    readings: Sequence[Reading], context: ImportContext, cut: Cut = Cut.NOWHERE, *, is_first: bool = False
) -> Delivery:
    """Read all pages of one delivery, starting over where the provider voids what was read of it.

    A burst rate limit is waited out (Retry-After honoured, at most `BURST_TRIES` within `BURST_TOTAL_S`); an outage
    gets one quick second try. Elsewhere, a second try recovered 22 of 100 failed calls, and a third one of 100.

    Args:
        readings: ways to read the same rows, the usual one first. The next one is taken when the provider voided
            every try of the one before it, or does not know the cursor it starts from.
        context: waits, limits and stop requests of the run.
        cut: where it may be cut when it takes longer than `context.part_s`, or the bank asks to wait in the middle.
        is_first: whether nothing was fetched before, so that a bank that asks to wait gave all that it gives at once.

    Raises:
        ConnectorError: when it stays so.
        DeliveryTooLongError: it takes too long, and can be cut by days.
    """
    refused_after_days: list[int] = []
    try:
        return with_retries(lambda: _with_restarts(readings, context, cut, refused_after_days), context)
    except RateLimitError as error:
        if cut is Cut.BY_DAYS and is_first and refused_after_days and _is_burst(error):
            raise DeliveryTooLongError(max(refused_after_days)) from None
        raise


def with_retries(call: Callable[[], T], context: ImportContext) -> T:
    """Make a call to a provider with the retries described at `fetch`."""
    result: T = _burst_retrying(context)(_with_second_try, call, context)
    return result


def _burst_retrying(context: ImportContext) -> tenacity.Retrying:
    return tenacity.Retrying(
        retry=tenacity.retry_if_exception(_is_burst),
        stop=tenacity.stop_after_attempt(BURST_TRIES) | tenacity.stop_before_delay(BURST_TOTAL_S),
        wait=_burst_wait,
        sleep=context.wait,
        reraise=True,
    )


def _is_burst(error: BaseException) -> bool:
    return isinstance(error, RateLimitError) and error.scope == RateLimitScope.BURST


def _burst_wait(state: tenacity.RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    asked_s = error.retry_after_s if isinstance(error, RateLimitError) else None
    base_s = asked_s if asked_s is not None else DEFAULT_BURST_WAIT_S * 2 ** (state.attempt_number - 1)
    return base_s + tenacity.wait_random(0, _JITTER_S)(state)


def _with_second_try(call: Callable[[], T], context: ImportContext) -> T:
    try:
        return call()
    except ProviderUnavailableError:
        context.wait(SECOND_TRY_S)
        return call()


def _with_restarts(
    readings: Sequence[Reading], context: ImportContext, cut: Cut, refused_after_days: list[int]
) -> Delivery:
    for read in readings:
        for _ in range(CURSOR_RESTARTS):
            try:
                return _read_pages(read(), context, cut, refused_after_days)
            except CursorInvalidError as error:
                context.check()
                if error.forgotten:
                    break
    raise ProviderUnavailableError("the provider keeps changing data while it is read", everyone=False)


def _read_pages(pages: Iterator[Page], context: ImportContext, cut: Cut, refused_after_days: list[int]) -> Delivery:
    delivery = Delivery()
    # A cut at a page costs nothing, so there are more of them; fewer days are asked for only when it must be.
    late_s = context.clock() + context.part_s / (2 if cut is Cut.AT_PAGES else 1)
    was_late = False
    try:
        for page in pages:
            context.check()
            if was_late and cut is Cut.BY_DAYS:
                raise DeliveryTooLongError(_days_of(delivery))  # noqa: TRY301 - what was staged is freed below
            _take_in(delivery, page)
            context.refuse_if_heavy(delivery.records)
            context.note_fetched(delivery.pages, delivery.records, delivery.days)
            if page.ends_delivery:
                delivery.continues = True
                break
            was_late = context.clock() > late_s
            if was_late and cut is Cut.AT_PAGES and page.next_cursor is not None:
                _end_at_page(delivery)
                break
    except RateLimitError:
        # What came before would come again before every refusal, and might never all come at once.
        if cut is not Cut.AT_PAGES or delivery.next_cursor is None:
            delivery.staging.close()
            refused_after_days += [_days_of(delivery)] if delivery.pages else []
            raise
        _end_at_page(delivery)
    except BaseException:
        delivery.staging.close()
        raise
    delivery.last_page = ()
    return delivery


def _end_at_page(delivery: Delivery) -> None:
    """Leave the rest to a request that goes on from the last page; days are complete once all pages were read."""
    delivery.continues, delivery.covers = True, None


def _days_of(delivery: Delivery) -> int:
    return (delivery.days.to_on - delivery.days.from_on).days + 1 if delivery.days else 0


def _take_in(delivery: Delivery, page: Page) -> None:
    if page.starts_over:
        delivery.start_over()
    delivery.pages += 1
    delivery.records += len(page.transactions) + len(page.rejected)
    repeated = repeated_rows(delivery.last_page, page.transactions)
    delivery.staging.add(without_placeholder_days(page.transactions[repeated:]))
    delivery.repeated.update(row.account_id for row in page.transactions[:repeated])
    delivery.times_on_page |= times_told(page.transactions[repeated:])
    delivery.last_page = page.transactions
    delivery.days = _joined(delivery.days, _days_of_page(page))
    if delivery.removed:  # what a later page states again is back
        stated = {row.external_id for row in page.transactions}
        delivery.removed = [row for row in delivery.removed if row.external_id not in stated]
    delivery.removed += page.removed
    delivery.voided += without_placeholder_days(page.voided)
    delivery.rejected += page.rejected
    delivery.quota += page.quota
    delivery.warnings += page.warnings
    delivery.failures |= {failure.account_id: failure.error for failure in page.failures}
    delivery.accounts |= {account.external_id: account for account in page.accounts}
    delivery.balances += page.balances
    delivery.complete = delivery.complete and page.complete
    delivery.next_cursor = page.next_cursor
    delivery.provider_session = page.session or delivery.provider_session
    delivery.covers = _joined(delivery.covers, page.covers)


def _joined(left: Window | None, right: Window | None) -> Window | None:
    if left is None or right is None:
        return left or right
    if right.from_on > right.to_on:
        raise InvalidDataError("a page covers no days")
    return Window(from_on=min(left.from_on, right.from_on), to_on=max(left.to_on, right.to_on))


def _days_of_page(page: Page) -> Window | None:
    """Return the days between the first and the last row of a page."""
    ends = [rough_day(row) for row in without_placeholder_days(page.transactions[:1] + page.transactions[-1:])]
    dated = [day for day in ends if day != UNDATED]
    return Window(from_on=min(dated), to_on=max(dated)) if dated else None
