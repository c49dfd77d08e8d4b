"""Finds rejected rows without a lasting id that the bank has mended since: they arrived as rows that say the same."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation

from worker.importer.decide.match_pending import MAX_DAYS, SURE
from worker.importer.decide.one_to_one import OneToOne, Rating
from worker.importer.decide.reasons import Reason
from worker.importer.decide.similarity import days_apart, similarity


@dataclass(frozen=True, slots=True)
class MoneyAndWords:
    """What is compared of a rejected row and of one that arrived.

    Attributes:
        id: Of the rejection, or of the stored row.
        amount: Without its sign, which the user may have inverted.
        on: The day that the bank states; None without one.
    """

    id: int
    amount: Decimal
    words: str
    on: date | None = None
    pending: bool = False


def read_rejection(rejection_id: int, raw: str) -> MoneyAndWords | None:
    """Read the text that a rejection keeps of a transaction; None where it is a record of the provider's own."""
    try:
        record = json.loads(raw)
        amount, pending = Decimal(str(record["amount"])), bool(record["pending"])
        days = [record[name] for name in ("booking_on", "transaction_on", "value_on") if name in record]
        on = date.fromisoformat(days[0]) if days else None
    except (ValueError, TypeError, KeyError, InvalidOperation):
        return None
    if not amount.is_finite():
        return None
    words = f"{record.get('counterparty') or ''} {record.get('description') or ''}"
    return MoneyAndWords(id=rejection_id, amount=abs(amount), words=words, on=on, pending=pending)


def arrived_rejections(rejected: Sequence[MoneyAndWords], created: Sequence[MoneyAndWords]) -> list[int]:
    """Return the rejections that are among the created rows, each row standing for one rejection at most.

    Args:
        rejected: Rejections of earlier deliveries that this one comes without.
        created: Rows that this delivery brought.
    """
    matching = OneToOne(rejected, created)
    return [match.left.id for match in matching.choose(matching.pairs_by_key(_amount, _amount), _rate)]


def _amount(row: MoneyAndWords) -> Decimal:
    return row.amount


def _rate(rejected: MoneyAndWords, created: MoneyAndWords) -> Rating | None:
    alike = similarity(rejected.words, created.words)
    days = days_apart(rejected.on, created.on) if rejected.on and created.on else 0
    if alike < SURE or days > (MAX_DAYS if rejected.pending else 0):
        return None
    return Rating(1 - alike + days, Reason.RETURNED)
