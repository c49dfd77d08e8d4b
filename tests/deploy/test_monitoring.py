"""The profile `monitoring`: Prometheus finds the API and its rules, Grafana its data source and its dashboard."""

import json
import re
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]


def mounts(name: str) -> dict[str, Path]:
    """Return what of the checkout a service sees, by the path inside its container."""
    pairs = [volume.split(":") for volume in SERVICES[name]["volumes"] if volume.startswith("./")]
    return {pair[1]: ROOT / pair[0] for pair in pairs}


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def test_it_runs_only_when_asked_for():
    asked = {name for name, service in SERVICES.items() if "profiles" in service}
    assert asked == {"prometheus", "grafana"}
    assert all(SERVICES[name]["profiles"] == ["monitoring"] for name in asked)
    assert not [
        name for name, service in SERVICES.items() if asked & set(service.get("depends_on", ())) and name not in asked
    ]


def jobs() -> list[dict[str, Any]]:
    return read(mounts("prometheus")["/etc/prometheus/prometheus.yml"])["scrape_configs"]


def test_prometheus_scrapes_every_worker_for_its_latencies():
    (found,) = jobs()[1]["dns_sd_configs"]
    workers = {name for name, service in SERVICES.items() if "worker" in service.get("command", [])}
    assert set(found["names"]) == workers
    assert len(workers) == 4
    for name in workers:
        assert SERVICES[name]["environment"]["METRICS_LISTEN"] == f"0.0.0.0:{found['port']}"
        assert "metrics" in SERVICES[name]["networks"]


def test_prometheus_scrapes_the_api_over_a_network_they_share():
    host, _, port = jobs()[0]["static_configs"][0]["targets"][0].partition(":")
    assert f"127.0.0.1:{port}:{port}" in SERVICES[host]["ports"]
    shared = set(SERVICES[host]["networks"]) & set(SERVICES["prometheus"]["networks"])
    assert shared == {"metrics"}
    assert COMPOSE["networks"]["metrics"]["internal"] is True


def test_prometheus_reads_the_configuration_and_the_rules_that_are_mounted():
    seen = mounts("prometheus")
    assert "--config.file=/etc/prometheus/prometheus.yml" in SERVICES["prometheus"]["command"]
    for rules in read(seen["/etc/prometheus/prometheus.yml"])["rule_files"]:
        assert read(seen[f"/etc/prometheus/{rules}"])["groups"]


def test_grafana_finds_prometheus_and_the_boards_by_itself():
    seen = mounts("grafana")
    (source,) = read(seen["/etc/grafana/provisioning/datasources/finmind.yml"])["datasources"]
    host, port = re.fullmatch(r"http://(\w+):(\d+)", source["url"]).groups()
    assert f"127.0.0.1:{port}:{port}" in SERVICES[host]["ports"]
    assert set(SERVICES[host]["networks"]) & set(SERVICES["grafana"]["networks"])
    (provider,) = read(seen["/etc/grafana/provisioning/dashboards/finmind.yml"])["providers"]
    boards = list(seen[provider["options"]["path"]].glob("*.json"))
    assert [json.loads(board.read_text())["uid"] for board in boards] == ["finmind-worker"]
    variables = json.loads(boards[0].read_text())["templating"]["list"]
    assert [(item["type"], item["query"]) for item in variables] == [("datasource", source["type"])]


def test_grafana_has_a_password_of_its_own_and_neither_reaches_the_servers():
    grafana = SERVICES["grafana"]
    assert grafana["environment"]["GF_SECURITY_ADMIN_PASSWORD__FILE"] == f"/run/secrets/{grafana['secrets'][0]}"
    assert "secrets" not in SERVICES["prometheus"]
    for name in ("prometheus", "grafana"):
        assert not {"data", "outside", "front"} & set(SERVICES[name]["networks"])
