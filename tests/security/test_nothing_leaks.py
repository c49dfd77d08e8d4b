"""Canaries in every connector's config and in webhook secrets are found in no place but their sealed blobs."""

import json
import os
import uuid
from pathlib import Path

import pytest
from pydantic import BaseModel
from sqlalchemy import text

from tests.fakes.enablebanking_server import PRIVATE_KEY
from tests.security.canaries import Canaries
from tests.security.gossip.gossip import GossipConfig
from tests.security.scene import Scene
from tests.waiting import until
from worker.connections.credentials import new_config_values, open_taken, take_config
from worker.connectors.config import ConnectorConfig
from worker.connectors.manifest.loading import shipped
from worker.connectors.registry import BUILT_IN, ConnectorRegistry
from worker.credentials import open_vault
from worker.credentials.keyfile import read_key_file
from worker.models import BankConnection
from worker.runs.request import request_run
from worker.runs.states import RunKind, RunRequest
from worker.settings import Settings
from worker.webhooks.subscriptions import SubscriptionPolicy, Wanted, subscribe
from worker.webhooks.target import EgressPolicy

MARKER = "marker-that-is-no-secret"
"""Planted where everybody may see it: a search that does not find it is blind."""


def configs(canaries: Canaries, echo: str, directory: Path) -> dict[str, dict[str, object]]:
    """One config of every connector, with a canary wherever a secret goes."""
    plant = canaries.plant
    statement = directory / "statement.csv"
    statement.write_text("Date,Amount,Description\n2026-01-02,-3.50,Coffee\n")
    return {
        "mock": {"token": plant("mock token"), "history_days": 20},
        "simplefin": {"access_url": f"http://{plant('simplefin user')}:{plant('simplefin password')}@{echo}/simplefin"},
        "file": {"path": str(statement)},
        "plaid": {
            "client_id": "client",
            "secret": plant("plaid secret"),
            "access_token": plant("plaid access token"),
        },
        "gocardless": {
            "secret_id": plant("gocardless secret id"),
            "secret_key": plant("gocardless secret key"),
            "refresh_token": plant("gocardless refresh token"),
            "requisition_id": "r1",
            "accounts": [{"id": "a1", "currency": "EUR"}],
        },
        **{
            f"gossip {story}": {"password": plant(f"gossip {story}"), "story": story}
            for story in ("error", "defect", "rejected")
        },
        "enablebanking": {
            "application_id": "app",
            "private_key": canaries.adopt("enablebanking key", PRIVATE_KEY),
            "session_id": "s1",
            "accounts": [{"uid": "a1", "currency": "EUR"}],
        },
        "echoed": {
            "server": f"http://{echo}/echoed",
            "token": plant("manifest token"),
            "signing_key": plant("manifest signing key"),
        },
    }


def link_apps(canaries: Canaries) -> dict[str, dict[str, str]]:
    """The operator's applications, with a canary wherever a secret goes."""
    plant = canaries.plant
    return {
        "plaid": {"client_id": "client", "secret": plant("LINK_APPS plaid secret")},
        "gocardless": {"secret_id": plant("LINK_APPS secret id"), "secret_key": plant("LINK_APPS secret key")},
    }


@pytest.fixture(scope="module")
def canaries():
    return Canaries()


@pytest.fixture(scope="module")
def scene(tmp_path_factory, canaries):
    directory = tmp_path_factory.mktemp("scene")
    directory.chmod(0o755)
    opened = Scene(directory, link_apps=json.dumps(link_apps(canaries)))
    try:
        opened.open()
        yield opened
    finally:
        opened.close()


def vault_of(scene: Scene):
    settings = Settings(
        _env_file=None, database_url="x", redis_url="x", credential_keys=None, credential_keys_file=scene.key_file
    )
    return open_vault(settings)


def connector_of(name: str) -> str:
    return name.partition(" ")[0]


def config_type(registry: ConnectorRegistry, name: str) -> type[BaseModel]:
    """Return a connector's config; the gossip is installed in the worker only."""
    return GossipConfig if name.startswith("gossip") else registry.get(name).Config


def add_user(scene: Scene) -> int:
    with scene.sessions() as session:
        insert = "INSERT INTO users (email, password_hash) VALUES (:email, 'x') RETURNING id"
        return session.execute(text(insert), {"email": f"{uuid.uuid4().hex}@example.test"}).scalar_one()


def add_sealed(scene: Scene, user_id: int, connector_name: str, config: BaseModel) -> uuid.UUID:
    """Add a connection whose one-time exchange was done elsewhere."""
    row_id = uuid.uuid4()
    values = new_config_values(vault_of(scene), config, connection_id=row_id, user_id=user_id)
    with scene.sessions() as session:
        session.add(
            BankConnection(id=row_id, user_id=user_id, connector_name=connector_name, display_name=MARKER, **values)
        )
    return row_id


