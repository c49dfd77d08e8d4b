"""Finds rejected rows without a lasting id that the bank has mended since: they arrived as rows that say the same."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from worker.connectors.base import Transaction
from worker.importer.decide.compare.one_to_one import MAX_CANDIDATES, Key, OneToOne, Rating
from worker.importer.decide.compare.text_similarity import SURE, days_apart, similarity
from worker.importer.decide.pending.match_posted import MAX_DAYS_TO_POST
from worker.importer.decide.read.context import ReadContext
from worker.importer.decide.read.days import stated_day
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
    read = _read(raw, context)
    if read is None:
        return None
    kept, on = read
    return MoneyAndWords(
        id=rejection_id,
        amount=kept.amount.copy_abs(),
        words=_words(kept),
        on=on,
        pending=bool(kept.pending),
        rejected_on=rejected_on,
    )


def _read(raw: str, context: ReadContext | None) -> tuple[Transaction, date | None] | None:
    """Return the transaction that a rejection keeps and the day that it states; None where it keeps anything else."""
    try:
        kept = kept_transaction(raw)
        if kept is None or not is_money(kept.amount.copy_abs()):
            return None
        return kept, stated_day(kept, context)
    except (ValueError, TypeError, ArithmeticError):
        return None


def _words(kept: Transaction) -> str:
    return f"{kept.counterparty or ''} {kept.description or ''}"


def is_same_record(before: str, now: str) -> bool:
    """Say whether the text of a row that was dismissed is still that of the row a person saw.

    A transaction is compared by its money, day and words, since a bank's record may name the moment of the answer; a
    record that only its provider can read is compared by every character.
    """
    if before == now:
        return True
    earlier = _what_was_seen(before)
    return earlier is not None and earlier == _what_was_seen(now)


def _what_was_seen(raw: str) -> tuple[object, ...] | None:
    read = _read(raw, None)
    if read is None:
        return None
    kept, on = read
    return kept.amount, kept.currency, _words(kept), on, bool(kept.pending)


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
