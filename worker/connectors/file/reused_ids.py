"""Detects transaction ids that a file uses more than once, so that two payments never become one."""

from worker.connectors.base import Transaction
from worker.connectors.file.statement.events import day_of

_MAX_WATCHED = 200_000
_COUNTER_DIGITS = 4


class ReusedIds:
    """Watches the ids of each account of one file; memory is bounded, an account past the bound is trusted as it is."""

    def __init__(self) -> None:
        self._facts: dict[int, int] = {}
        self._distrusted: dict[str, str] = {}

    def see(self, transaction: Transaction) -> None:
        """Take note of one line."""
        number = transaction.external_id
        if number is None:
            return
        if len(number) <= _COUNTER_DIGITS and number.isdigit():
            self._distrusted[transaction.account_id] = "ids are mere line numbers"
        facts = hash((day_of(transaction), transaction.amount))
        if (
            len(self._facts) < _MAX_WATCHED
            and self._facts.setdefault(hash((transaction.account_id, number)), facts) != facts
        ):
            self._distrusted[transaction.account_id] = "an id stands for two different transactions"

    def verdict(self, account: str) -> str | None:
        """Return why the ids of this account are not identities in this file; None where they are."""
        return self._distrusted.get(account)
