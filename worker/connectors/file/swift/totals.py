"""Compares the lines of an MT942 with the numbers and sums that it states about them. Pure."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal

from worker.connectors.file.statement.events import Event, Row
from worker.connectors.file.swift.fields import SwiftField
from worker.money import money_in

_STATED = re.compile(r"(\d{1,5})[A-Z]{3}(\d[\d.,]*)")
_KINDS = {"90C": "credits", "90D": "debits"}


@dataclass(slots=True)
class LineTotals:
    """Number and sum of the lines of one statement."""

    _numbers: Counter[str] = field(default_factory=Counter)
    _sums: defaultdict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    _unread: int = 0

    def count(self, event: Event) -> None:
        """Count one line, read or not."""
        if not isinstance(event, Row):
            self._unread += 1
            return
        tag = "90C" if event.transaction.amount > 0 else "90D"
        self._numbers[tag] += 1
        self._sums[tag] += abs(event.transaction.amount)

    def differences(self, item: SwiftField) -> Iterator[str]:
        """Yield what a field `:90C:` or `:90D:` says otherwise, a sentence each; nothing beside lines not read."""
        found = _STATED.match(item.text.strip())
        if found is None or item.tag not in _KINDS or self._unread:
            return
        kind, number, made = _KINDS[item.tag], self._numbers[item.tag], self._sums[item.tag]
        if int(found[1]) != number:
            yield f"the statement says {int(found[1])} {kind} and holds {number}"
        stated = money_in(found[2].replace(".", "").replace(",", "."))
        if stated is not None and stated != made:
            yield f"the statement says {kind} of {stated:f}, they sum to {made:f}"
