"""Which line is what became of a row the bank withdrew."""

from dataclasses import replace
from decimal import Decimal

import pytest

from tests.importer.decide.rows import UNTRUSTED, day, line, row
from worker.importer.decide.pending.match_posted import match_pending_rows
from worker.importer.decide.pending.match_rewritten import UnmatchedRow
from worker.importer.decide.reasons import Reason
from worker.importer.decide.stored_row import ExpenseState, State


def pending(text="Trattoria Luigi", amount="-20", **more):
    return row(amount, text, pending=True, external_id="p", **more)


def posted(text="Trattoria Luigi", amount="-20", **more):
    return row(amount, text, external_id="p", **more)


def gone(known, **more):
    """The bank proved that the row is gone, and promises complete windows."""
    return UnmatchedRow(**({"known": known, "withdrawn": True, "complete": True} | more))


def test_a_line_that_fits_a_posted_and_a_pending_row_equally_well_is_the_posted_one():
    waiting, booked = gone(pending(id=1), complete=False), gone(posted(id=2), complete=False)
    for candidates in ([waiting, booked], [booked, waiting]):
        (match,) = match_pending_rows([said()], candidates)
        assert match.right.known.id == 2


def shown(known):
    """A pending row that nothing is proven of."""
    return gone(known, withdrawn=False, complete=False)


def maybe_cut_off(known):
    return gone(known, withdrawn=False, complete=False, maybe_cut_off=True)


def said(text="Trattoria Luigi", amount="-20", **more):
    return line(amount, text, **({"external_id": "q"} | more))


LONGER, OTHER = "TRATTORIA LUIGI ROMA IT", "CARD 4711 POS 23"
DELETED = {"expense_id": None, "expense": None, "expense_state": ExpenseState.OWN}

TAKEN_BACK = {"known": None, "withdrawn": False, "complete": False, "removed_before": True}


@pytest.mark.parametrize(
    ("line_", "former_state", "back"),
    [
        (said(LONGER), State.POSTED, True),
        (said(LONGER, booking_on=day(1)), State.POSTED, False),
        (said(LONGER, booking_on=day(5), pending=True), State.PENDING, True),
        (said(LONGER), State.PENDING, False),
        (said(LONGER, booking_on=day(6), pending=True), State.PENDING, False),
        (said(OTHER, pending=True), State.PENDING, False),
        (said(amount="-21"), State.POSTED, False),
    ],
    ids=["longer words", "next day", "days later", "posted: is asked", "too late", "other words", "other amount"],
)
def test_a_row_that_was_deleted_and_removed_is_back(line_, former_state, back):
    known = posted(**DELETED, state=State.REMOVED, former_state=former_state)
    found = match_pending_rows([line_], [UnmatchedRow(**TAKEN_BACK | {"known": known})])
    assert [match.reason for match in found] == [Reason.RETURNED] * back


PENDING = {
    "linked by the bank": (said(OTHER, "-99", pending_external_id="p"), shown(pending()), Reason.POSTED_LINK),
    "posted as it was": (said(), shown(pending()), Reason.POSTED),
    "posted some days later": (said(booking_on=day(5)), shown(pending()), Reason.POSTED),
    "too late": (said(booking_on=day(6)), gone(pending()), None),
    "a longer text": (said(LONGER), shown(pending()), Reason.POSTED),
    "another text": (said(OTHER), gone(pending()), Reason.POSTED_REWRITTEN),
    "another text, but the row may still be there": (said(OTHER), shown(pending()), None),
    "a tip": (said(amount="-23.50"), gone(pending()), Reason.POSTED_AMOUNT),
    "a tip, but the row may still be there": (said(amount="-23.50"), shown(pending()), None),
    "a tip, in an incomplete answer": (said(amount="-23.50"), maybe_cut_off(pending()), Reason.POSTED_AMOUNT),
    "a tip and some other words, in an incomplete answer": (
        said("Luigi Ristorante", "-23.50"), maybe_cut_off(pending("Trattoria Luigi Roma")), None,
    ),
    "a tip and another text": (said(OTHER, "-23.50"), gone(pending()), None),
    "a refund of the same merchant": (said(amount="23.50"), gone(pending()), None),
    "in another currency": (said(amount="-23.50", currency="USD"), gone(pending()), Reason.POSTED_AMOUNT),
    "in another currency, other words": (said(OTHER, "-23.50", currency="USD"), gone(pending()), None),
    "in another currency, not withdrawn": (said(amount="-23.50", currency="USD"), shown(pending()), None),
    "with the other sign": (said(amount="20"), gone(pending()), Reason.POSTED_AMOUNT),
    "with the other sign, not withdrawn": (said(amount="20"), shown(pending()), None),
    "with the other sign, deleted by the user": (said(amount="20"), gone(pending(**DELETED)), None),
    "deleted by the user, posted as it was": (said(), gone(pending(**DELETED)), Reason.POSTED),
    "deleted by the user, another text": (said(OTHER), gone(pending(**DELETED)), None),
}  # fmt: skip

