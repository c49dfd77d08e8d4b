"""Tells files of two accounts apart by the balances behind their rows, where nothing names the account. Pure."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Self

from worker.connectors.base import Transaction

_LEAST_EQUAL_DAYS = 2
_MAX_COMPARED = 10  # files that hold a day; a file of another account stands apart from each of them


@dataclass(frozen=True, slots=True, kw_only=True)
class DayBalances:
    """The balances of one day in one file.

    Attributes:
        first: Before and after the first row of the day, in the order of the file.
        last: Before and after its last row.
        moved: Sum of the rows.
    """

    first: tuple[Decimal, Decimal]
    last: tuple[Decimal, Decimal]
    moved: Decimal

    @classmethod
    def of(cls, transaction: Transaction) -> Self | None:
        """Return the balances around a row; None where none stands behind it."""
        stated = (transaction.stated_amounts or {}).get("balance_after")
        if stated is None or transaction.pending:
            return None
        after = Decimal(stated)
        around = after - transaction.amount, after
        return cls(first=around, last=around, moved=transaction.amount)

    def then(self, next_row: Self) -> Self:
        """Return the balances of the day with one row more."""
        return replace(self, last=next_row.last, moved=self.moved + next_row.moved)

    def meets(self, other: Self) -> bool:
        """Return whether both begin or end the day, or a part of it, with the same balance."""
        return not {*self.first, *self.last}.isdisjoint({*other.first, *other.last})


def stand_apart(one: Mapping[date, DayBalances], other: Mapping[date, DayBalances]) -> bool:
    """Return whether two files state balances of two accounts.

    They do where no balance of a day that both hold is the same. An entry that the bank booked late moves all balances
    behind it, but not what the rows of the days make: then it is one account.
    """
    shared = one.keys() & other.keys()
    if not shared or any(one[day].meets(other[day]) for day in shared):
        return False
    equal = sum(one[day].moved == other[day].moved for day in shared)
    return equal < _LEAST_EQUAL_DAYS or equal * 2 <= len(shared)


class _Chain:
    """Files whose balances are of one account, so far."""

    def __init__(self) -> None:
        self._by_day: defaultdict[date, list[Mapping[date, DayBalances]]] = defaultdict(list)

    def fits(self, balances: Mapping[date, DayBalances]) -> bool:
        """Return whether a file stands apart from none, as far as they share days: of each day from the latest."""
        near = {id(one): one for day in balances for one in self._by_day[day][-_MAX_COMPARED:]}
        return not any(stand_apart(balances, one) for one in near.values())

    def add(self, balances: Mapping[date, DayBalances]) -> None:
        """Note a file."""
        for day in balances:
            self._by_day[day].append(balances)


def separate_chains(files: Sequence[Mapping[date, DayBalances]]) -> list[int]:
    """Return for each file, in order, the number of the account that its balances belong to, from 0.

    A file belongs to the first account of which it stands apart from no file.
    """
    chains: list[_Chain] = []
    numbers = []
    for balances in files:
        number = next((at for at, chain in enumerate(chains) if chain.fits(balances)), len(chains))
        if number == len(chains):
            chains.append(_Chain())
        chains[number].add(balances)
        numbers.append(number)
    return numbers
