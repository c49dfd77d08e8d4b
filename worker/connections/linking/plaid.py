"""Plaid: a token opens Link in the web app; the public token it returns is exchanged once."""

import uuid
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from worker.connections.linking.attempts import new_state, open_attempt
from worker.connections.linking.flow import (
    Brought,
    LinkService,
    LinkStart,
    finish,
    require_own,
    stored_config,
    take,
)
from worker.connectors.plaid import PlaidConfig, PlaidConnector, WebhookKeys
from worker.connectors.plaid.api import PlaidApi, PlaidApp
from worker.connectors.reading import part, read_moment
from worker.errors import InvalidRequestError

_NAME = PlaidConnector.name


def start_plaid(
    link_service: LinkService,
    app: PlaidApp,
    *,
    user_id: int,
    connection_id: uuid.UUID | None = None,
    webhook: str | None = None,
    redirect_uri: str | None = None,
) -> LinkStart:
    """Return a token that opens Plaid Link. connection_id: renew this login in place (Plaid's update mode).

    webhook: where Plaid reports changes; `plaid_webhook` reads them. redirect_uri: for banks with pages of their own.
    Raises: NotFoundError, InvalidRequestError, ConnectorError.
    """
    require_own(link_service, connection_id, user_id=user_id, connector_name=_NAME)
    access_token = None
    if connection_id is not None:
        access_token = stored_config(
            link_service.connection_service, connection_id, PlaidConfig
        ).access_token.get_secret_value()
    with link_service.open_context() as context:
        answer = PlaidApi(app, context).create_link_token(
            str(user_id), webhook=webhook, redirect_uri=redirect_uri, access_token=access_token
        )
    state = new_state()
    with link_service.connection_service.sessions() as session:
        open_attempt(session, user_id=user_id, connector_name=_NAME, state=state, connection_id=connection_id)
    expires_at = read_moment(answer.get("expiration"))
    return LinkStart(state=state, link_token=part(answer, "link_token", str), expires_at=expires_at)


def finish_plaid(  # noqa: PLR0913 - by keyword, as a form has them
    link_service: LinkService,
    app: PlaidApp,
    *,
    user_id: int,
    state: str,
    public_token: str | None = None,
    name: str | None = None,
    institution_name: str | None = None,
) -> uuid.UUID:
    """Exchange the public token and save the connection; return its id. Calling it twice links once.

    institution_name: as Link tells the web app. A renewed login keeps its access token, so Link's public token is not
    needed then and not exchanged.
    Raises: InvalidRequestError, ConflictError, ConnectorError.
    """
    attempt = take(link_service, user_id=user_id, connector_name=_NAME, state=state)

    def bring() -> Brought:
        if attempt.connection_id is not None:
            return _renewed(stored_config(link_service.connection_service, attempt.connection_id, PlaidConfig))
        if public_token is None:
            raise InvalidRequestError("a new login needs the public token of Plaid Link")
        return _exchanged(link_service, app, public_token, institution_name)

    return finish(link_service, attempt, bring, connector_name=_NAME, name=name)


def plaid_webhook_keys(link_service: LinkService, app: PlaidApp, now: Callable[[], datetime]) -> WebhookKeys:
    """Return what `plaid_webhook` verifies with; make one per process, it remembers Plaid's keys for a day."""

    def fetch(key_id: str) -> Mapping[str, Any]:
        with link_service.open_context() as context:
            return PlaidApi(app, context).webhook_key(key_id)

    return WebhookKeys(fetch=fetch, now=now)


def _renewed(config: PlaidConfig) -> Brought:
    return Brought(config=config.model_dump(), provider_ref=config.item_id)


def _exchanged(link_service: LinkService, app: PlaidApp, public_token: str, institution_name: str | None) -> Brought:
    with link_service.open_context() as context:
        answer = PlaidApi(app, context).exchange(public_token)
    item_id = part(answer, "item_id", str)
    config = app.model_dump() | {"access_token": part(answer, "access_token", str), "item_id": item_id}
    return Brought(config=config, provider_ref=item_id, institution_name=institution_name)
