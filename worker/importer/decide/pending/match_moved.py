"""Matches new lines with posted rows that a delivery of whole days tells under other days, all moved alike.

A bank exports days of its own zone after days of UTC, or days of the value after days of the booking. Then most rows
that the delivery lacks of its days are in it a little later, or all a little earlier. One by one nobody could say
whether each is the same payment, and hundreds of questions would be asked.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date

from worker.importer.decide.compare.most_pairs import most_pairs
from worker.importer.decide.compare.one_to_one import (
    MAX_CANDIDATES,
    Key,
    Match,
    OneToOne,
    PlacePair,
    Rating,
)
from worker.importer.decide.pending.match_restated import MIN_SHARE_RESTATED
from worker.importer.decide.pending.match_rewritten import COST_PER_DAY, MIN_MIGRATED, UnmatchedRow
from worker.importer.decide.read.identity import folded_text
from worker.importer.decide.read.line import Line
from worker.importer.decide.reasons import Reason
from worker.words import payment_text

MAX_DAYS_MOVED_ALIKE = 5
"""A booking may be so many days from its value: before Easter it is."""

MAX_SHARE_MOVED = 1.5
"""Of rows that moved most are lacking. Rows of a daily habit are all near new ones, also those of days not told."""

MIN_ROWS_IN_OTHER_WORDS = 8
MIN_AMOUNTS_IN_OTHER_WORDS = 6
MAX_DAYS_IN_OTHER_WORDS = 2
"""Rows in other words are the same ones where so many of so many amounts moved by one number of days."""


def choose_moved(matching: OneToOne[Line, UnmatchedRow], lacking: int) -> None:
    """Match rows with lines of the same money under another day, where most rows that are lacking moved alike.

    Args:
        lacking: How many posted rows the delivery does not have of its days, but for the first and the last, which an
            export may begin or end within.
    """
    if lacking < MIN_MIGRATED:
        return
    chosen = _moved_alike(matching, lacking) or _moved_in_other_words(matching, lacking)
    if len(chosen) <= MAX_SHARE_MOVED * lacking:
        matching.choose(chosen, _rate_moved)


def _rate_moved(line: Line, candidate: UnmatchedRow) -> Rating:
    return Rating(abs(_days_later(line, candidate)) * COST_PER_DAY, Reason.MIGRATED)


def days_moved(became: Iterable[Match[Line, UnmatchedRow]]) -> int:
    """Return by how many days rows moved, the most of any, negative where they are earlier now; 0 where none moved.

    Args:
        became: The rows that new lines were found to be.
    """
    apart = [
        _days_later(match.left, match.right)
        for match in became
        if match.right.maybe_moved and match.reason == Reason.MIGRATED
    ]
    return max(apart, key=abs, default=0)


def _moved_alike(matching: OneToOne[Line, UnmatchedRow], lacking: int) -> Sequence[PlacePair]:
    """Return pairs of the same words: three shops at least, all of them later, or all of them earlier."""
    near = list(matching.pairs_by_key_and_day(_said_by_line, _said_by_row, MAX_DAYS_MOVED_ALIKE, most=MAX_CANDIDATES))
    ways = [[pair for pair in near if _days_later(*matching.items(pair)) * way > 0] for way in (1, -1)]
    for pairs in sorted(map(most_pairs, ways), key=len, reverse=True):
        lines = [matching.items(pair)[0] for pair in pairs]
        texts, amounts = {folded_text(payment_text(line)) for line in lines}, {line.amount for line in lines}
        if min(len(texts), len(amounts)) >= MIN_MIGRATED and len(pairs) >= MIN_SHARE_RESTATED * lacking:
            return pairs
    return ()


def _moved_in_other_words(matching: OneToOne[Line, UnmatchedRow], lacking: int) -> Sequence[PlacePair]:
    """Return pairs of any words that are all so many days apart."""
    near = list(
        matching.pairs_by_key_and_day(_paid_by_line, _paid_by_row, MAX_DAYS_IN_OTHER_WORDS, most=MAX_CANDIDATES)
    )
    near = [pair for pair in near if not _have_ids(*matching.items(pair))]
    apart = Counter(days for pair in near if (days := _days_later(*matching.items(pair))))
    for days, _ in apart.most_common(1):
        pairs = most_pairs(pair for pair in near if _days_later(*matching.items(pair)) == days)
        amounts = {matching.items(pair)[0].amount for pair in pairs}
        many = len(pairs) >= MIN_ROWS_IN_OTHER_WORDS and len(amounts) >= MIN_AMOUNTS_IN_OTHER_WORDS
        if many and len(pairs) >= MIN_SHARE_RESTATED * lacking:
            return pairs
    return ()


def _have_ids(line: Line, candidate: UnmatchedRow) -> bool:
    return line.identity is not None and not candidate.known.has_content_identity(candidate.known.content_key)


def _days_later(line: Line, candidate: UnmatchedRow) -> int:
    stated_on = candidate.known.days.stated_on
    return 0 if line.stated_on is None or stated_on is None else (line.stated_on - stated_on).days


def _paid_by_line(line: Line) -> tuple[Key, date]:
    can_be = not line.pending and line.stated_on is not None
    return (line.currency, line.amount) if can_be else None, line.days.day


def _paid_by_row(candidate: UnmatchedRow) -> tuple[Key, date]:
    known = candidate.known
    can_be = candidate.maybe_moved and known.days.stated_on is not None
    return (known.currency, known.amount) if can_be else None, known.days.day


def _said_by_line(line: Line) -> tuple[Key, date]:
    paid, day = _paid_by_line(line)
    return (paid, folded_text(payment_text(line))) if paid else None, day


def _said_by_row(candidate: UnmatchedRow) -> tuple[Key, date]:
    paid, day = _paid_by_row(candidate)
    return (paid, folded_text(payment_text(candidate.known))) if paid else None, day
