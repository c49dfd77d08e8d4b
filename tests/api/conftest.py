"""The application over a real database, asked as FinMind's users would."""

from datetime import UTC, datetime, timedelta

import jwt
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text

from worker.credentials import generate_key
from worker.runtime import open_runtime
from worker.settings import Settings

JWT_SECRET = "a-secret-that-is-long-enough-for-hs256"


def token(user_id, *, secret=JWT_SECRET, **claims):
    now = datetime.now(UTC)
    return jwt.encode(
        {
            "fresh": False,
            "iat": now,
            "nbf": now,
            "jti": "x",
            "type": "access",
            "sub": str(user_id),
            "exp": now + timedelta(minutes=15),
        }
        | claims,
        secret,
        algorithm="HS256",
    )


@pytest.fixture
def settings(database_url, redis_url, tmp_path):
    return Settings(
        database_url=database_url,
        redis_url=redis_url,
        credential_keys=generate_key(),
        jwt_secret=JWT_SECRET,
        statement_folder=tmp_path / "statements",
        api_requests_per_minute=100_000,
        connectors_enabled="all",
    )


@pytest.fixture
def app(settings):
    from worker.api.app import create_app

    return create_app(open_runtime(settings, role="test"))


@pytest.fixture
def other_user_id(sessions):
    with sessions() as session:
        return session.scalar(
            text("INSERT INTO users (email, password_hash) VALUES ('eve@example.test', 'x') RETURNING id")
        )


@pytest.fixture
def client(app, user_id):
    with TestClient(
        app, headers={"Authorization": f"Bearer {token(user_id)}"}, raise_server_exceptions=False
    ) as opened:
        yield opened


@pytest.fixture
def connection_id(client):
    answer = client.post("/bank-connections/connections", json={"connector_name": "mock", "config": {}})
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]