def test_every_connector_with_secrets_keeps_them_out_of_reprs_and_pickles():
    registry = ConnectorRegistry()
    for name in registry.names():
        config = registry.get(name).Config
        secret = [field for field, info in config.model_fields.items() if "Secret" in str(info.annotation)]
        assert not secret or issubclass(config, ConnectorConfig), f"{name}: {config} holds {secret}"


@pytest.mark.long
@pytest.mark.processes
def test_canaries_are_nowhere_but_in_their_blobs(scene, canaries):
    user_id = add_user(scene)
    canaries.adopt("the credential key", read_key_file(scene.key_file).strip().partition(":")[2])
    given = configs(canaries, scene.echo.address, scene.directory)
    registry = ConnectorRegistry(manifests=scene.manifests)
    # Shipped manifests ask hosts that they name, and no other: one that is led to the echo stands for them.
    assert set(given) >= set(BUILT_IN) - set(shipped()), "a new connector needs a config with canaries here"
    with scene.sessions() as session:
        wanted = Wanted(url=f"http://{scene.echo.address}/hook")
        policy = SubscriptionPolicy(egress=EgressPolicy(allow_loopback=True))
        canaries.adopt("webhook secret", subscribe(session, vault_of(scene), user_id, wanted, policy=policy).secret)

    connections = {
        name: add_sealed(scene, user_id, connector_of(name), config_type(registry, name).model_validate(config))
        for name, config in given.items()
        if name != "mock"
    }
    added = scene.command(
        *("connections", "add", "--user", user_id, "--connector", "mock", "--name", MARKER),
        *("--config-file", "-", "--json"),
        given=json.dumps(given["mock"]),
    )
    assert added.returncode == 0, added.stderr
    connections["mock"] = uuid.UUID(json.loads(added.stdout)["id"])

    import_everything(scene, connections)
    refuse_wrong_configs(scene, user_id, canaries)
    knock_at_the_door(scene, user_id, canaries, connections)
    crash(scene, connections["mock"])

    places = scene.places()
    assert_nothing_is_blind(places, connections)
    assert any(canaries.planted["plaid secret"].encode() in told for told in scene.echo.told), "the canary was used"
    assert any(canaries.planted["manifest token"].encode() in told for told in scene.echo.told), "the manifest asked"
    assert canaries.found_in(places) == []
    stored = take_config(scene.sessions, connections["mock"])
    opened = open_taken(scene.sessions, vault_of(scene), stored, registry.get("mock").Config)
    assert opened.token.get_secret_value() == canaries.planted["mock token"]


def import_everything(scene: Scene, connections: dict[str, uuid.UUID]) -> None:
    """Imports, refreshes, dry-runs and failures of every kind, all of them to their end."""
    for mood, kind, dry_run in (
        ("down", RunKind.IMPORT, False),
        ("limited", RunKind.IMPORT, False),
        ("nonsense", RunKind.REFRESH, False),
        ("page", RunKind.IMPORT, True),
        ("refused", RunKind.IMPORT, False),
    ):
        scene.echo.mood = mood
        ask_for_runs(scene, connections, kind=kind, dry_run=dry_run)
    scene.command("import", connections["mock"], "--wait", "--timeout", 60, "--json")
    scene.command("runs", "list", "--json")
    scene.command("keys", "verify", "--json")
    for name in ("enablebanking", "gossip rejected"):
        scene.command("runs", "show", latest_run(scene, connections[name]), "--json")


def ask_for_runs(scene: Scene, connections: dict[str, uuid.UUID], *, kind: RunKind, dry_run: bool) -> None:
    with scene.sessions() as session:
        # Deferred ones, which may be queued again by now, stand in the way of the next ones.
        session.execute(text("DELETE FROM bank_import_runs WHERE status IN ('deferred', 'queued')"))
        session.execute(text("UPDATE bank_connections SET rate_limited_until = NULL"))
        waiting = {
            str(request_run(session, RunRequest(connection_id=connection_id, kind=kind, dry_run=dry_run)))
            for connection_id in connections.values()
        }

    def all_ended_or_deferred() -> bool:
        # A deferred run is soon queued again, so that all of them are hardly ever at rest at one moment.
        waiting.intersection_update(unfinished(scene))
        return not waiting

    until(all_ended_or_deferred, every_s=0.1)


def unfinished(scene: Scene) -> list[str]:
    with scene.sessions() as session:
        query = "SELECT id::text FROM bank_import_runs WHERE status IN ('queued', 'running')"
        return list(session.scalars(text(query)))


def latest_run(scene: Scene, connection_id: uuid.UUID) -> str:
    with scene.sessions() as session:
        query = "SELECT id::text FROM bank_import_runs WHERE connection_id = :id ORDER BY queued_at DESC LIMIT 1"
        return session.scalars(text(query), {"id": connection_id}).one()


def refuse_wrong_configs(scene: Scene, user_id: int, canaries: Canaries) -> None:
    """Configs that are wrong are refused without being repeated, also where a traceback was asked for."""
    misspelt = {"mode": canaries.plant("wrong mode"), "token": canaries.plant("token"), "tokn": canaries.plant("tokn")}
    wrong = [json.dumps(misspelt), canaries.plant("no JSON")]
    arguments = ["--debug", "connections", "add", "--user", user_id, "--connector", "mock"]
    for config in wrong:
        assert scene.command(*arguments, "--config-file", "-", given=config).returncode != 0


