"""Derives the balances at the ends of days from rows that state the account's balance after them.

A day is read as a walk from balance to balance, whatever the order in which its rows came: what the first row starts
from is reached by no other one, and what the last row reaches is where no other one starts from.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import NamedTuple

from worker.importer.decide.read.context import ReadContext
from worker.importer.decide.read.days import stated_day
from worker.importer.decide.read.line import FingerprintedTransaction
from worker.money import is_money, money_in

LOOKED_AT = 100
MIN_DAYS = 2
MIN_SHARE = 0.8
"""So many of the days must go on from where the day before ended; else the balances say something else."""


class RowWithBalance(NamedTuple):
    """A posted row, and the balance that the bank states after it."""

    on: date
    amount: Decimal
    balance: Decimal


@dataclass(frozen=True, slots=True)
class _Day:
    start: Decimal
    end: Decimal


def balance_after(stated_amounts: Mapping[str, str] | None) -> Decimal | None:
    """Return the balance after a row that its source states; None without one, and where it is no amount of money."""
    return stated_money(stated_amounts, "balance_after")


def stated_money(stated_amounts: Mapping[str, str] | None, name: str) -> Decimal | None:
    """Return what a source states of the money of a row by this name; None without it, and where it is no amount."""
    return money_in((stated_amounts or {}).get(name))


def rows_with_balance(
    transactions: Sequence[FingerprintedTransaction], context: ReadContext
) -> Iterator[RowWithBalance]:
    """Yield the posted transactions in the account's currency that state the balance after them.

    A feed that states none with its first rows is taken to state none at all.
    """
    if not any(item.transaction.stated_amounts for item in transactions[:LOOKED_AT]):
        return
    for transaction, _, _ in transactions:
        stated = balance_after(transaction.stated_amounts)
        day = stated_day(transaction, context)
        if stated is None or not day or transaction.pending or not is_money(transaction.amount):
            continue
        if transaction.currency in (None, context.currency):
            yield RowWithBalance(on=day, amount=transaction.amount, balance=stated)


def day_ends(rows: Iterable[RowWithBalance], *, with_start: bool) -> Mapping[date, Decimal]:
    """Return the balance at the end of each day, in order of days.

    Days whose rows are no walk are left out. Empty where the days do not follow from each other: such balances count
    pending rows, were computed later, or are in another order of days.

    Args:
        rows: In any order.
        with_start: Also return the balance before the first day, of which no row may be missing then.
    """
    steps: dict[date, set[tuple[Decimal, Decimal]]] = defaultdict(set)
    for row in rows:
        steps[row.on].add((row.balance - row.amount, row.balance))
    days = {on: day for on in sorted(steps) if (day := _walk(steps[on])) is not None}
    if len(days) < MIN_DAYS or len(days) < MIN_SHARE * len(steps):
        return {}
    follows = [later.start == earlier.end for earlier, later in pairwise(days.values())]
    if sum(follows) < MIN_SHARE * len(follows):
        return {}
    first_on = next(iter(days))
    start = {first_on - timedelta(days=1): days[first_on].start} if with_start else {}
    return start | {on: day.end for on, day in days.items()}


def _walk(steps: set[tuple[Decimal, Decimal]]) -> _Day | None:
    """Return where the steps of a day start and end; None when that is not one place each."""
    starts = Counter(before for before, _ in steps)
    ends = Counter(after for _, after in steps)
    first, last = starts - ends, ends - starts
    if first.total() != 1 or last.total() != 1:
        return None
    return _Day(start=next(iter(first)), end=next(iter(last)))
