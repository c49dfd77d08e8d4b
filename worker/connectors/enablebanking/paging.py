"""Reads a window of Enable Banking page by page, with the form of request that the bank accepts.

Banks refuse periods, a last day and repeated parameters in words of their own, often without naming what they refuse.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from worker.connectors.base import Window
from worker.connectors.enablebanking.api import EnableBankingApi, TransactionsQuery
from worker.connectors.enablebanking.config import BankManners
from worker.connectors.enablebanking.errors import SAFE_PERIOD, PeriodRefusedError, RequestRefusedError
from worker.connectors.errors import ConnectorError, InvalidDataError, ProviderUnavailableError
from worker.connectors.reading import RepeatedRecords, listed, text

_MOST_PAGES = 1_000
_IDENTIFYING = ("entry_reference", "transaction_id", "balance_after_transaction")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One page.

    Attributes:
        records: What is new on it.
        window: The days that were asked for; fewer than wanted where the bank refused them.
        is_last: Whether the list ends with it.
        starts_over: Whether the pages before it do not count.
        warnings: What the bank did not give.
    """

    records: Sequence[Any]
    window: Window
    is_last: bool
    starts_over: bool = False
    warnings: tuple[str, ...] = ()


class WindowReader:
    """Reads windows of accounts.

    Attributes:
        manners: What was learned about the bank, for the next run.
    """

    def __init__(self, api: EnableBankingApi, manners: BankManners, now: Callable[[], datetime]) -> None:
        self.manners = manners
        self._api = api
        self._now = now
        self._broken_off: set[str] = set()

    def read(self, account_id: str, window: Window) -> Iterator[Answer]:
        """Yield a window page by page; a page may be empty and still have a successor.

        Raises:
            ConnectorError: what the bank's refusal means, when it takes none of the ways to ask.
            InvalidDataError: when a continuation key comes back with other records.
        """
        query = self._query(account_id, window)
        try:
            yield from self._pages(query, *self._first_page(query))
        except RequestRefusedError as refusal:
            shorter = _shortened(query)
            # What may pass is left to the run's second try, before older days are given up.
            may_pass = isinstance(refusal.meaning, ProviderUnavailableError) and account_id not in self._broken_off
            if shorter is None or may_pass:
                self._broken_off.add(account_id)
                raise refusal.meaning from None
            answers = self._pages(query, *self._first_page(shorter))
            yield replace(next(answers), starts_over=True)
            yield from answers

    def _query(self, account_id: str, window: Window) -> TransactionsQuery:
        is_first_load = window.to_on - window.from_on > SAFE_PERIOD and window.to_on >= self._now().date()
        return TransactionsQuery(
            account_id=account_id,
            from_on=window.from_on,
            to_on=window.to_on,
            states_to=not self.manners.without_date_to,
            longest=is_first_load,
        )

    def _first_page(self, query: TransactionsQuery) -> tuple[TransactionsQuery, Mapping[str, Any]]:
        """Return the first page, and the question that the bank took."""
        refusal: ConnectorError | None = None
        for way in _ways(query):
            try:
                answer = self._api.transactions(way)
            except PeriodRefusedError as error:
                return self._within_period(way, error)
            except RequestRefusedError as error:
                refusal = error.meaning
                continue
            if not way.states_to:
                self.manners = self.manners.model_copy(update={"without_date_to": True})
            return way, answer
        assert refusal is not None
        raise refusal

    def _within_period(
        self, query: TransactionsQuery, refusal: PeriodRefusedError
    ) -> tuple[TransactionsQuery, Mapping[str, Any]]:
        """Request again with the period that the bank named, or with the one that every bank gives."""
        from_on = refusal.from_on or query.to_on - SAFE_PERIOD
        if not query.from_on < from_on <= query.to_on:
            raise refusal
        shorter = replace(query, from_on=from_on, longest=False)
        try:
            return shorter, self._api.transactions(shorter)
        except RequestRefusedError as error:
            raise error.meaning from None

    def _pages(
        self, wanted: TransactionsQuery, query: TransactionsQuery, answer: Mapping[str, Any]
    ) -> Iterator[Answer]:
        """Follow the continuation keys of a list whose first page is there."""
        warnings = () if query.from_on == wanted.from_on else (f"the bank gives nothing before {query.from_on}",)
        window = Window(from_on=query.from_on, to_on=query.to_on)
        repeated, keys, before = RepeatedRecords(_IDENTIFYING), set[str](), None
        while True:
            key, records = text(answer, "continuation_key"), listed(answer, "transactions")
            came_again = key is not None and key in keys
            fresh = [] if came_again and records == before else repeated.leave_out(records)
            before = records
            if came_again and fresh:
                raise InvalidDataError("Enable Banking repeated a continuation key")
            is_last = key is None or came_again
            yield Answer(records=fresh, window=window, is_last=is_last, warnings=warnings)
            if key is None or came_again:
                return
            keys.add(key)
            if len(keys) > _MOST_PAGES:
                raise InvalidDataError(f"Enable Banking gave more than {_MOST_PAGES} pages")
            answer = self._next_page(query, key)

    def _next_page(self, query: TransactionsQuery, key: str) -> Mapping[str, Any]:
        """Return a following page: with all parameters repeated, else by its key alone."""
        whole, alone = replace(query, key=key), replace(query, key=key, key_alone=True)
        if self.manners.key_alone:
            return self._api.transactions(alone)
        try:
            return self._api.transactions(whole)
        except (RequestRefusedError, PeriodRefusedError) as error:
            refusal = error if isinstance(error, RequestRefusedError) else RequestRefusedError(error)
            try:
                answer = self._api.transactions(alone)
            except (RequestRefusedError, PeriodRefusedError):
                raise refusal from None
            self.manners = self.manners.model_copy(update={"key_alone": True})
            return answer


def _ways(query: TransactionsQuery) -> Iterator[TransactionsQuery]:
    """Yield the ways to ask: as wanted, a shorter period, both without their last day."""
    for states_to in (True, False) if query.states_to else (False,):
        way = replace(query, states_to=states_to)
        yield way
        shorter = _shortened(way)
        if shorter is not None:
            yield shorter


def _shortened(query: TransactionsQuery) -> TransactionsQuery | None:
    """Return the question for the period that every bank gives; None when it is not longer than that."""
    from_on = query.to_on - SAFE_PERIOD
    return replace(query, from_on=from_on, longest=False) if query.from_on < from_on else None
