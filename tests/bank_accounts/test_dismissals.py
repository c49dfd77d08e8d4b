"""A person leaves rejected rows out: no run stays partial for them, they stay on record, and it can be taken back."""

from decimal import Decimal

import pytest

from tests.importer.bank import CURSOR, Harness
from worker.audit import acting_as
from worker.bank_accounts.dismissals import (
    RejectionChoice,
    RejectionFilter,
    RejectionState,
    dismiss,
    list_rejections,
    rejection_groups,
    reopen,
)
from worker.connectors.base import RejectedRow
from worker.errors import ConflictError, NotFoundError
from worker.runs.states import RunKind, RunStatus

CLOSED_ACCOUNT = "the bank closed the card and will not mend it"


@pytest.fixture
def harness(sessions, user_id):
    harness = Harness(sessions, user_id)
    harness.bank.buy("-1", external_id="1")
    harness.broken = harness.bank.buy("-2", external_id="2", currency="???")
    harness.refresh()
    return harness


def rejection(harness, state=RejectionState.OPEN):
    with harness.sessions() as session:
        [row] = list_rejections(session, harness.user_id, RejectionFilter(state=state))
    return row


def leave_out(harness, choice=None, *, user_id=None, why=CLOSED_ACCOUNT):
    choice = choice or RejectionChoice(rejection_id=rejection(harness)["id"])
    with acting_as("cli:ada"), harness.sessions() as session:
        return dismiss(session, choice, user_id=user_id or harness.user_id, why=why)


def open_again(harness, rejection_id):
    with harness.sessions() as session:
        return reopen(session, RejectionChoice(rejection_id=rejection_id), user_id=harness.user_id)


def problems(harness):
    return harness.sql(
        "SELECT c.problem_code, a.problem_code FROM bank_connections c"
        " JOIN bank_connection_accounts a ON a.connection_id = c.id ORDER BY a.id"
    )


def test_a_row_that_is_left_out_keeps_no_run_from_success_and_stays_on_record(harness):
    assert problems(harness) == [("rows_rejected", "rows_rejected")]
    decided = leave_out(harness)
    assert (decided.rejections, decided.open) == (1, 0)
    assert problems(harness) == [(None, None)]
    harness.bank.rows.remove(harness.broken)  # the bank delivers it no longer
    assert harness.refresh().status is RunStatus.SUCCEEDED
    kept = rejection(harness, RejectionState.DISMISSED)
    assert (kept["dismissed_by"], kept["dismissed_why"]) == ("cli:ada", CLOSED_ACCOUNT)
    assert harness.sql("SELECT status, message FROM bank_import_run_accounts WHERE run_id = :r", r=harness.run_id) == [
        ("succeeded", "1 rejected rows were left out by a person")
    ]


def test_it_stays_left_out_while_the_bank_delivers_it_as_broken_as_it_was(harness):
    leave_out(harness)
    for _ in range(2):
        outcome = harness.refresh()
        assert (outcome.status, outcome.counts.rejected) == (RunStatus.SUCCEEDED, 0)
        assert outcome.counts.delivered == outcome.counts.accounted


@pytest.mark.parametrize(
    "change",
    [
        {"amount": Decimal(-200)},
        {"amount": Decimal(2)},
        {"amount": Decimal("NaN")},
        {"currency": "!!!"},
        {"description": "Rent of March"},
    ],
    ids=str,
)
def test_it_is_open_again_when_the_bank_says_something_else_of_it(harness, change):
    leave_out(harness)
    harness.bank.change(harness.broken, **change)
    assert harness.refresh().code == "rows_rejected"
    assert rejection(harness)["dismissed_why"] is None


def test_it_is_imported_when_the_bank_mends_it(harness):
    leave_out(harness)
    harness.bank.change(harness.broken, currency="EUR")
    assert harness.refresh().status is RunStatus.SUCCEEDED
    assert sorted(harness.amounts()) == ["-1.00", "-2.00"]
    assert rejection(harness, RejectionState.RESOLVED)["dismissed_why"] == CLOSED_ACCOUNT


def test_it_can_be_taken_back(harness):
    dismissed_id = rejection(harness)["id"]
    leave_out(harness)
    assert open_again(harness, dismissed_id).open == 1
    assert problems(harness) == [("rows_rejected", "rows_rejected")]
    assert harness.refresh().code == "rows_rejected"
    with pytest.raises(ConflictError):
        open_again(harness, dismissed_id)


def test_a_replay_leaves_it_out_too(harness):
    first_run_id = harness.run_id
    leave_out(harness)
    harness.sql("UPDATE bank_import_rejections SET raw = replace(raw, '???', 'EUR')")
    harness.run(RunKind.REPLAY, target_run_id=first_run_id)
    assert harness.amounts() == ["-1.00"]


def test_what_else_is_wrong_with_the_account_stays_said(harness):
    """The balance differs as well, which the rejected row was told before."""
    harness.bank.rows.remove(harness.broken)
    leave_out(harness)
    harness.bank.balance("100")
    harness.refresh()
    harness.bank.balance("70")
    harness.bank.buy("-5", external_id="5", currency="???")
    assert harness.refresh().code == "rows_rejected"
    leave_out(harness)
    assert problems(harness) == [("balance_mismatch", "balance_mismatch")]


