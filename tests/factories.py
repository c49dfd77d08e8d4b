"""One builder per row a test starts from."""

import uuid
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from worker.connections.credentials import new_config_values
from worker.connectors.config import ConnectorConfig
from worker.credentials import Vault
from worker.db.engine import Sessions
from worker.events import API_VERSION
from worker.models import BankConnection, WebhookSubscription


def make_connection(session: Session, user_id: int, **values: Any) -> uuid.UUID:
    """Write an active connection of the mock bank (its config is not openable) and return its id."""
    row = BankConnection(
        **(
            {
                "id": uuid.uuid4(),
                "user_id": user_id,
                "connector_name": "mock",
                "display_name": "Mock bank",
                "config_encrypted": b"not a blob",
                "config_key_id": "test",
            }
            | values
        )
    )
    session.add(row)
    session.flush()
    return row.id


def make_sealed_connection(
    sessions: Sessions, vault: Vault, user_id: int, config: ConnectorConfig, **values: Any
) -> uuid.UUID:
    """Write an active connection whose config the vault opens, and return its id."""
    connection_id = uuid.uuid4()
    sealed = new_config_values(vault, config, connection_id=connection_id, user_id=user_id)
    with sessions() as session:
        return make_connection(session, user_id, id=connection_id, **sealed, **values)


def subscribe(session: Session, user_id: int, **values: Any) -> uuid.UUID:
    """Write an active subscription to every event (its secret is not openable) and return its id."""
    row = WebhookSubscription(
        **(
            {
                "id": uuid.uuid4(),
                "user_id": user_id,
                "url": "https://example.test",
                "event_types": ["*"],
                "api_version": API_VERSION,
                "secret_encrypted": b"not a blob",
                "secret_key_id": "test",
            }
            | values
        )
    )
    session.add(row)
    session.flush()
    return row.id


def delete_user(session: Session, user_id: int) -> None:
    """Delete a user as FinMind does: in one statement, and on a connection that waits for a lock without end."""
    session.execute(text("SET LOCAL lock_timeout = 0"))
    session.execute(text("DELETE FROM users WHERE id = :id"), {"id": user_id})
