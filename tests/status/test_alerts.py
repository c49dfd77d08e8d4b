"""Every alert fires on what it is for and is silent otherwise, as Prometheus itself evaluates it."""

import json
import re
from pathlib import Path

import pytest
import redis
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.status.promtool import promtool
from worker.status.metrics import GAUGES
from worker.status.prometheus import exposition
from worker.telemetry.latencies import LATENCIES

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "monitoring" / "alerts.yml"
BOARD = ROOT / "monitoring" / "grafana" / "dashboards" / "finmind-worker.json"
ALERTS = {rule["alert"]: rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]}
ALIVE = {"finmind_broker_up": "1+0x200", 'finmind_sign_of_life_age_seconds{component="queue:interactive"}': "9+0x200"}


def buckets(name: str, labels: str, counts: dict[str, int]) -> dict[str, str]:
    """Histogram whose buckets grow by so much a minute."""
    return {f'{name}_bucket{{{labels}le="{bound}"}}': f"0+{count}x200" for bound, count in counts.items()}


FAST = {"0.5": 100, "1": 100, "10": 100, "30": 100, "+Inf": 100}
SLOW = {"0.5": 10, "1": 20, "10": 50, "30": 100, "+Inf": 100}
CASES = {
    "FinmindWorkerUnseen": ({"finmind_broker_up": "1+0x200"}, ALIVE),
    "FinmindQueueUnconsumed": (
        {'finmind_sign_of_life_age_seconds{component="queue:scheduled"}': "0+60x200"},
        {'finmind_sign_of_life_age_seconds{component="queue:scheduled"}': "0 30 0 30 90 119 0+0x200"},
    ),
    "FinmindBrokerDown": ({"finmind_broker_up": "0+0x200"}, {"finmind_broker_up": "0 1+0x200"}),
    "FinmindRunsWait": ({"finmind_oldest_queued_seconds": "301+0x200"}, {"finmind_oldest_queued_seconds": "300+0x200"}),
    "FinmindRefreshesLate": ({"finmind_oldest_due_seconds": "901+0x200"}, {"finmind_oldest_due_seconds": "900+0x200"}),
    "FinmindRunSilent": (
        {"finmind_oldest_heartbeat_seconds": "301+0x200"},
        {"finmind_oldest_heartbeat_seconds": "59+0x200"},
    ),
    "FinmindRunsFail": (
        {
            'finmind_runs_last_day{status="failed",code="internal",kind="refresh"}': "11+0x200",
            'finmind_runs_last_day{status="succeeded",code="ok",kind="refresh"}': "89+0x200",
        },
        {
            'finmind_runs_last_day{status="failed",code="needs_user",kind="refresh"}': "50+0x200",
            'finmind_runs_last_day{status="failed",code="internal",kind="refresh"}': "9+0x200",
            'finmind_runs_last_day{status="succeeded",code="ok",kind="refresh"}': "41+0x200",
        },
    ),
    "FinmindProviderDown": (
        {'finmind_circuit_open{connector="plaid"}': "1+0x200"},
        {'finmind_circuit_open{connector="plaid"}': "1+0x20 0+0x180"},
    ),
    "FinmindQuotaLow": (
        {'finmind_quota_left_ratio{connector="simplefin",endpoint="accounts"}': "0.05+0x200"},
        {'finmind_quota_left_ratio{connector="simplefin",endpoint="accounts"}': "0.1+0x200"},
    ),
    "FinmindDataOld": (
        {'finmind_oldest_data_age_seconds{connector="plaid"}': "259201+0x200"},
        {'finmind_oldest_data_age_seconds{connector="plaid"}': "200000+0x200"},
    ),
    "FinmindDeadLetters": (
        {'finmind_deliveries{state="dead"}': "0+1x200"},
        {'finmind_deliveries{state="dead"}': "7+0x200", 'finmind_deliveries{state="pending"}': "0+9x200"},
    ),
    "FinmindRowsRejected": (
        {"finmind_rejections_unresolved": "101+0x200"},
        {"finmind_rejections_unresolved": "100+0x200"},
    ),
    "FinmindEventsWait": ({"finmind_oldest_event_seconds": "301+0x200"}, {"finmind_oldest_event_seconds": "10+0x200"}),
    "FinmindPartitionsMissing": (
        {'finmind_coming_partition_seconds{table="webhook_events"}': "604799+0x200"},
        {'finmind_coming_partition_seconds{table="webhook_events"}': "1814400+0x200"},
    ),
    "FinmindProviderSlow": (
        buckets("finmind_provider_request_seconds", 'connector="plaid",', SLOW),
        buckets("finmind_provider_request_seconds", 'connector="plaid",', FAST),
    ),
    "FinmindApiSlow": (
        buckets("finmind_api_request_seconds", 'operation="list_runs",', SLOW),
        buckets("finmind_api_request_seconds", 'operation="list_runs",', FAST)
        | buckets("finmind_api_request_seconds", 'operation="stream_progress",', SLOW),
    ),
}
"""For each alert: series that must make it fire within 150 minutes, and series that must not. A step is a minute."""


