"""Decides about pairs of rows where one source ends and the other begins, and either may lack a purchase. Pure."""

from collections import Counter
from collections.abc import Sequence

from worker.importer.decide.compare.text_similarity import ALIKE, days_apart, similarity, without_words
from worker.importer.decide.sources.rows import MAX_DAYS_ALIKE, Lag, Meeting, MetBy, SourceRow, Spans
from worker.words import words_of

COMMON_SHARE = 0.5
"""A word of more than this share of a source's rows names no merchant: `CARD`, `PAYMENT`, `BERLIN`."""

MIN_COMMON = 4
"""A word that fewer rows have may name one."""


def is_decided(
    lefts: Sequence[SourceRow],
    rights: Sequence[SourceRow],
    group: tuple[Sequence[int], Sequence[int]],
    pair: Meeting,
    spans: Spans,
    lag: Lag,
) -> bool:
    """Return whether a pair of an amount that recurs is one purchase for certain.

    One of its rows must have its partner within the days of the other source; or both name the merchant, and both state
    as many rows of that merchant on each of the days near it, up to the end of the source that ends. Where both state
    one text, it is that of all such rows.
    """
    left, right = lefts[pair.left], rights[pair.right]
    if spans.leave_no_doubt(left, right, lag):
        return True
    if left.on != right.on or pair.by != MetBy.WORDS:
        return False
    same_text = left.words == right.words

    def names_the_merchant(row: SourceRow, other: SourceRow) -> bool:
        # Compared with the other source's words: those of one source may all hold one town.
        return row.words == other.words if same_text else similarity(row.words, other.words) >= ALIKE

    near = [
        [
            rows[place].on
            for place in places
            if days_apart(rows[place].on, left.on) <= MAX_DAYS_ALIKE
            and rows[place].on <= spans.both_to_on
            and names_the_merchant(rows[place], other)
        ]
        for rows, places, other in ((lefts, group[0], right), (rights, group[1], left))
    ]
    return sorted(near[0]) == sorted(near[1])


def without_hints(
    lefts: Sequence[SourceRow], rights: Sequence[SourceRow], found: Sequence[Meeting], spans: Spans
) -> list[Meeting]:
    """Leave out pairs over a seam that name no merchant: an equal amount on near days is a hint alone."""
    if not any(spans.straddled_by(lefts[one.left], rights[one.right]) for one in found):
        return list(found)
    common = _common_words(lefts), _common_words(rights)

    def name_one_merchant(pair: Meeting) -> bool:
        left, right = lefts[pair.left].words, rights[pair.right].words
        return similarity(without_words(left, common[0]), without_words(right, common[1])) >= ALIKE

    return [
        one
        for one in found
        if not spans.straddled_by(lefts[one.left], rights[one.right])
        or (one.by == MetBy.WORDS and name_one_merchant(one))
    ]


def _common_words(rows: Sequence[SourceRow]) -> frozenset[str]:
    """Return the words that most rows of a source have: over a seam a text that every row has says nothing.

    Not `similarity.common_words`, of different texts: that keeps the name of a merchant whom most rows are of.
    """
    counts = Counter(word for row in rows for word in set(words_of(row.words)))
    return frozenset(word for word, n in counts.items() if n >= MIN_COMMON and n > len(rows) * COMMON_SHARE)


def away_from_seam(
    lefts: Sequence[SourceRow],
    rights: Sequence[SourceRow],
    left_places: Sequence[int],
    right_places: Sequence[int],
    spans: Spans,
) -> tuple[list[int], list[int]]:
    """Return the places of rows that have a partner on a day that its source has rows of."""
    # Only days matter; of thousands of rows there are few.
    left_days, right_days = (
        {rows[place].on: rows[place] for place in places}
        for rows, places in ((lefts, left_places), (rights, right_places))
    )
    beside = [
        (left.on, right.on)
        for left in left_days.values()
        for right in right_days.values()
        if days_apart(left.on, right.on) <= MAX_DAYS_ALIKE and not spans.straddled_by(left, right)
    ]
    kept_left, kept_right = {left for left, _ in beside}, {right for _, right in beside}
    return (
        [place for place in left_places if lefts[place].on in kept_left],
        [place for place in right_places if rights[place].on in kept_right],
    )
