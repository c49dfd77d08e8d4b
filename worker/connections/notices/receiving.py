"""Stores verified webhooks of providers as rows before the provider is answered."""

import hashlib
import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import CursorResult, func, select, text

from worker.connections.linking.attempts import owner_of
from worker.connectors.notices import NoticeAction, ProviderNotice, VerifiedWebhook
from worker.credentials import CredentialPlace, Vault
from worker.db.engine import Sessions
from worker.models import ReceivedNotice

MOST_WAITING = 20
"""So many notices of one kind may wait for a login; what comes beyond them says nothing new."""

_COLUMNS = (
    "id", "connector_name", "login_ref", "action", "code", "account_external_id", "reason", "repaired", "works_until",
    "delivery_digest", "issued_at", "user_id", "secret_encrypted", "secret_key_id", "secret_sealed_at",
)  # fmt: skip
_KEEP = text(
    f"""
    INSERT INTO provider_notices ({", ".join(_COLUMNS)})
    SELECT {", ".join(f":{name}" for name in _COLUMNS)}
    WHERE (SELECT count(*) FROM (
             SELECT FROM provider_notices
             WHERE connector_name = :connector_name AND login_ref = :login_ref AND action = :action
               AND handled_at IS NULL LIMIT :most_waiting) waiting) < :most_waiting
    ON CONFLICT (delivery_digest) DO NOTHING
    """  # noqa: S608 - constants of this module
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeInbox:
    """Where verified webhooks are kept.

    Attributes:
        vault: Seals the one-time tokens of a finished link.
    """

    sessions: Sessions
    vault: Vault

    def keep(self, connector_name: str, verified: VerifiedWebhook, notice: ProviderNotice) -> bool:
        """Write the row of a webhook; return False for one that is known, or of which enough of its kind wait.

        A webhook about no login is not kept. Raises: KeyProviderUnavailableError.
        """
        if notice.login_ref is None:
            return False
        secret = self._sealed(connector_name, notice)
        values = {
            "connector_name": connector_name,
            "login_ref": notice.login_ref,
            "action": notice.action,
            "code": notice.code[:100],
            "account_external_id": notice.account_id and notice.account_id[:255],
            "reason": notice.reason,
            "repaired": notice.repaired,
            "works_until": notice.works_until,
            "delivery_digest": _digest(connector_name, verified),
            "issued_at": verified.issued_at,
            "most_waiting": MOST_WAITING,
        }
        with self.sessions() as session:
            result = session.execute(_KEEP, values | secret)
            assert isinstance(result, CursorResult)
            return bool(result.rowcount)

    def _sealed(self, connector_name: str, notice: ProviderNotice) -> dict[str, Any]:
        """Return the columns of the notice's one-time tokens; tokens of a link that nobody began are dropped."""
        row_id = uuid.uuid4()
        columns = {"id": row_id, "user_id": None, "secret_encrypted": None, "secret_key_id": None}
        columns["secret_sealed_at"] = None
        if notice.action is not NoticeAction.LINK_FINISHED or notice.login_ref is None:
            return columns
        with self.sessions() as session:
            user_id = owner_of(session, connector_name=connector_name, provider_ref=notice.login_ref)
            sealed_at = session.scalar(select(func.now()))
        if user_id is None:
            return columns
        sealed = self.vault.seal(json.dumps(notice.public_tokens).encode(), place_of(row_id, user_id))
        return columns | {
            "user_id": user_id,
            "secret_encrypted": sealed.blob,
            "secret_key_id": sealed.key_id,
            "secret_sealed_at": sealed_at,
        }


def place_of(row_id: uuid.UUID, user_id: int, version: int = 1) -> CredentialPlace:
    """Return the place the tokens of a notice are sealed for."""
    return CredentialPlace(
        table="provider_notices", column="secret_encrypted", user_id=user_id, row_id=str(row_id), version=version
    )


def open_tokens(vault: Vault, row: ReceivedNotice) -> Sequence[str]:
    """Return the one-time tokens of a notice. Raises: CredentialError."""
    if row.secret_encrypted is None or row.user_id is None:
        return ()
    opened = vault.open(bytes(row.secret_encrypted), place_of(row.id, row.user_id, row.secret_version))
    return [str(token) for token in json.loads(opened)]


def _digest(connector_name: str, verified: VerifiedWebhook) -> bytes:
    return hashlib.sha256(f"{connector_name}\0{verified.delivery}".encode()).digest()
