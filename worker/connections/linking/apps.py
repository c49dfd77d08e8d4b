"""The operator's own applications at the providers, and every flow by the name of its connector."""

import uuid
from collections.abc import Sequence
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from worker.connections.linking.enablebanking import EnableBankingFlow
from worker.connections.linking.flow import (
    BroughtBack,
    LinkBank,
    LinkFlow,
    LinkService,
    LinkStart,
    WantedLink,
    finish,
    start,
)
from worker.connections.linking.gocardless import GoCardlessFlow
from worker.connections.linking.plaid import PlaidFlow
from worker.connections.validation import describe_invalid
from worker.connectors.enablebanking.config import EnableBankingApp
from worker.connectors.gocardless.config import GoCardlessApp
from worker.connectors.plaid.api import PlaidApp
from worker.credentials import secrets_of
from worker.errors import ConfigurationError, NotFoundError
from worker.redaction import remember


class LinkApps(BaseModel):
    """What the operator registered where; one application serves every user."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    plaid: Annotated[PlaidApp | None, Field(repr=False)] = None
    enablebanking: Annotated[EnableBankingApp | None, Field(repr=False)] = None
    gocardless: Annotated[GoCardlessApp | None, Field(repr=False)] = None


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


def list_link_banks(service: LinkService, apps: LinkApps, connector_name: str, country: str) -> Sequence[LinkBank]:
    """Return the banks of a country (two letters) that a connector links. Raises: NotFoundError, ConnectorError."""
    flow = _flow(service, apps, connector_name)
    with service.open_context() as context:
        return flow.banks(context, country)


def start_link(service: LinkService, apps: LinkApps, wanted: WantedLink) -> LinkStart:
    """Begin a flow. Raises: NotFoundError, InvalidRequestError, ConnectorError."""
    return start(_flow(service, apps, wanted.connector_name), wanted)


def finish_link(service: LinkService, apps: LinkApps, callback: BroughtBack) -> uuid.UUID:
    """Finish a flow and save its connection; idempotent.

    Raises: NotFoundError, InvalidRequestError, ConflictError, ConnectorError.
    """
    return finish(_flow(service, apps, callback.connector_name), callback)


def _flow(service: LinkService, apps: LinkApps, connector_name: str) -> LinkFlow:
    match connector_name:
        case "plaid" if apps.plaid is not None:
            return PlaidFlow(service, apps.plaid)
        case "enablebanking" if apps.enablebanking is not None:
            return EnableBankingFlow(service, apps.enablebanking)
        case "gocardless" if apps.gocardless is not None:
            return GoCardlessFlow(service, apps.gocardless)
        case "plaid" | "enablebanking" | "gocardless":
            raise NotFoundError(f"no application is registered for {connector_name}: LINK_APPS")
        case _:
            raise NotFoundError(f"{connector_name} is not linked in a browser")
