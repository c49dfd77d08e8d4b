"""Every record a bank delivers is accounted for, and a run succeeds only while the ledger agrees with the bank."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.importer.bank import CURSOR, TODAY, WINDOWED, Harness
from worker.bank_accounts.answers import undo_answer
from worker.connectors.base import Account, AccountFailure, IdClass, RejectedRow, Scope, TransactionKind
from worker.connectors.errors import AuthenticationError
from worker.importer.actions.suggestions import accept, decline, list_suggestions
from worker.importer.decide.pending.booked_beside import MAX_PENDING_DAYS
from worker.importer.fetch.staging import Staging
from worker.importer.fetch.window import OVERLAP_DAYS
from worker.runs.states import RunStatus

B = Account(external_id="B", name="Card", currency="EUR")


def counts(harness):
    return tuple(harness.sql("SELECT delivered, accounted FROM bank_import_runs WHERE id = :r", r=harness.run_id)[0])


def problem(harness):
    return harness.sql("SELECT problem_code FROM bank_connections")[0][0]


def report(harness):
    return harness.sql("SELECT report FROM bank_import_runs WHERE id = :r", r=harness.run_id)[0][0]


def open_rejections(harness):
    return harness.sql("SELECT code FROM bank_import_rejections WHERE resolved_at IS NULL ORDER BY id")


@pytest.mark.parametrize("scope", [Scope.CONNECTION, Scope.ACCOUNT])
@pytest.mark.parametrize("one_more", [True, False])
@pytest.mark.parametrize("states_balance", [True, False])
def test_a_row_that_a_list_of_changes_without_ids_tells_alone_is_counted_once_everything_is_read_again(
    harness, scope, one_more, states_balance
):
    """It equals a known one, and may be that or one more. A balance says which; without one the run does not know."""
    harness.bank.capabilities = replace(CURSOR, id_class=IdClass.NONE, cursor_scope=scope, balances=states_balance)
    for days in range(3):
        harness.bank.buy("-3.50")
        if states_balance:
            harness.bank.balance(f"{-3.5 * (days + 1)}")
        outcome = harness.refresh()
        assert (outcome.status, len(harness.amounts())) == (RunStatus.SUCCEEDED, days + 1)
        if days < 2:
            harness.day_later()
    coffee = harness.bank.rows[-1]
    if one_more and states_balance:
        harness.bank.balance("-14")
    harness.bank.rows.append(coffee)
    outcome = harness.refresh()
    said = "balance_mismatch" if one_more else "nothing_new"
    assert (outcome.code, len(harness.amounts())) == (said if states_balance else "rows_told_again", 3)
    if not one_more:
        harness.bank.rows.pop()
    outcome = harness.refresh()
    assert (outcome.status, len(harness.amounts())) == (RunStatus.SUCCEEDED, 4 if one_more else 3)
    assert problem(harness) is None


def test_every_row_is_counted_on_both_sides(harness):
    harness.bank.buy("-1", external_id="1")
    twice = harness.bank.buy("-2", external_id="2")
    harness.bank.rows.append(twice)
    harness.bank.buy("-3", external_id="3", currency="???")
    harness.bank.buy("-4", external_id="p", pending=True)
    harness.bank.buy("-4", external_id="q", pending_external_id="p")
    harness.refresh()
    assert counts(harness) == (6, 6)
    harness.refresh()
    assert counts(harness) == (6, 6)


def test_rows_of_an_account_that_nobody_lists_are_kept_and_the_run_is_partial(sessions, user_id):
    harness = Harness(sessions, user_id)
    harness.bank.capabilities = replace(CURSOR)
    harness.bank.buy("-1", external_id="1")
    harness.bank.buy("-2", external_id="2", account_id="ghost")
    outcome = harness.refresh()
    assert (outcome.status, outcome.code) == (RunStatus.PARTIAL, "rows_rejected")
    assert open_rejections(harness) == [("account_not_listed",)]
    assert report(harness)["rows_not_imported"] == {"not_listed": 1}
    assert counts(harness) == (2, 2)


def test_a_row_of_an_account_that_is_listed_later_arrives_and_mends_the_connection(harness):
    harness.bank.capabilities = CURSOR
    harness.bank.buy("-2", external_id="2", account_id="B")
    harness.refresh()
    assert problem(harness) == "rows_rejected"
    harness.bank.accounts.append(B)
    outcome = harness.refresh()
    assert outcome.status == RunStatus.SUCCEEDED
    assert (harness.amounts(), open_rejections(harness), problem(harness)) == (["-2.00"], [], None)


def test_equal_rejected_rows_are_as_many_rejections(harness):
    broken = RejectedRow(code="bad_row", message="unreadable", raw="x", account_id="A")
    harness.bank.extra = {"rejected": (broken, broken)}
    harness.refresh()
    assert open_rejections(harness) == [("bad_row",), ("bad_row",)]
    assert counts(harness) == (2, 2)
    harness.refresh()
    assert open_rejections(harness) == [("bad_row",), ("bad_row",)]


def test_an_open_rejection_keeps_later_runs_partial_until_it_is_mended(harness):
    row = harness.bank.buy("-3", external_id="3", currency="???")
    assert harness.refresh().code == "rows_rejected"
    assert (harness.refresh().status, problem(harness)) == (RunStatus.PARTIAL, "rows_rejected")
    harness.bank.change(row, currency="EUR")
    assert (harness.refresh().status, problem(harness)) == (RunStatus.SUCCEEDED, None)


def test_a_balance_that_does_not_fit_is_no_success_and_is_not_washed_away(harness):
    harness.bank.buy("-1", external_id="1")
    harness.bank.balance("99")
    harness.refresh()
    harness.bank.balance("50")
    outcome = harness.refresh()
    assert (outcome.status, outcome.code) == (RunStatus.PARTIAL, "balance_mismatch")
    assert (harness.refresh().code, problem(harness)) == ("balance_mismatch", "balance_mismatch")
    harness.bank.buy("-49", external_id="2")
    assert (harness.refresh().status, problem(harness)) == (RunStatus.SUCCEEDED, None)


def test_an_account_that_needs_the_user_stops_itself_and_nothing_else(harness):
    harness.bank.accounts.append(B)
    harness.bank.buy("-1", external_id="1")
    harness.bank.buy("-2", external_id="2", account_id="B")
    harness.bank.errors = {"transactions:B": [AuthenticationError("log in", reason="expired")]}
    outcome = harness.refresh()
    assert (outcome.status, outcome.code) == (RunStatus.PARTIAL, "needs_user")
    assert harness.sql("SELECT status, problem_code FROM bank_connections") == [("active", "needs_user")]
    assert harness.amounts() == ["-1.00"]
    assert harness.refresh().status == RunStatus.SUCCEEDED
    assert (sorted(harness.amounts()), problem(harness)) == (["-1.00", "-2.00"], None)


def test_a_failed_account_of_a_delivery_is_named_by_its_reason(harness):
    harness.bank.accounts.append(B)
    failure = AccountFailure(account_id="B", error=AuthenticationError("log in", reason="expired"))
    harness.bank.capabilities = CURSOR
    harness.bank.extra = {"failures": (failure,)}
    harness.bank.buy("-1", external_id="1")
    assert harness.refresh().code == "needs_user"
    assert harness.sql("SELECT external_id, problem_code FROM bank_connection_accounts ORDER BY 1") == [
        ("A", None),
        ("B", "needs_user"),
    ]


def test_rows_that_a_cursor_passed_are_read_once_their_account_is_included(harness):
    harness.bank.capabilities = CURSOR
    harness.bank.accounts.append(B)
    harness.bank.buy("-1", external_id="1")
    harness.refresh()
    harness.sql("UPDATE bank_connection_accounts SET included = FALSE WHERE external_id = 'B'")
    harness.bank.buy("-2", external_id="2", account_id="B")
    assert harness.refresh().status == RunStatus.SUCCEEDED
    assert report(harness)["rows_not_imported"] == {"left_out": 1}
    harness.sql("UPDATE bank_connection_accounts SET included = TRUE")
    harness.refresh()
    assert sorted(harness.amounts()) == ["-1.00", "-2.00"]


def test_a_run_of_one_account_does_not_move_the_cursor_of_all(harness):
    harness.bank.capabilities = CURSOR
    harness.bank.accounts.append(B)
    harness.refresh()
    harness.bank.buy("-2", external_id="2", account_id="B")
    harness.refresh(account_external_id="A")
    harness.refresh()
    assert harness.amounts() == ["-2.00"]


def test_an_account_whose_currency_is_none_keeps_the_connection_from_success(harness):
    harness.bank.accounts.append(replace(B, currency="https://example.test/points"))
    for _ in range(2):
        outcome = harness.refresh()
        assert (outcome.status, outcome.code) == (RunStatus.PARTIAL, "bad_data")
    harness.sql("UPDATE bank_connection_accounts SET included = FALSE WHERE external_id = 'B'")
    assert harness.refresh().status == RunStatus.SUCCEEDED


def shoes_are_withdrawn(harness):
    """Import two rows from a bank that promises no complete windows, and let its next answers come without one."""
    harness.bank.capabilities = replace(WINDOWED, windows_complete=False)
    harness.bank.buy("-1", external_id="1")
    gone = harness.bank.buy("-2", "Shoes", external_id="2")
    harness.refresh()
    harness.bank.rows.remove(gone)
    return gone


def test_a_row_that_the_bank_has_no_longer_keeps_the_connection_from_success_until_it_is_settled(harness):
    shoes_are_withdrawn(harness)
    for _ in range(2):
        outcome = harness.refresh()
        assert (outcome.status, outcome.code, problem(harness)) == (RunStatus.PARTIAL, "rows_withdrawn", outcome.code)
    assert harness.amounts() == ["-2.00", "-1.00"]
    harness.sql("DELETE FROM expenses WHERE amount = 2")
    assert (harness.refresh().status, problem(harness)) == (RunStatus.SUCCEEDED, None)


def test_a_withdrawn_row_that_the_bank_lists_again_is_no_problem_any_more(harness):
    gone = shoes_are_withdrawn(harness)
    for _ in range(3):
        assert harness.refresh().code == "rows_withdrawn"
        harness.day_later(30)
    harness.bank.rows.append(gone)
    assert (harness.refresh().status, problem(harness)) == (RunStatus.SUCCEEDED, None), "its day is asked for as long"
    harness.refresh()
    assert harness.bank.calls[-1] == ("A", harness.bank.today - timedelta(days=OVERLAP_DAYS), harness.bank.today)


@pytest.mark.parametrize(("answer", "amounts"), [(decline, ["-2.00", "-1.00"]), (accept, ["-1.00"])])
def test_the_user_says_of_a_withdrawn_row_whether_it_stays_and_is_not_asked_again(harness, sessions, answer, amounts):
    gone = shoes_are_withdrawn(harness)
    for _ in range(2):
        harness.refresh()
    with sessions() as session:
        (question,) = list_suggestions(session, harness.user_id)
        assert (question.kind, question.bank["description"]) == ("withdrawn", "Shoes")
        answer(session, question.id, user_id=harness.user_id)
    for _ in range(2):
        assert (harness.refresh().status, problem(harness)) == (RunStatus.SUCCEEDED, None)
        harness.day_later()
    assert (harness.amounts(), len(harness.questions())) == (amounts, 0)
    harness.bank.rows.append(gone)
    harness.refresh()
    assert harness.amounts() == ["-2.00", "-1.00"], "a row that the bank delivers again is there, once"
    harness.bank.rows.remove(gone)
    harness.refresh()
    assert len(harness.questions()) == (answer is accept), "that it was gone is no answer now; that it stays is one"


def test_that_a_pending_row_stays_is_no_answer_about_the_posted_one(harness, sessions):
    harness.bank.capabilities = replace(WINDOWED, windows_complete=False)
    harness.bank.buy("-1", external_id="1")
    waiting = harness.bank.buy("-2", "Shoes", external_id="2", pending=True)
    harness.refresh()
    harness.day_later(MAX_PENDING_DAYS)
    harness.refresh()
    with sessions() as session:
        (question,) = list_suggestions(session, harness.user_id)
        decline(session, question.id, user_id=harness.user_id)
    posted = harness.bank.change(waiting, pending=False)
    assert (harness.refresh().status, len(harness.questions())) == (RunStatus.SUCCEEDED, 0)
    harness.bank.rows.remove(posted)
    assert (harness.refresh().code, len(harness.questions())) == ("rows_withdrawn", 1)


def test_that_a_withdrawn_row_is_gone_can_be_taken_back(harness, sessions):
    gone = shoes_are_withdrawn(harness)
    harness.refresh()
    with sessions() as session:
        (question,) = list_suggestions(session, harness.user_id)
        accept(session, question.id, user_id=harness.user_id)
    assert harness.amounts() == ["-1.00"]
    with sessions() as session:
        undo_answer(session, question.id, user_id=harness.user_id)
    for _ in range(2):
        assert (harness.refresh().code, harness.amounts()) == ("rows_withdrawn", ["-2.00", "-1.00"])
    harness.bank.rows.append(gone)
    assert (harness.refresh().status, harness.amounts()) == (RunStatus.SUCCEEDED, ["-2.00", "-1.00"])
    assert len(harness.questions()) == 0


FILES = replace(CURSOR, id_class=IdClass.NONE, cursor_scope=Scope.ACCOUNT, whole_days=True)
WINDOWS_WITHOUT_IDS = replace(WINDOWED, id_class=IdClass.NONE, windows_complete=False)


@pytest.mark.parametrize(
    ("capabilities", "days", "told", "asked"),
    [
        (FILES, 1, ["-3 Kiosk", "-22 Luigi"], True),
        (FILES, 1, ["-3 Kiosk", "-20 Luigi", "-22 Luigi"], False),
        (FILES, 1, ["-22 Luigi"], False),  # the day may begin where the file before ended
        (FILES, 1, ["-3 Kiosk", "-22 Mario"], False),
        (FILES, 1, ["-3 Kiosk", "-20 Mario"], True),
        (WINDOWS_WITHOUT_IDS, OVERLAP_DAYS, ["-3 Kiosk", "-22 Luigi"], True),
        (WINDOWS_WITHOUT_IDS, OVERLAP_DAYS, ["-3 Kiosk"], False),  # a bank may leave out a part of the first day
    ],
)
def test_a_row_of_whose_day_the_same_is_told_with_another_amount_or_other_words_is_asked_about(
    harness, capabilities, days, told, asked
):
    harness.bank.capabilities = capabilities
    bought = ["-3 Kiosk", "-20 Luigi"]
    for one in bought:
        harness.bank.buy(*one.split(), booking_on=TODAY)
    harness.refresh()
    if not capabilities.cursor_scope:
        harness.day_later(days)
        harness.refresh()
        harness.bank.rows.clear()
    for one in told:
        harness.bank.buy(*one.split(), booking_on=TODAY)
    code = harness.refresh().code
    assert (code == "rows_withdrawn", len(harness.questions())) == (asked, asked)
    assert len(harness.amounts()) == len({*bought, *told}), "a second purchase at one shop stays as well"


def take_for_gone(harness):
    """Say of the one open question that its row is gone; return the number of the question."""
    (question,) = harness.questions()
    harness.answer(accept)
    return question.id


@pytest.mark.parametrize("taken_back", [True, False], ids=["taken back", "delivered again"])
@pytest.mark.parametrize("deleted", [False, True], ids=["edited", "deleted"])
def test_a_row_that_a_user_took_for_gone_is_as_they_left_it_when_it_is_back(harness, taken_back, deleted):
    gone = shoes_are_withdrawn(harness)
    harness.refresh()
    harness.sql("INSERT INTO categories (user_id, name) VALUES (:u, 'Gifts')", u=harness.user_id)
    harness.sql("UPDATE expenses SET notes = 'for Bo', category_id = (SELECT max(id) FROM categories) WHERE amount = 2")
    if deleted:
        harness.sql("DELETE FROM expenses WHERE amount = 2")
    expenses = "SELECT amount, notes, category_id FROM expenses ORDER BY amount"
    left = harness.sql(expenses)
    question_id = take_for_gone(harness)
    assert harness.amounts() == ["-1.00"]
    assert harness.sql("SELECT status, removed, updated FROM bank_import_runs WHERE kind = 'answer'") == [
        ("succeeded", 1, 0)
    ]
    if taken_back:
        with harness.sessions() as session:
            undo_answer(session, question_id, user_id=harness.user_id)
        assert harness.sql(expenses) == left
    harness.bank.rows.append(gone)
    harness.refresh()
    assert harness.sql(expenses) == left


@pytest.mark.parametrize("said_by", ["the user", "the balance"])
def test_the_other_leg_of_a_row_that_is_gone_is_an_expense_at_once(harness, said_by):
    harness.bank.capabilities = replace(WINDOWED, windows_complete=False)
    harness.bank.accounts.append(B)
    harness.bank.buy("500", kind=TransactionKind.TRANSFER, external_id="1", account_id="B")
    harness.refresh()
    harness.day_later(3)
    leg = harness.bank.buy("-500", external_id="2")
    harness.bank.buy("-1", external_id="3")
    if said_by == "the balance":
        harness.bank.balance("-501")
    harness.refresh()
    assert harness.amounts() == ["-1.00"]
    harness.day_later()
    harness.bank.rows.remove(leg)
    if said_by == "the balance":
        harness.bank.balance("-1")
    harness.refresh()
    if said_by == "the user":
        take_for_gone(harness)
    assert harness.amounts() == ["500.00", "-1.00"]


def test_a_question_about_a_withdrawn_row_goes_when_the_bank_lists_it_again(harness):
    gone = shoes_are_withdrawn(harness)
    harness.refresh()
    assert len(harness.questions()) == 1
    harness.bank.rows.append(gone)
    harness.refresh()
    assert len(harness.questions()) == 0


def lose_one(rows):
    """Hand out all transactions but the first."""
    return lambda *args: (part[1:] for part in rows(*args))


def test_a_row_that_the_importer_loses_is_unaccounted_for(harness, monkeypatch):
    monkeypatch.setattr(Staging, "slices", lose_one(Staging.slices))
    harness.bank.buy("-1", external_id="1")
    harness.bank.buy("-2", external_id="2")
    outcome = harness.refresh()
    assert (outcome.status, outcome.code, problem(harness)) == (RunStatus.PARTIAL, "unaccounted", "unaccounted")
    assert counts(harness) == (2, 1)
    monkeypatch.undo()
    assert (harness.refresh().status, problem(harness)) == (RunStatus.SUCCEEDED, None)
    assert sorted(harness.amounts()) == ["-1.00", "-2.00"]


def test_a_row_that_is_lost_before_any_account_gets_it_is_unaccounted_for_too(harness, monkeypatch):
    add = Staging.add
    monkeypatch.setattr(Staging, "add", lambda staging, rows: add(staging, rows[1:]))
    harness.bank.buy("-1", external_id="1")
    harness.bank.buy("-2", external_id="2")
    outcome = harness.refresh()
    assert (outcome.status, outcome.code, problem(harness)) == (RunStatus.PARTIAL, "unaccounted", "unaccounted")
    assert counts(harness) == (2, 1)


def test_rows_told_under_a_former_id_of_an_account_are_counted_and_no_problem(harness):
    harness.bank.capabilities = CURSOR
    harness.bank.accounts = [replace(B, external_id="A", anchor="iban:DE1")]
    harness.bank.buy("-1", external_id="1")
    harness.refresh()
    harness.bank.accounts = [replace(B, external_id="Z", anchor="iban:DE1")]
    harness.bank.buy("-2", external_id="2", account_id="A")
    harness.bank.buy("-2", external_id="3", account_id="Z")
    assert harness.refresh().status == RunStatus.SUCCEEDED
    assert report(harness)["rows_not_imported"] == {"former_id": 1}


@pytest.mark.parametrize("mended", [{"booking_on": TODAY}, {"booking_on": TODAY, "external_id": "9"}])
@pytest.mark.parametrize("id_class", [IdClass.NONE, IdClass.STABLE])
def test_a_rejected_row_that_the_bank_mends_itself_is_no_problem_any_more(harness, id_class, mended):
    harness.bank.capabilities = replace(WINDOWED, id_class=id_class)
    row = harness.bank.buy("-3", "Coffee", external_id="1", booking_on=None)
    assert harness.refresh().code == "rows_rejected"
    harness.bank.change(row, **mended)
    assert harness.refresh().status == RunStatus.SUCCEEDED
    assert harness.amounts() == ["-3.00"]


def test_an_equal_row_of_the_first_import_mends_no_row_that_it_rejects(harness):
    harness.bank.capabilities = replace(WINDOWED, window_days=90, history_days=365)
    harness.bank.buy("-3", "Coffee", external_id="1")
    harness.bank.buy("-3", "Coffee", external_id="2", currency="???")
    assert harness.refresh().code == "rows_rejected"
    assert open_rejections(harness) == [("currency_unknown",)]


def test_the_next_months_equal_row_mends_no_rejected_one_without_a_day(harness):
    harness.bank.capabilities = CURSOR
    harness.bank.buy("-12.99", "Stream", external_id="1", booking_on=None)
    assert harness.refresh().code == "rows_rejected"
    harness.day_later(30)
    harness.sql("UPDATE bank_import_rejections SET created_at = created_at - interval '30 days'")
    harness.bank.buy("-12.99", "Stream", external_id="2")
    assert harness.refresh().code == "rows_rejected"
    assert harness.amounts() == ["-12.99"]
