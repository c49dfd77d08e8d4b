"""Links banks through Plaid: a token opens Plaid Link in the web app; its public token is exchanged once."""

from typing import Any

from worker.connections.linking.attempts import Attempt
from worker.connections.linking.contract import (
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
from worker.connectors.plaid import PlaidConfig, PlaidConnector, link_ref
from worker.connectors.plaid.api import PlaidApi, PlaidApp
from worker.connectors.reading import part, read_moment, text


class PlaidFlow(LinkFlow):
    """Opens Plaid Link; a renewed login keeps its access token and may get more accounts (Plaid's update mode)."""

    name = PlaidConnector.name
    reports_by_webhook = True

    def __init__(self, service: LinkService, app: PlaidApp) -> None:
        super().__init__(service)
        self._app = app

    def open(self, context: ConnectorContext, wanted: WantedLink, state: str) -> OpenedLink:
        """Return a token that opens Plaid Link, and the address of Plaid's own page where it was asked for."""
        del state
        stored = wanted.connection_id and self._stored(wanted.connection_id)
        answer = PlaidApi(self._app, context).create_link_token(
            str(wanted.user_id),
            webhook=wanted.webhook_url,
            redirect_uri=wanted.redirect_url,
            access_token=stored.access_token.get_secret_value() if stored else None,
            hosted=wanted.hosted,
        )
        link_token = part(answer, "link_token", str)
        return OpenedLink(
            url=text(answer, "hosted_link_url"),
            link_token=link_token,
            expires_at=read_moment(answer.get("expiration")),
            provider_ref=link_ref(link_token),
            details={"webhook_url": wanted.webhook_url} if wanted.webhook_url and not stored else {},
        )

    def close(self, attempt: Attempt, callback: BroughtBack) -> Linked:
        """Exchange the public token; a renewed login needs none."""
        if attempt.connection_id is not None:
            stored = self._stored(attempt.connection_id)
            return Linked(config=stored.model_dump(), provider_ref=stored.item_id)
        public_token = needed(callback.public_token, "public_token")
        with self.service.open_context() as context:
            answer = PlaidApi(self._app, context).exchange(public_token)
        item_id = part(answer, "item_id", str)
        config = self._app.model_dump() | {"access_token": part(answer, "access_token", str), "item_id": item_id}
        return Linked(
            config=config,
            provider_ref=item_id,
            institution_name=callback.institution_name,
            institution_chosen=True,
            webhook_url=attempt.details.get("webhook_url"),
        )

    def _stored(self, connection_id: Any) -> Any:  # noqa: ANN401 - as `stored_config` has them
        return stored_config(self.service.connection_service, connection_id, PlaidConfig)
