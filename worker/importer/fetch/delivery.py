"""Reads one delivery from a bank: all its pages, with retries. Network only, no database."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import tenacity

from worker.connectors.base import (
    Account,
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
from worker.importer.context import ImportContext
from worker.importer.decide.page_repeats import repeated_rows
from worker.importer.fetch.staging import Staging

T = TypeVar("T")

Reading = Callable[[], Iterator[Page]]
"""Asks the provider and yields its pages."""

DEFAULT_BURST_WAIT_S = 2.0
SECOND_TRY_S = 1.0
_JITTER_S = 0.5


@dataclass(slots=True, kw_only=True)
class Delivery:
    """The combined pages of one delivery.

    Attributes:
        records: How many records its pages held, read or not.
        failures: Errors of single accounts in a response that is valid for the others.
        complete: Whether the provider left nothing out.
        last_page: The transactions of the page before, to see what the next one repeats.
        repeated: By account, how many rows were left out because a page repeated them from the end of the page before.
    """

    staging: Staging = field(default_factory=Staging)
    pages: int = 0
    records: int = 0
    removed: list[RemovedTransaction] = field(default_factory=list)
    rejected: list[RejectedRow] = field(default_factory=list)
    failures: dict[str, ConnectorError] = field(default_factory=dict)
    accounts: dict[str, Account] = field(default_factory=dict)
    quota: list[QuotaReading] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    covers: Window | None = None
    complete: bool = True
    next_cursor: str | None = None
    session: str | None = None
    last_page: Sequence[Transaction] = ()
    repeated: Counter[str] = field(default_factory=Counter)

    def withdraw(self) -> None:
        """Discard everything that was read, except the allowances that the calls used."""
        self.staging.close()
        self.staging = Staging()
        for collected in (self.removed, self.rejected, self.failures, self.accounts, self.warnings, self.repeated):
            collected.clear()
        self.covers, self.complete, self.session, self.records = None, True, None, 0
        self.last_page = ()


def fetch(readings: Sequence[Reading], context: ImportContext) -> Delivery:
    """Read all pages of one delivery, starting over where the provider voids what was read of it.

    A burst rate limit is waited out (Retry-After honoured, at most `burst_tries` within `burst_total_s`); an outage
    gets one quick second try: measured by others, the second recovers 22 in 100, the third one.

    Args:
        readings: ways to read the same rows, the usual one first. The next one is taken when the provider voided
            every try of the one before it, or does not know the cursor it starts from.
        context: waits, limits and stop requests of the run.

    Raises:
        ConnectorError: when it stays so.
    """
    return with_retries(lambda: _with_restarts(readings, context), context)


def with_retries(call: Callable[[], T], context: ImportContext) -> T:
    """Make a call to a provider with the retries described at `fetch`."""
    result: T = _burst_retrying(context)(_with_second_try, call, context)
    return result


def _burst_retrying(context: ImportContext) -> tenacity.Retrying:
    return tenacity.Retrying(
        retry=tenacity.retry_if_exception(_is_burst),
        stop=tenacity.stop_after_attempt(context.policy.burst_tries)
        | tenacity.stop_before_delay(context.policy.burst_total_s),
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


def _with_restarts(readings: Sequence[Reading], context: ImportContext) -> Delivery:
    for read in readings:
        for _ in range(context.policy.cursor_restarts):
            try:
                return _read_pages(read(), context)
            except CursorInvalidError as error:
                context.check()
                if error.forgotten:
                    break
    raise ProviderUnavailableError("the provider keeps changing data while it is read", everyone=False)


def _read_pages(pages: Iterator[Page], context: ImportContext) -> Delivery:
    delivery = Delivery()
    try:
        for page in pages:
            context.check()
            _take_in(delivery, page)
    except BaseException:
        delivery.staging.close()
        raise
    return delivery


def _take_in(delivery: Delivery, page: Page) -> None:
    if page.starts_over:
        delivery.withdraw()
    delivery.pages += 1
    delivery.records += len(page.transactions) + len(page.rejected)
    repeated = repeated_rows(delivery.last_page, page.transactions)
    delivery.staging.add(page.transactions[repeated:])
    delivery.repeated.update(row.account_id for row in page.transactions[:repeated])
    delivery.last_page = page.transactions
    delivery.removed += page.removed
    delivery.rejected += page.rejected
    delivery.quota += page.quota
    delivery.warnings += page.warnings
    delivery.failures |= {failure.account_id: failure.error for failure in page.failures}
    delivery.accounts |= {account.external_id: account for account in page.accounts}
    delivery.complete = delivery.complete and page.complete
    delivery.next_cursor = page.next_cursor
    delivery.session = page.session or delivery.session
    delivery.covers = _joined(delivery.covers, page.covers)


def _joined(left: Window | None, right: Window | None) -> Window | None:
    if left is None or right is None:
        return left or right
    if right.from_on > right.to_on:
        raise InvalidDataError("a page covers no days")
    return Window(from_on=min(left.from_on, right.from_on), to_on=max(left.to_on, right.to_on))
