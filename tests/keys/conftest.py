"""Sealed rows to rotate: connections and webhook subscriptions under the keys `old` and `new`."""

import os
import uuid
from dataclasses import dataclass

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from tests.factories import make_connection
from worker.connections.credentials import new_config_values
from worker.connectors.config import ConnectorConfig
from worker.credentials import CredentialPlace, LocalKeyring
from worker.credentials.envelope import EnvelopeVault
from worker.db.engine import Sessions


class Config(ConnectorConfig):
    token: SecretStr


@dataclass
class Safe:
    """A database with sealed rows, and the two keys that matter."""

    sessions: Sessions
    user_id: int
    keys: dict[str, bytes]

    def vault(self, *key_ids: str) -> EnvelopeVault:
        """A vault that holds these keys, the first of them primary."""
        ring = LocalKeyring({key_id: self.keys[key_id] for key_id in key_ids})
        return EnvelopeVault([ring], primary_key_id=key_ids[0])

    def add_connections(self, count: int, key_id: str = "old") -> list[uuid.UUID]:
        vault = self.vault(key_id)
        ids = [uuid.uuid4() for _ in range(count)]
        with self.sessions() as session:
            for number, row_id in enumerate(ids):
                config = Config(token=SecretStr(f"token-{number}"))
                values = new_config_values(vault, config, connection_id=row_id, user_id=self.user_id)
                make_connection(session, self.user_id, id=row_id, **values)
        return ids

    def add_subscription(self, key_id: str = "old") -> uuid.UUID:
        row_id = uuid.uuid4()
        place = CredentialPlace(
            table="webhook_subscriptions",
            column="secret_encrypted",
            user_id=self.user_id,
            row_id=str(row_id),
            version=1,
        )
        sealed = self.vault(key_id).seal(b"whsec_secret", place)
        self.sql(
            "INSERT INTO webhook_subscriptions (id, user_id, url, event_types, api_version, secret_encrypted,"
            " secret_key_id) VALUES (:id, :user_id, 'https://x.test', '{*}', '1', :blob, :key_id)",
            id=row_id,
            user_id=self.user_id,
            blob=sealed.blob,
            key_id=sealed.key_id,
        )
        return row_id

    def sql(self, statement: str, **parameters: object):
        with self.sessions() as session:
            result = session.execute(text(statement), parameters)
            return result.all() if result.returns_rows else None

    def per_key(self) -> dict[str, int]:
        rows = self.sql(
            "SELECT key_id, count(*) FROM (SELECT config_key_id AS key_id FROM bank_connections UNION ALL"
            " SELECT secret_key_id FROM webhook_subscriptions) AS all_keys GROUP BY 1"
        )
        return {row[0]: row[1] for row in rows}


@pytest.fixture
def safe(sessions, user_id):
    return Safe(sessions, user_id, {"old": os.urandom(32), "new": os.urandom(32)})
