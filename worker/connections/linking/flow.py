"""The linking flow: start, send the user to the bank, finish once. Each provider implements its own steps."""

import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, ClassVar, Literal, TypeVar

from worker.connections.connection_limit import check_room
from worker.connections.connection_queries import find
from worker.connections.credentials import open_taken, take_config
from worker.connections.lifecycle import ConnectionService, NewConnection, add, reauthorise
from worker.connections.linking.attempts import Attempt, claim, close_failed, close_linked, new_state, open_attempt
from worker.connectors.base import ConnectorContext
from worker.errors import InvalidRequestError, NotFoundError, WorkerError

ValueT = TypeVar("ValueT")


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkService:
    """Collaborators of linking flows.

    Attributes:
        open_context: Opens an HTTP client and a clock for calls without a connection.
        public_url: Where the internet reaches the API; None: no provider is told to report changes.
    """

    connection_service: ConnectionService
    open_context: Callable[[], AbstractContextManager[ConnectorContext]]
    public_url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkBank:
    """A bank that can be linked.

    Attributes:
        id: Its id, as in `WantedLink.bank`.
        history_days: How many days of history it gives, where the provider states it.
        consent_days: How long one consent is valid, where the provider states it.
        user_types: Types of customers: `personal`, `business`, or both; empty where the provider does not state it.
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
        bank: Id of a listed bank; like `country` and `redirect_url` only where the connector needs it.
        connection_id: The connection to renew in place; None for a new one.
        user_type: Type of customer; None takes one that the bank serves, `personal` if it can.
        webhook_url: Where the provider reports changes; None: at this API, where its address is known.
        hosted: Plaid shows Link on a page of its own.
    """

    user_id: int
    connector_name: str
    bank: str | None = None
    country: str | None = None
    redirect_url: str | None = None
    connection_id: uuid.UUID | None = None
    user_type: Literal["personal", "business"] | None = None
    webhook_url: str | None = None
    hosted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkStart:
    """Where to send the user.

    Attributes:
        state: Returns with the user; pass it on in `BroughtBack`.
        url: The bank's page; for Plaid only that of a hosted link; `link_token` opens Link in the web app.
        expires_at: Until when the user may start, where the provider states it.
    """

    state: str = field(repr=False)
    url: str | None = None
    link_token: str | None = field(default=None, repr=False)
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BroughtBack:
    """What the redirect or the web app returns after the login.

    Attributes:
        code: The code in the redirect of Enable Banking, or of a login by OAuth2.
        public_token: The token of Plaid Link; None when a login was renewed.
        institution_name: Name of the bank, as Plaid Link reports it to the web app.
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
    """The response of a provider to the start of a flow.

    Attributes:
        provider_ref: The provider's id of the consent.
        details: Values to store until the flow is finished.
    """

    url: str | None = None
    link_token: str | None = field(default=None, repr=False)
    expires_at: datetime | None = None
    provider_ref: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Linked:
    """The result of a finished flow.

    Attributes:
        config: Config of the connection.
        provider_ref: The provider's id of the login, which its webhooks name.
        institution_chosen: Whether the browser said the name of the bank, not the provider.
        webhook_url: Where the provider was told to report on it.
    """

    config: Mapping[str, Any] = field(repr=False)
    provider_ref: str | None = None
    institution_name: str | None = None
    institution_chosen: bool = False
    webhook_url: str | None = None


class LinkFlow(ABC):
    """The provider's part of a linking flow."""

    name: ClassVar[str]
    reports_by_webhook: ClassVar[bool] = False

    def __init__(self, service: LinkService) -> None:
        self.service = service

    @abstractmethod
    def open(self, context: ConnectorContext, wanted: WantedLink, state: str) -> OpenedLink:
        """Ask the provider where to send the user. Raises: InvalidRequestError, ConnectorError."""

    @abstractmethod
    def close(self, attempt: Attempt, callback: BroughtBack) -> Linked:
        """Return the config, and exchange a one-time code if there is one. Called exactly once."""

    def banks(self, context: ConnectorContext, country: str) -> Sequence[LinkBank]:
        """Return the banks of a country. Raises: NotFoundError when the provider shows them on its own page."""
        del context, country
        raise NotFoundError(f"{self.name} has no list of banks")


def start(flow: LinkFlow, wanted: WantedLink) -> LinkStart:
    """Start a linking flow.

    Raises:
        NotFoundError: The connection to renew is not the user's.
        InvalidRequestError: A value is missing.
        ConnectorError: when the provider refuses.
    """
    _require_own(flow, wanted)
    if wanted.connection_id is None:
        service = flow.service.connection_service
        with service.sessions() as session:
            check_room(session, wanted.user_id, most=service.most_connections)
    if flow.reports_by_webhook and wanted.webhook_url is None and flow.service.public_url is not None:
        wanted = replace(wanted, webhook_url=webhook_address(flow.service.public_url, flow.name))
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
            page_expires_at=opened.expires_at,
            details=dict(opened.details),
        )
    return LinkStart(state=state, url=opened.url, link_token=opened.link_token, expires_at=opened.expires_at)


def finish(flow: LinkFlow, callback: BroughtBack) -> uuid.UUID:
    """Finish a flow: save a new connection, or replace the credentials of the one to renew.

    A failure ends the attempt, because its one-time code cannot be used again.

    Raises:
        InvalidRequestError: The user did not start this flow, or a value is missing.
        ConflictError: The attempt failed, or another request is finishing it.
        ConnectorError: when the provider refuses.
    """
    attempt = take(flow.service, user_id=callback.user_id, connector_name=flow.name, state=callback.state)
    return attempt.linked_id or complete(flow, attempt, callback)


def complete(flow: LinkFlow, attempt: Attempt, callback: BroughtBack) -> uuid.UUID:
    """Save the result of a claimed attempt; a failure ends it. Raises: as `finish`."""
    service = flow.service.connection_service
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


def complete_another(flow: LinkFlow, attempt: Attempt, callback: BroughtBack) -> uuid.UUID:
    """Save one more login of a claimed attempt as a connection of its own. Raises: as `finish`."""
    linked = flow.close(attempt, callback)
    return _save(flow.service.connection_service, flow.name, attempt, linked, None)


def webhook_address(public_url: str, connector_name: str) -> str:
    """Return where a provider reports changes to this API."""
    return f"{public_url.rstrip('/')}/bank-connections/provider-webhooks/{connector_name}"


def abandon(service: LinkService, *, user_id: int, connector_name: str, state: str) -> None:
    """End an attempt that the user cancelled at the bank. Raises: InvalidRequestError, ConflictError."""
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
    """Decrypt the config of a connection, which is audited. Raises: ConflictError, CredentialError."""
    return open_taken(service.sessions, service.vault, take_config(service.sessions, connection_id), config_type)


def _require_own(flow: LinkFlow, wanted: WantedLink) -> None:
    """Refuse to renew a connection of another user or another connector."""
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
            institution_chosen=linked.institution_chosen,
            webhook_url=linked.webhook_url,
        ),
    )
