"""Use cases on a connection: add, pause, resume, reauthorise, remove.

The network is used between transactions, never inside one. Everything that can be checked is checked before a one-time
token is spent: `link` is called exactly once, and when its response is lost the token is too.
"""

import uuid
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from pydantic import BaseModel
from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from worker.audit import Action, AuditedCredential, record
from worker.connections.connection_changes import Schedule, read_name
from worker.connections.connection_limit import check_room
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
from worker.db.uuid7 import uuid7
from worker.errors import ConflictError, CredentialError, NotFoundError
from worker.models import BankConnection, User
from worker.models.connection_options import ConnectionOptions

OpenedConnector: TypeAlias = AbstractContextManager[BankConnector]


def _nothing(_connector_name: str) -> Mapping[str, str]:
    """Return that the operator sets nothing."""
    return {}


def _allow(_user_id: int, _config: BaseModel) -> None:
    """Allow everything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionService:
    """Collaborators of the use cases.

    Attributes:
        find_connector: Returns the connector class of a name, or raises ConnectorNotFoundError.
        open_connector: Opens a connector with its HTTP client for a block of code.
        confine: Raises InvalidRequestError for a user's config that points outside of what that user may use; for an
            operator it allows everything.
        operator_values: Returns what the operator set for a connector from a manifest; a config need not repeat it.
        most_connections: How many connections a user may have; None for any number.
    """

    sessions: Sessions
    vault: Vault
    find_connector: Callable[[str], type[BankConnector]]
    open_connector: Callable[[type[BankConnector], BaseModel], OpenedConnector]
    confine: Callable[[int, BaseModel], None] = _allow
    operator_values: Callable[[str], Mapping[str, str]] = _nothing
    most_connections: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewConnection:
    """The values of a new connection.

    Attributes:
        config: Values of the connector's config, with secrets in the clear, so never printed.
        name: Its name; None takes the connector's display name.
        institution_chosen: Whether the name of the bank is the person's word, not the provider's.
        webhook_url: Where the provider was told to report on the login.
    """

    user_id: int
    connector_name: str
    config: Mapping[str, Any] = field(repr=False)
    name: str | None = None
    institution_name: str | None = None
    institution_chosen: bool = False
    options: ConnectionOptions = field(default_factory=ConnectionOptions)
    schedule: Schedule = field(default_factory=Schedule)
    webhook_url: str | None = None


def add(connection_service: ConnectionService, wanted: NewConnection) -> uuid.UUID:
    """Add a connection: link the bank and store the sealed config. The first import is a separate request.

    Raises: InvalidRequestError, NotFoundError (no such user), TooManyConnectionsError, ConnectorError (the provider
    refused).
    """
    connector = connection_service.find_connector(wanted.connector_name)
    config = _read_config(connection_service, connector, wanted.config)
    connection_service.confine(wanted.user_id, config)
    name = read_name(wanted.name or connector.display_name)
    with connection_service.sessions() as session:
        if session.scalar(select(User.id).where(User.id == wanted.user_id)) is None:
            raise NotFoundError(f"no user {wanted.user_id}")
        check_room(session, wanted.user_id, most=connection_service.most_connections)
    linked = _link(connection_service, connector, config)
    connection_id = uuid7()
    sealed = new_config_values(connection_service.vault, linked, connection_id=connection_id, user_id=wanted.user_id)
    sealed |= _read_from_config(connector, linked)
    with connection_service.sessions() as session:
        check_room(session, wanted.user_id, most=connection_service.most_connections)
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
    """Replace the credentials; accounts and history stay, and the next run imports the days since the last one.

    Raises: NotFoundError, ConflictError when the connection was removed, InvalidRequestError, ConnectorError.
    """
    with connection_service.sessions() as session:
        row = find(session, connection_id, user_id=user_id)
        _refuse_removed(row)
        connector, owner_id = connection_service.find_connector(row.connector_name), row.user_id
    new_config = _read_config(connection_service, connector, config)
    connection_service.confine(owner_id, new_config)
    linked = _link(connection_service, connector, new_config)
    changes = {
        "link_epoch": BankConnection.link_epoch + 1,
        "linked_at": func.now(),
        "new_accounts_at": None,
        "consent_expires_at": None,
        "consent_warned_days": None,
        **_read_from_config(connector, linked),
    }
    replace_config(
        connection_service.sessions, connection_service.vault, connection_id, linked, also={**changes, **_AWAKE}
    )


def pause(session: Session, connection_id: uuid.UUID, *, user_id: int | None = None) -> None:
    """Stop scheduled refreshes; a run that was requested before still ends. Raises: NotFoundError, ConflictError."""
    row = find(session, connection_id, user_id=user_id, lock=True)
    _refuse_removed(row)
    row.status = "paused"
    row.updated_at = func.now()


def resume(session: Session, connection_id: uuid.UUID, *, user_id: int | None = None) -> None:
    """Resume scheduled refreshes, the first one now.

    Raises: NotFoundError, ConflictError when a new login is needed.
    """
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
    """Remove a connection: revoke the authorisation where the provider can, and delete the credentials.

    The credentials are deleted even when the provider refuses. Idempotent.

    Args:
        delete_expenses: Also delete the expenses that imports wrote; expenses the user had before stay.

    Raises: NotFoundError.
    """
    with connection_service.sessions() as session:
        known = find(session, connection_id, user_id=user_id)
    revoked = known.status != "disconnected" and revoke_at_provider(connection_service, known)

    def forget_connection() -> Removed:
        with connection_service.sessions() as session:
            lock_user(session, known.user_id)
            row = find(session, connection_id, user_id=user_id, lock=True)
            if row.status != "disconnected":
                subject = _subject(connection_id, row.user_id, row.config_key_id)
                record(session, Action.REMOVED, subject, revoked_at_provider=revoked)
            return forget(session, row, with_expenses=delete_expenses, revoked=revoked)

    return with_contention_retries(forget_connection)


def _read_config(
    connection_service: ConnectionService, connector: type[BankConnector], given: Mapping[str, Any]
) -> BaseModel:
    """Return the config of what a person gave and the operator sets. Raises: InvalidRequestError naming fields."""
    operator = connection_service.operator_values(connector.name)
    set_by_operator = {name: value for name, value in operator.items() if name in connector.Config.model_fields}
    whole = {**set_by_operator, **given}
    return read(connector.Config, whole, what=f"config of `{connector.name}`", place="body.config")


def _link(connection_service: ConnectionService, connector: type[BankConnector], config: BaseModel) -> BaseModel:
    check_sealing(connection_service.vault)
    with connection_service.open_connector(connector, config) as opened:
        return opened.link()


def revoke_at_provider(connection_service: ConnectionService, row: BankConnection) -> bool:
    """End the authorisation at the provider; False when it cannot be ended there, or the credentials do not open."""
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


def _read_from_config(connector: type[BankConnector], config: BaseModel) -> dict[str, Any]:
    """Return the columns that repeat what a config says, for queries that cannot open it."""
    return {"outage_scope": connector.outage_scope(config), "login_ref": connector.login_ref(config)}


def _first_values(wanted: NewConnection, name: str) -> dict[str, Any]:
    interval = wanted.schedule.refresh_interval
    return {
        "user_id": wanted.user_id,
        "connector_name": wanted.connector_name,
        "display_name": name,
        "institution_name": wanted.institution_name,
        "institution_chosen": wanted.institution_chosen and wanted.institution_name is not None,
        "webhook_url": wanted.webhook_url,
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
"""Columns of a connection that becomes active again: no failures, and a refresh that is due now."""


def _subject(connection_id: uuid.UUID, user_id: int, key_id: str | None) -> AuditedCredential:
    return AuditedCredential(table=TABLE, row_id=str(connection_id), user_id=user_id, key_id=key_id)


def _refuse_removed(row: BankConnection) -> None:
    if row.status == "disconnected":
        raise ConflictError(f"connection {row.id} was removed")
