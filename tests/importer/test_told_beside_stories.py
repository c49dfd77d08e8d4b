"""Pending rows that a bank goes on telling beside their booking: one purchase or a question, and no silent double.

After public reports of feeds that do so for days or for ever.
"""

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.importer.bank import CURSOR, TODAY, WINDOWED
from worker.bank_accounts.answers import undo_answer
from worker.bank_accounts.unmatching import RowMatch, unmatch
from worker.connectors.base import IdClass, RemovedTransaction
from worker.errors import ConflictError
from worker.importer.actions.suggestions import accept, decline
from worker.runs.states import RunKind, RunStatus

WITHOUT_IDS = replace(WINDOWED, id_class=IdClass.NONE, windows_complete=False)
FEEDS = {
    "complete windows": WINDOWED,
    "windows": replace(WINDOWED, windows_complete=False),
    "without ids": WITHOUT_IDS,
    "changing ids": replace(WINDOWED, id_class=IdClass.DELIVERY, windows_complete=False),
    "with links": replace(WINDOWED, links_pending=True),
}


def pending_until_asked(harness):
    """Deliver a pending row beside its booking until it is asked about; returns the pending row."""
    pending = harness.bank.buy("-20", "Trattoria Luigi", external_id="p", pending=True)
    harness.bank.buy("-23", "Trattoria Luigi", external_id="q")
    harness.refresh()
    harness.day_later(9)
    harness.refresh()
    return pending


def says_so(harness, outcome):
    return (outcome.status, outcome.code) == (RunStatus.PARTIAL, "still_pending") and harness.questions()


@pytest.mark.parametrize("later_days", [0, 4])
@pytest.mark.parametrize("capabilities", FEEDS.values(), ids=FEEDS)
def test_a_pending_row_told_for_ever_beside_its_booking_is_never_a_second_expense_behind_a_success(
    harness, capabilities, later_days
):
    harness.bank.capabilities = capabilities
    harness.bank.buy("-20", "Trattoria Luigi", external_id="p", pending=True)
    harness.refresh()
    harness.day_later(later_days)
    harness.bank.buy("-20", "TRATTORIA LUIGI 4711", external_id="q")
    for days in (0, 1, 1, 6, 10, 20):
        harness.day_later(days)
        outcome = harness.refresh()
        assert harness.amounts() == ["-20.00"] or says_so(harness, outcome)


@pytest.mark.parametrize("capabilities", FEEDS.values(), ids=FEEDS)
def test_it_is_one_purchase_once_the_person_says_so_however_long_it_is_told(harness, capabilities):
    harness.bank.capabilities = capabilities
    pending = harness.bank.buy("-20", "Trattoria Luigi", external_id="p", pending=True)
    harness.refresh()
    harness.day_later()
    harness.bank.buy("-20", "TRATTORIA LUIGI 4711", external_id="q")
    harness.refresh()
    assert harness.answer(accept) == 1
    for days in (0, 1, 8, 25):
        harness.day_later(days)
        assert harness.refresh().status == RunStatus.SUCCEEDED
        assert harness.amounts() == ["-20.00"]
    harness.bank.rows.remove(pending)
    for days in (0, 8):
        harness.day_later(days)
        assert harness.refresh().status == RunStatus.SUCCEEDED
        assert harness.amounts() == ["-20.00"]


@pytest.mark.parametrize("later", ["it is posted", "it is posted under a new id", "it is called off"])
@pytest.mark.parametrize("capabilities", [FEEDS["windows"], FEEDS["without ids"]], ids=["windows", "without ids"])
@pytest.mark.parametrize("how", [accept, decline, None])
def test_two_equal_purchases_of_which_one_was_pending_are_two_once_both_are_booked(harness, capabilities, later, how):
    """Whatever was asked and answered before."""
    harness.bank.capabilities = capabilities
    pending = harness.bank.buy("-3.50", "Bar Centrale", external_id="p", pending=True)
    harness.refresh()
    harness.bank.buy("-3.50", "Bar Centrale", external_id="q")
    harness.refresh()
    if how is not None:
        harness.answer(how)
    harness.day_later(2)
    harness.refresh()
    if later == "it is posted":
        harness.bank.change(pending, pending=False)
    else:
        harness.bank.rows.remove(pending)
        if later == "it is posted under a new id":
            link = {"pending_external_id": "p"} if capabilities.links_pending else {}
            harness.bank.buy("-3.50", "Bar Centrale", external_id="r", **link)
    harness.refresh()
    harness.day_later(8)
    for _ in range(2):
        assert harness.refresh().status == RunStatus.SUCCEEDED
        assert harness.amounts() == ["-3.50"] * (1 if later == "it is called off" else 2)


