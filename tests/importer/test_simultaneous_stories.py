"""Two things of one user at the same moment: imports, removal of the connection, deletion of the user."""

import threading
from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy import text

from tests.factories import delete_user
from tests.importer.bank import TODAY, Harness
from worker.connections.connection_queries import find
from worker.connections.removal import forget
from worker.connectors.base import Account, TransactionKind
from worker.db.engine import with_contention_retries
from worker.db.user_lock import lock_user
from worker.errors import CancelRequestedError, LostLeaseError
from worker.importer.engine import run
from worker.runs.states import RunKind


def at_once(*works):
    """Do all of it in threads that start together, and return what was raised."""
    start = threading.Barrier(len(works))
    raised = []

    def go(work):
        start.wait()
        try:
            work()
        except Exception as error:  # noqa: BLE001 - the test looks at them
            raised.append(error)

    threads = [threading.Thread(target=go, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return raised


class Waits(list[float]):
    """Tells when somebody has waited."""

    def __init__(self, waited: threading.Event) -> None:
        super().__init__()
        self.waited = waited

    def append(self, seconds: float) -> None:
        super().append(seconds)
        self.waited.set()


@pytest.fixture
def two(sessions, user_id):
    """Two connections of one user to the same two accounts, which no mask tells apart."""
    both = Harness(sessions, user_id), Harness(sessions, user_id)
    for harness in both:
        harness.bank.accounts = [
            Account(external_id="A", name="Checking", mask="1234", currency="EUR"),
            Account(external_id="B", name="Savings", mask="1234", currency="EUR"),
        ]
        for account in "AB":
            for number in range(40):
                day = TODAY - timedelta(days=number % 5)
                harness.bank.buy("-4.00", f"Cafe {number}", account_id=account, external_id=f"{account}{number}",
                                 booking_on=day)  # fmt: skip
    return both


def test_two_connections_that_import_the_same_rows_at_once_write_each_of_them_once(two):
    for _ in range(3):
        assert at_once(*(harness.refresh for harness in two)) == []
    assert len(two[0].amounts()) == 80


def test_two_rows_are_never_each_others_twins(two):
    at_once(*(harness.refresh for harness in two))
    assert two[0].sql(
        "SELECT count(*) FROM bank_transactions t JOIN bank_transactions o ON o.id = t.twin_id"
        " WHERE o.expense_state = 'twin'"
    ) == [(0,)]


def test_the_legs_of_a_transfer_that_arrive_at_once_are_no_spending(sessions, user_id):
    both = Harness(sessions, user_id), Harness(sessions, user_id)
    for harness, sign, own, other in zip(both, "-+", ("DE1", "DE2"), ("DE2", "DE1"), strict=True):
        harness.bank.accounts = [Account(external_id="A", name="Account", anchor=own, currency="EUR")]
        for number in range(20):
            harness.bank.buy(f"{sign}{100 + number}.00", "Transfer", external_id=str(number),
                             counterparty_account=other, kind=TransactionKind.TRANSFER)  # fmt: skip
    assert at_once(*(harness.refresh for harness in both)) == []
    assert both[0].amounts() == []


def grow(harness, rows=3000):
    harness.bank.page_rows = 500
    for number in range(rows):
        harness.bank.buy("-1.00", f"Row {number}", external_id=str(number))


def test_a_connection_is_removed_with_its_expenses_while_it_imports(harness):
    for _ in range(4):
        grow(harness, 800)

        def remove():
            with harness.sessions() as session:
                lock_user(session, harness.user_id)
                forget(session, find(session, harness.connection_id, lock=True), with_expenses=True, revoked=False)

        claimed = harness.claim()
        raised = at_once(partial(run, claimed, harness.context()), partial(with_contention_retries, remove))
        assert [error for error in raised if not isinstance(error, (CancelRequestedError, LostLeaseError))] == []
        assert harness.amounts() == []
        harness.sql("DELETE FROM bank_connections")
        harness.connection_id = Harness(harness.sessions, harness.user_id).connection_id


@pytest.mark.parametrize("what", ["restore", "refresh"])
def test_a_run_that_is_claimed_while_the_connection_is_removed_writes_nothing(harness, sessions, what):
    harness.bank.buy("-4.20", external_id="1")
    harness.refresh()
    harness.run(RunKind.REVERT, target_run_id=harness.run_id, reimport=True)
    wanted = {"kind": RunKind.REVERT, "target_run_id": harness.run_id} if what == "restore" else {}
    with sessions() as removing:
        lock_user(removing, harness.user_id)
        forget(removing, find(removing, harness.connection_id, lock=True), with_expenses=True, revoked=False)
        claimed = harness.claim(**wanted)  # which cannot see yet that the connection goes
        assert claimed.facts.connection_status == "active"
    with pytest.raises(CancelRequestedError):
        run(claimed, harness.context())
    assert harness.amounts() == []
    assert harness.sql("SELECT count(*) FROM bank_transactions WHERE expense_id IS NOT NULL") == [(0,)]


def test_finmind_deletes_a_user_while_an_import_writes(harness):
    grow(harness)

    def delete():
        with harness.sessions() as session:
            delete_user(session, harness.user_id)

    claimed = harness.claim()
    raised = at_once(partial(run, claimed, harness.context()), delete)
    assert [error for error in raised if not isinstance(error, LostLeaseError)] == []
    assert harness.sql("SELECT id FROM users") == []
    assert harness.sql("SELECT count(*) FROM expenses") == [(0,)]


def test_an_import_waits_for_another_decision_about_the_user_and_nobody_else_does(harness, sessions):
    with sessions() as session:
        other_id = session.execute(
            text("INSERT INTO users (email, password_hash) VALUES ('b@example.test', 'x') RETURNING id")
        ).scalar_one()
    other = Harness(sessions, other_id)
    other.bank.buy("-2.00", external_id="o")
    harness.bank.buy("-1.00", external_id="h")
    waited = threading.Event()
    harness.waits = Waits(waited)
    with sessions() as session:
        lock_user(session, harness.user_id)
        thread = threading.Thread(target=harness.refresh)
        thread.start()
        assert waited.wait(20)
        other.refresh()
        assert other.amounts() == ["-2.00"]
    thread.join()
    assert harness.amounts() == ["-1.00"]
