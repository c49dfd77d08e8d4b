"""The operator's applications at the providers, and the linking flow of each connector."""

import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from worker.connections.linking.attempts import claim_by_reference, open_again, reopen
from worker.connections.linking.browser_login import BrowserLoginFlow
from worker.connections.linking.contract import BroughtBack, LinkBank, LinkFlow, LinkService, LinkStart, WantedLink
from worker.connections.linking.enablebanking import EnableBankingFlow
from worker.connections.linking.flow import complete, complete_another, finish, start
from worker.connections.linking.gocardless import GoCardlessFlow
from worker.connections.linking.plaid import PlaidFlow
from worker.connections.validation import describe_invalid
from worker.connectors.enablebanking.config import EnableBankingApp
from worker.connectors.errors import ConnectorError, ProviderUnavailableError, RateLimitError
from worker.connectors.gocardless.config import GoCardlessApp
from worker.connectors.manifest.connector import ManifestConnector
from worker.connectors.plaid.api import PlaidApp
from worker.credentials import secrets_of
from worker.errors import ConfigurationError, ConflictError, InvalidRequestError, NotFoundError, WorkerError
from worker.redaction import remember


class OperatorKeys(BaseModel):
    """What the operator sets for all connections of a connector that is made from a manifest: its fields by name."""

    model_config = ConfigDict(frozen=True, extra="allow", hide_input_in_errors=True)

    __pydantic_extra__: dict[str, SecretStr] = Field(init=False)


class LinkApps(BaseModel):
    """The applications that the operator registered at providers; each serves all users.

    Connectors from manifests stand beside the named ones, each with the fields that the operator sets.

    Attributes:
        public_url: Where the internet reaches this API; providers are told to report changes there.
        renew_url: The page of the web app on which a user renews a connection; `{connection_id}` in it is replaced.
    """

    model_config = ConfigDict(frozen=True, extra="allow", hide_input_in_errors=True)

    __pydantic_extra__: dict[str, OperatorKeys] = Field(init=False)

    plaid: Annotated[PlaidApp | None, Field(repr=False)] = None
    enablebanking: Annotated[EnableBankingApp | None, Field(repr=False)] = None
    gocardless: Annotated[GoCardlessApp | None, Field(repr=False)] = None
    public_url: Annotated[str, Field(max_length=1500, pattern=r"^https?://[\x21-\x7e]+$")] | None = None
    renew_url: Annotated[str, Field(max_length=1500, pattern=r"^https?://[\x21-\x7e]+$")] | None = None

    def of(self, connector_name: str) -> BaseModel | None:
        """Return the application at a provider, by the name of its connector; None where there is none."""
        found = getattr(self, connector_name, None) if connector_name in type(self).model_fields else None
        return found if isinstance(found, BaseModel) else (self.model_extra or {}).get(connector_name)

    def operator_values(self, connector_name: str) -> dict[str, str]:
        """Return what the operator set for a connector from a manifest, secrets in the clear."""
        keys = (self.model_extra or {}).get(connector_name)
        return {} if keys is None else {name: value.get_secret_value() for name, value in keys if value is not None}


def check_link_apps(apps: LinkApps, connectors: Collection[str]) -> None:
    """Refuse applications of connectors that are not installed. Raises: ConfigurationError."""
    unknown = sorted(set(apps.model_extra or {}) - set(connectors))
    if unknown:
        raise ConfigurationError(f"LINK_APPS: {', '.join(unknown)}: no connector of that name is installed")


def read_link_apps(given: SecretStr | None) -> LinkApps:
    """Read the operator's applications. Raises: ConfigurationError, which names fields, not values."""
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
    """Return the banks of a country (two letters) that a connector can link. Raises: NotFoundError, ConnectorError."""
    flow = _flow(service, apps, connector_name)
    with service.open_context() as context:
        return flow.banks(context, country)


def start_link(service: LinkService, apps: LinkApps, wanted: WantedLink) -> LinkStart:
    """Start a linking flow. Raises: NotFoundError, InvalidRequestError, ConnectorError."""
    return start(_flow(service, apps, wanted.connector_name), wanted)


def finish_link(service: LinkService, apps: LinkApps, callback: BroughtBack) -> uuid.UUID:
    """Finish a linking flow and save its connection. Idempotent.

    Raises: NotFoundError, InvalidRequestError, ConflictError, ConnectorError.
    """
    return finish(_flow(service, apps, callback.connector_name), callback)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedLink:
    """What came of a link whose end the provider reported.

    Attributes:
        made: The connections that it led to.
        left: Tokens whose exchange met a limit or an outage: the same may be asked again with them.
    """

    made: Sequence[uuid.UUID] = ()
    left: Sequence[str | None] = ()


def finish_reported_link(
    service: LinkService, apps: LinkApps, callback: BroughtBack, *, provider_ref: str, public_tokens: Sequence[str]
) -> ReportedLink:
    """Finish a flow whose end the provider reports, once; nothing is made when it was finished before.

    The first token belongs to the attempt; a user may have linked further banks on the same page. A token that is
    refused stops no other.

    Raises: InvalidRequestError, ConflictError, NotFoundError, ConnectorError, when nothing was linked and nothing is
    left.
    """
    flow = _flow(service, apps, callback.connector_name)
    with service.connection_service.sessions() as session:
        attempt = claim_by_reference(session, connector_name=flow.name, provider_ref=provider_ref)
    if attempt is None:
        return ReportedLink()
    made: dict[str | None, uuid.UUID] = {}
    refused: list[WorkerError] = []
    left: list[str | None] = []
    first, *others = public_tokens or (None,)
    further = others if attempt.connection_id is None else ()
    for end_with, token in ((complete, first), *((complete_another, one) for one in further)):
        try:
            made[token] = end_with(flow, attempt, replace(callback, public_token=token))
        except (ProviderUnavailableError, RateLimitError):
            left.append(token)
        except (InvalidRequestError, ConflictError, ConnectorError) as error:
            refused.append(error)
    if left:
        with service.connection_service.sessions() as session:
            if first in made:
                open_again(session, attempt, connector_name=flow.name)
            else:
                reopen(session, attempt)
    elif refused and not made:
        raise refused[0]
    return ReportedLink(made=tuple(made.values()), left=left)


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
            return _flow_of_manifest(service, apps, connector_name)


def _flow_of_manifest(service: LinkService, apps: LinkApps, connector_name: str) -> LinkFlow:
    connector = service.connection_service.find_connector(connector_name)
    manifest = connector.plan.manifest if issubclass(connector, ManifestConnector) else None
    if manifest is None or manifest.link is None:
        raise NotFoundError(f"{connector_name} is not linked in a browser")
    return BrowserLoginFlow(service, manifest, apps.operator_values(connector_name))
