"""The operator's own applications at the providers, and every flow behind one door: by the name of its connector."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from worker.connections.linking.enablebanking import (
    finish_enablebanking,
    list_enablebanking_banks,
    start_enablebanking,
)
from worker.connections.linking.flow import LinkService, LinkStart
from worker.connections.linking.gocardless import finish_gocardless, list_gocardless_institutions, start_gocardless
from worker.connections.linking.plaid import finish_plaid, start_plaid
from worker.connections.validation import describe_invalid
from worker.connectors.enablebanking.config import EnableBankingApp
from worker.connectors.gocardless.config import GoCardlessApp
from worker.connectors.plaid.api import PlaidApp
from worker.credentials import secrets_of
from worker.errors import ConfigurationError, InvalidRequestError, NotFoundError
from worker.redaction import remember

ValueT = TypeVar("ValueT")


class LinkApps(BaseModel):
    """What the operator registered where; one application serves every user."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    plaid: Annotated[PlaidApp | None, Field(repr=False)] = None
    enablebanking: Annotated[EnableBankingApp | None, Field(repr=False)] = None
    gocardless: Annotated[GoCardlessApp | None, Field(repr=False)] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkBank:
    """A bank one may link. id: what `start_link` calls `bank`. consent_days, history_days: where the provider says."""

    id: str
    name: str
    country: str
    history_days: int | None = None
    consent_days: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedLink:
    """Whom to send where. bank, country, redirect_url: as the connector needs. connection_id: renew it in place."""

    user_id: int
    connector_name: str
    bank: str | None = None
    country: str | None = None
    redirect_url: str | None = None
    connection_id: uuid.UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BroughtBack:
    """What the user came back with. code: Enable Banking's. public_token: Plaid's, none where a login was renewed."""

    user_id: int
    connector_name: str
    state: str = field(repr=False)
    code: str | None = field(default=None, repr=False)
    public_token: str | None = field(default=None, repr=False)
    name: str | None = None
    institution_name: str | None = None


def read_link_apps(given: SecretStr | None) -> LinkApps:
    """Read the operator's applications. Raises: ConfigurationError that names the fields, not their values."""
    if given is None:
        return LinkApps()
    try:
        apps = LinkApps.model_validate_json(given.get_secret_value())
    except ValidationError as error:
        problem = describe_invalid(error)
    else:
        remember(secrets_of(apps))
        return apps
    raise ConfigurationError(f"LINK_APPS: {problem}")


def list_link_banks(link_service: LinkService, apps: LinkApps, connector_name: str, country: str) -> Sequence[LinkBank]:
    """Return the banks of a country (two letters) that a connector links. Raises: NotFoundError, ConnectorError."""
    match connector_name:
        case "enablebanking":
            app = _registered(apps.enablebanking, connector_name)
            banks = list_enablebanking_banks(link_service, app, country)
            return [
                LinkBank(id=bank.name, name=bank.name, country=country, consent_days=bank.consent.days)
                for bank in banks
            ]
        case "gocardless":
            found = list_gocardless_institutions(link_service, _registered(apps.gocardless, connector_name), country)
            return [
                LinkBank(id=bank.id, name=bank.name, country=country, history_days=bank.history_days) for bank in found
            ]
        case _:
            raise NotFoundError(f"{connector_name} has no list of banks")


def start_link(link_service: LinkService, apps: LinkApps, wanted: WantedLink) -> LinkStart:
    """Begin a flow. Raises: NotFoundError, InvalidRequestError, ConnectorError."""
    user_id, connection_id = wanted.user_id, wanted.connection_id
    match wanted.connector_name:
        case "plaid" as name:
            return start_plaid(
                link_service,
                _registered(apps.plaid, name),
                user_id=user_id,
                connection_id=connection_id,
                redirect_uri=wanted.redirect_url,
            )
        case "enablebanking" as name:
            return start_enablebanking(
                link_service,
                _registered(apps.enablebanking, name),
                user_id=user_id,
                bank=_needed(wanted.bank, "bank"),
                country=_needed(wanted.country, "country"),
                redirect_url=_needed(wanted.redirect_url, "redirect_url"),
                connection_id=connection_id,
            )
        case "gocardless" as name:
            return start_gocardless(
                link_service,
                _registered(apps.gocardless, name),
                user_id=user_id,
                institution_id=_needed(wanted.bank, "bank"),
                redirect_url=_needed(wanted.redirect_url, "redirect_url"),
                connection_id=connection_id,
            )
        case name:
            raise NotFoundError(f"{name} is not linked in a browser")


def finish_link(link_service: LinkService, apps: LinkApps, brought: BroughtBack) -> uuid.UUID:
    """Save what the user brought back; calling it twice links once.

    Raises: NotFoundError, InvalidRequestError, ConflictError, ConnectorError.
    """
    user_id, state = brought.user_id, brought.state
    match brought.connector_name:
        case "plaid" as name:
            return finish_plaid(
                link_service,
                _registered(apps.plaid, name),
                user_id=user_id,
                state=state,
                public_token=brought.public_token,
                name=brought.name,
                institution_name=brought.institution_name,
            )
        case "enablebanking" as name:
            app, code = _registered(apps.enablebanking, name), _needed(brought.code, "code")
            return finish_enablebanking(link_service, app, user_id=user_id, state=state, code=code, name=brought.name)
        case "gocardless" as name:
            app_of_ours = _registered(apps.gocardless, name)
            return finish_gocardless(link_service, app_of_ours, user_id=user_id, state=state, name=brought.name)
        case name:
            raise NotFoundError(f"{name} is not linked in a browser")


def _registered(app: ValueT | None, connector_name: str) -> ValueT:
    if app is None:
        raise NotFoundError(f"no application is registered for {connector_name}: LINK_APPS")
    return app


def _needed(value: ValueT | None, name: str) -> ValueT:
    if value is None:
        raise InvalidRequestError(f"`{name}` is needed for this connector")
    return value