POSTED = {
    "amended": (said(LONGER), gone(posted()), Reason.AMENDED),
    "amended, on another day": (said(LONGER, booking_on=day(2)), gone(posted()), Reason.AMENDED),
    "another text on its day": (said(OTHER), gone(posted()), Reason.REWRITTEN),
    "another text on another day": (said(OTHER, booking_on=day(1)), gone(posted()), None),
    "another amount on its day": (said(amount="-25"), gone(posted()), Reason.CORRECTED),
    "another amount on another day": (said(amount="-25", booking_on=day(1)), gone(posted()), None),
    "not proven to be gone": (said(LONGER), gone(posted(), withdrawn=False), None),
    "completeness is not promised": (said(LONGER), gone(posted(), complete=False), Reason.AMENDED),
    "completeness is not promised, two days apart": (
        said(LONGER, booking_on=day(2)),
        gone(posted(), complete=False),
        Reason.AMENDED,
    ),
    "completeness is not promised, the same text on another day": (
        said(booking_on=day(1)),
        gone(posted(), complete=False),
        None,
    ),
    "completeness is not promised, the same text on another day, ids not trusted": (
        said(booking_on=day(1), context=UNTRUSTED),
        gone(posted(), complete=False),
        Reason.AMENDED,
    ),
    "completeness is not promised, three days apart": (
        said(LONGER, booking_on=day(3)),
        gone(posted(), complete=False),
        None,
    ),
    "completeness is not promised, other words": (said(OTHER), gone(posted(), complete=False), None),
    "booked ahead and moved": (
        said(booking_on=day(-14)),
        gone(posted(), complete=False, ahead=True),
        Reason.AMENDED,
    ),
    "booked ahead, other words": (said(OTHER, booking_on=day(-14)), gone(posted(), ahead=True), None),
    "deleted by the user, rewritten": (said("Luigi Ristorante Roma"), gone(posted(**DELETED)), Reason.AMENDED),
    "a pending line": (said(LONGER, pending=True), gone(posted()), None),
}


@pytest.mark.parametrize(("new", "candidate", "reason"), (PENDING | POSTED).values(), ids=PENDING | POSTED)
def test_a_line_and_a_row_without_a_line(new, candidate, reason):
    assert [match.reason for match in match_pending_rows([new], [candidate])] == ([reason] if reason else [])


def test_an_amount_of_the_users_own_needs_words_that_agree():
    known = pending()
    known = replace(known, expense=known.expense._replace(amount=Decimal(10)))
    assert match_pending_rows([said(OTHER)], [gone(known)]) == []
    assert len(match_pending_rows([said(LONGER)], [gone(known)])) == 1


def test_one_reference_is_stronger_than_words():
    known = pending(reference="E2E-1")
    assert len(match_pending_rows([said(OTHER, "-21", reference="E2E-1")], [gone(known)])) == 1


def test_the_better_line_of_two_is_chosen_and_the_other_is_new():
    found = match_pending_rows([said("Trattoria Mario"), said(LONGER)], [gone(pending())])
    assert [match.left_place for match in found] == [1]


def test_a_purchase_and_its_refund_are_two():
    found = match_pending_rows([said(amount="20", external_id="r"), said()], [gone(pending())])
    assert [match.left_place for match in found] == [1]


def test_two_postings_that_state_a_pending_row_otherwise_leave_it_alone():
    lines = [said(amount="-23.50", currency="USD"), said(amount="20")]
    assert match_pending_rows(lines, [gone(pending())]) == []


def test_two_lines_in_an_incomplete_answer_leave_the_row_alone():
    lines = [said(amount="-23.50"), said(amount="-24")]
    assert match_pending_rows(lines, [maybe_cut_off(pending())]) == []


@pytest.mark.parametrize(("amount", "hidden"), [("-23.50", True), ("-28", True), ("-29", False), ("-13", False)])
def test_a_deleted_row_hides_a_tip_and_no_other_purchase_of_its_merchant(amount, hidden):
    assert len(match_pending_rows([said(amount=amount)], [gone(pending(**DELETED))])) == hidden


LIDL, ZARA, COMMON = "CARD PAYMENT AT Lidl", "CARD PAYMENT AT Zara", frozenset({"card", "payment", "at"})


@pytest.mark.parametrize(
    ("new", "candidate", "reason"),
    [
        (said(ZARA, "-22"), gone(pending(LIDL)), None),
        (said(LIDL, "-22"), gone(pending(LIDL)), Reason.POSTED_AMOUNT),
        (said(ZARA), gone(pending(LIDL)), Reason.POSTED_REWRITTEN),
        (said(ZARA), gone(pending(LIDL, **DELETED)), None),
        (said(LIDL), gone(pending(LIDL, **DELETED)), Reason.POSTED),
        (said(ZARA), shown(pending(LIDL)), None),
        (said(ZARA, "-22"), maybe_cut_off(pending(LIDL)), None),
        (said(ZARA, "20"), gone(pending(LIDL)), None),
    ],
    ids=[
        "another amount of another merchant", "another amount", "the same amount", "a deleted one, another merchant",
        "a deleted one", "one that may still be there", "in an incomplete answer", "with another sign",
    ],
)  # fmt: skip
def test_words_that_most_texts_of_the_account_have_prove_nothing(new, candidate, reason):
    found = match_pending_rows([new], [candidate], common_words=COMMON)
    assert [match.reason for match in found] == ([reason] if reason else [])