def test_a_declined_question_is_not_asked_again_and_both_stay(harness):
    harness.bank.buy("-3.50", "Bar Centrale", external_id="p", pending=True)
    harness.refresh()
    harness.bank.buy("-3.50", "Bar Centrale", external_id="q")
    assert says_so(harness, harness.refresh())
    harness.answer(decline)
    for _ in range(12):
        harness.day_later(4)
        harness.refresh()
        assert not [one for one in harness.questions() if one.kind == "twin"]
        assert harness.amounts() == ["-3.50"] * 2


@pytest.mark.parametrize(("rows", "lag_days"), [(4, 1), (3, 2)])
@pytest.mark.parametrize("capabilities", FEEDS.values(), ids=FEEDS)
def test_daily_coffees_told_pending_and_booked_with_a_lag_are_asked_about(harness, capabilities, lag_days, rows):
    """Nothing shows the lag; one question for each pending row beside which a booking came."""
    harness.bank.capabilities = capabilities
    for number in range(rows + lag_days + 1):
        if number < rows:
            harness.bank.buy("-3.50", "Bar Centrale", external_id=f"p{number}", pending=True)
        if 0 <= number - lag_days < rows:
            harness.bank.buy("-3.50", "BAR CENTRALE", external_id=f"q{number - lag_days}")
        outcome = harness.refresh()
        bought = min(number + 1, rows)
        assert len(harness.amounts()) == bought or says_so(harness, outcome)
        harness.day_later()
    for _ in range(rows):
        if not harness.answer(accept):
            break
        harness.refresh()
    assert harness.refresh().status == RunStatus.SUCCEEDED
    assert len(harness.amounts()) == rows


def test_a_pending_row_that_goes_a_run_after_its_booking_came_is_one_purchase_at_once(harness):
    pending = harness.bank.buy("-20", "Trattoria Luigi", external_id="p", pending=True)
    harness.refresh()
    harness.sql("UPDATE expenses SET notes = 'Birthday'")
    harness.bank.buy("-20", "TRATTORIA LUIGI 4711", external_id="q")
    harness.refresh()
    harness.bank.rows.remove(pending)
    assert harness.refresh().status == RunStatus.SUCCEEDED
    assert harness.expenses() == [(TODAY.isoformat(), "-20.00", "EUR", "Birthday")]
    assert harness.questions() == []


@pytest.mark.parametrize("pending_text", ["CARD PAYMENT AT SHOP Lidl", "CARD PAYMENT AT SHOP"])
def test_words_that_most_texts_have_make_no_question_of_another_merchant(harness, pending_text):
    """Unless the pending row has no others: then it may be whatever is booked."""
    for number, shop in enumerate(("Ikea", "Shell", "Rewe", "Netto", "Kino"), start=1):
        harness.bank.buy(f"-{number}", f"CARD PAYMENT AT SHOP {shop}", external_id=str(number))
    harness.bank.buy("-20", pending_text, external_id="p", pending=True)
    harness.refresh()
    harness.bank.buy("-20", "CARD PAYMENT AT SHOP Zara", external_id="q")
    for days in (0, 9):
        harness.day_later(days)
        outcome = harness.refresh()
        assert bool(says_so(harness, outcome)) == (pending_text == "CARD PAYMENT AT SHOP")
        assert harness.amounts().count("-20.00") == 2


@pytest.mark.parametrize("words", ["CARD PAYMENT", "Trattoria Luigi"])
def test_a_first_load_that_tells_both_is_asked_about_when_the_pending_row_stays(harness, words):
    harness.bank.buy("-20", words, external_id="p", pending=True)
    harness.bank.buy("-20", words, external_id="q")
    harness.refresh()
    harness.day_later(9)
    assert says_so(harness, harness.refresh())
    harness.answer(accept)
    harness.day_later(1)
    assert harness.refresh().status == RunStatus.SUCCEEDED
    assert harness.amounts() == ["-20.00"]


