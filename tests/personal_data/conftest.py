"""A person with some of everything, beside another one."""

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from sqlalchemy import text

from tests.factories import make_sealed_connection, subscribe
from worker.api.rate_limit import UserLimit
from worker.connections.statement_folders import folder_of_user
from worker.connectors.mock import MockConfig
from worker.credentials import generate_key
from worker.db.engine import Sessions
from worker.finmind_cache import FinMindCache
from worker.personal_data.erasure import DataStores
from worker.runs.request import request_run
from worker.runs.states import RunKind, RunRequest
from worker.runtime import Runtime, runtime
from worker.settings import Settings
from worker.tasks.execution import execute_run


@pytest.fixture
def opened(database_url: str, redis_url: str, tmp_path: Path) -> Iterator[Runtime]:
    settings = Settings(
        _env_file=None, database_url=database_url, redis_url=redis_url, credential_keys=generate_key(),
        statement_folder=tmp_path / "statements",
    )  # fmt: skip
    with runtime(settings) as found:
        yield found


@pytest.fixture
def connect(opened: Runtime) -> Callable[..., uuid.UUID]:
    """Link a made-up bank; values are its config."""

    def make(owner_id: int, **config: object) -> uuid.UUID:
        return make_sealed_connection(opened.sessions, opened.vault, owner_id, MockConfig(**config))

    return make


@pytest.fixture
def ask(opened: Runtime) -> Callable[[uuid.UUID], uuid.UUID]:
    def request(connection_id: uuid.UUID) -> uuid.UUID:
        with opened.sessions() as session:
            return request_run(session, RunRequest(connection_id=connection_id, kind=RunKind.IMPORT))

    return request


@pytest.fixture
def execute(opened: Runtime) -> Callable[[uuid.UUID], None]:
    return lambda run_id: execute_run(opened, run_id, worker_name="test", soft_limit_s=240)


@pytest.fixture
def imported(connect, ask, execute) -> Callable[[int], None]:
    """Link a bank and import from it."""
    return lambda owner_id: execute(ask(connect(owner_id, history_days=40, seed=f"of user {owner_id}")))


@pytest.fixture
def other_id(sessions: Sessions) -> int:
    with sessions() as session:
        made = "INSERT INTO users (email, password_hash) VALUES ('eve@example.test', 'x') RETURNING id"
        return session.execute(text(made)).scalar_one()


@pytest.fixture
def person(user_id: int, other_id: int, sessions: Sessions, opened: Runtime, imported) -> int:
    """A user with imports, webhooks, files, keys in Redis; another user has the same bank."""
    with sessions() as session:
        for owner in (user_id, other_id):
            subscribe(
                session, owner, url=f"https://hooks-of-{owner}.example.test/secret-path", secret_encrypted=b"SEALED!"
            )
    for owner in (user_id, other_id):
        imported(owner)
    folder = folder_of_user(opened.settings.statement_folder or Path(), user_id) / "files"
    folder.mkdir(parents=True)
    (folder / "=cmd()-statement.csv").write_bytes(b"Date,Amount\n")
    limit = UserLimit(300, opened.settings.redis_url.get_secret_value())
    for owner in (user_id, other_id):
        limit.take(owner)
    limit.close()
    with sessions() as session:
        session.execute(
            text(
                "INSERT INTO bank_connector_circuits (connector_name, failed_users)"
                " VALUES ('mock', ARRAY[CAST(:one AS integer), :other])"
            ),
            {"one": user_id, "other": other_id},
        )
    return user_id


@pytest.fixture
def place(opened: Runtime) -> DataStores:
    return DataStores(
        sessions=opened.sessions,
        redis=opened.redis,
        cache=FinMindCache(client=opened.redis),
        statement_folder=opened.settings.statement_folder,
        revoke=lambda _connection_id: True,
    )


@pytest.fixture
def keys(opened: Runtime) -> Callable[[], set[bytes]]:
    client: redis.Redis = opened.redis
    return lambda: set(client.keys())
