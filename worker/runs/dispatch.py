"""From due connections to runs, and from waiting runs to messages: who is next is decided here, not in a queue.

Any number of dispatchers may run at once; rows that one holds are skipped by the others. Both steps belong into one
short transaction each, and messages are published after the commit: a run whose message is lost is published again.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from worker.runs.schedule import RefreshSchedule, next_slot_after


@dataclass(frozen=True, slots=True, kw_only=True)
class DispatchLimits:
    """How much may be under way at once, for interactive and for scheduled runs apart.

    Attributes:
        ahead: runs published and not yet started.
        per_user: runs published or running for one user.
        per_connector: the same through one connector.
        redispatch_s: a published run that nobody claimed for this long (s) counts as lost on the way.
    """

    ahead: int
    per_user: int
    per_connector: int
    redispatch_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DueRun:
    """A run to publish, and who is waiting for it."""

    run_id: uuid.UUID
    trigger: str


_DUE_CONNECTIONS = text(
    """
    SELECT id, user_id, next_refresh_at, refresh_interval, refresh_from_hour, refresh_until_hour,
           coalesce(options ->> 'timezone', 'UTC') AS timezone, consent_expires_at, now() AS now
    FROM bank_connections
    WHERE status = 'active' AND next_refresh_at <= now()
      AND (rate_limited_until IS NULL OR rate_limited_until <= now())
    ORDER BY next_refresh_at
    LIMIT :limit
    FOR UPDATE SKIP LOCKED
    """
)
# A slot that finds a run waiting or running is answered by that run.
_WRITE_RUNS = text(
    """
    INSERT INTO bank_import_runs (id, connection_id, user_id, kind, trigger, scheduled_for)
    SELECT gen_random_uuid(), due.connection_id, due.user_id, 'refresh', 'schedule', due.slot
    FROM unnest(CAST(:ids AS uuid[]), CAST(:user_ids AS int[]), CAST(:slots AS timestamptz[]))
      AS due (connection_id, user_id, slot)
    WHERE NOT EXISTS (SELECT 1 FROM bank_import_runs r
                      WHERE r.connection_id = due.connection_id AND r.status = 'running')
    ON CONFLICT DO NOTHING
    """
)
_MOVE_ON = text(
    """
    UPDATE bank_connections c SET next_refresh_at = due.next_at
    FROM unnest(CAST(:ids AS uuid[]), CAST(:next_at AS timestamptz[])) AS due (id, next_at)
    WHERE c.id = due.id
    """
)


def plan_due_connections(session: Session, *, limit: int) -> int:
    """Write one run for each due slot and move its connection to the next one; return how many connections were due."""
    rows = session.execute(_DUE_CONNECTIONS, {"limit": limit}).all()
    if not rows:
        return 0
    due = [row for row in rows if row.consent_expires_at is None or row.next_refresh_at < row.consent_expires_at]
    _write_runs(session, due)
    session.execute(_MOVE_ON, {"ids": [str(row.id) for row in rows], "next_at": [_next_slot(row) for row in rows]})
    return len(rows)


def _write_runs(session: Session, due: Sequence[Any]) -> None:
    if due:
        session.execute(
            _WRITE_RUNS,
            {
                "ids": [str(row.id) for row in due],
                "user_ids": [row.user_id for row in due],
                "slots": [row.next_refresh_at for row in due],
            },
        )


def _next_slot(row: Any) -> datetime | None:  # noqa: ANN401 - a row of _DUE_CONNECTIONS
    schedule = RefreshSchedule(
        connection_id=row.id,
        interval=row.refresh_interval,
        from_hour=row.refresh_from_hour,
        until_hour=row.refresh_until_hour,
        timezone=row.timezone,
        consent_expires_at=row.consent_expires_at,
    )
    return next_slot_after(schedule, after=row.now)


# A running run whose lease ran out is the reaper's; it is taken once the reaper left it with `dispatched_at` empty.
# `busy` is what is under way; `waiting` gives every user's runs their turns, oldest first, and `placed` adds what the
# user and the connector have under way already. Ordering by turn is the round robin: first everybody's first run.
_TAKE_DUE_RUNS = text(
    """
    WITH busy AS MATERIALIZED (
      SELECT r.user_id, c.connector_name, r.status = 'queued' AS published
      FROM bank_import_runs r JOIN bank_connections c ON c.id = r.connection_id
      WHERE (r.trigger <> 'schedule') = :interactive
        AND ((r.status = 'running' AND r.lease_expires_at >= now())
             OR (r.status = 'queued' AND r.dispatched_at >= now() - :redispatch))
    ), waiting AS MATERIALIZED (
      SELECT r.id, r.user_id, c.connector_name, r.queued_at,
             row_number() OVER (PARTITION BY r.user_id ORDER BY r.queued_at, r.id) AS turn
      FROM bank_import_runs r JOIN bank_connections c ON c.id = r.connection_id
      WHERE (r.trigger <> 'schedule') = :interactive
        AND (r.status IN ('queued', 'deferred')
             OR (r.status = 'running' AND r.lease_expires_at < now() AND r.dispatched_at IS NULL))
        AND (r.not_before IS NULL OR r.not_before <= now())
        AND (r.dispatched_at IS NULL OR r.dispatched_at < now() - :redispatch)
        AND (c.rate_limited_until IS NULL OR c.rate_limited_until <= now())
        AND NOT EXISTS (SELECT 1 FROM bank_import_runs o
                        WHERE o.connection_id = r.connection_id AND o.status = 'running' AND o.id <> r.id)
        AND NOT EXISTS (SELECT 1 FROM bank_connector_circuits k
                        WHERE k.connector_name = c.connector_name AND k.state <> 'closed' AND k.open_until > now())
    ), placed AS MATERIALIZED (
      SELECT w.id, w.queued_at, w.turn + coalesce(u.under_way, 0) AS user_turn,
             row_number() OVER (PARTITION BY w.connector_name ORDER BY w.turn, w.queued_at, w.id)
               + coalesce(k.under_way, 0) AS connector_turn
      FROM waiting w
      LEFT JOIN (SELECT user_id, count(*) AS under_way FROM busy GROUP BY 1) u ON u.user_id = w.user_id
      LEFT JOIN (SELECT connector_name, count(*) AS under_way FROM busy GROUP BY 1) k
        ON k.connector_name = w.connector_name
    ), taken AS (
      SELECT r.id FROM bank_import_runs r JOIN placed p ON p.id = r.id
      WHERE p.user_turn <= :per_user AND p.connector_turn <= :per_connector
        AND (r.dispatched_at IS NULL OR r.dispatched_at < now() - :redispatch)
        AND (r.status IN ('queued', 'deferred') OR (r.status = 'running' AND r.lease_expires_at < now()))
      ORDER BY p.user_turn, p.queued_at
      LIMIT greatest(0, :ahead - (SELECT count(*) FROM busy WHERE published))
      FOR UPDATE OF r SKIP LOCKED
    )
    UPDATE bank_import_runs r SET dispatched_at = now(), dispatch_count = r.dispatch_count + 1
    FROM taken WHERE r.id = taken.id
    RETURNING r.id, r.trigger
    """
)


def take_due_runs(session: Session, *, interactive: bool, limits: DispatchLimits) -> list[DueRun]:
    """Mark the runs whose turn it is as published and return them; publish them once this is committed.

    interactive: runs somebody waits for, or those of the schedule; neither takes from the other's limits.
    """
    rows = session.execute(
        _TAKE_DUE_RUNS,
        {
            "interactive": interactive,
            "ahead": limits.ahead,
            "per_user": limits.per_user,
            "per_connector": limits.per_connector,
            "redispatch": timedelta(seconds=limits.redispatch_s),
        },
    )
    return [DueRun(run_id=row.id, trigger=row.trigger) for row in rows]
