"""Finds rejected rows without a lasting id that the bank has mended since: they arrived as rows that say the same."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from worker.importer.decide.compare.one_to_one import MAX_CANDIDATES, Key, OneToOne, Rating
from worker.importer.decide.compare.text_similarity import SURE, days_apart, similarity
from worker.importer.decide.pending.match_posted import MAX_DAYS_TO_POST
from worker.importer.decide.read.context import ReadContext
from worker.importer.decide.read.days import day_of_moment
from worker.importer.decide.read.line import kept_transaction
from worker.importer.decide.reasons import Reason
from worker.money import is_money


@dataclass(frozen=True, slots=True)
class MoneyAndWords:
    """What is compared of a rejected row and of one that arrived.

    Attributes:
        id: Of the rejection, or of the stored row.
        amount: Without its sign, which the user may have inverted.
        on: The day that the bank states; None without one.
        rejected_on: The day on which a row was first rejected; None of one that arrived.
    """

    id: int
    amount: Decimal
    words: str
    on: date | None = None
    pending: bool = False
    rejected_on: date | None = None


def read_rejection(
    rejection_id: int, raw: str, rejected_on: date | None = None, context: ReadContext | None = None
) -> MoneyAndWords | None:
    """Read the text that a rejection keeps of a transaction; None where it is a record of the provider's own.

    Args:
        context: Says of which day a moment is; without it moments are not read.
    """
    record = kept_transaction(raw)
    return None if record is None else _read(rejection_id, record, rejected_on, context)


def _read(
    rejection_id: int, record: Mapping[str, Any], rejected_on: date | None, context: ReadContext | None
) -> MoneyAndWords | None:
    try:
        amount, pending = Decimal(str(record["amount"])).copy_abs(), bool(record["pending"])
        on = _stated_on(record, context)
    except (ValueError, TypeError, ArithmeticError):
        return None
    if not is_money(amount):
        return None
    words = f"{record.get('counterparty') or ''} {record.get('description') or ''}"
    return MoneyAndWords(id=rejection_id, amount=amount, words=words, on=on, pending=pending, rejected_on=rejected_on)


def _stated_on(record: Mapping[str, Any], context: ReadContext | None) -> date | None:
    """Return the first day that a kept transaction states, as `days.stated_day` does. Raises: ValueError."""
    for name in ("booking", "transaction", "value"):
        if (day := record.get(f"{name}_on")) is not None:
            return date.fromisoformat(day)
        if context is not None and (moment := record.get(f"{name}_at")) is not None:
            return day_of_moment(datetime.fromisoformat(moment), context)
    return None


def is_same_record(before: str, now: str) -> bool:
    """Say whether the text of a row that was dismissed is still that of the row a person saw.

    A transaction is compared by its money, day and words, since a bank's record may name the moment of the answer; a
    record that only its provider can read is compared by every character.
    """
    if before == now:
        return True
    earlier, later = kept_transaction(before), kept_transaction(now)
    if earlier is None or later is None:
        return False
    read = _read(0, earlier, None, None)
    return read is not None and read == _read(0, later, None, None) and _stated_money(earlier) == _stated_money(later)


def _stated_money(record: Mapping[str, Any]) -> tuple[Decimal, str | None]:
    """Return the amount of a kept transaction with its sign, and its currency."""
    return Decimal(str(record["amount"])), record.get("currency")


def arrived_rejections(rejected: Sequence[MoneyAndWords], created: Sequence[MoneyAndWords]) -> list[int]:
    """Return the rejections that are among the created rows, each row standing for one rejection at most.

    One whose amount more than `MAX_CANDIDATES` created rows have is among them where its day and words are too.
    """
    matching = OneToOne(rejected, created)
    matching.choose(matching.pairs_by_key(_amount, _amount, most=MAX_CANDIDATES), _rate)
    matching.choose(matching.pairs_in_order(_content, _content), _rate)
    return [match.left.id for match in matching.matches]


def _amount(row: MoneyAndWords) -> Decimal:
    return row.amount


def _content(row: MoneyAndWords) -> tuple[Key, date]:
    return (None, date.max) if row.on is None else ((row.amount, row.words), row.on)


def _rate(rejected: MoneyAndWords, created: MoneyAndWords) -> Rating | None:
    days = _days_between(rejected, created)  # first, because texts take long to compare
    if days is None:
        return None
    alike = similarity(rejected.words, created.words)
    return None if alike < SURE else Rating(1 - alike + days, Reason.RETURNED)


def _days_between(rejected: MoneyAndWords, created: MoneyAndWords) -> int | None:
    """Return how many days the two are apart; None where they are two purchases.

    A rejected row without a day is of a day before it was rejected, or is booked a few days later. An equal purchase of
    the next month is another one.
    """
    if created.on is None:
        return 0
    if rejected.on is not None:
        days, most = days_apart(rejected.on, created.on), MAX_DAYS_TO_POST if rejected.pending else 0
    else:
        days, most = max(0, (created.on - (rejected.rejected_on or created.on)).days), MAX_DAYS_TO_POST
    return days if days <= most else None
