"""Finds statements that stand twice in one file, as files have that were put together: they are read once. Pure."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

from worker.connectors.base import Transaction
from worker.connectors.file.statement.events import (
    BadRow,
    Closed,
    Details,
    Event,
    Opened,
    Remark,
    Row,
    Skipped,
    StatedBalance,
    day_of,
)

# The id of an account, and which of its statements in the file it is, from 1.
StatementNumber: TypeAlias = tuple[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class RepeatedStatement:
    """Stands in the place of `Closed` where an earlier statement of the file has the same balances and rows."""

    line: int
    statement: StatementNumber

    @property
    def account(self) -> str:
        """The id of the account."""
        return self.statement[0]


def mark_repeated(events: Iterable[Event]) -> Iterator[Event | RepeatedStatement]:
    """Yield the events of a file, and name each statement that stood there before, row by row."""
    opened: Counter[str] = Counter()
    rows: dict[str, bytes] = {}
    seen: set[bytes] = set()
    for event in events:
        if isinstance(event, Opened):
            opened[event.account.external_id] += 1
            rows[event.account.external_id] = b""
        elif isinstance(event, Row):
            account = event.transaction.account_id
            rows[account] = _digest(rows[account], _facts(event.transaction))
        elif isinstance(event, Closed) and (before := rows.pop(event.account, b"")):
            content = _digest(before, (event.account, _balance(event.opening), _balance(event.closing)))
            if content in seen and not event.tells_new:
                yield RepeatedStatement(line=event.line, statement=(event.account, opened[event.account]))
                continue
            seen.add(content)
        yield event


def row_digest(row: Transaction) -> bytes:
    """Return what makes a row of two statements the same one."""
    return _digest(row.account_id.encode(), _facts(row))


def keep_fullest(most: Counter[bytes], rows: Mapping[bytes, int]) -> None:
    """Count of equal rows as many as the fullest statement has; `|=` would look at all rows for each statement."""
    for key, n in rows.items():
        most[key] = max(most[key], n)


def _digest(before: bytes, facts: tuple[object, ...]) -> bytes:
    return hashlib.blake2b(before + repr(facts).encode(), digest_size=16).digest()


def _facts(one: Transaction) -> tuple[object, ...]:
    told = one.description, one.counterparty, one.reference, (one.raw or {}).get("AcctSvcrRef")
    return one.amount, day_of(one), one.currency, one.pending, one.external_id, *told


def _balance(stated: StatedBalance | None) -> tuple[object, ...] | None:
    return (stated.amount, stated.on, stated.currency) if stated is not None else None


def without_repeated(events: Iterable[Event], repeated: frozenset[StatementNumber]) -> Iterator[Event]:
    """Yield the events of a file without those of its repeated statements."""
    opened: Counter[str] = Counter()
    for event in events:
        if isinstance(event, Opened):
            opened[event.account.external_id] += 1
        account = _account_of(event)
        if account is None or (account, opened[account]) not in repeated:
            yield event


def without_overlap(events: Iterable[Event], repeating: frozenset[int] | None = None) -> Iterator[Event]:
    """Yield the events of a file without rows that an earlier statement of the account holds.

    Of equal rows as many are kept as the fullest statement has. The opening balance of a statement that repeats rows
    proves nothing about the rows that are left.

    Args:
        repeating: Numbers, from 0, of the statements that repeat rows; all others tell new rows. None for all.
    """
    number = -1
    earlier: Counter[bytes] = Counter()
    current: Counter[bytes] = Counter()
    equal = 0
    repeats: set[str] = set()
    for event in events:
        if isinstance(event, Opened):
            number += 1
            keep_fullest(earlier, current)
            current.clear()
            equal = 0
            repeats.discard(event.account.external_id)
        elif isinstance(event, Row):
            key = row_digest(event.transaction)
            current[key] += 1
            is_equal, tells_new = current[key] <= earlier[key], repeating is not None and number not in repeating
            equal += is_equal
            if is_equal and not tells_new:
                repeats.add(event.transaction.account_id)
                yield Skipped(line=event.line, reason="a row of an earlier statement in the file")
                continue
        elif isinstance(event, Closed) and event.account in repeats:
            yield replace(event, opening=None)
            continue
        elif isinstance(event, Closed) and equal:
            yield Remark(
                line=event.line, reason=f"{equal} entries equal those of an earlier report: taken for new ones"
            )
            yield replace(event, tells_new=True)
            continue
        yield event


def _account_of(event: Event) -> str | None:
    """Return whose row, rejected row or details an event is; None for all others."""
    match event:
        case Row():
            return event.transaction.account_id
        case BadRow():
            return event.account
        case Details():
            return event.entry.account
        case _:
            return None
