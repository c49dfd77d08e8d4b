"""Finishes links that users went through on the provider's own page: each becomes a connection, and a first run.

The network is used between transactions. An attempt is claimed once, whoever comes first: this, or the user's browser.
"""

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from sqlalchemy import func, select, update

from worker.connections.linking import BroughtBack, LinkApps, LinkService
from worker.connections.linking.apps import finish_reported_link
from worker.connections.notices.receiving import open_tokens, place_of
from worker.connectors.errors import ConnectorError
from worker.credentials import SealedValue, Vault
from worker.errors import (
    ConflictError,
    CredentialError,
    InvalidRequestError,
    KeyProviderUnavailableError,
    NotFoundError,
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
        select(ReceivedNotice, (func.now() - ReceivedNotice.received_at >= TOKENS_LIVE).label("is_last_try"))
        .where(ReceivedNotice.handled_at.is_(None), ReceivedNotice.action == "link_finished")
        .where(ReceivedNotice.not_before <= func.now())
        .order_by(ReceivedNotice.received_at)
        .limit(BATCH)
    )
    with sessions() as session:
        rows = session.execute(waiting).all()
    linked = 0
    for row, is_last_try in rows:
        try:
            end = _finish(service, apps, vault, row, is_last_try=is_last_try)
        except KeyProviderUnavailableError:
            end = _End()
        with sessions() as session:
            for connection_id in end.made:
                request_run(
                    session,
                    RunRequest(connection_id=connection_id, kind=RunKind.REFRESH, trigger=RunTrigger.WEBHOOK),
                )
            session.execute(
                update(ReceivedNotice)
                .where(ReceivedNotice.id == row.id, ReceivedNotice.handled_at.is_(None))
                .values(**_written(end))
            )
        linked += len(end.made)
    return linked


@dataclass(frozen=True, slots=True, kw_only=True)
class _End:
    """How the notice of a finished link ends.

    Attributes:
        result: None: it is tried again later.
        made: The connections that it led to.
        left: The sealed tokens that are left, with the version they are sealed for; None: those that it has.
    """

    result: str | None = None
    made: Sequence[uuid.UUID] = ()
    left: tuple[SealedValue, int] | None = None


def _written(end: _End) -> dict[str, Any]:
    """Return the columns of a notice that ended, or is tried again."""
    if end.result is not None:
        return {
            "handled_at": func.now(),
            "result": end.result,
            "secret_encrypted": None,
            "secret_key_id": None,
        }
    again = {"not_before": func.now() + AGAIN_AFTER}
    if end.left is None:
        return again
    sealed, version = end.left
    return again | {
        "secret_encrypted": sealed.blob,
        "secret_key_id": sealed.key_id,
        "secret_version": version,
        "secret_sealed_at": func.now(),
    }


def _finish(service: LinkService, apps: LinkApps, vault: Vault, row: ReceivedNotice, *, is_last_try: bool) -> _End:
    """Return how the notice ends, and the connections it led to. Raises: KeyProviderUnavailableError."""
    if row.user_id is None:
        return _End(result="unknown_link")
    try:
        tokens = open_tokens(vault, row)
    except KeyProviderUnavailableError:
        raise
    except CredentialError as error:
        return _failed(row, error.code)
    try:
        callback = BroughtBack(user_id=row.user_id, connector_name=row.connector_name, state="")
        link = finish_reported_link(service, apps, callback, provider_ref=row.login_ref, public_tokens=tokens)
    except (ConnectorError, ConflictError, InvalidRequestError, NotFoundError, CredentialError) as error:
        return _failed(row, error.code)
    if not link.left:
        return _End(result="linked" if link.made else "finished_before", made=link.made)
    if is_last_try:
        return replace(_failed(row, "provider_down"), made=link.made)
    return _End(made=link.made, left=_sealed_again(vault, row, [one for one in link.left if one is not None]))


def _sealed_again(vault: Vault, row: ReceivedNotice, tokens: Sequence[str]) -> tuple[SealedValue, int] | None:
    """Seal the tokens that are left; without a key the notice keeps all, of which the spent ones are refused."""
    assert row.user_id is not None
    version = row.secret_version + 1
    try:
        return vault.seal(json.dumps(tokens).encode(), place_of(row.id, row.user_id, version)), version
    except KeyProviderUnavailableError:
        return None


def _failed(row: ReceivedNotice, code: str) -> _End:
    log.warning("provider_notice.link_failed", connector=row.connector_name, code=code)
    return _End(result="link_failed")
