"""Does the bank's balance follow from the rows: opening + posted = booked. Pure.

The opening amount is taken once, from the first balance after the whole history was read, and never adjusted to fit.
"""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """What is known of an account's money. posted: sum of posted rows from `opening_on` to the balance's day.

    proven_on: the day of the last balance that fitted.
    """

    booked: Decimal | None
    balance_on: date | None
    opening: Decimal | None
    opening_on: date | None
    posted: Decimal
    proven_on: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BalanceProof:
    """`proven`, `unproven` (and why), or `mismatch` (by how much, and since when).

    difference: booked minus what the rows say, negative when the rows say too much.
    """

    result: str
    reason: str
    difference: Decimal | None = None
    since_on: date | None = None
    balance_on: date | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the proof as it is stored and shown; money as text."""
        return {
            "result": self.result,
            "reason": self.reason,
            "difference": None if self.difference is None else str(self.difference),
            "since_on": None if self.since_on is None else self.since_on.isoformat(),
            "balance_on": None if self.balance_on is None else self.balance_on.isoformat(),
        }


def prove(books: Books) -> BalanceProof:
    """Compare the bank's booked balance with the rows."""
    if books.booked is None or books.balance_on is None:
        return BalanceProof(result="unproven", reason="no_balance")
    if books.opening is None or books.opening_on is None:
        return BalanceProof(result="unproven", reason="no_opening", balance_on=books.balance_on)
    difference = books.booked - books.opening - books.posted
    if difference == 0:
        return BalanceProof(result="proven", reason="balances", balance_on=books.balance_on)
    return BalanceProof(
        result="mismatch",
        reason="does_not_balance",
        difference=difference,
        since_on=books.proven_on or books.opening_on,
        balance_on=books.balance_on,
    )
