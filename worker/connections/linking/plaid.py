"""Linking through Plaid: a token opens Link in the web app; the public token it returns is exchanged once."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from worker.connections.linking.attempts import Attempt
from worker.connections.linking.flow import (
    BroughtBack,
    Linked,
    LinkFlow,
    LinkService,
    OpenedLink,
    WantedLink,
    needed,
    stored_config,
)
from worker.connectors.base import ConnectorContext
from worker.connectors.plaid import PlaidConfig, PlaidConnector, WebhookKeys
from worker.connectors.plaid.api import PlaidApi, PlaidApp
from worker.connectors.reading import part, read_moment


class PlaidFlow(LinkFlow):
    """Opens Plaid Link; a login that is renewed keeps its access token and may gain accounts (Plaid's update mode)."""

    name = PlaidConnector.name

    def __init__(self, service: LinkService, app: PlaidApp) -> None:
        super().__init__(service)
        self._app = app

    def open(self, context: ConnectorContext, wanted: WantedLink, state: str) -> OpenedLink:
        """Return a token that opens Plaid Link."""
        del state
        stored = wanted.connection_id and self._stored(wanted.connection_id)
        answer = PlaidApi(self._app, context).create_link_token(
            str(wanted.user_id),
            webhook=wanted.webhook_url,
            redirect_uri=wanted.redirect_url,
            access_token=stored.access_token.get_secret_value() if stored else None,
        )
        expires_at = read_moment(answer.get("expiration"))
        return OpenedLink(link_token=part(answer, "link_token", str), expires_at=expires_at)

    def close(self, attempt: Attempt, callback: BroughtBack) -> Linked:
        """Exchange the public token; a renewed login has none that is needed."""
        if attempt.connection_id is not None:
            stored = self._stored(attempt.connection_id)
            return Linked(config=stored.model_dump(), provider_ref=stored.item_id)
        public_token = needed(callback.public_token, "public_token")
        with self.service.open_context() as context:
            answer = PlaidApi(self._app, context).exchange(public_token)
        item_id = part(answer, "item_id", str)
        config = self._app.model_dump() | {"access_token": part(answer, "access_token", str), "item_id": item_id}
        return Linked(config=config, provider_ref=item_id, institution_name=callback.institution_name)

    def _stored(self, connection_id: Any) -> Any:  # noqa: ANN401 - as `stored_config` has them
        return stored_config(self.service.connection_service, connection_id, PlaidConfig)


def plaid_webhook_keys(service: LinkService, app: PlaidApp, now: Callable[[], datetime]) -> WebhookKeys:
    """Return what `plaid_webhook` verifies with; make one per process, it remembers Plaid's keys for a day."""

    def fetch(key_id: str) -> Mapping[str, Any]:
        with service.open_context() as context:
            return PlaidApi(app, context).webhook_key(key_id)

    return WebhookKeys(fetch=fetch, now=now)
