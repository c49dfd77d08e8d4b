"""Metrics say what the rows say; alerts and the dashboard speak of metrics that exist; every alert has its runbook."""

import json
import re
from pathlib import Path

import pytest
import redis
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.factories import make_connection
from worker.runs.lease import claim, finish
from worker.runs.request import request_run
from worker.runs.signs import saw
from worker.runs.states import Counts, Outcome, RunKind, RunRequest, RunStatus
from worker.status.metrics import GAUGES, exposition

ROOT = Path(__file__).resolve().parents[2]
NAME = re.compile(r"finmind_\w+")


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
        saw(session, "queue:interactive")
    before = values()
    assert before["finmind_open_runs", "queued"] == 1
    assert before["finmind_connections", "active", "mock"] == 1
    assert before["finmind_broker_up",] == 1
    with sessions() as session:
        lease = claim(session, run_id, worker_name="w", lease_s=60)
        finish(session, lease, Outcome(status=RunStatus.PARTIAL, code="account_failed", counts=Counts(created=7)))
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
    assert labels <= {"connector", "status", "kind", "code", "quantile", "decision", "endpoint", "state", "component"}


def test_alerts_and_the_dashboard_speak_of_metrics_that_exist():
    known = {gauge.name for gauge in GAUGES} | {"finmind_broker_up", "finmind_queue_messages"}
    rules = (ROOT / "monitoring" / "alerts.yml").read_text()
    expressions = [rule["expr"] for group in yaml.safe_load(rules)["groups"] for rule in group["rules"]]
    board = json.loads((ROOT / "monitoring" / "grafana" / "dashboards" / "finmind-worker.json").read_text())
    expressions += [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    named = {name for expression in expressions for name in NAME.findall(expression)}
    assert named <= known
    assert len(named) > 12


def test_every_alert_has_its_runbook():
    rules = yaml.safe_load((ROOT / "monitoring" / "alerts.yml").read_text())
    alerts = {rule["alert"] for group in rules["groups"] for rule in group["rules"]}
    headings = set(re.findall(r"^### (\w+)$", (ROOT / "docs" / "operator.md").read_text(), re.MULTILINE))
    assert alerts == headings & alerts
