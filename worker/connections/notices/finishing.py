"""Finishes links that users went through on the provider's own page: each becomes a connection, and a first run.

The network is used between transactions. An attempt is claimed once, whoever comes first: this, or the user's browser.
"""

import uuid
from datetime import UTC, datetime, timedelta

from sqlalchemy import func, select, update

from worker.connections.linking import BroughtBack, LinkApps, LinkService
from worker.connections.linking.apps import finish_reported_link
from worker.connections.notices.receiving import open_tokens
from worker.connectors.errors import ConnectorError, ProviderUnavailableError, RateLimitError
from worker.credentials import Vault
from worker.errors import (
    ConflictError,
    CredentialError,
    InvalidRequestError,
    KeyProviderUnavailableError,
    NotFoundError,
    WorkerError,
)
from worker.models import ReceivedNotice
from worker.runs.request import request_run
from worker.runs.states import RunKind, RunRequest, RunTrigger
from worker.telemetry.logs import get_logger

log = get_logger(__name__)

BATCH = 20
AGAIN_AFTER = timedelta(minutes=1)
TOKENS_LIVE = timedelta(minutes=30)
"""How long what a provider reported can be exchanged; one that was spent meanwhile is refused, which is final."""


def finish_hosted_links(service: LinkService, apps: LinkApps, vault: Vault) -> int:
    """Finish every link that a provider reported as done, and ask for its first run; return how many connections."""
    sessions = service.connection_service.sessions
    waiting = (
        select(ReceivedNotice)
        .where(ReceivedNotice.handled_at.is_(None), ReceivedNotice.action == "link_finished")
        .where(ReceivedNotice.not_before <= func.now())
        .order_by(ReceivedNotice.received_at)
        .limit(BATCH)
    )
    with sessions() as session:
        rows = session.scalars(waiting).all()
    linked = 0
    for row in rows:
        try:
            result, made = _finish(service, apps, vault, row)
        except (KeyProviderUnavailableError, ProviderUnavailableError, RateLimitError):
            with sessions() as session:
                later = update(ReceivedNotice).where(ReceivedNotice.id == row.id)
                session.execute(later.values(not_before=func.now() + AGAIN_AFTER))
            continue
        with sessions() as session:
            for connection_id in made:
                request_run(
                    session,
                    RunRequest(connection_id=connection_id, kind=RunKind.REFRESH, trigger=RunTrigger.WEBHOOK),
                )
            session.execute(
                update(ReceivedNotice)
                .where(ReceivedNotice.id == row.id, ReceivedNotice.handled_at.is_(None))
                .values(handled_at=func.now(), result=result, secret_encrypted=None, secret_key_id=None)
            )
        linked += len(made)
    return linked


def _finish(service: LinkService, apps: LinkApps, vault: Vault, row: ReceivedNotice) -> tuple[str, list[uuid.UUID]]:
    """Return how the notice ends, and the connections it led to.

    Raises: KeyProviderUnavailableError, ProviderUnavailableError, RateLimitError, while it can be tried again.
    """
    if row.user_id is None:
        return "unknown_link", []
    try:
        tokens = open_tokens(vault, row)
    except KeyProviderUnavailableError:
        raise
    except CredentialError as error:
        return _failed(row, error)
    try:
        callback = BroughtBack(user_id=row.user_id, connector_name=row.connector_name, state="")
        made = finish_reported_link(service, apps, callback, provider_ref=row.login_ref, public_tokens=tokens)
    except (ProviderUnavailableError, RateLimitError) as error:
        if datetime.now(UTC) - row.received_at < TOKENS_LIVE:
            raise
        return _failed(row, error)
    except (ConnectorError, ConflictError, InvalidRequestError, NotFoundError, CredentialError) as error:
        return _failed(row, error)
    return ("linked" if made else "finished_before"), made


def _failed(row: ReceivedNotice, error: WorkerError) -> tuple[str, list[uuid.UUID]]:
    log.warning("provider_notice.link_failed", connector=row.connector_name, code=error.code)
    return "link_failed", []
