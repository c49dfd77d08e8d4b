"""Rows that every refresh touches are updated in place (HOT): no index is written, and nothing is left to vacuum."""

import pytest
from sqlalchemy import text

from tests.importer.bank import Harness
from tests.waiting import until

REFRESHES = 20


@pytest.fixture
def harness(sessions, user_id) -> Harness:
    return Harness(sessions, user_id)


def updates(engine, table):
    with engine.connect() as connection:
        return connection.execute(
            text("SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = :table"), {"table": table}
        ).one()


def test_quiet_refreshes_update_accounts_and_connections_in_place(harness, engine):
    for number in range(5):
        harness.bank.buy("-1.00", f"Shop {number}", external_id=f"r{number}")
    for _ in range(REFRESHES):
        harness.refresh()
    assert harness.refresh().code == "nothing_new"
    engine.dispose()  # a session says what it did when it ends
    until(lambda: updates(engine, "bank_connections").n_tup_upd >= REFRESHES)
    for table in ("bank_connections", "bank_connection_accounts"):
        updated, in_place = updates(engine, table)
        assert in_place >= 0.9 * updated, table
