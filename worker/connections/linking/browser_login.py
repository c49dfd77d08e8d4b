"""Links connectors from manifests whose providers log people in on a page of their own (OAuth2 authorization code)."""

import secrets
from collections.abc import Mapping

from worker.connections.linking.attempts import Attempt
from worker.connections.linking.contract import (
    BroughtBack,
    Linked,
    LinkFlow,
    LinkService,
    OpenedLink,
    WantedLink,
    needed,
)
from worker.connectors.base import ConnectorContext
from worker.connectors.manifest.browser_login import login_page
from worker.connectors.manifest.login import RefreshTokenAuth
from worker.connectors.manifest.model import Manifest
from worker.connectors.manifest.request_filling import fill
from worker.errors import NotFoundError


class BrowserLoginFlow(LinkFlow):
    """Sends the person to the page that the manifest names; the connector exchanges the code of the redirect."""

    def __init__(self, service: LinkService, manifest: Manifest, operator: Mapping[str, str]) -> None:
        super().__init__(service)
        self.name = manifest.name  # type: ignore[misc]  # one class for every manifest
        self._manifest = manifest
        self._operator = operator

    def open(self, context: ConnectorContext, wanted: WantedLink, state: str) -> OpenedLink:
        """Return the address of the provider's page; nothing is asked of the provider."""
        del context
        link, auth = self._manifest.link, self._manifest.auth
        assert link is not None
        assert isinstance(auth, RefreshTokenAuth)
        redirect_url = needed(wanted.redirect_url, "redirect_url")
        defaults = {name: one.default for name, one in self._manifest.config.items()}
        values = {**defaults, **self._operator}
        client_id = fill(auth.client_id, values)
        if client_id is None:
            raise NotFoundError(f"no application is registered for {self.name}: LINK_APPS")
        verifier = secrets.token_urlsafe(48)
        url = login_page(link, client_id, values, redirect_url=redirect_url, state=state, verifier=verifier)
        details = {"redirect_url": redirect_url} | ({"code_verifier": verifier} if link.pkce else {})
        return OpenedLink(url=url, details=details)

    def close(self, attempt: Attempt, callback: BroughtBack) -> Linked:
        """Return a config with the code, which the connector exchanges before the first save."""
        return Linked(config={"code": needed(callback.code, "code"), **attempt.details})
