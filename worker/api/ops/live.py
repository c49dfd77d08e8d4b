"""Tells open pages by server-sent events that something changed."""

import asyncio
from collections.abc import AsyncIterator

from fastapi import APIRouter
from fastapi.concurrency import run_in_threadpool
from fastapi.sse import EventSourceResponse, ServerSentEvent
from sqlalchemy import text

from worker.api.services import Services, ServicesDep

router = APIRouter()
_POLL_S = 2.0
_LONGEST_STREAM_S = 600
"""After this long a stream ends; the browser opens it again."""

_STATE = text(
    """
    SELECT (SELECT max(queued_at) FROM bank_import_runs), (SELECT max(finished_at) FROM bank_import_runs),
      (SELECT array_agg(ROW(id, status, pages, fetched, accounts_done, cancel_requested_at) ORDER BY id)::text
       FROM (SELECT * FROM bank_import_runs WHERE status = 'running' ORDER BY id LIMIT 50) running),
      (SELECT max(updated_at) FROM bank_connections WHERE status IN ('needs_user', 'error', 'paused')),
      (SELECT max(id) FROM webhook_deliveries WHERE state = 'dead')
    """
)


@router.get("/ops/live", response_class=EventSourceResponse)
async def stream_changes(services: ServicesDep) -> AsyncIterator[ServerSentEvent]:
    """Stream a `changed` event whenever a page would show something else than before."""
    last = await run_in_threadpool(_state, services)
    yield ServerSentEvent(comment="open")
    for _ in range(int(_LONGEST_STREAM_S / _POLL_S)):
        await asyncio.sleep(_POLL_S)
        state = await run_in_threadpool(_state, services)
        if state != last:
            yield ServerSentEvent(event="changed", data={})
            last = state


def _state(services: Services) -> tuple[object, ...]:
    with services.sessions() as session:
        return tuple(session.execute(_STATE).one())