def test_a_tip_told_beside_its_pending_row_is_asked_about_after_the_days_of_grace(harness):
    harness.bank.buy("-20", "Trattoria Luigi", external_id="p", pending=True)
    harness.refresh()
    harness.bank.buy("-23", "Trattoria Luigi", external_id="q")
    harness.refresh()
    harness.day_later(9)
    assert says_so(harness, harness.refresh())
    harness.answer(accept)
    for _ in range(3):
        harness.day_later(9)
        assert harness.refresh().status == RunStatus.SUCCEEDED
        assert harness.amounts() == ["-23.00"]


def test_a_purchase_of_another_amount_told_together_with_one_that_is_pending_for_long_is_no_question(harness):
    harness.bank.buy("-20", "Trattoria Luigi", external_id="p", pending=True)
    harness.bank.buy("-63", "Trattoria Luigi", external_id="q")
    harness.refresh()
    harness.day_later(9)
    assert harness.refresh().status == RunStatus.SUCCEEDED


def test_what_the_person_said_is_gone_returns_when_it_is_posted(harness):
    pending = pending_until_asked(harness)
    assert harness.answer(accept) == 1
    harness.refresh()
    assert harness.amounts() == ["-23.00"]
    harness.bank.change(pending, pending=False)
    harness.refresh()
    assert sorted(harness.amounts()) == ["-20.00", "-23.00"]


def test_that_a_pending_row_is_gone_can_be_taken_back(harness):
    pending_until_asked(harness)
    (question,) = harness.questions()
    harness.answer(accept)
    assert harness.amounts() == ["-23.00"]
    with harness.sessions() as session:
        undo_answer(session, question.id, user_id=harness.user_id)
    for _ in range(2):
        assert sorted(harness.amounts()) == ["-20.00", "-23.00"]
        assert says_so(harness, harness.refresh())
    harness.answer(decline)
    assert harness.refresh().status == RunStatus.SUCCEEDED
    assert sorted(harness.amounts()) == ["-20.00", "-23.00"]


def test_what_the_bank_posted_since_is_not_taken_back(harness):
    pending = pending_until_asked(harness)
    (question,) = harness.questions()
    harness.answer(accept)
    harness.bank.change(pending, pending=False)
    harness.refresh()
    with harness.sessions() as session, pytest.raises(ConflictError):
        undo_answer(session, question.id, user_id=harness.user_id)
    assert sorted(harness.amounts()) == ["-20.00", "-23.00"]


def test_the_question_goes_when_the_pending_row_goes(harness):
    pending = harness.bank.buy("-3.50", external_id="p", pending=True)
    harness.refresh()
    harness.bank.buy("-3.50", external_id="q")
    assert says_so(harness, harness.refresh())
    harness.bank.change(pending, pending=False)
    assert harness.refresh().status == RunStatus.SUCCEEDED
    assert (harness.questions(), harness.amounts()) == ([], ["-3.50"] * 2)


def test_an_answer_can_be_taken_back(harness):
    harness.bank.buy("-20", "Trattoria", external_id="p", pending=True)
    harness.refresh()
    harness.bank.buy("-20", "Trattoria", external_id="q")
    harness.refresh()
    (question,) = harness.questions()
    harness.answer(accept)
    with harness.sessions() as session:
        undo_answer(session, question.id, user_id=harness.user_id)
    assert harness.amounts() == ["-20.00"] * 2
    assert harness.refresh().code in {"still_pending", "ok", "nothing_new"}


def test_what_the_person_took_for_one_purchase_can_be_parted_and_stays_apart(harness):
    harness.bank.buy("-20", "Trattoria", external_id="p", pending=True)
    harness.refresh()
    harness.bank.buy("-20", "Trattoria", external_id="q")
    harness.refresh()
    harness.answer(accept)
    ((row_id,),) = harness.sql("SELECT id FROM bank_transactions WHERE state = 'pending'")
    with harness.sessions() as session:
        unmatch(session, row_id, user_id=harness.user_id, match=RowMatch.TWIN)
    for _ in range(2):
        assert harness.refresh().status == RunStatus.SUCCEEDED
        assert harness.amounts() == ["-20.00"] * 2


