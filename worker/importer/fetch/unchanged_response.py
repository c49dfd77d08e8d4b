"""Computes a digest of all responses of a run, to recognise an unchanged response.

Within a day, with the same settings, accounts and response, every decision would be the previous run's: to do nothing.
So a refresh that found nothing keeps the digest of its response, and the next one with an equal response copies its
record (`store.unchanged_response`, docs/decisions/0005-the-same-answer.md).
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, tzinfo

from worker import __version__
from worker.connectors.base import Account
from worker.importer.account_state import AccountState
from worker.importer.fetch.delivery import Delivery
from worker.importer.fetch.packing import comparable_bytes
from worker.importer.fetch.request_plan import FetchRequest
from worker.importer.job import Job
from worker.runs.states import RunKind

MAX_ROWS = 20_000
"""A longer response gets no digest: reading it takes so long that skipping its import would save little."""


class ResponseDigest:
    """The digest of one run's response, added to piece by piece in the order of the run's requests."""

    def __init__(self, job: Job) -> None:
        self._hash = hashlib.blake2b(digest_size=32)
        self._enabled = _is_whole_refresh(job)
        self._history_read = False
        self._zone: tzinfo | None = None
        self._update(__version__, job.options, job.currency)

    def add_accounts(self, now: datetime, listed: Iterable[Account], states: Sequence[AccountState]) -> None:
        """Add the accounts that the bank lists, with their balances, and those that are imported.

        Args:
            now: The current moment in the bank's zone.
            states: The accounts to import.
        """
        self._zone = now.tzinfo
        self._update(now.date())
        self._update(*(_without_time_of_day(account, self._zone) for account in listed))
        # The watermark moves once a day, with `today`, and the balance is part of what the bank lists.
        self._update(*(replace(state, watermark_on=None, cursor=None, booked=None) for state in states))
        self._history_read = all(state.history_complete for state in states)

    def add_delivery(self, request: FetchRequest, delivery: Delivery) -> None:
        """Add one delivery; one with a defect, a removal or very many rows, or that was cut, disables the digest."""
        rows = delivery.staging.in_memory()
        gone = delivery.removed or delivery.voided
        odd = gone or delivery.rejected or delivery.failures or delivery.warnings or delivery.continues
        if not self._enabled or odd or not delivery.complete or rows is None or sum(map(len, rows.values())) > MAX_ROWS:
            self.disable()
            return
        self._update(request.account_id, delivery.next_cursor, delivery.provider_session, delivery.covers is None)
        self._update(*(_without_time_of_day(account, self._zone) for account in delivery.accounts.values()))
        for account_id, transactions in rows.items():
            self._update(account_id, comparable_bytes(transactions))

    def disable(self) -> None:
        """Disable the digest: this run holds something that must be processed every time."""
        self._enabled = False

    def value(self) -> bytes | None:
        """Return the digest of what was added; None when it must not be kept or compared."""
        return self._hash.digest() if self._enabled and self._history_read else None

    def _update(self, *values: object) -> None:
        self._hash.update(repr(values).encode("utf-8", "backslashreplace"))


def _is_whole_refresh(job: Job) -> bool:
    selection = (job.account_external_id, job.from_on, job.to_on)
    return job.kind == RunKind.REFRESH and not job.dry_run and selection == (None, None, None) and not job.resumed


def _without_time_of_day(account: Account, zone: tzinfo | None) -> Account:
    """Leave out at what time of the bank's day a balance was read, in which two equal responses differ.

    The day counts: a balance is proven by the rows up to it.
    """
    if account.balance is None:
        return account
    midnight = account.balance.at.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    return replace(account, balance=replace(account.balance, at=midnight))
