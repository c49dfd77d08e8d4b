"""Writes the runs of connections whose refresh is due, in due order, as far as the limits allow.

A connection over the limit stays due and costs nothing. Any number of dispatchers may plan at once: each skips
connections that another has locked, and a slot makes one run.
"""

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeAlias

from sqlalchemy import text
from sqlalchemy.orm import Session

from worker.db.uuid7 import uuid7
from worker.runs.dispatching.dispatch import PAGE, DueRun, fill_places, read_under_way_in_turn
from worker.runs.dispatching.dispatch_order import DispatchLimits, DueCandidate, UnderWay, choose
from worker.runs.dispatching.refresh_schedule import RefreshSchedule, next_slot_after, polling_interval
from worker.runs.states import RunTrigger

# A loose index scan over idx_bank_connections_ready: one probe for each connector, however many connections it has.
_DUE_CONNECTORS = text(
    """
    WITH RECURSIVE known AS (
      (SELECT connector_name FROM bank_connections
       WHERE status = 'active' AND next_refresh_at IS NOT NULL ORDER BY connector_name LIMIT 1)
      UNION ALL
      SELECT (SELECT c.connector_name FROM bank_connections c
              WHERE c.status = 'active' AND c.next_refresh_at IS NOT NULL AND c.connector_name > known.connector_name
              ORDER BY c.connector_name LIMIT 1)
      FROM known WHERE known.connector_name IS NOT NULL
    )
    SELECT connector_name FROM known
    WHERE connector_name IS NOT NULL AND NOT EXISTS (
      SELECT 1 FROM bank_connector_circuits k
      WHERE k.connector_name = known.connector_name AND k.scope = '' AND k.state <> 'closed' AND k.open_until > now())
    """
)
_DUE_CONNECTIONS = text(
    """
    SELECT id, user_id, connector_name, greatest(next_refresh_at, rate_limited_until) AS ready_at
    FROM bank_connections
    WHERE status = 'active' AND next_refresh_at IS NOT NULL AND connector_name = :connector_name
      AND greatest(next_refresh_at, rate_limited_until) <= now() AND user_id <> ALL(CAST(:full_users AS int[]))
    ORDER BY greatest(next_refresh_at, rate_limited_until), id
    LIMIT :page
    """
)
# SKIP LOCKED, because waiting for a user whom FinMind deletes now, while holding the connections, would deadlock.
_TAKE = text(
    """
    SELECT c.id, c.user_id, c.next_refresh_at, c.refresh_interval,
           c.webhook_seen_at IS NOT NULL AS is_reported, now() - p.last_seen_at AS unseen_for,
           c.connector_name, c.refresh_from_hour, c.refresh_until_hour,
           coalesce(c.options ->> 'timezone', 'UTC') AS timezone, now() AS now
    FROM bank_connections c JOIN users u ON u.id = c.user_id
      LEFT JOIN user_preferences p ON p.user_id = c.user_id
    WHERE c.id = ANY(CAST(:ids AS uuid[])) AND c.status = 'active'
      AND greatest(c.next_refresh_at, c.rate_limited_until) <= now() AND c.next_refresh_at IS NOT NULL
    FOR KEY SHARE OF u SKIP LOCKED FOR UPDATE OF c SKIP LOCKED
    """
)
# When a run of the connection already waits or runs, the slot needs no other.
_WRITE_RUNS = text(
    """
    INSERT INTO bank_import_runs (id, connection_id, user_id, connector_name, kind, trigger, scheduled_for,
                                  dispatched_at, dispatch_count)
    SELECT due.run_id, due.connection_id, due.user_id, due.connector_name, 'refresh', 'schedule', due.slot, now(), 1
    FROM unnest(CAST(:run_ids AS uuid[]), CAST(:ids AS uuid[]), CAST(:user_ids AS int[]),
                CAST(:connector_names AS text[]), CAST(:slots AS timestamptz[]))
      AS due (run_id, connection_id, user_id, connector_name, slot)
    WHERE NOT EXISTS (SELECT 1 FROM bank_import_runs r
                      WHERE r.connection_id = due.connection_id AND r.status = 'running')
    ON CONFLICT DO NOTHING
    RETURNING id, connection_id
    """
)
_MOVE_ON = text(
    """
    UPDATE bank_connections c SET next_refresh_at = due.next_at
    FROM unnest(CAST(:ids AS uuid[]), CAST(:next_at AS timestamptz[])) AS due (id, next_at)
    WHERE c.id = due.id
    """
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _DueConnection(DueCandidate):
    id: uuid.UUID


ShortestInterval: TypeAlias = Callable[[str], timedelta]
"""What the allowance of a connector carries, by its name."""


def _no_floor(_connector_name: str) -> timedelta:
    """Return no shortest interval."""
    return timedelta(0)


def plan_due_connections(
    session: Session, limits: DispatchLimits, shortest_of: ShortestInterval = _no_floor
) -> list[DueRun]:
    """Write a run, marked as published, for every due slot within the limits; move its connection to the next slot.

    Returns the runs; publish their messages after the commit.
    """
    under_way_before = read_under_way_in_turn(session, interactive=False, limits=limits)
    connector_names = session.scalars(_DUE_CONNECTORS).all()

    def take_round(under_way: UnderWay) -> list[DueRun] | None:
        values = {"full_users": under_way.full_users(limits), "page": PAGE}
        full = under_way.full_connectors(limits)
        due: list[_DueConnection] = []
        for connector_name in connector_names:
            if connector_name not in full:
                found = session.execute(_DUE_CONNECTIONS, values | {"connector_name": connector_name})
                due += [_DueConnection(**row) for row in found.mappings()]
        due.sort(key=lambda connection: connection.ready_at)
        return _plan(session, choose(due, under_way, limits), shortest_of)

    return fill_places(under_way_before, limits, take_round)


def _plan(session: Session, chosen: Sequence[_DueConnection], shortest_of: ShortestInterval) -> list[DueRun] | None:
    """Write the runs of these connections, and move each to its next slot; None where not one was moved."""
    rows = session.execute(_TAKE, {"ids": [str(connection.id) for connection in chosen]}).all() if chosen else []
    if not rows:
        return None
    runs = _write_runs(session, rows)
    session.execute(
        _MOVE_ON, {"ids": [str(row.id) for row in rows], "next_at": [_next_slot(row, shortest_of) for row in rows]}
    )
    return [
        DueRun(
            run_id=runs[connection.id],
            trigger=RunTrigger.SCHEDULE,
            user_id=connection.user_id,
            connector_name=connection.connector_name,
            ready_at=connection.ready_at,
        )
        for connection in chosen
        if connection.id in runs
    ]


def _write_runs(session: Session, rows: Sequence[Any]) -> dict[uuid.UUID, uuid.UUID]:
    """Write the runs of the slots; return their ids by connection.

    A consent that has ended is no reason to plan nothing: the run learns from the bank whether it has, and asks the
    user, or learns a later end.
    """
    values = {
        "run_ids": [str(uuid7()) for _ in rows],
        "ids": [str(row.id) for row in rows],
        "user_ids": [row.user_id for row in rows],
        "connector_names": [row.connector_name for row in rows],
        "slots": [row.next_refresh_at for row in rows],
    }
    return {row.connection_id: row.id for row in session.execute(_WRITE_RUNS, values)}


def _next_slot(row: Any, shortest_of: ShortestInterval) -> datetime | None:  # noqa: ANN401 - a row of _TAKE
    schedule = RefreshSchedule(
        connection_id=row.id,
        interval=polling_interval(
            row.refresh_interval,
            is_reported=row.is_reported,
            unseen_for=row.unseen_for,
            shortest=shortest_of(row.connector_name),
        ),
        from_hour=row.refresh_from_hour,
        until_hour=row.refresh_until_hour,
        timezone=row.timezone,
    )
    return next_slot_after(schedule, after=row.now)
