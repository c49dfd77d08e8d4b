"""Screens, metrics and dispatcher read no more of the history of runs than they show: Postgres never scans all of it.

`make bench-scale` asks the same beside ten million runs.
"""

import pytest
from sqlalchemy import text

from benchmarks.plans import (
    PlannedStatement,
    dispatch_statements,
    list_statements,
    scans_of_runs,
    screen_statements,
    sequential_scans,
)
from tests.factories import make_connection

RUNS = 20_000
HOURS = 26


@pytest.fixture
def history(sessions, user_id, engine):
    """Write the runs of a day and some hours: retention leaves many of the last day, and few of those before."""
    with sessions() as session:
        connections = [make_connection(session, user_id) for _ in range(20)]
        session.execute(
            text(
                "INSERT INTO bank_import_runs (id, connection_id, user_id, kind, trigger, status, code, queued_at,"
                " started_at, finished_at, created)"
                " SELECT gen_random_uuid(), (CAST(:connections AS uuid[]))[1 + n % 20], :user_id, 'refresh',"
                " 'schedule', 'succeeded', 'ok', ended,"
                " ended, ended, n % 3 FROM generate_series(1, :runs) n,"
                " LATERAL (SELECT now() - n * make_interval(hours => :hours) / :runs AS ended) e"
            ),
            {"connections": connections, "user_id": user_id, "runs": RUNS, "hours": HOURS},
        )
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE bank_import_runs"))
    return connections[0]


def test_no_statement_of_screens_or_dispatcher_scans_all_runs_and_a_scan_would_be_seen(sessions, history):
    with sessions() as session:
        assert scans_of_runs(session, history) == {}
        counted = [*dispatch_statements(), *screen_statements(history), *list_statements(session)]
        assert len(counted) > 15
        scan = PlannedStatement(name="scan", sql="SELECT count(*) FROM bank_import_runs WHERE created = 1")
        assert sequential_scans(session, scan) != []
