"""Two imports of one person at the same moment, held at the points where each could miss what the other is writing."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from sqlalchemy.orm import Session

from tests.factories import delete_user
from tests.importer.bank import Harness, ScriptedConnector
from worker.connectors.base import Account, Balance, BalanceKind, TransactionKind
from worker.db.engine import open_engine, open_sessions
from worker.errors import WorkerError
from worker.importer.engine import run

POINTS = ("connector opened", "pages read", "slice planned", "before a commit", "after a commit")
MEETING_S = 0.1
"""So long one import waits at a point for the other one, which a lock may keep from coming there."""
MISSED_MEETINGS = 3
"""After so many nobody waits any more."""


class MeetingPoint:
    """Holds two threads at one named point of an import until both are there, each time they come by."""

    def __init__(self, point: str) -> None:
        self.point = point
        self._barrier = threading.Barrier(2)
        self._missed = 0

    def reach(self, point: str) -> None:
        """Wait for the other thread if this is the point."""
        if point != self.point or self._missed >= MISSED_MEETINGS:
            return
        try:
            self._barrier.wait(MEETING_S)
        except threading.BrokenBarrierError:
            self._missed += 1
            self._barrier.reset()


class MeetingConnector(ScriptedConnector):
    """Serves a bank, and stops at the meeting point before its first page and after its last one."""

    meeting: MeetingPoint

    def _pages(self, rows, window):
        yield from super()._pages(rows, window)
        self.meeting.reach("pages read")


class Racer(Harness):
    """A connection whose imports stop at a meeting point, on database connections of its own."""

    def __init__(self, sessions, user_id, meeting):
        super().__init__(sessions, user_id)
        self.meeting = meeting
        self.connector = self._open
        self.check = lambda: meeting.reach("slice planned")

    def _open(self):
        self.meeting.reach("connector opened")
        connector = MeetingConnector(self.bank)
        connector.meeting = self.meeting
        return connector

    def context(self):
        return replace(super().context(), sessions=self._transaction)

    @contextmanager
    def _transaction(self) -> Iterator[Session]:
        with self.sessions() as session:
            yield session
            self.meeting.reach("before a commit")
        self.meeting.reach("after a commit")


def at_once(*calls):
    """Run the calls in threads of their own and return what they raised."""
    errors = []

    def keep_error(call):
        try:
            call()
        except Exception as error:  # noqa: BLE001 - whatever it is, the test judges it
            errors.append(error)

    threads = [threading.Thread(target=keep_error, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    return errors


@pytest.fixture
def racing_sessions(database_url):
    engine = open_engine(database_url, role="test", pool_size=8)
    yield open_sessions(engine)
    engine.dispose()


@pytest.fixture
def race(racing_sessions, user_id):
    """A builder of two connections of one person that meet at a point."""

    def build(point):
        meeting = MeetingPoint(point)
        return Racer(racing_sessions, user_id, meeting), Racer(racing_sessions, user_id, meeting)

    return build


def held(harness):
    return Counter(map(Decimal, harness.amounts()))


def booked(amount):
    return Balance(amount=Decimal(amount), kind=BalanceKind.BOOKED, at=datetime(2026, 6, 15, 8, tzinfo=UTC))


def shares_two_accounts_of_one_mask(one, other):
    """Both serve the same two accounts of one mask, with rows of equal days, amounts and texts in both."""
    accounts = [
        Account(external_id=key, name=f"Account {key}", currency="EUR", mask="1234", balance=balance)
        for key, balance in (("A", booked("100")), ("B", booked("200")))
    ]
    for racer in (one, other):
        racer.bank.accounts = accounts
        for key in "AB":
            for number in range(20):
                racer.bank.buy(f"-{number + 1}.00", f"Shop {number}", external_id=f"{key}{number}", account_id=key)
    return Counter({Decimal(f"-{number + 1}.00"): 2 for number in range(20)})


def shares_an_account_with_an_iban(one, other):
    for racer in (one, other):
        racer.bank.accounts = [Account(external_id="A", name="Checking", currency="EUR", anchor="iban:DE1")]
        for number in range(20):
            racer.bank.buy(f"-{number + 1}.00", f"Shop {number}", external_id=f"{number}")
            racer.bank.buy("-3.50", "Coffee", external_id=f"coffee {number}")
    return Counter({Decimal(f"-{number + 1}.00"): 1 for number in range(20)} | {Decimal("-3.50"): 20})


def transfers_between_them(one, other):
    one.bank.accounts = [Account(external_id="A", name="Checking", currency="EUR", anchor="iban:DE1")]
    other.bank.accounts = [Account(external_id="B", name="Savings", currency="EUR", anchor="iban:DE2")]
    transfer = {"kind": TransactionKind.TRANSFER}
    for number in range(20):
        amount = f"{number + 100}.00"
        one.bank.buy(f"-{amount}", "To savings", external_id=f"a{number}", counterparty_account="DE2", **transfer)
        other.bank.buy(
            amount, "From checking", external_id=f"b{number}", account_id="B", counterparty_account="DE1", **transfer
        )
    one.bank.buy("-4.00", "Bread", external_id="bread")
    return Counter({Decimal("-4.00"): 1})


STORIES = (shares_two_accounts_of_one_mask, shares_an_account_with_an_iban, transfers_between_them)


@pytest.mark.parametrize("story", STORIES)
@pytest.mark.parametrize("point", POINTS)
def test_two_imports_that_meet_leave_the_ledger_of_one_after_the_other(race, point, story):
    one, other = race(point)
    owed = story(one, other)
    assert at_once(one.refresh, other.refresh) == []
    assert held(one) == owed, "without the lock of the user it takes another look to find what doubled"
    one.refresh()
    other.refresh()
    assert held(one) == owed


@pytest.mark.parametrize("point", POINTS)
def test_an_import_beside_the_deletion_of_its_user_ends_and_the_deletion_too(race, point):
    racer, _ = race(point)
    for number in range(50):
        racer.bank.buy(f"-{number + 1}.00", f"Shop {number}", external_id=f"{number}")

    def leave():
        racer.meeting.reach(point)
        with racer.sessions() as session:
            delete_user(session, racer.user_id)

    claimed = racer.claim()
    errors = at_once(lambda: run(claimed, racer.context()), leave)
    assert all(isinstance(error, WorkerError) for error in errors), errors  # the run is gone, and says so
    assert racer.sql("SELECT 1 FROM users") == racer.sql("SELECT 1 FROM expenses") == []
