"""Routes of runs: list, show with decisions, stream progress, cancel, retry, revert and replay."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import asdict
from datetime import UTC, datetime, time
from typing import Annotated, Any

from fastapi import APIRouter, BackgroundTasks, Depends, Query, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.sse import EventSourceResponse, ServerSentEvent
from sqlalchemy.orm import Session

from worker.api.idempotency import OnlyOnce
from worker.api.paging import AfterId, Cursor, Limit, next_cursor, next_id, read_cursor
from worker.api.query import Day
from worker.api.rate_limit import UserPlaces
from worker.api.run_schemas import DecisionPage, RejectionPage, RunOut, RunPage, RunStory, Timeline
from worker.api.services import Services, ServicesDep, UserId
from worker.runs import follow_up_requests, run_queries
from worker.runs.run_filter import RunFilter
from worker.runs.states import GOING_ON, RunKind, RunRequest, RunStatus
from worker.status.timeline import timeline

router = APIRouter(prefix="/import-runs", tags=["runs"])

POLL_S = 0.5
WAIT_POLL_S = 0.2
LONGEST_STREAM_S = 600
"""After this long a stream ends; the browser opens it again and continues."""


def found_run(run_id: uuid.UUID, user_id: UserId, services: ServicesDep) -> RunOut:
    """Return the caller's run, so that a stream of nothing is refused before it begins. Raises: NotFoundError."""
    return _read(services, user_id, run_id)


_streams = UserPlaces(per_user=10, per_process=500, what="streams")
_waits = UserPlaces(per_user=10, per_process=500, what="waiting requests")


async def _stream_place(user_id: UserId) -> AsyncIterator[None]:
    """Hold a place until the stream has ended: each looks into the database twice a second."""
    with _streams.taken(user_id):
        yield


FoundRun = Annotated[RunOut, Depends(found_run)]


@router.get("")
def list_runs_of_user(  # noqa: PLR0913 - one argument per parameter
    user_id: UserId,
    services: ServicesDep,
    *,
    status: Annotated[list[RunStatus], Query(description="Only these; repeatable.")] = [],  # noqa: B006 - read only
    kind: Annotated[list[RunKind], Query(description="Only these; repeatable.")] = [],  # noqa: B006 - read only
    code: Annotated[str | None, Query(pattern=r"^[a-z0-9_]{1,40}$", examples=["rows_rejected"])] = None,
    connector: Annotated[str | None, Query(pattern=r"^[a-z0-9_]{1,50}$")] = None,
    search: Annotated[
        str | None,
        Query(
            max_length=100,
            pattern=r"^[^\x00]*$",
            description="Beginning of an id, or words of a bank's name or of an error.",
        ),
    ] = None,
    from_date: Annotated[Day | None, Query(description="Asked for on this day (UTC) or later.")] = None,
    to_date: Annotated[Day | None, Query(description="Asked for on this day (UTC) or before.")] = None,
    limit: Limit = 20,
    cursor: Cursor = None,
) -> RunPage:
    """List the caller's runs of all connections, newest first."""
    wanted = RunFilter(
        user_id=user_id,
        statuses=status,
        kinds=kind,
        code=code,
        connector_name=connector,
        text=search,
        from_at=None if from_date is None else datetime.combine(from_date, time.min, UTC),
        until_at=None if to_date is None else datetime.combine(to_date, time.max, UTC),
        after=read_cursor(cursor),
        limit=limit,
    )
    with services.sessions() as session:
        rows = run_queries.list_runs(session, wanted)
    return RunPage(items=[RunOut.model_validate(row) for row in rows], next=next_cursor(rows, limit))


@router.get("/{run_id}")
def show_run(run_id: uuid.UUID, user_id: UserId, services: ServicesDep, limit: Limit = 50) -> RunStory:
    """Show a run, what it did per account, and the first decisions and rejections row by row."""
    with services.sessions() as session:
        run = run_queries.run_of(session, run_id, user_id=user_id)
        return RunStory.model_validate(
            {
                **run,
                "accounts": run_queries.accounts_of(session, run_id),
                "decisions": _page(run_queries.decisions_of(session, run_id, limit=limit), limit),
                "rejections": _page(run_queries.rejections_of(session, run_id, limit=limit), limit),
            }
        )


@router.get("/{run_id}/timeline")
def show_timeline(run_id: uuid.UUID, user_id: UserId, services: ServicesDep) -> Timeline:
    """Show when a run was queued, started, asked the bank for what, imported each account and ended."""
    with services.sessions() as session:
        run = run_queries.told_run(session, run_id, user_id=user_id)
        moments = timeline(run, run_queries.accounts_of(session, run_id), names_workers=False)
    return Timeline.model_validate({"items": [asdict(one) for one in moments]})


@router.get("/{run_id}/decisions")
def list_decisions(
    run_id: uuid.UUID, user_id: UserId, services: ServicesDep, after: AfterId = 0, limit: Limit = 50
) -> DecisionPage:
    """List what a run decided row by row, with the reasons."""
    with services.sessions() as session:
        run_queries.find(session, run_id, user_id=user_id)
        rows = run_queries.decisions_of(session, run_id, after_id=after, limit=limit)
    return DecisionPage.model_validate(_page(rows, limit))


