"""Removes rows that several files of an account repeat; equal rows within one file stay separate rows."""

import hashlib
import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import date

from worker.connectors.base import Transaction, Window
from worker.connectors.file.statement.events import day_of

_NOISE = re.compile(r"[\W_]+")


def row_key(transaction: Transaction) -> bytes:
    """Return what makes a row the same in two files: its id, else day, amount, currency and words."""
    if transaction.external_id is not None:
        return f"id:{transaction.external_id}".encode()
    words = _NOISE.sub("", f"{transaction.counterparty or ''}{transaction.description}".casefold())
    amount = (
        f"{transaction.amount:f}".rstrip("0").rstrip(".")
        if "." in f"{transaction.amount:f}"
        else str(transaction.amount)
    )
    text = f"{day_of(transaction)}|{amount}|{transaction.currency}|{transaction.pending}|{words}"
    return hashlib.blake2b(text.encode(), digest_size=12).digest()


@dataclass(slots=True)
class Overlap:
    """Lets each row of one account through once, file after file.

    shared: days more than one file holds; only their rows are remembered, so memory follows the overlap, not the files.
    """

    shared: tuple[Window, ...]
    _delivered: Counter[bytes] = field(default_factory=Counter)
    _in_file: Counter[bytes] = field(default_factory=Counter)
    _booked: dict[date, set[bytes]] = field(default_factory=dict)
    _booked_in_file: dict[date, set[bytes]] = field(default_factory=dict)

    def end_file(self) -> list[date]:
        """End a file.

        Returns: The days on which it and the files before it each hold a booked row that the other side lacks.
        """
        differing = []
        for day, rows in self._booked_in_file.items():
            before = self._booked.setdefault(day, set())
            if before - rows and rows - before:
                differing.append(day)
            before |= rows
        self._delivered |= self._in_file
        self._in_file, self._booked_in_file = Counter(), {}
        return sorted(differing)

    def is_new(self, transaction: Transaction) -> bool:
        """Say whether this row has not come from an earlier file."""
        day = day_of(transaction)
        if day is not None and not any(day in window for window in self.shared):
            return True
        key = row_key(transaction)
        self._in_file[key] += 1
        if day is not None and not transaction.pending:
            self._booked_in_file.setdefault(day, set()).add(key)
        return self._in_file[key] > self._delivered[key]


def shared_windows(periods: list[Window]) -> tuple[Window, ...]:
    """Return the days that at least two of the given ranges have in common, as disjoint ranges in order."""
    common: list[Window] = []
    reach: Window | None = None
    for period in sorted(periods, key=lambda window: window.from_on):
        if reach is not None and period.from_on <= reach.to_on:
            common.append(Window(from_on=period.from_on, to_on=min(period.to_on, reach.to_on)))
        if reach is None or period.to_on > reach.to_on:
            reach = period
    return join_windows(common)


def join_windows(windows: list[Window]) -> tuple[Window, ...]:
    """Join ranges of days that overlap or follow one another without a gap."""
    joined: list[Window] = []
    for window in sorted(windows, key=lambda one: one.from_on):
        if joined and (window.from_on - joined[-1].to_on).days <= 1:
            joined[-1] = Window(from_on=joined[-1].from_on, to_on=max(joined[-1].to_on, window.to_on))
        else:
            joined.append(window)
    return tuple(joined)
