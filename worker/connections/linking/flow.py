"""What every link has in common: start, let the user go to the bank, finish once."""

import uuid
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from worker.connections.connection_queries import find
from worker.connections.credentials import open_taken, take_config
from worker.connections.lifecycle import ConnectionService, NewConnection, add, reauthorise
from worker.connections.linking.attempts import Attempt, claim, close_failed, close_linked
from worker.connectors.base import ConnectorContext
from worker.errors import InvalidRequestError, WorkerError


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkService:
    """What linking works with. open_context: an HTTP client and a clock for calls that need no connection yet."""

    connection_service: ConnectionService
    open_context: Callable[[], AbstractContextManager[ConnectorContext]]


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkStart:
    """Where to send the user.

    state: comes back with the user and goes into `finish_…`. url: the bank's page; None for Plaid, whose page opens
    `link_token` inside the web app. expires_at: until when the user may begin, where the provider says so.
    """

    state: str = field(repr=False)
    url: str | None = None
    link_token: str | None = field(default=None, repr=False)
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Brought:
    """What the user brought back from the bank. provider_ref: the provider's id of the login, named in its webhooks."""

    config: Mapping[str, Any] = field(repr=False)
    provider_ref: str | None = None
    institution_name: str | None = None


def finish(
    link_service: LinkService, attempt: Attempt, bring: Callable[[], Brought], *, connector_name: str, name: str | None
) -> uuid.UUID:
    """Save what the attempt brought: as a new connection, or in place of the credentials of the one it renews.

    bring: makes the config, and may exchange a one-time code for it. It runs exactly once; whatever fails from here
    on ends the attempt, because the code is spent.
    """
    if attempt.linked_id is not None:
        return attempt.linked_id
    try:
        brought = bring()
        connection_id = _save(
            link_service.connection_service, attempt, brought, connector_name=connector_name, name=name
        )
    except WorkerError:
        with link_service.connection_service.sessions() as session:
            close_failed(session, attempt)
        raise
    with link_service.connection_service.sessions() as session:
        close_linked(session, attempt, connection_id, brought.provider_ref)
    return connection_id


def abandon(link_service: LinkService, *, user_id: int, connector_name: str, state: str) -> None:
    """End an attempt the user broke off at the bank. Raises: InvalidRequestError, ConflictError."""
    attempt = take(link_service, user_id=user_id, connector_name=connector_name, state=state)
    if attempt.linked_id is None:
        with link_service.connection_service.sessions() as session:
            close_failed(session, attempt)


def _save(
    connection_service: ConnectionService, attempt: Attempt, brought: Brought, *, connector_name: str, name: str | None
) -> uuid.UUID:
    if attempt.connection_id is not None:
        reauthorise(connection_service, attempt.connection_id, brought.config, user_id=attempt.user_id)
        return attempt.connection_id
    return add(
        connection_service,
        NewConnection(
            user_id=attempt.user_id,
            connector_name=connector_name,
            config=brought.config,
            name=name or brought.institution_name,
            institution_name=brought.institution_name,
        ),
    )


def take(link_service: LinkService, *, user_id: int, connector_name: str, state: str) -> Attempt:
    """Claim the attempt of a state. Raises: InvalidRequestError, ConflictError."""
    with link_service.connection_service.sessions() as session:
        return claim(session, user_id=user_id, connector_name=connector_name, state=state)


def require_own(
    link_service: LinkService, connection_id: uuid.UUID | None, *, user_id: int, connector_name: str
) -> None:
    """Refuse to renew what is not this user's, or another connector's. Raises: NotFoundError, InvalidRequestError."""
    if connection_id is None:
        return
    with link_service.connection_service.sessions() as session:
        row = find(session, connection_id, user_id=user_id)
        if row.connector_name != connector_name:
            raise InvalidRequestError(f"connection {connection_id} is not linked through {connector_name}")


def stored_config(connection_service: ConnectionService, connection_id: uuid.UUID, config_type: type[Any]) -> Any:  # noqa: ANN401 - the given type
    """Open the config of a connection, on record. Raises: ConflictError, CredentialError."""
    return open_taken(
        connection_service.sessions,
        connection_service.vault,
        take_config(connection_service.sessions, connection_id),
        config_type,
    )
