"""Matches new lines with posted rows that a delivery states otherwise, as it holds their day as a whole without them.

A statement file holds each of its days. One export fills a column that another one leaves empty, and other forms of
export have other words throughout, or ids.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import date

from worker.importer.decide.compare.one_to_one import MAX_CANDIDATES, Key, OneToOne, Rating
from worker.importer.decide.compare.text_similarity import similarity
from worker.importer.decide.pending.match_rewritten import MIN_MIGRATED, UnmatchedRow
from worker.importer.decide.pending.near_pairs import NearPairs
from worker.importer.decide.read.line import Line
from worker.importer.decide.reasons import Reason
from worker.importer.decide.stored_row import StoredRow
from worker.words import payment_text, words_apart

MIN_SHARE_RESTATED = 0.8
"""This share at least of the rows that the days lack has a line of its own of the same amount and day."""

MIN_AMOUNTS_RESTATED = 3
"""Of fewer amounts they may be a habit: a coffee a day of two cards, the tickets of a morning and of an evening."""


def choose_restated(matching: OneToOne[Line, UnmatchedRow]) -> None:
    """Match rows with more or fewer words of the same money and day; where most rows are lacking, with any words."""
    pairs = list(matching.pairs_in_order(_money_and_day_of_line, _money_and_day_of_row))
    amounts = len({matching.items(pair)[0].amount for pair in pairs})
    lacking = (candidate for _, candidate in matching.free_rights())
    in_other_words = amounts >= MIN_AMOUNTS_RESTATED and most_are_restated(len(pairs), lacking)
    for line_key, row_key in _RESTATED_KEYS:
        matching.choose(NearPairs(matching, line_key, row_key), _rate_restated)
    if in_other_words:
        of_a_day = matching.pairs_by_key_and_day(_money_and_day_of_line, _money_and_day_of_row, 0, most=MAX_CANDIDATES)
        matching.choose(of_a_day, _rate_in_other_words)


def most_are_restated(pairs: int, candidates: Iterable[UnmatchedRow]) -> bool:
    """Return whether a delivery tells the rows that its days lack in other words, as another form of export does.

    Args:
        pairs: How many of these rows have a line of their own of the same amount and day.
        candidates: The stored rows that the delivery does not have.
    """
    lacking = sum(candidate.maybe_restated for candidate in candidates)
    return pairs >= MIN_MIGRATED and pairs >= MIN_SHARE_RESTATED * lacking


def rate_restated(line: Line, known: StoredRow) -> Rating | None:
    """Rate a row and a line of the same amount and day, of a delivery that has the day as a whole without the row.

    One of them may have more words. Where each has words that the other lacks, they are two purchases.
    """
    apart = words_apart(payment_text(line), payment_text(known))
    return Rating(float(apart), Reason.REWRITTEN) if apart is not None else None


def _rate_restated(line: Line, candidate: UnmatchedRow) -> Rating | None:
    return rate_restated(line, candidate.known)


def _rate_in_other_words(line: Line, candidate: UnmatchedRow) -> Rating | None:
    """Rate a row and a line of the same amount and day; what has another trusted id is another purchase."""
    if line.identity is not None and not _has_no_id(candidate.known):
        return None
    return Rating(-similarity(payment_text(line), payment_text(candidate.known)), Reason.MIGRATED)


def _has_no_id(known: StoredRow) -> bool:
    return known.has_content_identity(known.content_key)


def _may_restate(line: Line) -> bool:
    return not line.pending and line.identity is None


def _may_be_restated(candidate: UnmatchedRow) -> bool:
    return candidate.maybe_restated and _has_no_id(candidate.known)


def _restated(candidate: UnmatchedRow) -> Key:
    known = candidate.known
    return (known.currency, known.amount, known.days.stated_on) if _may_be_restated(candidate) else None


def _restated_in_assumed_currency(candidate: UnmatchedRow) -> Key:
    known = candidate.known
    may_be = candidate.currency_assumed and _may_be_restated(candidate)
    return (known.amount, known.days.stated_on) if may_be else None


_RESTATED_KEYS: Sequence[tuple[Callable[[Line], Key], Callable[[UnmatchedRow], Key]]] = (
    (lambda line: (line.currency, line.amount, line.stated_on) if _may_restate(line) else None, _restated),
    (  # a row that was stated without the day of booking: the day of value stands for it
        lambda line: (line.currency, line.amount, line.value_on) if _may_restate(line) else None,
        lambda row: _restated(row) if row.known.days.value_on is None else None,
    ),
    (  # a row of which nobody stated a currency, and a line that states its own
        lambda line: (line.amount, line.stated_on) if _may_restate(line) and line.currency_stated else None,
        _restated_in_assumed_currency,
    ),
)
"""What a line has in common with the row that it may state in other words: the money and the day."""


def _money_and_day_of_line(line: Line) -> tuple[Key, date]:
    return None if line.pending else (line.currency, line.amount), line.days.day


def _money_and_day_of_row(candidate: UnmatchedRow) -> tuple[Key, date]:
    known = candidate.known
    return (known.currency, known.amount) if candidate.maybe_restated else None, known.days.day
