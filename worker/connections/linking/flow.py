"""The linking flow: start, send the user to the bank, finish once. Each provider implements its part (`contract`)."""

import uuid
from dataclasses import replace

from worker.connections.connection_limit import check_room
from worker.connections.connection_queries import find
from worker.connections.lifecycle import ConnectionService, NewConnection, add, reauthorise
from worker.connections.linking.attempts import Attempt, claim, close_failed, close_linked, new_state, open_attempt
from worker.connections.linking.contract import BroughtBack, Linked, LinkFlow, LinkService, LinkStart, WantedLink
from worker.errors import InvalidRequestError, WorkerError


def start(flow: LinkFlow, wanted: WantedLink) -> LinkStart:
    """Start a linking flow.

    Raises:
        NotFoundError: The connection to renew is not the user's.
        InvalidRequestError: A value is missing.
        ConnectorError: when the provider refuses.
    """
    _require_own(flow, wanted)
    if wanted.connection_id is None:
        service = flow.service.connection_service
        with service.sessions() as session:
            check_room(session, wanted.user_id, most=service.most_connections)
    if flow.reports_by_webhook and wanted.webhook_url is None and flow.service.public_url is not None:
        wanted = replace(wanted, webhook_url=webhook_address(flow.service.public_url, flow.name))
    state = new_state()
    with flow.service.open_context() as context:
        opened = flow.open(context, wanted, state)
    with flow.service.connection_service.sessions() as session:
        open_attempt(
            session,
            user_id=wanted.user_id,
            connector_name=flow.name,
            state=state,
            connection_id=wanted.connection_id,
            provider_ref=opened.provider_ref,
            page_expires_at=opened.expires_at,
            details=dict(opened.details),
        )
    return LinkStart(state=state, url=opened.url, link_token=opened.link_token, expires_at=opened.expires_at)


def finish(flow: LinkFlow, callback: BroughtBack) -> uuid.UUID:
    """Finish a flow: save a new connection, or replace the credentials of the one to renew.

    A failure ends the attempt, because its one-time code cannot be used again.

    Raises:
        InvalidRequestError: The user did not start this flow, or a value is missing.
        ConflictError: The attempt failed, or another request is finishing it.
        ConnectorError: when the provider refuses.
    """
    attempt = take(flow.service, user_id=callback.user_id, connector_name=flow.name, state=callback.state)
    return attempt.linked_id or complete(flow, attempt, callback)


def complete(flow: LinkFlow, attempt: Attempt, callback: BroughtBack) -> uuid.UUID:
    """Save the result of a claimed attempt; a failure ends it. Raises: as `finish`."""
    service = flow.service.connection_service
    try:
        linked = flow.close(attempt, callback)
        connection_id = _save(service, flow.name, attempt, linked, callback.name)
    except WorkerError:
        with service.sessions() as session:
            close_failed(session, attempt)
        raise
    with service.sessions() as session:
        close_linked(session, attempt, connection_id, linked.provider_ref)
    return connection_id


def complete_another(flow: LinkFlow, attempt: Attempt, callback: BroughtBack) -> uuid.UUID:
    """Save one more login of a claimed attempt as a connection of its own. Raises: as `finish`."""
    linked = flow.close(attempt, callback)
    return _save(flow.service.connection_service, flow.name, attempt, linked, None)


def webhook_address(public_url: str, connector_name: str) -> str:
    """Return where a provider reports changes to this API."""
    return f"{public_url.rstrip('/')}/bank-connections/provider-webhooks/{connector_name}"


def abandon(service: LinkService, *, user_id: int, connector_name: str, state: str) -> None:
    """End an attempt that the user cancelled at the bank. Raises: InvalidRequestError, ConflictError."""
    attempt = take(service, user_id=user_id, connector_name=connector_name, state=state)
    if attempt.linked_id is None:
        with service.connection_service.sessions() as session:
            close_failed(session, attempt)


def take(service: LinkService, *, user_id: int, connector_name: str, state: str) -> Attempt:
    """Claim the attempt of a state. Raises: InvalidRequestError, ConflictError."""
    with service.connection_service.sessions() as session:
        return claim(session, user_id=user_id, connector_name=connector_name, state=state)


def _require_own(flow: LinkFlow, wanted: WantedLink) -> None:
    """Refuse to renew a connection of another user or another connector."""
    if wanted.connection_id is None:
        return
    with flow.service.connection_service.sessions() as session:
        row = find(session, wanted.connection_id, user_id=wanted.user_id)
        if row.connector_name != flow.name:
            raise InvalidRequestError(f"connection {wanted.connection_id} is not linked through {flow.name}")


def _save(
    service: ConnectionService, connector_name: str, attempt: Attempt, linked: Linked, name: str | None
) -> uuid.UUID:
    if attempt.connection_id is not None:
        reauthorise(service, attempt.connection_id, linked.config, user_id=attempt.user_id)
        return attempt.connection_id
    return add(
        service,
        NewConnection(
            user_id=attempt.user_id,
            connector_name=connector_name,
            config=linked.config,
            name=name or linked.institution_name,
            institution_name=linked.institution_name,
            institution_chosen=linked.institution_chosen,
            webhook_url=linked.webhook_url,
        ),
    )
