"""Events at the made-up bank, as the JSON records it would send. Pure: a function of seed, account and day.

Amounts are counted in minor units of the bank's currency here and written as strings into the records.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from functools import lru_cache
from hashlib import shake_128
from typing import Any, NamedTuple

from worker.connectors.base import TransactionKind, Window
from worker.connectors.mock.config import MockConfig, MockMode
from worker.money import MINOR_UNITS

Record = dict[str, Any]
"""One transaction as the bank's own API would spell it."""

_REFUND_DAYS = 9
_LONGEST_HOLD_DAYS = 3
_STANDING_ORDER_DAY = 26
_SHOPS = (
    "Corner Grocer",
    "Green Market",
    "City Bakery",
    "Book Cellar",
    "Bicycle Hub",
    "Pharmacy Nord",
    "Hardware Barn",
)
_LARGE_AMOUNTS = tuple(-(95 + n * 7919 % 9973) if n % 40 else 195_000 + n for n in range(9_973))
_LARGE_SUM = sum(_LARGE_AMOUNTS)


class MockLine(NamedTuple):
    """One thing that happened on a day.

    Attributes:
        hold_days: How long it stays pending.
        held: What pends, if not `minor`.
    """

    payee: str
    text: str
    minor: int
    kind: TransactionKind | None = None
    hold_days: int = 0
    held: int | None = None


def _dice(seed: str, index: int, day: date) -> bytes:
    return shake_128(f"{seed}/{index}/{day.isoformat()}".encode()).digest(16)


def _happens(die: int, times_in_256: int) -> bool:
    return die < times_in_256


def _online_order(dice: bytes) -> int | None:
    return 1_500 + dice[9] * 37 if _happens(dice[8], 30) else None


def _monthly(day: date, savings: int) -> Iterator[MockLine]:
    match day.day:
        case 1:
            yield MockLine("Harbour Homes", "Rent", -85_000)
        case 12:
            yield MockLine("Streamly", "Streamly subscription", -1_299, TransactionKind.PURCHASE)
        case 25:
            yield MockLine("Brightworks Ltd", "Salary", 240_000, TransactionKind.INCOME)
        case _ if day.day == _STANDING_ORDER_DAY and savings:
            yield MockLine("Own savings", "Standing order", -savings, TransactionKind.TRANSFER)


def _errands(dice: bytes) -> Iterator[MockLine]:
    if _happens(dice[0], 150):
        shop = _SHOPS[dice[1] % len(_SHOPS)]
        yield MockLine(shop, f"Card payment {shop}", -(640 + dice[2] * 17 + dice[3]), TransactionKind.PURCHASE)
    if _happens(dice[4], 40):  # two equal coffees on one day are two purchases
        coffee = MockLine("Bean There", "Card payment Bean There", -350, TransactionKind.PURCHASE)
        yield from (coffee, coffee)
    if _happens(dice[5], 45):  # the tip is added when the payment posts
        meal = 1_800 + dice[6] * 11
        yield MockLine("Trattoria Sole", "Card payment Trattoria Sole", -meal - 200, TransactionKind.PURCHASE, 2, -meal)
    if _happens(dice[7], 28):  # the pump reserves a round sum first
        yield MockLine(
            "Fuel Point", "Card payment Fuel Point", -(2_400 + dice[10] * 13), TransactionKind.PURCHASE, 1, -10_000
        )


@lru_cache(maxsize=4096)  # the same made-up days are asked for at every refresh
def _everyday(seed: str, index: int, day: date, opened_on: date, savings: int) -> tuple[MockLine, ...]:
    return tuple(_day(seed, index, day, opened_on, savings))


def _day(seed: str, index: int, day: date, opened_on: date, savings: int) -> Iterator[MockLine]:
    dice = _dice(seed, index, day)
    yield from _monthly(day, savings)
    yield from _errands(dice)
    order = _online_order(dice)
    if order:
        yield MockLine("Parcelo", "Parcelo order", -order, TransactionKind.PURCHASE, _LONGEST_HOLD_DAYS)
    ordered_on = day - timedelta(days=_REFUND_DAYS)
    before = _dice(seed, index, ordered_on)
    sent_back = _online_order(before)
    if sent_back and _happens(before[11], 100) and ordered_on >= opened_on:
        yield MockLine("Parcelo", "Parcelo refund", sent_back, TransactionKind.REFUND)


def _savings(day: date) -> Iterator[MockLine]:
    if day.day == _STANDING_ORDER_DAY:
        yield MockLine("Own checking", "Standing order", 25_000, TransactionKind.TRANSFER)
    if (day + timedelta(days=1)).day == 1:
        yield MockLine("Mock Bank", "Interest", 412, TransactionKind.INTEREST)
        if day.month % 3 == 0:
            yield MockLine("Mock Bank", "Account fee", -250, TransactionKind.FEE)


def _days(from_on: date, to_on: date) -> Iterator[date]:
    return map(date.fromordinal, range(from_on.toordinal(), to_on.toordinal() + 1))


def _large_sum(rows: int) -> int:
    """Return what the first `rows` rows of `large` mode add up to."""
    rounds, rest = divmod(rows, len(_LARGE_AMOUNTS))
    return rounds * _LARGE_SUM + sum(_LARGE_AMOUNTS[:rest])


