"""Metrics say what the rows say."""

import pytest
import redis
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import text

from tests.factories import make_connection
from tests.leases import claim
from worker.runs.component_heartbeats import record_heartbeat
from worker.runs.ending import close
from worker.runs.request import request_run
from worker.runs.states import Counts, Outcome, RunKind, RunRequest, RunStatus
from worker.status.metrics import GAUGES
from worker.status.prometheus import exposition


@pytest.fixture
def values(sessions, redis_url):
    def read():
        with redis.Redis.from_url(redis_url) as broker:
            families = text_string_to_metric_families(exposition(sessions, broker).decode())
            return {
                (sample.name, *sorted(sample.labels.values())): sample.value
                for family in families
                for sample in family.samples
            }

    return read


def test_metrics_follow_the_rows(sessions, user_id, values):
    with sessions() as session:
        connection_id = make_connection(session, user_id)
        run_id = request_run(session, RunRequest(connection_id=connection_id, kind=RunKind.IMPORT))
        record_heartbeat(session, "queue:interactive")
    before = values()
    assert before["finmind_open_runs", "queued"] == 1
    assert before["finmind_connections", "active", "mock"] == 1
    assert before["finmind_broker_up",] == 1
    with sessions() as session:
        lease = claim(session, run_id, worker_name="w", lease_s=60)
        close(session, lease, Outcome(status=RunStatus.PARTIAL, code="account_failed", counts=Counts(created=7)))
    after = values()
    assert after["finmind_open_runs", "queued"] == 0
    assert after["finmind_runs_last_day", "account_failed", "import", "partial"] == 1
    assert after["finmind_rows_last_day", "created"] == 7
    assert after["finmind_sign_of_life_age_seconds", "queue:interactive"] < 60


def test_a_broker_that_is_down_is_a_metric(sessions):
    with redis.Redis.from_url("redis://127.0.0.1:9/0") as broker:
        assert "finmind_broker_up 0.0" in exposition(sessions, broker).decode()


def test_labels_are_a_bounded_set():
    labels = {label for gauge in GAUGES for label in gauge.labels}
    assert labels <= {
        "connector",
        "status",
        "kind",
        "code",
        "quantile",
        "decision",
        "endpoint",
        "state",
        "component",
        "table",
    }


def test_events_that_wait_are_seen_alone_and_in_batches(sessions, user_id, values):
    assert (values()["finmind_event_batches_waiting",], values()["finmind_oldest_event_seconds",]) == (0, 0)
    with sessions() as session:
        session.execute(
            text(
                "INSERT INTO webhook_event_batches (user_id, type, api_version, items, occurred_at)"
                " VALUES (:user_id, 'expense.created', '2026-11-01', '[{}]', now() - interval '10 minutes')"
            ),
            {"user_id": user_id},
        )
    seen = values()
    assert seen["finmind_event_batches_waiting",] == 1
    assert 600 <= seen["finmind_oldest_event_seconds",] < 700
    assert seen["finmind_events_waiting",] == 0
