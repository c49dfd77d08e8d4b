"""Use cases on a connection: add, pause, resume, reauthorise, remove.

The network is used between transactions, never inside one. What can be refused is refused before a one-time token is
spent: `link` runs exactly once, and when its answer is lost the token is gone.
"""

import uuid
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from pydantic import BaseModel
from sqlalchemy import case, func
from sqlalchemy.orm import Session

from worker.audit import Action, AuditedCredential, record
from worker.connections.choices import Schedule, read_name
from worker.connections.connection_queries import find
from worker.connections.credentials import (
    TABLE,
    check_sealing,
    new_config_values,
    open_taken,
    replace_config,
    take_config,
)
from worker.connections.removal import Removed, forget
from worker.connections.validation import read
from worker.connectors.base import BankConnector
from worker.connectors.errors import ConnectorError
from worker.credentials import Vault
from worker.db.engine import Sessions, with_contention_retries
from worker.db.user_lock import lock_user
from worker.errors import ConflictError, CredentialError, NotFoundError
from worker.models import BankConnection, User
from worker.models.connection_options import ConnectionOptions

OpenedConnector: TypeAlias = AbstractContextManager[BankConnector]


def _allow(_user_id: int, _config: BaseModel) -> None:
    """Allow everything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionService:
    """What the use cases work with.

    find_connector: the class of a name; raises ConnectorNotFoundError. open_connector: a connector for a config, with
    its HTTP client, closed at the end of the block. confine: refuses a config of a user that points at what is not
    theirs; raises InvalidRequestError. The operator's own service refuses nothing.
    """

    sessions: Sessions
    vault: Vault
    find_connector: Callable[[str], type[BankConnector]]
    open_connector: Callable[[type[BankConnector], BaseModel], OpenedConnector]
    confine: Callable[[int, BaseModel], None] = _allow


@dataclass(frozen=True, slots=True, kw_only=True)
class NewConnection:
    """What somebody wants to connect. config: as the connector declares it, secrets in the clear, so never printed.

    name: None = the connector's own display name.
    """

    user_id: int
    connector_name: str
    config: Mapping[str, Any] = field(repr=False)
    name: str | None = None
    institution_name: str | None = None
    options: ConnectionOptions = field(default_factory=ConnectionOptions)
    schedule: Schedule = field(default_factory=Schedule)


def add(connection_service: ConnectionService, wanted: NewConnection) -> uuid.UUID:
    """Link a bank and keep its sealed config; the first import is a separate request.

    Raises: InvalidRequestError, NotFoundError (no such user), ConnectorError (the provider refused).
    """
    connector = connection_service.find_connector(wanted.connector_name)
    config = read(connector.Config, wanted.config, what=f"config of `{connector.name}`")
    connection_service.confine(wanted.user_id, config)
    name = read_name(wanted.name or connector.display_name)
    with connection_service.sessions() as session:
        if session.get(User, wanted.user_id) is None:
            raise NotFoundError(f"no user {wanted.user_id}")
    linked = _link(connection_service, connector, config)
    connection_id = uuid.uuid4()
    sealed = new_config_values(connection_service.vault, linked, connection_id=connection_id, user_id=wanted.user_id)
    sealed["outage_scope"] = connector.outage_scope(linked)
    with connection_service.sessions() as session:
        session.add(BankConnection(id=connection_id, **_first_values(wanted, name), **sealed))
        session.flush()
        record(session, Action.SEALED, _subject(connection_id, wanted.user_id, sealed["config_key_id"]))
    return connection_id


def reauthorise(
    connection_service: ConnectionService,
    connection_id: uuid.UUID,
    config: Mapping[str, Any],
    *,
    user_id: int | None = None,
) -> None:
    """Replace the credentials in place: accounts and history stay, and the next run fills the gap since the last one.

    Raises: NotFoundError, ConflictError when the connection was removed, InvalidRequestError, ConnectorError.
    """
    with connection_service.sessions() as session:
        row = find(session, connection_id, user_id=user_id)
        _refuse_removed(row)
        connector, owner_id = connection_service.find_connector(row.connector_name), row.user_id
    new_config = read(connector.Config, config, what=f"config of `{connector.name}`")
    connection_service.confine(owner_id, new_config)
    linked = _link(connection_service, connector, new_config)
    changes = {
        "link_epoch": BankConnection.link_epoch + 1,
        "consent_expires_at": None,
        "consent_warned_days": None,
        "outage_scope": connector.outage_scope(linked),
    }
    replace_config(
        connection_service.sessions, connection_service.vault, connection_id, linked, also={**changes, **_AWAKE}
    )


def pause(session: Session, connection_id: uuid.UUID, *, user_id: int | None = None) -> None:
    """Stop refreshing by itself; a run that was asked for before still ends. Raises: NotFoundError, ConflictError."""
    row = find(session, connection_id, user_id=user_id, lock=True)
    _refuse_removed(row)
    row.status = "paused"
    row.updated_at = func.now()


def resume(session: Session, connection_id: uuid.UUID, *, user_id: int | None = None) -> None:
    """Refresh again, at once. Raises: NotFoundError, ConflictError when only a new login can help."""
    row = find(session, connection_id, user_id=user_id, lock=True)
    _refuse_removed(row)
    if row.status == "needs_user":
        raise ConflictError(f"connection {connection_id} needs a new login: reauthorise it")
    for name, value in _AWAKE.items():
        setattr(row, name, value)


def remove(
    connection_service: ConnectionService,
    connection_id: uuid.UUID,
    *,
    delete_expenses: bool = False,
    user_id: int | None = None,
) -> Removed:
    """End the authorisation at the provider where it can be ended, and forget the credentials for good.

    The credentials are deleted even when the provider refuses. Idempotent.
    delete_expenses: also delete the expenses that imports wrote; expenses the user had before stay.
    Raises: NotFoundError.
    """
    with connection_service.sessions() as session:
        known = find(session, connection_id, user_id=user_id)
    revoked = known.status != "disconnected" and _revoke(connection_service, known)

    def forget_connection() -> Removed:
        with connection_service.sessions() as session:
            lock_user(session, known.user_id)
            row = find(session, connection_id, user_id=user_id, lock=True)
            if row.status != "disconnected":
                subject = _subject(connection_id, row.user_id, row.config_key_id)
                record(session, Action.REMOVED, subject, revoked_at_provider=revoked)
            return forget(session, row, delete_expenses=delete_expenses, revoked=revoked)

    return with_contention_retries(forget_connection)


def _link(connection_service: ConnectionService, connector: type[BankConnector], config: BaseModel) -> BaseModel:
    check_sealing(connection_service.vault)
    with connection_service.open_connector(connector, config) as opened:
        return opened.link()


def _revoke(connection_service: ConnectionService, row: BankConnection) -> bool:
    try:
        connector = connection_service.find_connector(row.connector_name)
        config = open_taken(
            connection_service.sessions,
            connection_service.vault,
            take_config(connection_service.sessions, row.id),
            connector.Config,
        )
        with connection_service.open_connector(connector, config) as opened:
            return opened.revoke()
    except (ConnectorError, ConflictError, CredentialError):
        return False


def _first_values(wanted: NewConnection, name: str) -> dict[str, Any]:
    interval = wanted.schedule.refresh_interval
    return {
        "user_id": wanted.user_id,
        "connector_name": wanted.connector_name,
        "display_name": name,
        "institution_name": wanted.institution_name,
        "options": wanted.options.model_dump(mode="json", exclude_unset=True),
        "next_refresh_at": None if interval is None else func.now() + interval,
        **wanted.schedule.model_dump(),
    }


_AWAKE: Mapping[str, Any] = {
    "status": "active",
    "status_code": None,
    "status_message": None,
    "consecutive_failures": 0,
    "next_refresh_at": case((BankConnection.refresh_interval.is_not(None), func.now())),
    "updated_at": func.now(),
}
"""What an active connection starts again with: no trouble on record, and a refresh that is due now."""


def _subject(connection_id: uuid.UUID, user_id: int, key_id: str | None) -> AuditedCredential:
    return AuditedCredential(table=TABLE, row_id=str(connection_id), user_id=user_id, key_id=key_id)


def _refuse_removed(row: BankConnection) -> None:
    if row.status == "disconnected":
        raise ConflictError(f"connection {row.id} was removed")