def knock_at_the_door(scene: Scene, user_id: int, canaries: Canaries, connections: dict[str, uuid.UUID]) -> None:
    """Everything that can be sent to the API wrongly, and rightly, with a canary in it."""
    plant = canaries.plant
    base = "/bank-connections"
    scene.echo.mood = "refused"
    wrong: list[tuple[str, str, object]] = [
        ("POST", "/connections", {"connector_name": "mock", "config": {"tokn": plant("API unknown field")}}),
        ("POST", "/connections", {"connector_name": "mock", "config": plant("API config of the wrong type")}),
        ("POST", "/connections", {"connector_name": plant("API connector name"), "config": {}}),
        ("POST", "/connections", {"connector_name": "mock", "config": {}, "password": plant("API extra field")}),
        ("POST", "/connections", {"connector_name": "mock", "config": {"mode": plant("API wrong choice")}}),
        ("POST", "/connections", {"connector_name": "file", "config": {"path": f"/{plant('API path')}"}}),
        ("POST", "/connections", {
            "connector_name": "simplefin",
            "config": {"access_url": f"https://u:{plant('API refused address')}@10.0.0.1/x"},
        }),
        ("POST", f"/connections/{connections['mock']}/refresh-auth", {"config": {"tokn": plant("API reauth")}}),
        ("POST", "/links/complete", {"connector_name": "plaid", "state": plant("API state"),
                                     "public_token": plant("API public token")}),
        ("POST", "/links/complete", {"connector_name": "plaid", "state": [plant("API state of the wrong type")]}),
        ("POST", "/links/abandon", {"connector_name": "gocardless", "state": plant("API abandoned state")}),
        ("POST", "/webhooks", {"url": f"https://u:{plant('API webhook password')}@hooks.example.com/x"}),
    ]  # fmt: skip
    for method, path, body in wrong:
        status, told = scene.ask(user_id, method, base + path, json.dumps(body).encode())
        assert 400 <= status < 500, (path, told)
    for broken in (f'{{"config": "{plant("API broken JSON")}"', plant("API no JSON")):
        assert scene.ask(user_id, "POST", f"{base}/connections", broken.encode())[0] == 422
    assert scene.ask(user_id, "GET", f"{base}/{plant('API unknown path')}")[0] == 404
    right = {"connector_name": "mock", "config": {"token": plant("API mock token")}, "display_name": MARKER}
    status, told = scene.ask(user_id, "POST", f"{base}/connections", json.dumps(right).encode())
    assert status == 201, told
    limited = {"token": plant("API limited token"), "mode": "rate_limited", "limited_calls": 2, "history_days": 3}
    body = json.dumps({"connector_name": "mock", "config": limited}).encode()
    made = json.loads(scene.ask(user_id, "POST", f"{base}/connections", body)[1])
    scene.ask(user_id, "POST", f"{base}/connections/{made['id']}/import")
    until(lambda: not unfinished(scene), every_s=0.2)
    runs = json.loads(scene.ask(user_id, "GET", f"{base}/connections/{made['id']}/import-runs")[1])
    assert runs["items"][0]["status"] == "succeeded", "asked again within the run, as the bank wished"


def crash(scene: Scene, connection_id: uuid.UUID) -> None:
    """Kill a worker child in the middle of an import: no core file, no last words."""
    fault = scene.faults / "after_claim.kill"
    fault.touch()
    scene.command("import", connection_id, "--json")
    until(lambda: not fault.exists() and b"WorkerLostError" in scene.log("worker"))
    assert b"Max core file size        0 " in Path(f"/proc/{scene.pid('worker')}/limits").read_bytes()
    if os.getuid() != 0:
        assert not os.access(f"/proc/{scene.pid('worker')}/environ", os.R_OK)


def assert_nothing_is_blind(places: dict[str, bytes], connections: dict[str, uuid.UUID]) -> None:
    """What is no secret is found wherever it must be, so what is a secret would have been."""
    for place in ("Postgres' log", "table bank_connections"):
        assert MARKER.encode() in places[place], place
    run_ids = [line.split(",")[0].strip("(") for line in places["table bank_import_runs"].decode().splitlines()]
    assert len(run_ids) > 10
    for place in (
        "the worker's log",
        "what commands print",
        "what went through Redis",
        "Flower's /api/tasks?limit=1000",
        "what the API answers",
    ):
        assert any(run_id.encode() in places[place] for run_id in run_ids), place
    assert str(connections["mock"]).encode() in places["Postgres' log"]
    assert b'"level": "debug"' in places["the worker's log"]
    assert b'"level"' in places["the API's log"]
    assert b"finmind_provider_request_seconds" in places["the API's /metrics"]
    assert MARKER.encode() in places["the API's /ops"]
