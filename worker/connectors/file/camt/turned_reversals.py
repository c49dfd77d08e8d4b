"""Finds the statements whose reversals keep the direction of the original booking: their balances prove it."""

import re
from collections.abc import Iterable
from decimal import Decimal

from worker.connectors.file.statement.events import Closed, Event, Opened, Row

_REVERSAL = re.compile(rb"RvslInd\s*>\s*(?:true|1)")
_CARRIED_BYTES = 1000


def has_reversals(chunks: Iterable[bytes]) -> bool:
    """Return whether a file states a reversal at all, in UTF-8 or UTF-16."""
    carried = b""
    for chunk in chunks:
        piece = carried + chunk.replace(b"\0", b"")
        if _REVERSAL.search(piece):
            return True
        carried = piece[-_CARRIED_BYTES:]
    return False


def turned_statements(events: Iterable[Event]) -> frozenset[int]:
    """Return the numbers, from 0, of the statements that add up only when their reversals are turned round."""
    turned: set[int] = set()
    number, rows, reversals = -1, Decimal(0), Decimal(0)
    for event in events:
        if isinstance(event, Opened):
            number, rows, reversals = number + 1, Decimal(0), Decimal(0)
        elif isinstance(event, Row) and not event.transaction.pending:
            rows += event.transaction.amount
            is_reversal = (event.transaction.raw or {}).get("RvslInd") in {"true", "1"}
            reversals += event.transaction.amount if is_reversal else 0
        elif isinstance(event, Closed) and event.opening and event.closing and reversals:
            off_by = event.closing.amount - event.opening.amount - rows
            if off_by == -2 * reversals:
                turned.add(number)
    return frozenset(turned)
