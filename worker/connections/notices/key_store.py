"""Keeps the public keys with which a provider signs its webhooks in Postgres."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import text

from worker.connectors.notices import FetchedKey
from worker.db.engine import Sessions

KEEP_DAYS = 30
"""A key that no webhook asked to renew for so long has been replaced."""

_LOAD = text("SELECT key_id, key, fetched_at FROM provider_webhook_keys WHERE connector_name = :connector_name")
_SAVE = text(
    """
    INSERT INTO provider_webhook_keys (connector_name, key_id, key, fetched_at)
    VALUES (:connector_name, :key_id, CAST(:key AS jsonb), :fetched_at)
    ON CONFLICT (connector_name, key_id) DO UPDATE SET key = excluded.key, fetched_at = excluded.fetched_at
    WHERE provider_webhook_keys.fetched_at < excluded.fetched_at
    """
)
_FORGET = text("DELETE FROM provider_webhook_keys WHERE connector_name = :connector_name AND key_id = :key_id")
_PRUNE = text(
    "DELETE FROM provider_webhook_keys WHERE connector_name = :connector_name"
    " AND fetched_at < CAST(:fetched_at AS timestamptz) - make_interval(days => :keep_days)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredWebhookKeys:
    """The keys of one connector's provider."""

    sessions: Sessions
    connector_name: str

    def load(self) -> Mapping[str, FetchedKey]:
        """Return the keys by id."""
        with self.sessions() as session:
            rows = session.execute(_LOAD, {"connector_name": self.connector_name}).all()
        return {row.key_id: FetchedKey(key=row.key, fetched_at=row.fetched_at) for row in rows}

    def save(self, key_id: str, fetched: FetchedKey) -> None:
        """Keep a key, and drop those that are long past."""
        values = {
            "connector_name": self.connector_name,
            "key_id": key_id,
            "key": json.dumps(dict(fetched.key)),
            "fetched_at": fetched.fetched_at,
        }
        with self.sessions() as session:
            session.execute(_SAVE, values)
            session.execute(
                _PRUNE, {name: values[name] for name in ("connector_name", "fetched_at")} | {"keep_days": KEEP_DAYS}
            )

    def forget(self, key_id: str) -> None:
        """Drop a key."""
        with self.sessions() as session:
            session.execute(_FORGET, {"connector_name": self.connector_name, "key_id": key_id})