@dataclass(frozen=True, slots=True)
class MockBank:
    """The bank as it stands on `today`."""

    config: MockConfig
    today: date

    @property
    def history(self) -> Window:
        """The days the bank answers for."""
        kept_from_on = self.today - timedelta(days=self.config.history_days - 1)
        return Window(from_on=max(self.config.opened_on, kept_from_on), to_on=self.today)

    def account_id(self, index: int) -> str:
        """Return the bank's id of the account at `index`, counted from 0."""
        return f"mock-{index + 1}"

    def records(self, index: int, window: Window) -> Iterator[Record]:
        """Yield the account's records of days within `history`, by booking day, pending ones by the day made."""
        match self.config.mode:
            case MockMode.EMPTY:
                return iter(())
            case MockMode.LARGE:
                return self._large(index, window)
            case _:
                return iter(_records(self, index, window))

    def balance(self, index: int) -> Decimal:
        """Return what the account holds by its posted transactions, in major units."""
        match self.config.mode:
            case MockMode.EMPTY:
                posted = 0
            case MockMode.LARGE:
                day_after = self.today + timedelta(days=1)
                posted = _large_sum(self._rows_before(day_after)) - _large_sum(self._rows_before(self.config.opened_on))
            case _:
                posted = _posted(self, index)
        return self.config.opening_balance + self._major(posted)

    def lines(self, index: int, day: date) -> Iterable[MockLine]:
        """Return what happens on the account on a day."""
        if index % 2:
            return _savings(day)
        savings = 25_000 if index + 1 < self.config.accounts else 0
        return _everyday(self.config.seed, index, day, self.config.opened_on, savings)

    def everyday(self, index: int, window: Window) -> Iterator[Record]:
        """Yield the records of every mode but `large` and `empty`."""
        made_from_on = max(window.from_on - timedelta(days=_LONGEST_HOLD_DAYS), self.config.opened_on)
        for made_on in _days(made_from_on, window.to_on):
            for number, line in enumerate(self.lines(index, made_on)):
                booked_on = made_on + timedelta(days=line.hold_days)
                record_id = f"{self.account_id(index)}-{made_on.isoformat()}-{number}"
                if booked_on > self.today and made_on in window:
                    yield self._pending(record_id, index, made_on, line)
                elif booked_on in window:
                    yield self._booked(record_id, index, (made_on, booked_on), line)

    def _pending(self, record_id: str, index: int, made_on: date, line: MockLine) -> Record:
        amount = line.minor if line.held is None else line.held
        return self._record(f"{record_id}-hold", index, line, amount) | {
            "status": "pending",
            "made": made_on.isoformat(),
        }

    def _booked(self, record_id: str, index: int, days: tuple[date, date], line: MockLine) -> Record:
        made_on, booked_on = days
        record = self._record(record_id, index, line, line.minor) | {
            "status": "booked",
            "made": made_on.isoformat(),
            "booked": booked_on.isoformat(),
        }
        if line.hold_days and self.config.pending_links:
            record["replaces"] = f"{record_id}-hold"
        return record

    def _record(self, record_id: str, index: int, line: MockLine, minor: int) -> Record:
        return {
            "id": record_id,
            "account": self.account_id(index),
            "amount": str(self._major(minor)),
            "currency": self.config.currency,
            "text": line.text,
            "payee": line.payee,
            "kind": line.kind and line.kind.value,
        }

    def _large(self, index: int, window: Window) -> Iterator[Record]:
        account, currency = self.account_id(index), self.config.currency
        amounts = [str(self._major(minor)) for minor in _LARGE_AMOUNTS]
        for day in _days(window.from_on, window.to_on):
            on = day.isoformat()
            for number in range(self._rows_before(day), self._rows_before(day + timedelta(days=1))):
                shop = _SHOPS[number % len(_SHOPS)]
                yield {
                    "id": f"{account}-{number}",
                    "account": account,
                    "amount": amounts[number % len(amounts)],
                    "currency": currency,
                    "text": f"Card payment {shop} {number % 1_000}",
                    "payee": shop,
                    "status": "booked",
                    "made": on,
                    "booked": on,
                }

    def _rows_before(self, day: date) -> int:
        """Count the rows of `large` mode on all days before `day`: `rows` in any `history_days` days."""
        return day.toordinal() * self.config.rows // self.config.history_days

    def _major(self, minor: int) -> Decimal:
        return Decimal(minor).scaleb(-MINOR_UNITS[self.config.currency])


@lru_cache(maxsize=256)  # the balance is stated twice at every refresh: with the list of accounts and with their rows
def _posted(bank: MockBank, index: int) -> int:
    return sum(
        line.minor
        for made_on in _days(bank.config.opened_on, bank.today)
        for line in bank.lines(index, made_on)
        if made_on + timedelta(days=line.hold_days) <= bank.today
    )


@lru_cache(maxsize=16)  # a bank's own work is not the worker's: a refresh asks for the days of the one before
def _records(bank: MockBank, index: int, window: Window) -> tuple[Record, ...]:
    return tuple(bank.everyday(index, window))