@pytest.mark.parametrize("edit", ["amount = 7.77", "notes = 'Birthday'"])
@pytest.mark.parametrize("which", ["of the pending row", "of the booking"])
@pytest.mark.parametrize("how", [accept, None])
def test_what_the_person_did_to_either_expense_holds_for_the_one_purchase(harness, edit, which, how):
    pending = harness.bank.buy("-20", "Trattoria Luigi", external_id="p", pending=True)
    harness.refresh()
    if which == "of the pending row":
        harness.sql(f"UPDATE expenses SET {edit}")
    harness.day_later()
    harness.bank.buy("-20", "TRATTORIA LUIGI 4711", external_id="q")
    harness.refresh()
    if which == "of the booking":
        harness.sql(f"UPDATE expenses SET {edit} WHERE notes LIKE '%4711'")
    if how is None:
        harness.bank.rows.remove(pending)
    else:
        harness.answer(how)
    for _ in range(2):
        assert harness.refresh().status == RunStatus.SUCCEEDED
        ((_, amount, _, notes),) = harness.expenses()
        assert (amount, notes) == (("-7.77", "TRATTORIA LUIGI 4711") if "7.77" in edit else ("-20.00", "Birthday"))
        harness.day_later(9)


@pytest.mark.parametrize("which", ["of the pending row", "of the booking"])
@pytest.mark.parametrize("later", ["the pending row goes", "it is told for ever", "it is posted"])
def test_who_deletes_one_of_the_two_expenses_keeps_the_other(harness, which, later):
    pending = harness.bank.buy("-20", "Trattoria Luigi", external_id="p", pending=True)
    harness.refresh()
    harness.bank.buy("-20", "TRATTORIA LUIGI 4711", external_id="q")
    harness.refresh()
    like = "NOT LIKE" if which == "of the pending row" else "LIKE"
    harness.sql(f"DELETE FROM expenses WHERE notes {like} '%4711'")
    harness.refresh()
    if later == "the pending row goes":
        harness.bank.rows.remove(pending)
    elif later == "it is posted":
        harness.bank.change(pending, pending=False)
    for days in (0, 9, 9):
        harness.day_later(days)
        assert harness.refresh().status == RunStatus.SUCCEEDED
        assert harness.amounts() == ["-20.00"]


def test_what_the_person_deletes_after_the_answer_stays_deleted_when_the_pending_row_goes(harness):
    pending = harness.bank.buy("-20", "Trattoria Luigi", external_id="p", pending=True)
    harness.refresh()
    harness.bank.buy("-20", "TRATTORIA LUIGI 4711", external_id="q")
    harness.refresh()
    assert harness.answer(accept) == 1
    harness.sql("DELETE FROM expenses")
    harness.bank.rows.remove(pending)
    for days in (0, 9, 1):
        harness.day_later(days)
        assert harness.refresh().status == RunStatus.SUCCEEDED
        assert harness.amounts() == []


def test_a_pending_row_that_is_one_with_a_booking_is_not_asked_about_beside_the_next_one(harness):
    harness.bank.buy("-3.50", "Bar Centrale", external_id="p", pending=True)
    harness.refresh()
    harness.bank.buy("-3.50", "Bar Centrale", external_id="q")
    harness.refresh()
    assert harness.answer(accept) == 1
    harness.day_later()
    harness.bank.buy("-3.50", "Bar Centrale", external_id="r", booking_on=harness.bank.today)
    for days in (0, 9):
        harness.day_later(days)
        assert harness.refresh().status == RunStatus.SUCCEEDED
        assert harness.amounts() == ["-3.50"] * 2


def test_a_booking_that_the_bank_takes_back_leaves_the_purchase_with_the_pending_row(harness):
    harness.bank.buy("-20", "Trattoria Luigi", external_id="p", pending=True)
    harness.bank.buy("-1", "Bus", external_id="b")
    harness.refresh()
    booked = harness.bank.buy("-20", "TRATTORIA LUIGI 4711", external_id="q")
    harness.refresh()
    harness.answer(accept)
    harness.bank.rows.remove(booked)
    harness.refresh()
    harness.refresh()
    assert sorted(harness.amounts()) == ["-1.00", "-20.00"]


@pytest.mark.parametrize("which", ["of the booking", "of the pending row"])
def test_a_revert_leaves_no_purchase_without_an_expense_that_the_bank_has(harness, which):
    harness.bank.buy("-20", "Trattoria Luigi", external_id="p", pending=True)
    harness.refresh()
    first = harness.run_id
    harness.bank.buy("-20", "TRATTORIA LUIGI 4711", external_id="q")
    harness.refresh()
    second = harness.run_id
    harness.answer(accept)
    harness.run(RunKind.REVERT, target_run_id=second if which == "of the booking" else first)
    assert harness.amounts() == ["-20.00"]


