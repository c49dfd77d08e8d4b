"""Screens and metrics read no more of the history of runs than they show: Postgres never scans the whole table."""

import pytest
from sqlalchemy import event, text
from sqlalchemy.dialects import postgresql

from tests.factories import make_connection
from worker.runs import dispatch, planning
from worker.runs.run_queries import After, RunFilter, list_runs
from worker.runs.states import RunStatus
from worker.status import dashboard, overview
from worker.status.metrics import GAUGES

RUNS = 20_000
DAYS = 100


@pytest.fixture
def history(sessions, user_id, engine):
    """Write a hundred days of closed runs."""
    with sessions() as session:
        connection_id = make_connection(session, user_id)
        session.execute(
            text(
                "INSERT INTO bank_import_runs (id, connection_id, user_id, kind, trigger, status, code, queued_at,"
                " started_at, finished_at, created)"
                " SELECT gen_random_uuid(), :connection_id, :user_id, 'refresh', 'schedule', 'succeeded', 'ok', ended,"
                " ended, ended, n % 3 FROM generate_series(1, :runs) n,"
                " LATERAL (SELECT now() - n * make_interval(days => :days) / :runs AS ended) e"
            ),
            {"connection_id": connection_id, "user_id": user_id, "runs": RUNS, "days": DAYS},
        )
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE bank_import_runs"))
    return connection_id


def scans(session, statement, values=None):
    plan = [row[0] for row in session.execute(text(f"EXPLAIN {statement}"), values or {})]
    return [line.strip() for line in plan if "Seq Scan on bank_import_runs" in line]


@pytest.mark.usefixtures("history")
def test_a_scan_would_be_seen(sessions):
    with sessions() as session:
        assert scans(session, "SELECT count(*) FROM bank_import_runs WHERE created = 1") != []


@pytest.mark.usefixtures("history")
def test_no_gauge_reads_all_runs(sessions):
    with sessions() as session:
        assert {gauge.name: found for gauge in GAUGES if (found := scans(session, gauge.query))} == {}


@pytest.mark.usefixtures("history")
def test_the_status_reads_no_run_that_it_does_not_count(sessions):
    with sessions() as session:
        assert scans(session, overview._WORK) + scans(session, overview._RUNS) == []


@pytest.mark.usefixtures("history")
def test_the_dispatcher_reads_no_run_that_does_not_wait(sessions):
    values = {"interactive": False, "page": 1000}
    with sessions() as session:
        for statement in (dispatch._WAITING, dispatch._UNDER_WAY):
            bound = statement.text.replace(":redispatch", "INTERVAL '90 seconds'")
            assert scans(session, bound, values) == []
        assert scans(session, planning._DUE_CONNECTORS.text) == []


def test_the_page_of_the_operator_reads_its_connections_only(sessions, history):
    with sessions() as session:
        assert scans(session, dashboard._HISTORY, {"ids": [history], "days": 14}) == []


@pytest.mark.usefixtures("history")
@pytest.mark.parametrize(
    "wanted",
    [
        pytest.param(RunFilter(), id="of everybody"),
        pytest.param(RunFilter(statuses=[RunStatus.SUCCEEDED]), id="of a status"),
        pytest.param(RunFilter(user_id=1), id="of a user"),
    ],
)
def test_a_list_of_runs_reads_its_page_only(sessions, engine, wanted):
    asked = []

    def keep(_connection, clause, *_details):
        asked.append(clause)

    event.listen(engine, "before_execute", keep)
    with sessions() as session:
        first = list_runs(session, wanted)[-1:] or [None]
        if first[0]:
            after = After(queued_at=first[0]["queued_at"], run_id=first[0]["id"])
            list_runs(session, RunFilter(user_id=wanted.user_id, statuses=wanted.statuses, after=after))
        event.remove(engine, "before_execute", keep)
        for clause in asked:
            bound = clause.compile(dialect=postgresql.dialect(), compile_kwargs={"literal_binds": True})
            assert scans(session, str(bound).replace(":", "\\:")) == []
