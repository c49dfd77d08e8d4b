"""A connection to Postgres that breaks at the worst moment: the run ends later, nothing is lost or doubled."""

from contextlib import suppress

import pytest
from sqlalchemy import text
from sqlalchemy.exc import InterfaceError, OperationalError

from tests.tasks.cutting import Cut, CuttingProxy
from worker.runs.reaper import recover, silent_runs
from worker.runtime import runtime

CONFIG = {"history_days": 60, "accounts": 2}
CUTS_OF_A_RUN = 40


@pytest.fixture
def proxy(database_url):
    proxy = CuttingProxy(database_url)
    yield proxy
    proxy.close()


@pytest.fixture
def behind_proxy(settings, proxy):
    changed = settings.model_copy(update={"database_url": type(settings.database_url)(proxy.url)})
    with runtime(changed) as found:
        yield found


@pytest.fixture
def connect_somebody(sessions, connect_mock):
    """Link the same made-up bank for a person of its own: nobody's rows may pass for another's."""

    def make(name):
        with sessions() as session:
            user_id = session.execute(
                text("INSERT INTO users (email, password_hash) VALUES (:email, 'x') RETURNING id"),
                {"email": f"{name}@example.test"},
            ).scalar_one()
        return connect_mock(user_id, **CONFIG)

    return make


@pytest.fixture
def finish(sessions, execute, row_of):
    """Let time pass until the run is closed: leases run out, the reaper looks, the run is executed again."""

    def go_on(run_id):
        for _ in range(3):
            if row_of(run_id).finished_at is not None:
                return
            with sessions() as session:
                session.execute(
                    text(
                        "UPDATE bank_import_runs SET lease_expires_at = now() - interval '1 second'"
                        " WHERE status = 'running'"
                    )
                )
            with sessions() as session:
                for silent in silent_runs(session):
                    recover(session, silent, max_attempts=5)
            execute(run_id)

    return go_on


@pytest.fixture
def ledger(sessions):
    """What is stored of a connection: rows with their amounts, expenses of its user, and what its run counts."""

    def read(connection_id):
        with sessions() as session:
            rows = session.execute(
                text(
                    "SELECT a.external_id, t.external_id, t.amount, t.expense_id IS NULL FROM bank_transactions t"
                    " JOIN bank_connection_accounts a ON a.id = t.account_id WHERE a.connection_id = :id ORDER BY 1, 2"
                ),
                {"id": connection_id},
            ).all()
            expenses = session.execute(
                text(
                    "SELECT count(*), sum(amount) FROM expenses e JOIN bank_connections c ON c.user_id = e.user_id"
                    " WHERE c.id = :id"
                ),
                {"id": connection_id},
            ).one()
            runs = session.execute(
                text("SELECT status, code, created FROM bank_import_runs WHERE connection_id = :id"),
                {"id": connection_id},
            ).all()
        return [tuple(row) for row in rows], tuple(expenses), [tuple(run) for run in runs]

    return read


@pytest.fixture
def execute_struck(proxy, behind_proxy, execute):
    """Execute a run while the nth such moment from now on is struck."""

    def strike(run_id, cut, nth):
        proxy.arm(cut, nth)
        with suppress(OperationalError, InterfaceError):  # the claim itself was cut
            execute(run_id, through=behind_proxy)

    return strike


@pytest.fixture
def import_struck(connect_somebody, ask_import, execute_struck, finish, ledger):
    """Import for somebody new under a strike, see it through, and return what is stored then."""

    def strike(cut, nth):
        connection_id = connect_somebody(f"cut-{nth}")
        run_id = ask_import(connection_id)
        execute_struck(run_id, cut, nth)
        finish(run_id)
        return ledger(connection_id)

    return strike


@pytest.mark.parametrize("cut", Cut, ids=lambda cut: cut.value)
def test_cut_at_every_such_moment_of_an_import(cut, proxy, import_struck):
    truth = import_struck(cut, CUTS_OF_A_RUN)  # further than it gets: nothing is cut
    assert truth[0]
    assert not proxy.was_cut
    nth = 1
    while import_struck(cut, nth) == truth and proxy.was_cut:
        nth += 1
    assert not proxy.was_cut, f"cut {nth} {cut.value}"
    assert 2 <= nth - 1 < CUTS_OF_A_RUN