def test_the_revert_of_the_run_that_told_both_leaves_no_expense(harness):
    harness.bank.buy("-20", "Trattoria Luigi", external_id="p", pending=True)
    harness.bank.buy("-20", "Trattoria Luigi", external_id="q")
    harness.refresh()
    first = harness.run_id
    harness.day_later(9)
    harness.refresh()
    assert harness.answer(accept) == 1
    assert harness.amounts() == ["-20.00"]
    harness.run(RunKind.REVERT, target_run_id=first)
    assert harness.amounts() == []


@pytest.mark.parametrize("capabilities", [CURSOR, WINDOWED], ids=["changes", "windows"])
def test_a_bank_that_takes_both_back_at_once_leaves_no_expense(harness, capabilities):
    harness.bank.capabilities = capabilities
    harness.bank.buy("-20", "Trattoria Luigi", external_id="p", pending=True)
    harness.bank.buy("-1", "Bus", external_id="b")
    harness.refresh()
    harness.bank.buy("-20", "TRATTORIA LUIGI 4711", external_id="q")
    harness.refresh()
    assert harness.answer(accept) == 1
    harness.bank.rows = harness.bank.rows[1:2]
    if capabilities is CURSOR:
        harness.bank.removed = [RemovedTransaction(account_id="A", external_id=id_) for id_ in "pq"]
    for days in (0, 9, 1):
        harness.day_later(days)
        harness.refresh()
    assert harness.amounts() == ["-1.00"]


@pytest.mark.parametrize(
    "done",
    [
        "UPDATE expenses SET notes = 'Birthday'", "UPDATE expenses SET amount = 7.77", "DELETE FROM expenses",
        "UPDATE expenses SET category_id = (SELECT id FROM categories)", None,
    ],
)  # fmt: skip
def test_the_run_that_took_two_for_one_is_reverted_to_two(harness, done):
    if done is None:
        harness.type_in("20", "Trattoria Luigi")
    pending = harness.bank.buy("-20", "Trattoria Luigi", external_id="p", pending=True)
    harness.refresh()
    harness.sql("INSERT INTO categories (user_id, name) VALUES (:u, 'Food')", u=harness.user_id)
    harness.sql(done or "SELECT 1")
    harness.bank.buy("-20", "TRATTORIA LUIGI 4711", external_id="q")
    harness.refresh()
    before = harness.sql("SELECT amount, notes, category_id IS NULL FROM expenses ORDER BY 1, 2, 3")
    harness.bank.rows.remove(pending)
    harness.refresh()
    assert len(harness.amounts()) == (0 if done == "DELETE FROM expenses" else 1)
    outcome = harness.run(RunKind.REVERT, target_run_id=harness.run_id)
    assert (outcome.status, outcome.code) == (
        RunStatus.SUCCEEDED,
        "nothing_new" if done == "DELETE FROM expenses" else "ok",  # the deletion was the person's own
    )
    assert harness.sql("SELECT amount, notes, category_id IS NULL FROM expenses ORDER BY 1, 2, 3") == before


def test_a_revert_keeps_what_the_person_changed_after_the_edit_was_inherited(harness):
    pending = harness.bank.buy("-20", "Trattoria Luigi", external_id="p", pending=True)
    harness.refresh()
    harness.sql("UPDATE expenses SET notes = 'Birthday'")
    harness.bank.buy("-20", "TRATTORIA LUIGI 4711", external_id="q")
    harness.refresh()
    harness.bank.rows.remove(pending)
    harness.refresh()
    harness.sql("UPDATE expenses SET amount = 9")
    assert harness.run(RunKind.REVERT, target_run_id=harness.run_id).code == "edited_since"
    assert "-9.00" in harness.amounts()


def test_rows_of_a_merchant_that_are_bought_day_by_day_and_posted_honestly_raise_no_question(harness):
    """Each pending row goes when its booking comes."""
    pending = []
    for number in range(8):
        if number:
            harness.bank.rows.remove(pending[-1])
            harness.bank.buy("-3.50", "Bar Centrale", external_id=f"q{number}", booking_on=harness.bank.today)
        pending.append(harness.bank.buy("-3.50", "Bar Centrale", external_id=f"p{number}", pending=True))
        assert harness.refresh().status == RunStatus.SUCCEEDED
        assert len(harness.amounts()) == number + 1
        harness.day_later()