@router.get("/{run_id}/rejections")
def list_rejections(
    run_id: uuid.UUID, user_id: UserId, services: ServicesDep, after: AfterId = 0, limit: Limit = 50
) -> RejectionPage:
    """List the rows a run could not import."""
    with services.sessions() as session:
        run_queries.find(session, run_id, user_id=user_id)
        rows = run_queries.rejections_of(session, run_id, after_id=after, limit=limit)
    return RejectionPage.model_validate(_page(rows, limit))


@router.post("/{run_id}/cancel", status_code=202)
def cancel_run(run_id: uuid.UUID, user_id: UserId, services: ServicesDep) -> RunOut:
    """Cancel a run: at once when it waits, at its next step when it runs. What is committed stays."""
    with services.sessions() as session:
        follow_up_requests.cancel(session, run_id, user_id=user_id)
    return _read(services, user_id, run_id)


@router.post("/{run_id}/retry", status_code=202, response_model=RunOut)
def retry_run(
    run_id: uuid.UUID, user_id: UserId, services: ServicesDep, background: BackgroundTasks, only: OnlyOnce
) -> Response:
    """Ask again for what a failed, partial or cancelled run was asked for."""
    return _ask(services, user_id, run_id, follow_up_requests.retry_request, background, only)


@router.post("/{run_id}/revert", status_code=202, response_model=RunOut)
def revert_run(
    run_id: uuid.UUID, user_id: UserId, services: ServicesDep, background: BackgroundTasks, only: OnlyOnce
) -> Response:
    """Take back what a run did; what was edited since is left alone and reported."""
    return _ask(services, user_id, run_id, follow_up_requests.revert_request, background, only)


@router.post("/{run_id}/replay-rejections", status_code=202, response_model=RunOut)
def replay_rejections(
    run_id: uuid.UUID, user_id: UserId, services: ServicesDep, background: BackgroundTasks, only: OnlyOnce
) -> Response:
    """Try the rows again that a run had to reject."""
    return _ask(services, user_id, run_id, follow_up_requests.replay_request, background, only)


@router.get("/{run_id}/progress", response_class=EventSourceResponse, dependencies=[Depends(_stream_place)])
async def stream_progress(
    run_id: uuid.UUID, _found: FoundRun, user_id: UserId, services: ServicesDep
) -> AsyncIterator[ServerSentEvent]:
    """Stream a run as it changes: `progress` events that hold the run, then one `end` event."""
    last: RunOut | None = None
    for _ in range(int(LONGEST_STREAM_S / POLL_S)):
        run = await run_in_threadpool(_read, services, user_id, run_id)
        if run != last:
            yield ServerSentEvent(event="progress", data=run)
            last = run
        if has_ended(run):
            yield ServerSentEvent(event="end", data={"status": run.status, "code": run.code})
            return
        await asyncio.sleep(POLL_S)


async def wait_for_end(services: Services, user_id: int, run_id: uuid.UUID, *, wait_s: float) -> RunOut | None:
    """Return the run once it has ended or was deferred; None when it has not within `wait_s` seconds."""
    return await wait_until(services, user_id, run_id, has_ended, wait_s=wait_s)


async def wait_until(
    services: Services, user_id: int, run_id: uuid.UUID, is_reached: Callable[[RunOut], bool], *, wait_s: float
) -> RunOut | None:
    """Return the run once `is_reached` says so of it; None when it has not within `wait_s` seconds.

    A user with many such requests under way is answered at once.
    """
    if not _waits.is_free(user_id):
        return None
    with _waits.taken(user_id):
        for _ in range(int(wait_s / WAIT_POLL_S)):
            run = await run_in_threadpool(_read, services, user_id, run_id)
            if is_reached(run):
                return run
            await asyncio.sleep(WAIT_POLL_S)
    return None


def has_ended(run: RunOut) -> bool:
    """Say whether nothing more happens to a run at present: it has ended, or goes on later."""
    return run.status not in GOING_ON


def _ask(
    services: Services,
    user_id: int,
    run_id: uuid.UUID,
    make_request: Callable[..., RunRequest],
    background: BackgroundTasks,
    only: OnlyOnce,
) -> Response:
    def make() -> RunOut:
        with services.sessions() as session:
            new_run_id = services.ask(session, make_request(session, run_id, user_id=user_id), background)
            return shown_run(session, new_run_id, user_id)

    return only.answer(make, status=202, location=run_location)


def _read(services: Services, user_id: int, run_id: uuid.UUID) -> RunOut:
    with services.sessions() as session:
        return shown_run(session, run_id, user_id)


def shown_run(session: Session, run_id: uuid.UUID, user_id: int) -> RunOut:
    """Return a user's run as the API shows it. Raises: NotFoundError."""
    return RunOut.model_validate(run_queries.run_of(session, run_id, user_id=user_id))


def run_location(run: RunOut) -> str:
    """Return the address of a run."""
    return f"/bank-connections/import-runs/{run.id}"


def _page(rows: list[dict[str, Any]], limit: int) -> dict[str, Any]:
    return {"items": rows, "next": next_id(rows, limit)}
