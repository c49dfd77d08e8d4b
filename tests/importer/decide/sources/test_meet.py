"""Which rows of two sources of one account are one purchase."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.importer.decide.rows import day
from worker.importer.decide.sources.meet import meet_rows
from worker.importer.decide.sources.rows import MAX_DAYS_ALIKE, MAX_DAYS_BY_ORDER, MetBy, SourceRow, Spans


def bought(offset, amount="-3.50", words="Cafe Central", **more):
    return SourceRow(on=day(offset), amount=Decimal(amount), currency="EUR", words=words, **more)


ONCE = [bought(n, f"-{n}.99", "Shop") for n in range(1, 7)]
LATER = [replace(row, on=row.on + timedelta(days=1)) for row in ONCE]

CASES = {
    "the same row": ([bought(0)], [bought(0)], [(0, 0)]),
    "a payee that the other source renames": ([bought(0)], [bought(0, words="SQ *CC 8821")], [(0, 0)]),
    "booked after a long weekend": ([bought(0)], [bought(MAX_DAYS_ALIKE)], [(0, 0)]),
    "renamed and booked later": ([bought(0)], [bought(MAX_DAYS_BY_ORDER, words="SQ")], [(0, 0)]),
    "renamed and too far": ([bought(0)], [bought(MAX_DAYS_BY_ORDER + 1, words="SQ")], []),
    "too far": ([bought(0)], [bought(MAX_DAYS_ALIKE + 1)], []),
    "another amount": ([bought(0)], [bought(0, "-3.51")], []),
    "the other direction": ([bought(0)], [bought(0, "3.50")], []),
    "equal purchases, as many in both": ([bought(0), bought(0)], [bought(0), bought(0)], [(0, 0), (1, 1)]),
    "equal purchases, one more here": ([bought(0), bought(0), bought(0)], [bought(0), bought(0)], [(0, 0), (1, 1)]),
    "equal purchases renamed, shifted by a day": (
        [bought(0), bought(1), bought(2)],
        [bought(1, words="X"), bought(2, words="X"), bought(3, words="X")],
        [(0, 0), (1, 1), (2, 2)],
    ),
    "a coffee every other day, booked a day later": (
        [bought(0, "-1"), *(bought(2 * n) for n in range(1, 8)), bought(20, "-2")],
        [bought(0, "-1"), *(bought(2 * n + 1) for n in range(1, 8)), bought(20, "-2")],
        [(n, n) for n in range(9)],
    ),
    "a coffee a day, of days that each source alone covers": (
        [bought(n) for n in range(8)], [bought(n) for n in range(4, 12)], [(n + 4, n) for n in range(4)],
    ),
    "a coffee a day, and other rows that show no lag": (
        [*(bought(n) for n in range(8)), *ONCE], [*(bought(n + 1) for n in range(8)), *ONCE],
        [*((n + 1, n) for n in range(7)), *((n, n) for n in range(8, 14))],
    ),
    "a coffee a day, and other rows that are booked a day later, too": (
        [*(bought(n) for n in range(8)), *ONCE], [*(bought(n + 1) for n in range(8)), *LATER],
        [(n, n) for n in range(14)],
    ),
    "a coffee a day, and other rows that are booked a day later, the later source first": (
        [*(bought(n + 1) for n in range(8)), *LATER], [*(bought(n) for n in range(8)), *ONCE],
        [(n, n) for n in range(14)],
    ),
    "a pending and a posted purchase, told in another order": (
        [bought(0, pending=True), bought(0)], [bought(0), bought(0, pending=True)], [(0, 1), (1, 0)],
    ),
    "two merchants of one price": (
        [bought(0, words="Netflix"), bought(0, words="Spotify")],
        [bought(0, words="SPOTIFY AB"), bought(0, words="NETFLIX.COM")],
        [(0, 1), (1, 0)],
    ),
    "the merchant is stronger than the day": (
        [bought(0, words="Netflix"), bought(1, words="Spotify")],
        [bought(1, words="NETFLIX.COM"), bought(2, words="SPOTIFY AB")],
        [(0, 0), (1, 1)],
    ),
    "the nearest day of one merchant": ([bought(0)], [bought(-4), bought(1)], [(0, 1)]),
}  # fmt: skip


@pytest.mark.parametrize(("lefts", "rights", "pairs"), CASES.values(), ids=CASES)
def test_rows_of_two_sources_that_are_one_purchase(lefts, rights, pairs):
    assert [(meeting.left, meeting.right) for meeting in meet_rows(lefts, rights).met] == pairs


def test_thousands_of_equal_rows_meet_in_their_order_within_a_second():
    rows = [bought(place % 30, words=f"Row {place}") for place in range(3000)]
    renamed = [bought(place % 30, words=f"Other {place}") for place in range(3000)]
    assert len(meet_rows(rows, renamed).met) == 3000
    before = [replace(row, on=row.on - timedelta(days=30 + MAX_DAYS_BY_ORDER)) for row in rows]
    assert len(meet_rows(before, renamed, spans=LIVE).doubtful) == 200
    of_one_merchant = [bought(place % 10) for place in range(200)]
    assert len(meet_rows(of_one_merchant, of_one_merchant).met) == 200


AT_SEAM = {
    "one merchant, one amount": ([bought(0, "-7.77")], [bought(2, "-7.77")], 1, 0),
    "one amount under other names": ([bought(0, "-7.77", "SQ")], [bought(2, "-7.77")], 0, 1),
    "one amount, and a text that every row has": (
        [bought(n, f"-{20 - n}.77", "CARD") for n in range(-6, 1)], [bought(2, "-20.77", "CARD")], 0, 1,
    ),
    "a coffee on either side": ([bought(-9), bought(0)], [bought(2)], 0, 1),
    "as many coffees on the only common day": ([bought(-9), bought(0), bought(0)], [bought(0), bought(0)], 2, 0),
    "another merchant of that amount and day": (
        [bought(0, words="POS SHELL STATION BERLIN"), bought(0, words="POS BAKER STREET BERLIN")],
        [bought(0, words="Shell Station")], 1, 0,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("lefts", "rights", "met", "asked"), AT_SEAM.values(), ids=AT_SEAM)
def test_where_one_source_ends_and_the_other_begins_a_hint_alone_is_a_question(lefts, rights, met, asked):
    found = meet_rows(lefts, rights, spans=Spans.of(lefts, rights))
    assert (len(found.met), len(found.doubtful)) == (met, asked)


def test_the_newest_row_is_another_purchase_where_the_other_source_is_known_to_book_later():
    later = [*(bought(n + 1) for n in range(-6, 8)), *LATER]
    sooner = [*(bought(n) for n in range(-6, 9)), *ONCE]
    live = Spans(
        left_from_on=day(-6), left_to_on=date.max, right_from_on=day(-20), right_to_on=date.max,
        left_last_on=day(8), right_last_on=day(8),
    )  # fmt: skip
    found = meet_rows(sooner, later, spans=live).met
    assert 14 not in {one.left for one in found}
    assert all(later[one.right].on - sooner[one.left].on == timedelta(days=1) for one in found)


LIVE = Spans(
    left_from_on=day(-60), left_to_on=date.max, right_from_on=day(-60), right_to_on=date.max,
    left_last_on=day(30), right_last_on=day(30),
)  # fmt: skip
ON_TOLD_DAYS = {
    "renamed and too far to be sure": ([bought(0)], [bought(MAX_DAYS_BY_ORDER + 1, words="SQ")], LIVE, 0, 1),
    "two here, three there": (
        [bought(0), bought(0)], [bought(MAX_DAYS_BY_ORDER + 1, words="SQ") for _ in range(3)], LIVE, 0, 2,
    ),
    "too far": ([bought(0)], [bought(MAX_DAYS_ALIKE + 1, words="SQ")], LIVE, 0, 0),
    "the other source goes on, and may tell its row yet": (
        [bought(0)], [bought(-MAX_DAYS_BY_ORDER - 1, words="SQ")], replace(LIVE, right_last_on=day(4)), 0, 0,
    ),
    "the other source has ended": (
        [bought(0)], [bought(-MAX_DAYS_BY_ORDER - 1, words="SQ")], replace(LIVE, right_to_on=day(6)), 0, 1,
    ),
    "the sources are known to be no such days apart": (
        [*ONCE, bought(0)], [*ONCE, bought(MAX_DAYS_BY_ORDER + 1, words="SQ"), bought(20)], LIVE, 6, 0,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("lefts", "rights", "spans", "met", "asked"), ON_TOLD_DAYS.values(), ids=ON_TOLD_DAYS)
def test_rows_that_either_source_lacks_on_days_that_it_told_are_a_question(lefts, rights, spans, met, asked):
    found = meet_rows(lefts, rights, spans=spans)
    assert (len(found.met), len(found.doubtful)) == (met, asked)


PARTED = {
    "the only two": ([bought(0)], [bought(0)], {(0, 0)}, [], 0),
    "two of rows that look alike": ([bought(0), bought(0)], [bought(0), bought(0)], {(0, 0)}, [], 0),
    "two beside one of another day": ([bought(0), bought(1)], [bought(0), bought(1)], {(0, 0)}, [(1, 1)], 0),
    "the nearest two": ([bought(0), bought(9)], [bought(1), bought(2), bought(9)], {(0, 0)}, [(1, 2)], 1),
    "two of the same balance": ([bought(0, balance=Decimal(9))], [bought(0, balance=Decimal(9))], {(0, 0)}, [], 0),
    "two about which the source's end says nothing": (
        [bought(0, "-7.77", "SQ"), bought(1, "-7.77", "SQ")], [bought(2, "-7.77")], {(0, 0)}, [], 1,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("lefts", "rights", "apart", "met", "asked"), PARTED.values(), ids=PARTED)
def test_rows_that_a_person_parted_meet_others_alone(lefts, rights, apart, met, asked):
    found = meet_rows(lefts, rights, spans=Spans.of(lefts, rights), apart=apart)
    assert [(one.left, one.right) for one in found.met] == met
    assert len(found.doubtful) == asked
    assert apart.isdisjoint((one.left, one.right) for one in found.doubtful)


def test_a_question_is_about_rows_of_one_merchant_where_there_are_such():
    lefts, rights = (
        [bought(0, words="Rewe"), bought(2, words="Trattoria")],
        [bought(3, words="TRATTORIA"), bought(4, words="REWE")],
    )
    found = meet_rows(lefts, rights, spans=Spans.of(lefts, rights))
    assert {(one.left, one.right) for one in (*found.met, *found.doubtful)} == {(0, 1), (1, 0)}


def test_rows_of_one_amount_meet_by_their_texts_where_both_sources_have_each_of_them_once():
    rows = [bought(n % 5, words=f"Cafe {n}") for n in range(20)]
    found = meet_rows(rows, list(rows), spans=Spans.of(rows, rows))
    assert [(one.left, one.right) for one in found.met] == [(n, n) for n in range(20)]
    assert found.doubtful == []


def test_equal_purchases_of_a_day_meet_by_the_balance_after_them():
    lefts = [bought(0, words="One", balance=Decimal(10)), bought(0, words="Two", balance=Decimal("6.50"))]
    rights = [bought(1, words="SQ", balance=Decimal("6.50")), bought(1, words="SQ", balance=Decimal(10))]
    found = meet_rows(lefts, rights, spans=Spans.of(lefts, rights)).met
    assert [(one.left, one.right, one.by) for one in found] == [(0, 1, MetBy.BALANCE), (1, 0, MetBy.BALANCE)]


ROWS = st.lists(
    st.builds(
        bought,
        st.integers(0, 8),
        st.sampled_from(["-3.50", "-9.99"]),
        st.sampled_from(["Cafe Central", "NETFLIX", "Spotify", ""]),
    ),
    max_size=8,
)


@given(ROWS, ROWS)
def test_no_row_is_in_two_pairs_and_pairs_are_of_one_amount_and_near(lefts, rights):
    found = meet_rows(lefts, rights).met
    assert len({meeting.left for meeting in found}) == len({meeting.right for meeting in found}) == len(found)
    for meeting in found:
        left, right = lefts[meeting.left], rights[meeting.right]
        assert left.amount == right.amount
        assert abs(left.on - right.on) <= timedelta(days=MAX_DAYS_ALIKE)


@given(ROWS, ROWS)
def test_no_two_rows_are_left_alone_without_a_question_on_days_that_both_sources_told(lefts, rights):
    found = meet_rows(lefts, rights, spans=LIVE)
    pairs = [*found.met, *found.doubtful]
    left_alone = [row for place, row in enumerate(lefts) if place not in {one.left for one in pairs}]
    right_alone = [row for place, row in enumerate(rights) if place not in {one.right for one in pairs}]
    for left in left_alone:
        for right in right_alone:
            assert left.amount != right.amount or abs(left.on - right.on) > timedelta(days=MAX_DAYS_ALIKE)


@given(ROWS)
def test_a_source_meets_itself_whole(rows):
    assert len(meet_rows(rows, rows).met) == len(rows)
