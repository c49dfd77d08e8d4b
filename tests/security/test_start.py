"""A worker that lacks a key does not start, and says which one in a sentence; one that has them leaves no cores."""

import os
import subprocess
import sys
import uuid

import pytest

from tests.factories import make_connection
from tests.waiting import PATIENCE_S
from worker.connections.credentials import new_config_values
from worker.connectors.config import ConnectorConfig
from worker.credentials import LocalKeyring, generate_key
from worker.credentials.envelope import EnvelopeVault
from worker.credentials.local import parse_keys

ENTRY = generate_key()
KEY_ID = ENTRY.partition(":")[0]


class Config(ConnectorConfig):
    """No secrets are needed to miss a key."""


@pytest.fixture
def sealed_connection(sessions, user_id):
    vault = EnvelopeVault([LocalKeyring(parse_keys(ENTRY, source="test"))], primary_key_id=KEY_ID)
    row_id = uuid.uuid4()
    with sessions() as session:
        values = new_config_values(vault, Config(), connection_id=row_id, user_id=user_id)
        make_connection(session, user_id, id=row_id, **values)


def start_worker(database_url: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Start a worker on a broker that does not exist: it must give up before it looks for one."""
    return subprocess.run(
        [sys.executable, "-m", "celery", "-A", "worker.app", "worker", "--pool", "solo", "--loglevel", "INFO"],
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith("CREDENTIAL_")},
            "DATABASE_URL": database_url,
            "REDIS_URL": "redis://127.0.0.1:1/0",
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


@pytest.mark.processes
@pytest.mark.usefixtures("sealed_connection")
@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        (None, "CREDENTIAL_KEYS is not set"),
        (generate_key(), f"the credential key {KEY_ID!r} is missing: 1 row(s) of bank_connections"),
    ],
    ids=["no key", "another key"],
)
def test_a_worker_with(database_url, keys, sentence):
    answer = start_worker(database_url, **({} if keys is None else {"CREDENTIAL_KEYS": keys}))
    assert answer.returncode == 1
    assert sentence in answer.stderr
    assert "Traceback" not in answer.stderr
    assert keys is None or keys.partition(":")[2] not in answer.stderr + answer.stdout


@pytest.mark.processes
@pytest.mark.parametrize("key", ["x", "abc" * 20])
def test_a_worker_with_a_weak_key_of_events_does_not_start(database_url, key):
    ended = start_worker(database_url, CREDENTIAL_KEYS=ENTRY, EVENT_SIGNING_KEY=key)
    assert ended.returncode == 1
    assert "EVENT_SIGNING_KEY" in ended.stderr
