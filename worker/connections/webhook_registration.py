"""Tells a provider where to report changes of a login, once for each address."""

import uuid
from typing import Any

from sqlalchemy import update

from worker.connections.credentials import StoredConfig
from worker.connections.linking.flow import webhook_address
from worker.connectors.base import BankConnector
from worker.connectors.errors import ConnectorError
from worker.db.engine import Sessions
from worker.models import BankConnection
from worker.telemetry.logs import get_logger

log = get_logger(__name__)


def register_webhook(
    sessions: Sessions, stored: StoredConfig, connector: BankConnector, public_url: str | None
) -> None:
    """Tell the provider the API's address where it does not know it yet; a refusal is no failure of the run.

    Until the first webhook arrives there, the connection is polled as if there were none. A login that was added
    without a link learns its provider's id here, too.
    """
    login_ref = connector.login_ref(connector.config)
    if login_ref is not None and login_ref != stored.login_ref:
        _write(sessions, stored.connection_id, login_ref=login_ref)
    if public_url is None or connector.webhooks is None:
        if stored.webhook_url is not None:
            _write(sessions, stored.connection_id, webhook_url=None, webhook_seen_at=None)
        return
    url = webhook_address(public_url, connector.name)
    if stored.webhook_url == url:
        return
    try:
        registered = connector.register_webhook(url)
    except ConnectorError as error:
        log.warning("provider_webhook.not_registered", connector=connector.name, code=error.code)
        return
    if registered:
        _write(sessions, stored.connection_id, webhook_url=url, webhook_seen_at=None)


def _write(sessions: Sessions, connection_id: uuid.UUID, **values: Any) -> None:  # noqa: ANN401 - columns
    with sessions() as session:
        session.execute(update(BankConnection).where(BankConnection.id == connection_id).values(**values))