def test_prometheus_accepts_the_configuration_and_the_rules():
    checked = promtool("check", "config", ROOT / "monitoring" / "prometheus.yml")
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_every_alert_has_a_case():
    assert set(CASES) == set(ALERTS)


@pytest.mark.parametrize("fires", [True, False], ids=["fires", "is silent"])
@pytest.mark.parametrize("alert", sorted(CASES))
def test_an_alert_fires_when_it_should_and_only_then(alert, fires, tmp_path):
    series = CASES[alert][0 if fires else 1]
    rule = ALERTS[alert]
    firing = f'ALERTS{{alertname="{alert}", alertstate="firing", severity="{rule["labels"]["severity"]}"}}'
    ever = f"count(max_over_time({firing}[150m]))"
    samples = [{"labels": "{}", "value": 1}] if fires else []
    case = {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [{"expr": ever, "eval_time": "150m", "exp_samples": samples}],
    }
    plan = {"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": [case]}
    (tmp_path / "case.yml").write_text(yaml.safe_dump(plan))
    judged = promtool("test", "rules", tmp_path / "case.yml")
    assert judged.returncode == 0, judged.stdout + judged.stderr


def expressions() -> list[str]:
    board = json.loads(BOARD.read_text())
    shown = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    return [rule["expr"] for rule in ALERTS.values()] + shown


def known() -> dict[str, set[str]]:
    """Labels of every series that exists, by its name."""
    found = {gauge.name: set(gauge.labels) for gauge in GAUGES}
    found |= {"finmind_broker_up": set(), "finmind_queue_messages": {"queue"}}
    for measure in LATENCIES:
        found |= {f"{measure.name}_bucket": {*measure.labels, "le"}, f"{measure.name}_count": set(measure.labels)}
    return found


def test_alerts_and_the_dashboard_speak_of_metrics_and_labels_that_exist():
    series = known()
    named = set()
    for expression in expressions():
        selectors = re.findall(r"(finmind_\w+)(?:{([^}]*)})?", expression)
        metrics = {metric for metric, _ in selectors}
        named |= metrics
        assert metrics <= set(series), expression
        for metric, chosen in selectors:
            assert set(re.findall(r"(\w+)\s*[=!]~?", chosen)) <= series[metric], expression
        grouped = {name.strip() for names in re.findall(r"by \(([^)]*)\)", expression) for name in names.split(",")}
        assert grouped <= set().union(*(series[metric] for metric in metrics)), expression
    assert len(named) > 20


def test_alerts_speak_of_operations_and_connectors_as_the_api_names_them():
    from worker.api import connections, linking, runs

    names = {route.name for part in (connections, linking, runs) for route in part.router.routes}
    (left_out,) = re.findall(r'operation!~"([^"]+)"', ALERTS["FinmindApiSlow"]["expr"])
    assert set(left_out.split("|")) <= names


def test_the_exposition_holds_every_metric(sessions, redis_url, tmp_path):
    assert {family.name for family in text_string_to_metric_families(shown(sessions, redis_url, tmp_path))} >= {
        gauge.name for gauge in GAUGES
    }


def test_prometheus_finds_nothing_to_say_about_our_exposition(sessions, redis_url, tmp_path):
    checked = promtool("check", "metrics", given=shown(sessions, redis_url, tmp_path))
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


def shown(sessions, redis_url, folder):
    with redis.Redis.from_url(redis_url) as broker:
        return exposition(sessions, broker, folder).decode()


def test_every_alert_has_its_runbook():
    headings = re.findall(r"^### (\w+)$", (ROOT / "docs" / "operator" / "alerts.md").read_text(), re.MULTILINE)
    assert set(ALERTS) <= set(headings)
    assert all(rule["annotations"]["runbook_url"].endswith(f"#{name.lower()}") for name, rule in ALERTS.items())
