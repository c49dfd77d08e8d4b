"""Chooses among the balances that a PSD2 bank states for an account. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, time, tzinfo
from decimal import Decimal

from worker.connectors.base import Balance, BalanceKind
from worker.connectors.berlin.entries import signed_amount
from worker.connectors.errors import InvalidDataError
from worker.connectors.reading import read_day

# In order of preference: what is booked up to now is compared with the rows of now, yesterday's close is not.
_BOOKED = ("ITBD", "INTERIMBOOKED", "CLBD", "CLOSINGBOOKED", "PRCD", "PREVIOUSLYCLOSEDBOOKED", "OPBD", "OPENINGBOOKED")
_AVAILABLE = ("ITAV", "INTERIMAVAILABLE", "CLAV", "CLOSINGAVAILABLE", "XPCD", "EXPECTED", "FWAV", "FORWARDAVAILABLE")


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiBalance:
    """One balance of a bank's list, still in its own text.

    Attributes:
        includes_credit: The credit limit is part of it: it says what may be spent, not what was booked.
    """

    amount: str
    currency: str | None
    balance_type: str
    changed: str | None = None
    reference_on: str | None = None
    includes_credit: bool = False


def pick_balance(
    balances: Iterable[ApiBalance], currency: str | None, now: datetime, zone: tzinfo = UTC
) -> Balance | None:
    """Choose the balance that tells most: booked before available, in the account's currency; unreadable ones are left.

    Args:
        currency: Of the account; None: any.
        now: When the list was read, for balances without a time of their own.
        zone: Of the bank's days.
    """
    ours = [one for one in balances if currency in (None, one.currency)]
    booked = [one for one in ours if not one.includes_credit]
    choices = (
        (BalanceKind.BOOKED, _BOOKED, booked),
        (BalanceKind.AVAILABLE, _AVAILABLE, ours),
        (BalanceKind.AVAILABLE, _BOOKED, ours),
    )
    for kind, names, among in choices:
        for name in names:
            for one in among:
                if one.balance_type.upper() == name and (amount := _amount(one)) is not None:
                    return Balance(amount=amount, kind=kind, at=_balance_at(one, now, zone))
    return None


def _amount(balance: ApiBalance) -> Decimal | None:
    try:
        return signed_amount(balance.amount)
    except InvalidDataError:
        return None


def _balance_at(balance: ApiBalance, now: datetime, zone: tzinfo) -> datetime:
    """Return when a balance was so: its own moment, the end of its day, else now; never in the future."""
    for text in (balance.changed, balance.reference_on):
        try:
            stated = read_day(text, "balance date")
        except InvalidDataError:
            continue
        if stated.at is not None:
            return min(stated.at, now)
        if stated.on is not None:
            return min(datetime.combine(stated.on, time.max, zone).astimezone(UTC), now)
    return now
