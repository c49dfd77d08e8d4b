"""Reads and writes a connection's credentials: every opening is audited, newer ones are never overwritten.

A key service is called only between transactions. A sealed value is bound to its row and to `config_version`, which
counts the credentials that the row has had.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from pydantic import BaseModel
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from worker.audit import Action, AuditedCredential, current_actor, record
from worker.credentials import CredentialPlace, SealedValue, Vault, open_config, seal_config
from worker.db.engine import Sessions
from worker.db.prepared import NO_DISK_WAIT, prepared
from worker.db.statements import Statements, first_row
from worker.errors import ConflictError, CredentialError, KeyProviderUnavailableError, NotFoundError
from worker.models import BankConnection

TABLE = "bank_connections"
COLUMN = "config_encrypted"
_REPLACE_TRIES = 5

ConfigT = TypeVar("ConfigT", bound=BaseModel)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredConfig:
    """A sealed config as read from its row.

    Attributes:
        version: `config_version`, which every later write compares.
        timezone: The time zone in the connection's options.
        webhook_url: Where the provider was told to report changes.
        login_ref: The provider's id of the login.
    """

    connection_id: uuid.UUID
    user_id: int
    connector_name: str
    version: int
    key_id: str
    blob: bytes = field(repr=False)
    timezone: str | None = None
    webhook_url: str | None = None
    login_ref: str | None = None

    @property
    def place(self) -> CredentialPlace:
        """The place that this value is bound to."""
        return place_of(self.connection_id, user_id=self.user_id, version=self.version)

    @property
    def subject(self) -> AuditedCredential:
        """The row, as the audit names it."""
        return AuditedCredential(table=TABLE, row_id=str(self.connection_id), user_id=self.user_id, key_id=self.key_id)


def place_of(connection_id: uuid.UUID, *, user_id: int, version: int) -> CredentialPlace:
    """Return the place that a connection's config is bound to."""
    return CredentialPlace(table=TABLE, column=COLUMN, user_id=user_id, row_id=str(connection_id), version=version)


def check_sealing(vault: Vault) -> None:
    """Seal a test value, so that no one-time token is spent on credentials that cannot be stored.

    The data key that this gets from a key service is also used for the next values.

    Raises: KeyProviderUnavailableError.
    """
    vault.seal(b"", CredentialPlace(table=TABLE, column=COLUMN, user_id=0, row_id="", version=0))


def new_config_values(vault: Vault, config: BaseModel, *, connection_id: uuid.UUID, user_id: int) -> dict[str, Any]:
    """Seal the first config of a connection and return the values of its columns; call it before the transaction.

    Raises: KeyProviderUnavailableError.
    """
    sealed = seal_config(vault, config, place_of(connection_id, user_id=user_id, version=1))
    return {"config_encrypted": sealed.blob, "config_key_id": sealed.key_id, "config_version": 1} | _SEALED_NOW


# One statement reads the row and writes the audit row. It does not wait for the disk: docs/decisions/0020.
_TAKE = prepared(
    f"""
    WITH {NO_DISK_WAIT},
    taken AS (
      SELECT id, user_id, connector_name, config_encrypted, config_version, config_key_id, webhook_url, login_ref,
        options ->> 'timezone' AS timezone
      FROM bank_connections, no_disk_wait WHERE id = :connection_id
    ), audited AS (
      INSERT INTO credential_audit (actor, action, table_name, row_id, user_id, key_id)
      SELECT CAST(:actor AS text), 'opened', 'bank_connections', id::text, user_id, config_key_id
      FROM taken WHERE config_encrypted IS NOT NULL
    )
    SELECT * FROM taken
    """  # noqa: S608 - constants
)


def take_config(statements: Statements, connection_id: uuid.UUID) -> StoredConfig:
    """Read a connection's sealed config and audit its opening, in a transaction of its own.

    Raises: NotFoundError, ConflictError when the connection was removed and has no credentials.
    """
    with statements() as connection:
        row = first_row(connection, _TAKE, {"connection_id": connection_id, "actor": current_actor()})
    return _stored(row, connection_id)


