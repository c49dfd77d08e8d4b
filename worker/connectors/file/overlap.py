"""Removes rows that several files of an account repeat; equal rows within one file stay separate rows."""

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

from worker.connectors.base import Transaction, Window
from worker.connectors.file.statement.events import day_of
from worker.words import payment_text, words_apart

_NOISE = re.compile(r"[\W_]+")
_LONGEST_TEXT, _MOST_TEXTS = 1000, 50
"""Longer texts, and more texts of one day and amount, are compared as a whole only."""

_MIN_RESTATED, _MIN_SHARE_RESTATED = 3, 0.8
"""So many of the rows that a file lacks, at least this share of them, are not there by chance with other words."""

_ID = b"id:"


def row_key(transaction: Transaction) -> bytes:
    """Return what makes a row the same in two files: its id, else day, amount, currency and words."""
    if transaction.external_id is not None:
        return _ID + transaction.external_id.encode()
    return _digest(f"{_facts(transaction)}|{_NOISE.sub('', payment_text(transaction).casefold())}")


def _facts(transaction: Transaction) -> str:
    amount = (
        f"{transaction.amount:f}".rstrip("0").rstrip(".")
        if "." in f"{transaction.amount:f}"
        else str(transaction.amount)
    )
    return f"{day_of(transaction)}|{amount}|{transaction.currency}|{transaction.pending}"


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=12).digest()


@dataclass(frozen=True, slots=True)
class _Held:
    """A row that a file before may have told with other words, until the end of its own file tells."""

    row: Transaction
    text: str
    facts: bytes
    key: bytes


