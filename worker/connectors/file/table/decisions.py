"""Decisions over a whole table before a row is used: order of day and month, decimal mark, sign of amounts."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Literal

from worker.connectors.file.statement.amounts import Mark, decimal_evidence, parse_amount, states_direction
from worker.connectors.file.statement.dates import ORDERS, Order, decide_order, fitting_orders
from worker.connectors.file.statement.events import StatementError
from worker.connectors.file.table.column_names import day_first_word
from worker.connectors.file.table.csv_records import Record
from worker.connectors.file.table.layout import Layout
from worker.connectors.file.table.row_amount import cell, row_amount
from worker.connectors.file.table.running_balance import RowOrder, RunningBalance

_SAMPLE = 500
_CHAIN_ROWS = 5000
_STRAY_SHARE = 0.01
_PROVEN, _RECOGNISED = 0.95, 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class Hints:
    """What a person states where a file alone does not say enough. positive_is: which way positive amounts went."""

    order: Order | None = None
    decimal: Mark | None = None
    positive_is: Literal["in", "out"] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decisions:
    """How the cells of one file are read. flipped: turn every amount round. chain: what the balance column proves."""

    mark: Mark
    order: Order | None = None
    flipped: bool = False
    chain: RowOrder | None = None
    confidence: float = 1.0
    notes: tuple[str, ...] = ()


@dataclass(slots=True)
class _Evidence:
    """What the cells of all rows say."""

    orders: Counter[frozenset[Order]] = field(default_factory=Counter)
    dates: list[str] = field(default_factory=list)
    marks: Counter[Mark] = field(default_factory=Counter)
    undecided: str | None = None
    records: int = 0
    rows: int = 0
    directed: bool = False


def _gather(layout: Layout, rows: Iterable[Record]) -> _Evidence:
    profile, seen = layout.profile, _Evidence()
    date_columns = [layout.column(name) for name in (profile.date, profile.value_date, profile.transaction_date)]
    money = [
        layout.column(name) for name in (profile.amount, profile.debit, profile.credit, profile.balance, profile.fee)
    ]
    for record in rows:
        seen.records += 1
        if not any(cell(record, index) for index in money):
            continue
        if not profile.date_format and not fitting_orders(cell(record, date_columns[0])):
            continue
        seen.rows += 1
        for index in date_columns:
            _see_date(seen, cell(record, index))
        for index in money:
            _see_amount(seen, cell(record, index))
        seen.directed = seen.directed or states_direction(cell(record, money[0]))
    return seen


def _see_date(seen: _Evidence, text: str) -> None:
    orders = fitting_orders(text)
    if orders:
        seen.orders[orders] += 1
        if len(seen.dates) < _SAMPLE:
            seen.dates.append(text)


def _see_amount(seen: _Evidence, text: str) -> None:
    mark = decimal_evidence(text)
    if mark is not None:
        seen.marks[mark] += 1
    elif seen.undecided is None and ("," in text or "." in text):
        seen.undecided = text


def _decide_mark(layout: Layout, seen: _Evidence) -> Mark:
    if layout.profile.decimal:
        return layout.profile.decimal
    total = sum(seen.marks.values())
    if total:
        mark, count = seen.marks.most_common(1)[0]
        if total - count > max(1, total * _STRAY_SHARE) or count * 2 <= total:
            raise StatementError("some amounts use a decimal point and others a decimal comma: state decimal")
        return mark
    if seen.undecided is not None:
        raise StatementError(f"amounts like '{seen.undecided[:20]}' fit decimal point and comma: state decimal")
    return "."


def _decide_order(layout: Layout, seen: _Evidence) -> tuple[Order | None, str | None]:
    if layout.profile.date_format:
        return None, None
    total = sum(seen.orders.values())
    fits = {order: sum(n for orders, n in seen.orders.items() if order in orders) for order in ORDERS}
    every = frozenset(order for order, count in fits.items() if count == total)
    if every == {"dmy", "mdy"} and (word := day_first_word(layout.header)):
        return "dmy", f"day and month fit both ways; read as dmy, as everywhere a column is called '{word}'"
    nearly = frozenset(order for order, count in fits.items() if count >= total * (1 - _STRAY_SHARE))
    try:
        return decide_order(every or nearly, [text for text in seen.dates if (every or nearly) <= fitting_orders(text)])
    except ValueError as error:
        raise StatementError(str(error)) from None


def _chain(layout: Layout, rows: Iterable[Record], mark: Mark) -> RowOrder | None:
    """Let the balance column testify, account by account."""
    balance_at, account_at = layout.column(layout.profile.balance), layout.column(layout.profile.account)
    if balance_at is None:
        return None
    running: dict[str, RunningBalance] = {}
    for record in islice(rows, _CHAIN_ROWS):
        try:
            amount, balance = row_amount(layout, record, mark), parse_amount(cell(record, balance_at), mark)
        except ValueError:
            continue
        running.setdefault(cell(record, account_at), RunningBalance()).feed(amount, balance)
    verdicts = {verdict for one in running.values() if (verdict := one.verdict()) is not None}
    return verdicts.pop() if len(verdicts) == 1 else None


def decide_reading(layout: Layout, rows: Callable[[], Iterator[Record]], hints: Hints) -> Decisions:
    """Decide how a file's cells are read; `rows` opens the file's rows anew each time.

    Raises: StatementError when the file fits two readings and proves neither: the sentence says what to state.
    """
    seen = _gather(layout, rows())
    if not seen.records and layout.confidence >= _RECOGNISED:
        return Decisions(mark=".", order="ymd", confidence=layout.confidence, notes=("the file holds no rows",))
    if not seen.rows:
        raise StatementError(f"no row holds a date in column '{layout.profile.date}'")
    mark = hints.decimal or _decide_mark(layout, seen)
    order, note = (hints.order, None) if hints.order else _decide_order(layout, seen)
    chain = _chain(layout, rows(), mark)
    flipped = _decide_sign(layout, seen, chain, hints)
    if chain is not None and flipped:
        chain = RowOrder(newest_first=chain.newest_first, flipped=not chain.flipped)
    proven = layout.guessed and chain is not None and not chain.flipped
    confidence = max(layout.confidence, _PROVEN) if proven else layout.confidence
    return Decisions(
        mark=mark, order=order, flipped=flipped, chain=chain, confidence=confidence, notes=(note,) if note else ()
    )


def _decide_sign(layout: Layout, seen: _Evidence, chain: RowOrder | None, hints: Hints) -> bool:
    """Say whether the amounts are to be turned round, beyond what the profile states."""
    profile = layout.profile
    if hints.positive_is is not None:
        return (hints.positive_is == "out") != (profile.sign == "flipped")
    if not layout.guessed or profile.amount is None or profile.type is not None or seen.directed:
        return False
    if chain is None:
        raise StatementError("all amounts are positive and nothing says which way the money went: state positive_is")
    return chain.flipped