def open_taken(sessions: Sessions, vault: Vault, stored: StoredConfig, config_type: type[ConfigT]) -> ConfigT:
    """Decrypt what `take_config` read; a failure is audited as refused.

    Raises: CredentialError, KeyProviderUnavailableError.
    """
    try:
        return open_config(vault, stored.blob, stored.place, config_type)
    except KeyProviderUnavailableError:
        raise
    except CredentialError:
        with sessions() as session:
            record(session, Action.REFUSED, stored.subject)
        raise


class ConfigKeeper:
    """The `save_config` of one run: seals renewed credentials and stores them in a transaction of its own.

    They stay stored when the run fails later. Credentials that were replaced in the meantime are not overwritten.
    """

    def __init__(self, sessions: Sessions, vault: Vault, stored: StoredConfig) -> None:
        self._sessions = sessions
        self._vault = vault
        self._stored = stored

    def __call__(self, config: BaseModel) -> None:
        """Seal and store. Raises: ConflictError when the stored credentials are newer, KeyProviderUnavailableError."""
        sealed = seal_config(self._vault, config, replace(self._stored, version=self._stored.version + 1).place)
        with self._sessions() as session:
            written = _write(session, self._stored, sealed, reason="renewed")
        if written is None:
            raise ConflictError(f"the credentials of connection {self._stored.connection_id} were replaced meanwhile")
        self._stored = written


def replace_config(
    sessions: Sessions,
    vault: Vault,
    connection_id: uuid.UUID,
    config: BaseModel,
    *,
    also: Mapping[str, Any] | None = None,
) -> None:
    """Replace the stored credentials with those that a person has just entered.

    Args:
        also: Other columns of the connection to change in the same statement.

    Raises: NotFoundError, ConflictError when the connection was removed, KeyProviderUnavailableError.
    """
    for _ in range(_REPLACE_TRIES):
        with sessions() as session:
            stored = _current(session, connection_id)
        sealed = seal_config(vault, config, replace(stored, version=stored.version + 1).place)
        with sessions() as session:
            if _write(session, stored, sealed, reason="reauthorised", also=also):
                return
    raise ConflictError(f"the credentials of connection {connection_id} keep changing; try again")


_SEALED_NOW = {"config_sealed_at": func.now()}


def _current(session: Session, connection_id: uuid.UUID) -> StoredConfig:
    columns = select(
        BankConnection.id,
        BankConnection.user_id,
        BankConnection.connector_name,
        BankConnection.config_encrypted,
        BankConnection.config_version,
        BankConnection.config_key_id,
        BankConnection.webhook_url,
        BankConnection.login_ref,
        BankConnection.options["timezone"].astext.label("timezone"),
    )
    found = session.execute(columns.where(BankConnection.id == connection_id)).one_or_none()
    return _stored(None if found is None else found._asdict(), connection_id)


def _stored(row: Mapping[str, Any] | None, connection_id: uuid.UUID) -> StoredConfig:
    if row is None:
        raise NotFoundError(f"no connection {connection_id}")
    if row["config_encrypted"] is None:
        raise ConflictError(f"connection {connection_id} was removed")
    return StoredConfig(
        connection_id=row["id"],
        user_id=row["user_id"],
        connector_name=row["connector_name"],
        version=row["config_version"],
        key_id=row["config_key_id"],
        blob=bytes(row["config_encrypted"]),
        timezone=row["timezone"],
        webhook_url=row["webhook_url"],
        login_ref=row["login_ref"],
    )


def _write(
    session: Session,
    stored: StoredConfig,
    sealed: SealedValue,
    *,
    reason: str,
    also: Mapping[str, Any] | None = None,
) -> StoredConfig | None:
    version = session.scalar(
        update(BankConnection)
        .where(BankConnection.id == stored.connection_id, BankConnection.config_version == stored.version)
        .where(BankConnection.config_encrypted.is_not(None))
        .values(
            config_encrypted=sealed.blob,
            config_key_id=sealed.key_id,
            config_version=stored.version + 1,
            **_SEALED_NOW,
            **(also or {}),
        )
        .returning(BankConnection.config_version)
    )
    if version is None:
        return None
    written = replace(stored, version=version, key_id=sealed.key_id, blob=sealed.blob)
    record(session, Action.REPLACED, written.subject, reason=reason)
    return written
