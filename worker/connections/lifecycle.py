"""The life of a connection: add, pause, resume, reauthorise, remove.

The network is used between transactions, never inside one. What can be refused is refused before a one-time token is
spent: `link` runs exactly once, and when its answer is lost the token is gone.
"""

import uuid
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from pydantic import BaseModel
from sqlalchemy import func
from sqlalchemy.orm import Session

from worker.connections.choices import Schedule, read_name
from worker.connections.finding import find
from worker.connections.removal import Removed, forget
from worker.connections.sealing import put_config, read_config, record_use, take_config
from worker.connectors.base import BankConnector
from worker.connectors.errors import ConnectorError
from worker.credentials import Vault
from worker.database import Sessions
from worker.errors import ConflictError, CredentialError, NotFoundError
from worker.models import BankConnection, User
from worker.options import ConnectionOptions

OpenedConnector: TypeAlias = AbstractContextManager[BankConnector]


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What the use cases work with.

    find_connector: the class of a name; raises ConnectorNotFoundError. open_connector: a connector for a config, with
    its HTTP client, closed at the end of the block. actor: who is on record as having asked.
    """

    sessions: Sessions
    vault: Vault
    find_connector: Callable[[str], type[BankConnector]]
    open_connector: Callable[[type[BankConnector], BaseModel], OpenedConnector]
    actor: str


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


def add(desk: Desk, wanted: NewConnection) -> uuid.UUID:
    """Link a bank and keep its sealed config; the first import is somebody's next request.

    Raises: InvalidRequestError, NotFoundError (no such user), ConnectorError (the provider refused).
    """
    connector = desk.find_connector(wanted.connector_name)
    config = read_config(connector, wanted.config)
    name = read_name(wanted.name or connector.display_name)
    with desk.sessions() as session:
        if session.get(User, wanted.user_id) is None:
            raise NotFoundError(f"no user {wanted.user_id}")
    linked = _link(desk, connector, config)
    connection = _new_row(wanted, name)
    put_config(desk.vault, connection, linked)
    with desk.sessions() as session:
        session.add(connection)
        session.flush()
        record_use(session, connection, actor=desk.actor, action="sealed")
        return connection.id


def reauthorise(desk: Desk, connection_id: uuid.UUID, config: Mapping[str, Any], *, user_id: int | None = None) -> None:
    """Replace the credentials in place: accounts and history stay, and the next run fills the gap since the last one.

    Raises: NotFoundError, ConflictError when the connection was removed, InvalidRequestError, ConnectorError.
    """
    with desk.sessions() as session:
        row = find(session, connection_id, user_id=user_id)
        _refuse_removed(row)
        connector = desk.find_connector(row.connector_name)
    linked = _link(desk, connector, read_config(connector, config))
    with desk.sessions() as session:
        row = find(session, connection_id, user_id=user_id, lock=True)
        _refuse_removed(row)
        row.config_version += 1
        row.link_epoch += 1
        put_config(desk.vault, row, linked)
        row.consent_expires_at = None
        row.consent_warned_days = None
        _wake(row)
        record_use(session, row, actor=desk.actor, action="replaced")


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
    _wake(row)


def remove(
    desk: Desk, connection_id: uuid.UUID, *, delete_expenses: bool = False, user_id: int | None = None
) -> Removed:
    """End the authorisation at the provider where it can be ended, and forget the credentials for good.

    The provider's refusal stops nothing: the credentials are forgotten either way. Doing it twice changes nothing.
    delete_expenses: also delete the expenses that imports wrote; expenses the user had before stay.
    Raises: NotFoundError.
    """
    with desk.sessions() as session:
        row = find(session, connection_id, user_id=user_id)
        session.expunge(row)
    revoked = row.status != "disconnected" and _revoke(desk, row)
    with desk.sessions() as session:
        row = find(session, connection_id, user_id=user_id, lock=True)
        if row.status != "disconnected":
            record_use(session, row, actor=desk.actor, action="removed", detail={"revoked_at_provider": revoked})
        return forget(session, row, delete_expenses=delete_expenses, revoked=revoked)


def _link(desk: Desk, connector: type[BankConnector], config: BaseModel) -> BaseModel:
    with desk.open_connector(connector, config) as opened:
        return opened.link()


def _revoke(desk: Desk, row: BankConnection) -> bool:
    try:
        connector = desk.find_connector(row.connector_name)
        with desk.open_connector(connector, take_config(desk.vault, row, connector)) as opened:
            return opened.revoke()
    except (ConnectorError, CredentialError):
        return False


def _new_row(wanted: NewConnection, name: str) -> BankConnection:
    interval = wanted.schedule.refresh_interval
    return BankConnection(
        id=uuid.uuid4(),
        user_id=wanted.user_id,
        connector_name=wanted.connector_name,
        display_name=name,
        institution_name=wanted.institution_name,
        status="active",
        config_version=1,
        options=wanted.options.model_dump(mode="json", exclude_unset=True),
        next_refresh_at=None if interval is None else func.now() + interval,
        **wanted.schedule.model_dump(),
    )


def _wake(row: BankConnection) -> None:
    row.status = "active"
    row.status_code = row.status_message = None
    row.consecutive_failures = 0
    row.next_refresh_at = None if row.refresh_interval is None else func.now()
    row.updated_at = func.now()


def _refuse_removed(row: BankConnection) -> None:
    if row.status == "disconnected":
        raise ConflictError(f"connection {row.id} was removed")
