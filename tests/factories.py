"""One builder per row a test starts from."""

import uuid
from typing import Any

from sqlalchemy.orm import Session

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