def test_a_mismatch_outlives_a_rejection_that_was_told_before_it(harness):
    harness.bank.rows.remove(harness.broken)
    leave_out(harness)
    harness.bank.balance("100")
    harness.refresh()
    harness.bank.balance("70")
    broken = harness.bank.buy("-5", external_id="5", currency="???")
    harness.refresh()
    harness.bank.accounts = [
        type(account)(external_id="A", name="Checking", currency="EUR") for account in harness.bank.accounts
    ]
    harness.sql("UPDATE bank_connection_accounts SET balance_amount = NULL, balance_kind = NULL, balance_at = NULL")
    harness.bank.change(broken, currency="EUR")
    assert harness.refresh().code == "balance_mismatch"


def test_all_rows_of_one_reason_of_an_account_are_left_out_at_once(harness):
    for number in range(3, 6):
        harness.bank.buy("NaN", external_id=str(number))
    harness.refresh()
    with harness.sessions() as session:
        groups = [
            (one["account"], one["code"], one["open"], one["dismissed"])
            for one in rejection_groups(session, harness.connection_id)
        ]
    assert groups == [("Checking", "amount_invalid", 3, 0), ("Checking", "currency_unknown", 1, 0)]
    choice = RejectionChoice(connection_id=harness.connection_id, code="amount_invalid", account_external_id="A")
    decided = leave_out(harness, choice)
    assert (decided.rejections, decided.open) == (3, 1)
    [message] = harness.sql("SELECT problem_message FROM bank_connection_accounts")[0]
    assert message.startswith("1 rows could not be imported")


def test_rows_of_no_account_are_chosen_without_those_of_one(harness):
    harness.sql(
        "INSERT INTO bank_import_rejections (run_id, connection_id, identity, code, message, raw)"
        " SELECT run_id, connection_id, 'other', code, message, raw FROM bank_import_rejections"
    )
    choice = RejectionChoice(connection_id=harness.connection_id, code="currency_unknown", of_no_account=True)
    decided = leave_out(harness, choice)
    assert (decided.rejections, decided.open) == (1, 1)
    assert problems(harness) == [("rows_rejected", "rows_rejected")]


def test_rows_of_no_account_are_left_out_too(sessions, user_id):
    harness = Harness(sessions, user_id)
    harness.bank.capabilities = CURSOR
    harness.bank.buy("-1", external_id="1", account_id="Z")
    assert harness.refresh().code == "rows_rejected"
    leave_out(harness)
    assert problems(harness) == [(None, None)]


def test_who_decides_is_the_person_whose_rows_they_are(harness):
    with pytest.raises(NotFoundError):
        leave_out(harness, user_id=harness.user_id + 1)
    choice = RejectionChoice(connection_id=harness.connection_id, code="currency_unknown")
    with pytest.raises(NotFoundError):
        leave_out(harness, choice, user_id=harness.user_id + 1)


def test_the_decision_is_a_run_that_says_who_and_why_and_is_not_reverted(harness):
    rejected = rejection(harness)["id"]
    decided = leave_out(harness)
    [(kind, report)] = harness.sql("SELECT kind, report FROM bank_import_runs WHERE id = :r", r=decided.run_id)
    assert kind == "dismiss"
    assert report == {
        "dismissed": 1, "by": "cli:ada", "why": CLOSED_ACCOUNT, "codes": ["currency_unknown"], "rejections": [rejected],
    }  # fmt: skip


def test_one_of_which_the_bank_tells_two_records_under_one_id_stays_left_out(sessions, user_id):
    harness = Harness(sessions, user_id)
    rows = [
        RejectedRow(
            code="bad_data", message="no amount", raw=f'{{"amount": "{n},,0"}}', external_id="7", account_id="A"
        )
        for n in range(2)
    ]
    harness.bank.extra = {"rejected": tuple(rows)}
    harness.refresh()
    leave_out(harness)
    for number in range(2):
        harness.bank.buy("-1", external_id=f"{number}")  # so that the answer is another one
        assert harness.refresh().status is RunStatus.SUCCEEDED


def test_a_record_of_the_provider_that_changed_is_open_again(sessions, user_id):
    harness = Harness(sessions, user_id)
    row = RejectedRow(
        code="bad_data", message="no amount", raw='{"id": "7", "amount": "12,,0"}', external_id="7", account_id="A"
    )
    harness.bank.extra = {"rejected": (row,)}
    harness.refresh()
    leave_out(harness)
    assert harness.refresh().status is RunStatus.SUCCEEDED
    harness.bank.extra = {
        "rejected": (
            RejectedRow(
                code="bad_data",
                message="no amount",
                raw='{"id": "7", "amount": "99,,0"}',
                external_id="7",
                account_id="A",
            ),
        )
    }
    assert harness.refresh().code == "rows_rejected"