def test_a_pending_salary_is_not_taken_for_an_equal_one_of_another_payer(harness):
    harness.bank.buy("1000", "Employer GmbH", external_id="p", pending=True)
    harness.refresh()
    harness.bank.buy("1000", "Insurance AG", external_id="q")
    for days in (0, 3, 3, 3, 9):
        harness.day_later(days)
        assert harness.refresh().status == RunStatus.SUCCEEDED
        assert harness.amounts() == ["1000.00"] * 2


def test_a_zombie_in_another_source_of_the_account_stays_one_purchase(sessions, user_id):
    from tests.importer.bank import Harness
    from worker.connectors.base import Account

    both = Harness(sessions, user_id), Harness(sessions, user_id)
    for number, one in enumerate(both):
        one.bank.accounts = [
            Account(external_id="A", name="Giro", anchor="iban:DE02120300000000202051", currency="EUR")
        ]
        one.bank.buy("-20", "Trattoria Luigi", external_id=f"p{number}", pending=number == 0)
        one.refresh()
    assert both[0].amounts() == ["-20.00"]
    both[0].bank.buy("-20", "TRATTORIA LUIGI 4711", external_id="q")
    for days in (0, 1, 9, 25):
        both[0].day_later(days)
        both[1].bank.today = both[0].bank.today
        outcomes = [one.refresh() for one in both]
        assert both[0].amounts() == ["-20.00"] or any(says_so(both[0], outcome) for outcome in outcomes)
    both[0].answer(accept)
    for one in (*both, *both):
        assert one.refresh().status == RunStatus.SUCCEEDED
        assert one.amounts() == ["-20.00"]


def test_a_list_of_changes_that_tells_a_booking_without_its_link_is_asked_about_until_it_is_settled(harness):
    harness.bank.capabilities = CURSOR
    harness.bank.buy("-20", "Trattoria Luigi", external_id="p", pending=True)
    harness.refresh()
    harness.day_later()
    harness.bank.buy("-20", "TRATTORIA LUIGI 4711", external_id="q")
    for days in (0, 1, 8, 1):
        harness.day_later(days)
        outcome = harness.refresh()
        assert harness.amounts() == ["-20.00"] or says_so(harness, outcome)
    assert outcome.status == RunStatus.SUCCEEDED


@pytest.mark.parametrize("days", [6, 20])
def test_a_booking_far_from_a_pending_row_is_another_purchase(harness, days):
    harness.bank.buy("-9.99", "Music Service", external_id="p", pending=True)
    harness.refresh()
    harness.day_later(days)
    harness.bank.buy("-9.99", "Music Service", external_id="q", booking_on=TODAY + timedelta(days=days))
    harness.refresh()
    assert harness.amounts() == ["-9.99"] * 2


@pytest.mark.parametrize(
    ("capabilities", "was_removed"),
    [*((feed, False) for feed in FEEDS.values()), (WINDOWED, True)],
    ids=[*FEEDS, "removed before its booking came"],
)
def test_a_pending_row_that_is_told_again_after_its_booking_took_its_place_is_asked_about(
    harness, capabilities, was_removed
):
    harness.bank.capabilities = capabilities
    pending = harness.bank.buy("-20", "Trattoria Luigi", external_id="p", pending=True)
    harness.bank.buy("20", "Refund", external_id="r")
    harness.refresh()
    harness.sql("DELETE FROM expenses WHERE expense_type = 'INCOME'")
    harness.bank.rows.remove(pending)
    if was_removed:
        harness.refresh()
        harness.day_later(8)
        assert (harness.refresh().status, harness.amounts()) == (RunStatus.SUCCEEDED, [])
    harness.bank.buy("-20", "TRATTORIA LUIGI 4711", external_id="q", booking_on=pending.booking_on)
    harness.refresh()
    assert harness.amounts() == ["-20.00"]
    harness.bank.rows.append(pending)
    for days in (0, 1, 8):
        harness.day_later(days)
        outcome = harness.refresh()
        assert harness.amounts() == ["-20.00"] or says_so(harness, outcome)
    harness.answer(accept)
    for days in (0, 8):
        harness.day_later(days)
        assert harness.refresh().status == RunStatus.SUCCEEDED
        assert harness.amounts() == ["-20.00"]
