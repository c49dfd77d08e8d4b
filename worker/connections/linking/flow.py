"""The linking flow: start, send the user to the bank, finish once. Each provider implements its own steps."""

import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Literal, TypeVar

from worker.connections.connection_queries import find
from worker.connections.credentials import open_taken, take_config
from worker.connections.lifecycle import ConnectionService, NewConnection, add, reauthorise
from worker.connections.linking.attempts import Attempt, claim, close_failed, close_linked, new_state, open_attempt
from worker.connectors.base import ConnectorContext
from worker.errors import InvalidRequestError, NotFoundError, WorkerError

ValueT = TypeVar("ValueT")


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkService:
    """What linking works with.

    Attributes:
        open_context: Opens an HTTP client and a clock for calls that need no connection yet.
    """

    connection_service: ConnectionService
    open_context: Callable[[], AbstractContextManager[ConnectorContext]]


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkBank:
    """A bank that can be linked.

    Attributes:
        id: What `WantedLink.bank` calls it.
        history_days: How far back it goes, where the provider states it.
        consent_days: How long one consent is valid, where the provider states it.
        user_types: Whom it serves: `personal`, `business`, or both; empty where the provider does not state it.
    """

    id: str
    name: str
    country: str
    history_days: int | None = None
    consent_days: int | None = None
    user_types: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedLink:
    """A request to link a bank or to renew a connection.

    Attributes:
        bank: As listed; like `country` and `redirect_url` only where the connector needs it.
        connection_id: The connection to renew in place; None: a new one.
        user_type: What kind of customer of the bank the user is; None: what the bank serves, personal first.
        webhook_url: Where the provider reports changes, if it does.
    """

    user_id: int
    connector_name: str
    bank: str | None = None
    country: str | None = None
    redirect_url: str | None = None
    connection_id: uuid.UUID | None = None
    user_type: Literal["personal", "business"] | None = None
    webhook_url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkStart:
    """Where to send the user.

    Attributes:
        state: Comes back with the user, and goes into `BroughtBack`.
        url: The bank's page; None for Plaid, whose page opens `link_token` inside the web app.
        expires_at: Until when the user may begin, where the provider states it.
    """

    state: str = field(repr=False)
    url: str | None = None
    link_token: str | None = field(default=None, repr=False)
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BroughtBack:
    """What the redirect or the web app returns after the login.

    Attributes:
        code: Of Enable Banking's redirect.
        public_token: Of Plaid Link; None where a login was renewed.
        institution_name: As Plaid Link reports it to the web app.
    """

    user_id: int
    connector_name: str
    state: str = field(repr=False)
    code: str | None = field(default=None, repr=False)
    public_token: str | None = field(default=None, repr=False)
    name: str | None = None
    institution_name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedLink:
    """What a provider answered to a start.

    Attributes:
        provider_ref: The provider's id of what the user is to agree to.
        details: What the finish has to know.
    """

    url: str | None = None
    link_token: str | None = field(default=None, repr=False)
    expires_at: datetime | None = None
    provider_ref: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Linked:
    """What a link led to.

    Attributes:
        config: Of the connection.
        provider_ref: The provider's id of the login, which its webhooks name.
    """

    config: Mapping[str, Any] = field(repr=False)
    provider_ref: str | None = None
    institution_name: str | None = None


class LinkFlow(ABC):
    """The steps of one provider."""

    name: ClassVar[str]

    def __init__(self, service: LinkService) -> None:
        self.service = service

    @abstractmethod
    def open(self, context: ConnectorContext, wanted: WantedLink, state: str) -> OpenedLink:
        """Ask the provider where to send the user. Raises: InvalidRequestError, ConnectorError."""

    @abstractmethod
    def close(self, attempt: Attempt, callback: BroughtBack) -> Linked:
        """Make the config, and exchange a one-time code for it where there is one. Runs exactly once."""

    def banks(self, context: ConnectorContext, country: str) -> Sequence[LinkBank]:
        """Return the banks of a country. Raises: NotFoundError where the provider shows them itself."""
        del context, country
        raise NotFoundError(f"{self.name} has no list of banks")


