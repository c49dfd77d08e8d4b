"""A pending row that a person took for the posted one beside it, where the account has another source as well."""

from datetime import timedelta

import pytest

from tests.importer.bank import TODAY, Harness
from worker.bank_accounts.accounts import list_bank_accounts
from worker.bank_accounts.moving import move_account
from worker.bank_accounts.unmatching import detach
from worker.connectors.base import Account
from worker.importer.actions.suggestions import accept, decline, list_suggestions
from worker.runs.states import RunKind, RunStatus

MEETS = ["pending row", "booking", "booking, changed"]
ANCHOR = "iban:DE02120300000000202051"


@pytest.fixture
def two(sessions, user_id):
    """Two connections to one account."""
    both = Harness(sessions, user_id), Harness(sessions, user_id)
    for harness in both:
        harness.bank.accounts = [Account(external_id="A", name="Giro", anchor=ANCHOR, currency="EUR")]
    return both


def tell(two, meets):
    """Let the first bank tell a pending row and its booking, the other one its own row, and say that it is one."""
    one, other = two
    ago = 0 if meets == "pending row" else 6
    pending = one.bank.buy(
        "-20", "Trattoria Luigi", external_id="p", pending=True, booking_on=TODAY - timedelta(days=ago)
    )
    one.refresh()
    other.bank.buy("-20", "Trattoria Luigi", external_id="r", booking_on=TODAY)
    other.refresh()
    one.bank.buy("-20", "TRATTORIA LUIGI 4711", external_id="q", booking_on=TODAY - timedelta(days=ago and 1))
    one.refresh()
    if meets == "booking, changed":
        one.sql(
            "UPDATE expenses e SET notes = 'Birthday' FROM bank_transactions t"
            " WHERE t.expense_id = e.id AND t.external_id = 'r'"
        )
    with one.sessions() as session:
        for question in list_suggestions(session, one.user_id):
            accept(session, question.id, user_id=one.user_id)
    assert one.amounts() == ["-20.00"]
    return pending


def source_of(harness):
    sql = "SELECT id, bank_account_id FROM bank_connection_accounts WHERE connection_id = :c"
    return harness.sql(sql, c=harness.connection_id)[0]


@pytest.mark.parametrize("meets", MEETS)
@pytest.mark.parametrize("which", [0, 1])
def test_each_account_has_the_purchase_once_when_its_sources_are_parted(two, meets, which):
    pending = tell(two, meets)
    with two[0].sessions() as session:
        detach(session, source_of(two[which]).id, user_id=two[0].user_id)
    for _ in range(2):
        assert [harness.refresh().status for harness in two] == [RunStatus.SUCCEEDED] * 2
        assert two[0].amounts() == ["-20.00"] * 2
    two[0].bank.change(pending, pending=False)
    for _ in range(2):
        two[0].refresh()
        assert two[0].amounts() == ["-20.00"] * 3


@pytest.mark.parametrize("meets", MEETS)
@pytest.mark.parametrize("which", [0, 1])
def test_an_account_moves_with_it_and_back(two, meets, which):
    tell(two, meets)
    with two[0].sessions() as session:
        account_id = source_of(two[0]).bank_account_id
        moved = move_account(session, account_id, two[which].connection_id, user_id=two[0].user_id)
    assert two[0].amounts() == ["-20.00"]
    for harness in two:
        assert harness.refresh().status == RunStatus.SUCCEEDED
    assert two[0].amounts() == ["-20.00"]
    two[which].run(RunKind.REVERT, target_run_id=moved.run_id)
    for harness in two:
        assert harness.refresh().status == RunStatus.SUCCEEDED
    assert two[0].amounts() == ["-20.00"]


def test_it_confirms_no_other_source(two):
    tell(two, "pending row")
    with two[0].sessions() as session:
        ((one, other),) = [account["sources"] for account in list_bank_accounts(session, user_id=two[0].user_id)]
    assert (one["confirming"], other["confirming"]) == (0, 1)


@pytest.mark.parametrize("goes", [True, False])
@pytest.mark.parametrize("how", [accept, decline, None])
def test_a_pending_twin_told_beside_its_booking_is_no_second_expense_behind_a_success(two, how, goes):
    """The other source tells the purchase first, the pending row meets it, and the booking comes beside the two."""
    one, other = two
    other.bank.buy("-20", "Trattoria Luigi", external_id="r")
    other.refresh()
    pending = one.bank.buy("-20", "Trattoria Luigi", external_id="p", pending=True)
    one.refresh()
    assert one.amounts() == ["-20.00"]
    one.bank.buy("-20", "TRATTORIA LUIGI 4711", external_id="q")
    for days in (0, 1, 9):
        later(two, days)
        outcomes = [harness.refresh() for harness in two]
        assert [outcome.code for outcome in outcomes].count("still_pending") == 1 or one.amounts() == ["-20.00"]
    if how is not None:
        with one.sessions() as session:
            (question,) = list_suggestions(session, one.user_id)
            how(session, question.id, user_id=one.user_id)
    if goes:
        one.bank.rows.remove(pending)
        for days in (0, 9, 0, 0):
            later(two, days)
            for harness in two:
                harness.refresh()
    outcomes = [harness.refresh() for harness in two]
    if how is not None or goes:
        assert one.amounts() == ["-20.00"] * (2 if how is decline else 1)
    assert {outcome.status for outcome in outcomes} == {RunStatus.SUCCEEDED} or (how, goes) == (None, False)


def later(two, days):
    two[0].day_later(days)
    two[1].bank.today = two[0].bank.today


@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=["the one that took it over first", "the other one first"])
def test_a_pending_twin_whose_row_became_another_purchase_meets_the_row_of_its_own_amount(two, order):
    one, other = two
    for harness in two:
        harness.bank.buy("-13.19", "Video shop", external_id="p", pending=True)
        harness.refresh()
    one.bank.rows.clear()
    for harness in two:
        harness.bank.buy("-9.50", "Video shop", external_id="q")
        harness.refresh()
    other.bank.rows.pop(0)
    for harness in two:
        harness.bank.buy("-13.19", "Video shop", external_id="r")
    for place in (*order, *order):
        two[place].refresh()
    assert one.amounts() == ["-13.19", "-9.50"]
    assert len(one.sql("SELECT FROM bank_transactions WHERE expense_state = 'twin' AND state <> 'removed'")) == 2
