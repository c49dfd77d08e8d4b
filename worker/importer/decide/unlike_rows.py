"""Finds rows of two sources that may be one purchase though they differ too much to meet, in amount or in days. Pure.

A tip, a fee or a hold; a booking that came late, or a source that states the purchase where the other states the
booking. Either source lacks the other's row on a day that it covers, and both name the merchant. Nothing but the person
says whether they are one: so no pair is decided here. Once the sources agree, the rows meet as others do.
"""

from collections import Counter
from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from worker.importer.decide.match_pending import MAX_SHARE_UNSEEN, SURE, share_apart
from worker.importer.decide.one_to_one import PlacePair
from worker.importer.decide.similarity import common_words, days_apart, similarity
from worker.importer.decide.source_rows import MAX_DAYS_ALIKE, SourceRow, Spans

MAX_DAYS_LATE = 14
"""So many days after the purchase a bank books it, where it is late."""


def unlike_pairs(
    lefts: Sequence[SourceRow],
    rights: Sequence[SourceRow],
    spans: Spans,
    *,
    left_out: tuple[AbstractSet[int], AbstractSet[int]] = (frozenset(), frozenset()),
    apart: AbstractSet[PlacePair] = frozenset(),
) -> list[PlacePair]:
    """Return the pairs to ask about, each row in one at most: the nearest amounts first, then the nearest days.

    Rows of one amount and near days are no such pairs: `meet_rows` decides or asks about them. Of amounts that several
    rows of a source have none is taken for one that was booked late: they are arranged anew when more of them come
    (`rearrange_rows`).

    Args:
        lefts: Rows of one source.
        rights: Rows of the others.
        spans: The days of both.
        left_out: Places of the left and of the right rows that both sides have, or that a person was asked about.
        apart: Pairs that a person parted. Either row may still be one purchase with another one.
    """
    common = common_words(row.words for row in (*lefts, *rights))
    recurring = {
        amount for rows in (lefts, rights) for amount, number in Counter(r.amount for r in rows).items() if number > 1
    }
    alone_left, alone_right = (
        [(place, row) for place, row in enumerate(rows) if place not in places]
        for rows, places in zip((lefts, rights), left_out, strict=True)
    )
    rated = sorted(
        (share_apart(left.amount, right.amount), days_apart(left.on, right.on), left_place, right_place)
        for left_place, left in alone_left
        for right_place, right in alone_right
        if (left_place, right_place) not in apart
        and not (left.amount == right.amount and left.amount in recurring)
        and _may_be_one(left, right, spans, common)
    )
    taken_left, taken_right = set[int](), set[int]()
    found: list[PlacePair] = []
    for _share, _days, left_place, right_place in rated:
        if left_place not in taken_left and right_place not in taken_right:
            taken_left.add(left_place)
            taken_right.add(right_place)
            found.append((left_place, right_place))
    return found


def _may_be_one(left: SourceRow, right: SourceRow, spans: Spans, common: frozenset[str]) -> bool:
    if left.currency != right.currency or left.amount * right.amount <= 0:
        return False
    days, covered = days_apart(left.on, right.on), (spans.right_covers(left), spans.left_covers(right))
    if left.amount == right.amount:
        possible = MAX_DAYS_ALIKE < days <= MAX_DAYS_LATE and any(covered)
    else:
        # What is pending may be a hold, of whatever amount.
        near = left.pending or right.pending or share_apart(left.amount, right.amount) <= MAX_SHARE_UNSEEN
        possible = near and days <= MAX_DAYS_ALIKE and all(covered)
    return possible and similarity(left.words, right.words, common=common) >= SURE
