"""Hours are counted once, after they have ended, and charts put them together with what is younger."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from tests.factories import make_connection
from worker.runs.activity import write_ended_hours
from worker.status import overview
from worker.status.charts import STEP, STEPS, Bank, Span, activity, fill_steps, first_step
from worker.status.metrics import GAUGES


@pytest.fixture
def runs(sessions, user_id):
    """One run every ten minutes of four days, every sixth failed, of two connectors in turn."""
    with sessions() as session:
        for connector in ("mock", "plaid"):
            connection_id = make_connection(session, user_id, connector_name=connector, last_good_at=datetime.now(UTC))
            session.execute(
                text(
                    "INSERT INTO bank_import_runs (id, connection_id, user_id, kind, trigger, status, code, attempt,"
                    " queued_at, started_at, finished_at, created) SELECT gen_random_uuid(), :id, :user, 'refresh',"
                    " 'user', CASE WHEN n % 6 = 0 THEN 'failed' ELSE 'succeeded' END, 'ok', 1, at - INTERVAL '3 s',"
                    " at - INTERVAL '2 s', at, 2 FROM generate_series(0, 24 * 6 * 4 - 1) n"
                    " CROSS JOIN LATERAL (SELECT now() - n * INTERVAL '10 minutes' AS at) moment"
                ),
                {"id": connection_id, "user": user_id},
            )


def _written(sessions):
    with sessions() as session:
        return session.execute(
            text(
                "SELECT count(*), count(DISTINCT hour_at), sum(succeeded + failed) FROM run_activity"
                " WHERE connector_name <> '' AND succeeded + failed > 0"
            )
        ).one()


@pytest.mark.usefixtures("runs")
def test_each_ended_hour_is_written_once_whatever_the_number_of_passes(sessions):
    for _ in range(20):
        with sessions() as session:
            write_ended_hours(session)
    rows, hours, runs = _written(sessions)
    with sessions() as session:
        ended = session.scalar(
            text("SELECT count(*) FROM bank_import_runs WHERE finished_at < date_trunc('hour', now(), 'UTC')")
        )
        fresh = session.execute(text("SELECT connections, fresh FROM run_activity WHERE connections IS NOT NULL")).all()
    assert (rows, runs) == (2 * hours, ended)
    assert sorted(fresh) == [(1, 1), (1, 1), (2, 2)]


@pytest.mark.usefixtures("runs")
def test_a_pass_writes_a_bounded_number_of_hours(sessions):
    with sessions() as session:
        write_ended_hours(session)
        assert session.scalar(text("SELECT count(DISTINCT hour_at) FROM run_activity")) == 48


@pytest.mark.parametrize("span", list(Span))
@pytest.mark.usefixtures("runs")
def test_a_chart_counts_each_run_once_before_and_after_its_hour_was_written(sessions, span):
    with sessions() as session:
        before = activity(session, span)
    for _ in range(20):
        with sessions() as session:
            write_ended_hours(session)
    with sessions() as session:
        after = activity(session, span)
    shown = [(step.from_at, step.runs, step.failed, step.rows_changed) for step in after]
    assert shown == [(step.from_at, step.runs, step.failed, step.rows_changed) for step in before]
    assert sum(step.runs for step in after) > 0
    assert after[-1].run_p50_s is None or after[-1].run_p50_s == pytest.approx(2)


@pytest.mark.parametrize("span", list(Span))
def test_the_last_step_of_a_chart_holds_this_moment(span):
    now_at = datetime(2026, 3, 29, 1, 59, 59, tzinfo=UTC)
    steps = fill_steps(first_step(now_at, span), span, [])
    assert len(steps) == STEPS[span]
    assert steps[-1].from_at <= now_at < steps[-1].from_at + STEP[span]


def test_parts_of_one_step_are_added_and_the_longest_time_is_kept():
    from_at = first_step(datetime(2026, 3, 1, 12, tzinfo=UTC), Span.DAY)
    rows = [
        {"from_at": from_at, "succeeded": 2, "run_p95_s": 4.0},
        {"from_at": from_at, "succeeded": 3, "run_p95_s": 1.0, "wait_p95_s": None},
        {"from_at": from_at - timedelta(hours=1), "succeeded": 9},
    ]
    first = fill_steps(from_at, Span.DAY, rows)[0]
    assert (first.succeeded, first.run_p95_s, first.wait_p95_s) == (5, 4.0, None)


@pytest.mark.usefixtures("runs")
def test_the_runs_of_a_bank_and_of_a_connector_are_counted_once_whether_their_days_were_written_or_not(sessions):
    with sessions() as session:
        session.execute(text("UPDATE bank_connections SET institution_name = 'Blue' WHERE connector_name = 'plaid'"))
    banks = [Bank(connector_name="plaid", institution="Blue"), Bank(connector_name="plaid"), None]

    def told(session):
        return {(of, span): [step.runs for step in activity(session, span, of)] for of in banks for span in Span}

    with sessions() as session:  # one transaction, so that it is one moment
        before = told(session)
        for _ in range(20):
            write_ended_hours(session)
        assert told(session) == before
        other = activity(session, Span.MONTH, Bank(connector_name="plaid", institution="Red"))
        days = session.scalar(text("SELECT count(*) FROM institution_days WHERE succeeded IS NOT NULL"))
        until_on = session.scalar(text("SELECT days_until_on FROM institution_weather_progress"))
        assert until_on == session.scalar(text("SELECT (now() AT TIME ZONE 'UTC')::date"))
    assert sum(before[banks[0], Span.MONTH]) == sum(before[banks[1], Span.MONTH]) == 24 * 6 * 4
    assert sum(before[None, Span.MONTH]) == 2 * 24 * 6 * 4
    assert [step.runs for step in other] == [0] * STEPS[Span.MONTH]
    assert days in {3, 4}  # the last run was now, the first ten minutes short of four days ago


@pytest.mark.usefixtures("runs")
def test_metrics_and_status_say_the_same_of_the_last_day_before_and_after_its_hours_were_written(sessions):
    def told(session):
        of_the_day = [gauge for gauge in GAUGES if gauge.name.endswith("_last_day")]
        metrics = {gauge.name: sorted(map(tuple, session.execute(text(gauge.query)))) for gauge in of_the_day}
        return metrics, session.execute(text(overview._RUNS)).all()

    with sessions() as session:  # one transaction, so that it is one moment
        before = told(session)
        for _ in range(20):
            write_ended_hours(session)
        counted = session.scalar(text("SELECT count(*) FROM run_activity WHERE outcomes IS NOT NULL"))
        assert told(session) == before
        session.execute(text("UPDATE bank_import_runs SET created = 9"))
        assert told(session) != before  # the runs of the current hour are read, those of the others are not
        metrics, _ = before
        ended = session.scalar(
            text(
                "SELECT count(*) FROM bank_import_runs"
                " WHERE finished_at >= date_trunc('hour', now(), 'UTC') - INTERVAL '24 hours'"
            )
        )
    assert counted in {23, 24}  # an hour is given five minutes
    assert sum(runs for *_, runs in metrics["finmind_runs_last_day"]) == ended
    quantiles = metrics["finmind_run_seconds_last_day"]
    assert [seconds for _, seconds in quantiles] == pytest.approx([2, 2, 2], rel=0.025)