@dataclass(slots=True, kw_only=True)
class Overlap:
    """Lets each row of one account through once, file after file.

    A new row is held back to the end of its file where a file before has a row of the same day and amount that this
    one may lack, and the text of one of them has all words of the other: exports fill a column or leave it empty. Each
    row of the files before that this file lacks is one of those that were held back, and counts together with it. Where
    nearly all that it lacks are there with other words or ids, it is another form of export, and words say nothing.

    Attributes:
        shared: Days more than one file holds; only their rows are remembered, so memory follows the overlap, not the
            files.
    """

    shared: tuple[Window, ...]
    _delivered: Counter[bytes] = field(default_factory=Counter)
    _in_file: Counter[bytes] = field(default_factory=Counter)
    _new_in_file: Counter[bytes] = field(default_factory=Counter)
    _booked: dict[date, set[bytes]] = field(default_factory=dict)
    _booked_in_file: dict[date, set[bytes]] = field(default_factory=dict)
    _texts: dict[bytes, set[tuple[str, bytes]]] = field(default_factory=dict)
    _texts_in_file: dict[bytes, set[tuple[str, bytes]]] = field(default_factory=dict)
    _retold: dict[bytes, bytes] = field(default_factory=dict)
    _held: list[_Held] = field(default_factory=list)

    def let_through(self, transaction: Transaction, delivered_as: str | None = None) -> Iterator[Transaction]:
        """Yield the row, unless it came from an earlier file or waits for the end of this one.

        Args:
            delivered_as: The id that it is delivered under; None for its own.
        """
        day = day_of(transaction)
        if day is not None and not any(day in window for window in self.shared):
            yield _as(transaction, delivered_as)
            return
        key = self._known_as(row_key(transaction))
        self._in_file[key] += 1
        if day is not None and not transaction.pending:
            self._booked_in_file.setdefault(day, set()).add(key)
        is_new = self._in_file[key] > self._delivered[key]
        text = payment_text(transaction)
        if len(text) <= _LONGEST_TEXT:
            facts = _digest(_facts(transaction))
            self._texts_in_file.setdefault(facts, set()).add((text, key))
            before = self._texts.get(facts, set())
            if is_new and len(before) <= _MOST_TEXTS and any(_may_be_one(key, other) for _, other in before):
                self._held.append(_Held(_as(transaction, delivered_as), text, facts, key))
                return
        if is_new:
            self._new_in_file[key] += 1
            yield _as(transaction, delivered_as)

    def end_file(self) -> tuple[Sequence[Transaction], Sequence[date]]:
        """End a file.

        Returns: The rows that waited and are new, and the days on which the file and the files before it each hold a
            booked row that the other side lacks.
        """
        any_words = self._is_another_form()
        new = [held.row for held in self._held if self._is_new(held, any_words=any_words)]
        if self._held:
            self._delivered = self._as_known(self._delivered)
            self._booked = {day: set(map(self._known_as, rows)) for day, rows in self._booked.items()}
        differing = []
        for day, seen in self._booked_in_file.items():
            rows, before = set(map(self._known_as, seen)), self._booked.setdefault(day, set())
            if before - rows and rows - before:
                differing.append(day)
            before |= rows
        for facts, texts in self._texts_in_file.items():
            before_texts = self._texts.get(facts, set())
            self._texts[facts] = {(text, self._known_as(key)) for text, key in texts | before_texts}
        self._delivered += self._as_known(self._new_in_file)
        self._in_file, self._new_in_file, self._booked_in_file = Counter(), Counter(), {}
        self._texts_in_file, self._held = {}, []
        return new, sorted(differing)

    def _is_another_form(self) -> bool:
        """Return whether the file has nearly all rows that it lacks of the files before, with other words or ids."""
        lacking = sum(self._lacking(key) for day in self._booked_in_file for key in self._booked.get(day, ()))
        waiting = Counter(held.facts for held in self._held if not held.row.pending)
        found = {
            facts: min(count, sum(self._lacking(key) for key in {key for _, key in self._texts[facts]}))
            for facts, count in waiting.items()
        }
        amounts = {held.row.amount for held in self._held if found.get(held.facts)}
        restated = sum(found.values())
        return len(amounts) >= _MIN_RESTATED and restated >= _MIN_SHARE_RESTATED * lacking

    def _lacking(self, key: bytes) -> int:
        """Return how many of the files before this file lacks of a row."""
        return max(0, self._delivered[key] - self._in_file[key])

    def _is_new(self, held: _Held, *, any_words: bool) -> bool:
        """Return whether a row that waited is none of the files before; what it is counts as told by this file."""
        lacking = (
            (apart, text, key)
            for text, key in self._texts[held.facts]
            if self._lacking(key) and (apart := _words_apart(held, text, key, any_words=any_words)) is not None
        )
        found = min(lacking, default=None)
        if found is None:
            self._new_in_file[held.key] += 1
            return True
        _apart, _text, key = found
        self._in_file[key] += 1
        self._in_file[held.key] -= 1
        one, other = self._known_as(held.key), self._known_as(key)
        if one != other:
            self._retold[one] = other
        return False

    def _known_as(self, key: bytes) -> bytes:
        """Return the row that counts together with this one: as which it came first."""
        while key in self._retold:
            key = self._retold[key]
        return key

    def _as_known(self, counts: Counter[bytes]) -> Counter[bytes]:
        summed: Counter[bytes] = Counter()
        for key, count in counts.items():
            summed[self._known_as(key)] += count
        return summed


def _may_be_one(key: bytes, other: bytes) -> bool:
    """Return whether two rows of one day and amount may be one: two ids are two rows."""
    return not (key.startswith(_ID) and other.startswith(_ID))


def _words_apart(held: _Held, text: str, key: bytes, *, any_words: bool) -> int | None:
    """Return by how many words a row is apart from one of a file before; None where the two are two rows."""
    without_ids = not held.key.startswith(_ID) and not key.startswith(_ID)
    apart = words_apart(text, held.text) if without_ids else None
    if apart is None and any_words and _may_be_one(held.key, key):
        return _LONGEST_TEXT
    return apart


def _as(transaction: Transaction, external_id: str | None) -> Transaction:
    """Return a row under another id: no identity, but what finds the row again when its payments are known."""
    return transaction if external_id is None else replace(transaction, external_id=external_id)


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
