"""What a provider's part of a linking flow implements, and the values that it takes and returns."""

import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Literal, TypeVar

from worker.connections.credentials import open_taken, take_config
from worker.connections.lifecycle import ConnectionService
from worker.connections.linking.attempts import Attempt
from worker.connectors.base import ConnectorContext
from worker.errors import InvalidRequestError, NotFoundError

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


def needed(value: ValueT | None, name: str) -> ValueT:
    """Return a value that this connector needs. Raises: InvalidRequestError."""
    if value is None:
        raise InvalidRequestError(f"`{name}` is needed for this connector")
    return value


def stored_config(service: ConnectionService, connection_id: uuid.UUID, config_type: type[Any]) -> Any:  # noqa: ANN401 - the given type
    """Decrypt the config of a connection, which is audited. Raises: ConflictError, CredentialError."""
    return open_taken(service.sessions, service.vault, take_config(service.sessions, connection_id), config_type)