def start(flow: LinkFlow, wanted: WantedLink) -> LinkStart:
    """Begin an attempt.

    Raises:
        NotFoundError: when the connection to renew is not the user's.
        InvalidRequestError: when something is missing.
        ConnectorError: when the provider refuses.
    """
    _require_own(flow, wanted)
    state = new_state()
    with flow.service.open_context() as context:
        opened = flow.open(context, wanted, state)
    with flow.service.connection_service.sessions() as session:
        open_attempt(
            session,
            user_id=wanted.user_id,
            connector_name=flow.name,
            state=state,
            connection_id=wanted.connection_id,
            provider_ref=opened.provider_ref,
            details=dict(opened.details),
        )
    return LinkStart(state=state, url=opened.url, link_token=opened.link_token, expires_at=opened.expires_at)


def finish(flow: LinkFlow, callback: BroughtBack) -> uuid.UUID:
    """Save the result of an attempt: as a new connection, or in place of the credentials of the one to renew.

    A failure from here on ends the attempt, because a one-time code is spent.

    Raises:
        InvalidRequestError: when the user did not start this, or something is missing.
        ConflictError: when the attempt failed or is being finished.
        ConnectorError: when the provider refuses.
    """
    service = flow.service.connection_service
    attempt = take(flow.service, user_id=callback.user_id, connector_name=flow.name, state=callback.state)
    if attempt.linked_id is not None:
        return attempt.linked_id
    try:
        linked = flow.close(attempt, callback)
        connection_id = _save(service, flow.name, attempt, linked, callback.name)
    except WorkerError:
        with service.sessions() as session:
            close_failed(session, attempt)
        raise
    with service.sessions() as session:
        close_linked(session, attempt, connection_id, linked.provider_ref)
    return connection_id


def abandon(service: LinkService, *, user_id: int, connector_name: str, state: str) -> None:
    """End an attempt that the user broke off at the bank. Raises: InvalidRequestError, ConflictError."""
    attempt = take(service, user_id=user_id, connector_name=connector_name, state=state)
    if attempt.linked_id is None:
        with service.connection_service.sessions() as session:
            close_failed(session, attempt)


def take(service: LinkService, *, user_id: int, connector_name: str, state: str) -> Attempt:
    """Claim the attempt of a state. Raises: InvalidRequestError, ConflictError."""
    with service.connection_service.sessions() as session:
        return claim(session, user_id=user_id, connector_name=connector_name, state=state)


def needed(value: ValueT | None, name: str) -> ValueT:
    """Return a value that this connector needs. Raises: InvalidRequestError."""
    if value is None:
        raise InvalidRequestError(f"`{name}` is needed for this connector")
    return value


def stored_config(service: ConnectionService, connection_id: uuid.UUID, config_type: type[Any]) -> Any:  # noqa: ANN401 - the given type
    """Open the config of a connection, on record. Raises: ConflictError, CredentialError."""
    return open_taken(service.sessions, service.vault, take_config(service.sessions, connection_id), config_type)


def _require_own(flow: LinkFlow, wanted: WantedLink) -> None:
    """Refuse to renew what is not this user's, or another connector's."""
    if wanted.connection_id is None:
        return
    with flow.service.connection_service.sessions() as session:
        row = find(session, wanted.connection_id, user_id=wanted.user_id)
        if row.connector_name != flow.name:
            raise InvalidRequestError(f"connection {wanted.connection_id} is not linked through {flow.name}")


def _save(
    service: ConnectionService, connector_name: str, attempt: Attempt, linked: Linked, name: str | None
) -> uuid.UUID:
    if attempt.connection_id is not None:
        reauthorise(service, attempt.connection_id, linked.config, user_id=attempt.user_id)
        return attempt.connection_id
    return add(
        service,
        NewConnection(
            user_id=attempt.user_id,
            connector_name=connector_name,
            config=linked.config,
            name=name or linked.institution_name,
            institution_name=linked.institution_name,
        ),
    )
