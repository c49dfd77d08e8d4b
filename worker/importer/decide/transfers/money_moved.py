"""What two rows say of the money that one transfer moved: what left, what arrived, and what it cost. Pure.

A row states its own amount. It may state besides what that was before a fee (`gross`), what it was in the other
currency (`original_amount`), or the rate. Rows that state no such thing can be one transfer where little is missing,
or where the amounts are in about the ratio of their currencies: that is worth a question, and proves nothing.
"""

from collections.abc import Iterator, Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import NamedTuple, Protocol

from worker.importer.decide.balances.running import stated_money
from worker.importer.decide.reasons import Reason
from worker.importer.decide.transfers.rough_rates import rough_rate
from worker.money import MINOR_UNITS

STATED_NAMES = ("original_amount", "gross", "exchange_rate")
"""By these names a row states what was moved besides its own amount (`Transaction.stated_amounts`)."""


class Booked(Protocol):
    """A row, with what its bank states of the money: a leg, or a stored row."""

    @property
    def amount(self) -> Decimal:
        """Negative when it leaves the account."""

    @property
    def currency(self) -> str:
        """Of the amount."""

    @property
    def stated_amounts(self) -> Mapping[str, str] | None:
        """What its bank states of the money besides (`Transaction.stated_amounts`)."""


class BookedMoney(NamedTuple):
    """What a row is booked with, and what its bank states besides."""

    amount: Decimal
    currency: str
    stated_amounts: Mapping[str, str] | None


class Money(NamedTuple):
    """A positive amount in a currency."""

    amount: Decimal
    currency: str


def own_money(leg: Booked) -> Money:
    """Return what a row is booked with."""
    return Money(abs(leg.amount), leg.currency)


def states_more(row: Booked) -> bool:
    """Return whether a row states what was moved by more than its own amount."""
    return any(name in (row.stated_amounts or {}) for name in STATED_NAMES)


def is_equal(one: Booked, other: Booked) -> bool:
    """Return whether two rows are booked with the same money."""
    return own_money(one) == own_money(other)


def states_the_same(one: Booked, other: Booked) -> bool:
    """Return whether both rows state one amount as what was moved, by whatever they say of it."""
    return not set(_stated(one)).isdisjoint(_stated(other)) or _by_rate(one, other) or _by_rate(other, one)


def state_each_other(one: Booked, other: Booked) -> bool:
    """Return whether each row states the amount of the other, in the currency of that."""
    return _original(one) == own_money(other) and _original(other) == own_money(one)


def asked_because(one: Booked, other: Booked) -> Reason:
    """Return why two rows are asked about, by what they are booked with."""
    if is_equal(one, other):
        return Reason.EQUAL_AND_OPPOSITE
    return Reason.LESS_A_FEE if one.currency == other.currency else Reason.EXCHANGED


class Costs(NamedTuple):
    """What a transfer cost, in the currency of either leg; None where nothing tells that it cost anything there.

    Attributes:
        out: Of the leg that leaves an account; of two legs of one currency all of it.
        into: Of the leg that arrives.
    """

    out: Money | None
    into: Money | None


def costs_of(out: Booked, into: Booked) -> Costs:
    """Return what a transfer cost, beside what arrived. What a bank keeps by its rate cannot be told from the rate.

    Args:
        out: The leg that leaves an account.
        into: The leg that arrives.
    """
    if out.currency == into.currency:
        return Costs(_more_than_nothing(abs(out.amount) - abs(into.amount), out.currency), None)
    left, arrived = _charged(out), _charged(into)
    # What is missing of the sum abroad may be what the first bank states to have taken.
    return Costs(left, arrived if left is not None else _missing(out, into) or arrived)


def _missing(out: Booked, into: Booked) -> Money | None:
    sent = _original(out)
    if sent is None or sent.currency != into.currency:
        return None
    return _more_than_nothing(sent.amount - abs(into.amount), into.currency)


def _charged(leg: Booked) -> Money | None:
    """Return what the bank of a leg states to have taken; None where it states no such thing."""
    gross = stated_money(leg.stated_amounts, "gross")
    if gross is None:
        return None
    more = abs(leg.amount) - abs(gross)
    return _more_than_nothing(more if leg.amount < 0 else -more, leg.currency)


def missing_share(out: Booked, into: Booked) -> Decimal | None:
    """Return which share of what left did not arrive, negative where more did; None where nothing states both."""
    for left in _stated(out):
        for arrived in _stated(into):
            if left.currency == arrived.currency and left.amount:
                return (left.amount - arrived.amount) / left.amount
    return None


def rough_gap(out: Booked, into: Booked) -> Decimal | None:
    """Return by which factor, at least 1, two amounts are off the rough rate of their currencies; None without one."""
    rate = rough_rate(out.currency, into.currency)
    if rate is None or not out.amount or not into.amount:
        return None
    ratio = abs(into.amount) / (abs(out.amount) * rate)
    return max(ratio, 1 / ratio)


def _more_than_nothing(amount: Decimal, currency: str) -> Money | None:
    return Money(amount, currency) if amount > 0 else None


def _stated(leg: Booked) -> Iterator[Money]:
    yield own_money(leg)
    gross = stated_money(leg.stated_amounts, "gross")
    if gross:
        yield Money(abs(gross), leg.currency)
    original = _original(leg)
    if original is not None:
        yield original


def _original(leg: Booked) -> Money | None:
    amount = stated_money(leg.stated_amounts, "original_amount")
    currency = (leg.stated_amounts or {}).get("original_currency")
    return Money(abs(amount), currency.strip().upper()) if amount and currency else None


def sent_abroad(leg: Booked, currency: str) -> list[Decimal]:
    """Return what a row states of how much it moved is in another currency: as an amount, or by a rate either way."""
    original, rate = _original(leg), stated_money(leg.stated_amounts, "exchange_rate")
    by_rate = [abs(leg.amount) * rate, abs(leg.amount) / rate] if rate and rate > 0 else []
    return [original.amount, *by_rate] if original is not None and original.currency == currency else by_rate


def _by_rate(leg: Booked, other: Booked) -> bool:
    """Return whether a row's rate makes its amount that of the other; banks state a rate in either direction."""
    rate = stated_money(leg.stated_amounts, "exchange_rate")
    if not rate or leg.currency == other.currency or _original(leg) is not None:
        return False
    unit = Decimal(1).scaleb(-MINOR_UNITS.get(other.currency, 2))
    there = sent_abroad(leg, other.currency)
    return abs(other.amount) in {amount.quantize(unit, rounding=ROUND_HALF_UP) for amount in there}
