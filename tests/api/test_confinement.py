"""A config from a user points at that user's own files and at public addresses, and at nothing else."""

import base64

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr

from tests.api.conftest import token
from tests.api.test_routes import problem
from worker.api.app import create_app
from worker.connections.config_limits import Bounds, RefusedPathError, confine
from worker.connectors.config import ConnectorConfig
from worker.connectors.file import FileConfig
from worker.net.addresses import RefusedTargetError
from worker.net.http import HttpLimits, ReachableHosts, open_client
from worker.runtime import open_connection_service, open_runtime, open_user_connection_service, runtime

CONNECTIONS = "/bank-connections/connections"


def claim_at(url: str) -> str:
    return base64.b64encode(url.encode()).decode()


@pytest.fixture
def own_folder(settings, user_id):
    folder = settings.statement_folder / f"user-{user_id}" / "files"
    folder.mkdir(parents=True)
    return folder


def add(client, connector_name, config):
    return client.post(CONNECTIONS, json={"connector_name": connector_name, "config": config})


def test_a_user_reads_the_own_folder_and_no_other(client, own_folder, settings, user_id, tmp_path):
    assert add(client, "file", {"path": str(own_folder)}).status_code == 201
    others = settings.statement_folder / f"user-{user_id}0"
    others.mkdir()
    (own_folder / "way-out").symlink_to(others)
    for path in ("/etc/passwd", "/nowhere", tmp_path, settings.statement_folder, others, own_folder / ".." / "..",
                 own_folder / "way-out"):  # fmt: skip
        refused = problem(add(client, "file", {"path": str(path)}), 422, "path_not_allowed")
        assert str(path) not in refused["detail"]


def test_new_credentials_do_not_lead_out_either(client, own_folder):
    made = add(client, "file", {"path": str(own_folder)}).json()
    answer = client.post(f"{CONNECTIONS}/{made['id']}/refresh-auth", json={"config": {"path": "/etc"}})
    problem(answer, 422, "path_not_allowed")


def test_without_a_folder_of_statements_no_path_is_allowed(settings, user_id, tmp_path):
    without = settings.model_copy(update={"statement_folder": None})
    with TestClient(create_app(open_runtime(without)), headers={"Authorization": f"Bearer {token(user_id)}"}) as client:
        problem(add(client, "file", {"path": str(tmp_path)}), 422, "path_not_allowed")


@pytest.mark.parametrize(
    "address", ["127.0.0.1:8400", "169.254.169.254", "10.0.0.1", "[::1]:80", "localhost", "2130706433", "0x7f.1"]
)
def test_no_token_is_claimed_at_an_address_that_is_not_public(client, address):
    answer = add(client, "simplefin", {"setup_token": claim_at(f"https://{address}/claim")})
    problem(answer, 422, "destination_not_allowed")


@pytest.mark.parametrize("address", ["127.0.0.1:8400", "169.254.169.254", "10.0.0.1", "[::1]:80", "localhost"])
def test_no_address_is_kept_that_is_not_public(client, address):
    answer = add(client, "simplefin", {"access_url": f"https://user:hunter2@{address}/simplefin"})
    problem(answer, 422, "destination_not_allowed")
    assert "hunter2" not in answer.text


def test_the_operator_names_hosts_that_may_be_private(settings, user_id):
    named = settings.model_copy(update={"provider_private_hosts": "simplefin.lan, 127.0.0.1:9"})
    with TestClient(create_app(open_runtime(named)), headers={"Authorization": f"Bearer {token(user_id)}"}) as client:
        assert add(client, "simplefin", {"access_url": "http://u:p@127.0.0.1:9/simplefin"}).status_code == 201
        other_port = add(client, "simplefin", {"access_url": "http://u:p@127.0.0.1:6379/simplefin"})
        problem(other_port, 422, "destination_not_allowed")


def test_an_operators_own_desk_refuses_nothing(settings):
    with runtime(settings, role="test") as opened:
        open_connection_service(opened).confine(1, FileConfig(path="/etc"))
        with pytest.raises(RefusedPathError):
            open_user_connection_service(opened).confine(1, FileConfig(path="/etc"))


@pytest.mark.parametrize("host", ["localhost", "2130706433", "0x7f.1", "[::1]", "127.0.0.1"])
def test_a_client_looks_at_where_a_name_leads_before_it_connects(host):
    with (
        open_client(HttpLimits(connect_s=2, total_s=2), reach=ReachableHosts()) as http,
        pytest.raises(RefusedTargetError),
    ):
        http.get(f"http://{host}:9/")


class NestedConfig(ConnectorConfig):
    servers: dict[str, tuple[SecretStr, ...]]


@pytest.mark.parametrize("value", ["http://10.1.2.3/x", "HTTPS://[fd00::1]/x", "https://user:pass@192.168.1.1"])
def test_addresses_are_found_wherever_a_config_hides_them(value, tmp_path):
    bounds = Bounds(statement_folder=tmp_path, reach=ReachableHosts())
    with pytest.raises(RefusedTargetError):
        confine(bounds, 1, NestedConfig(servers={"a": (SecretStr("plain"), SecretStr(value))}))
    confine(bounds, 1, NestedConfig(servers={"a": (SecretStr("https://bank.example/x"),)}))


def test_a_path_with_dots_is_looked_at_where_it_leads(tmp_path):
    bounds = Bounds(statement_folder=tmp_path, reach=ReachableHosts())
    with pytest.raises(RefusedPathError):
        confine(bounds, 1, FileConfig(path=tmp_path / "user-1" / ".." / "user-2"))
