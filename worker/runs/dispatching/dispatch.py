"""Chooses the waiting runs to publish as messages. The order is decided here, not by the queue.

Any number of dispatchers may run at once; passes over one sort of runs follow one another, so that each counts what
those before it published. Messages are published after the commit; a run whose message is lost is published again.

A pass reads the front of what waits for each connector, never all that waits, and nothing of a connector without a free
place: however many runs wait for one, they hide nobody who waits for another. What waits for a bank that is down is due
when it is asked again. A message of no use does the work of a lost or late one: that of the run that waits longest.
"""

import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from sqlalchemy import CursorResult, text
from sqlalchemy.orm import Session

from worker.db.prepared import prepared
from worker.runs.dispatching.dispatch_order import DispatchLimits, DueCandidate, UnderWay, choose
from worker.runs.dispatching.heavy import HEAVY_RUN
from worker.runs.providers import circuit

PAGE = 1000
"""Due runs, or due connections, of one connector that are read at once."""

_MOST_ROUNDS = 20
"""Rounds of one pass; what is left then is left to the next one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DueRun(DueCandidate):
    """A run to publish, and what triggered it."""

    run_id: uuid.UUID
    trigger: str


_LOCK_PASSES = text("SELECT pg_advisory_xact_lock(hashtext('finmind.dispatch'), CAST(:interactive AS int))")

_UNDER_WAY = text(
    """
    SELECT r.user_id, c.connector_name, r.status = 'queued' AS published
    FROM (
      SELECT connection_id, user_id, status FROM bank_import_runs
      WHERE status = 'running' AND lease_expires_at >= now() AND (trigger <> 'schedule') = :interactive
      UNION ALL
      SELECT connection_id, user_id, status FROM bank_import_runs
      WHERE status = 'queued' AND dispatched_at >= now() - :redispatch AND (trigger <> 'schedule') = :interactive
    ) r JOIN bank_connections c ON c.id = r.connection_id
    """
)

_OPEN_CIRCUITS = f"""FROM bank_connector_circuits k
           WHERE {circuit.OF_CONNECTION} AND k.state <> 'closed' AND k.open_until > now()"""
_MAY_ASK = f"""(c.rate_limited_until IS NULL OR c.rate_limited_until <= now())
         AND (CAST(:interactive AS int) = 1 AND r.attempt = 0 OR NOT EXISTS (SELECT 1 {_OPEN_CIRCUITS}))"""
"""SQL: no limit and no open circuit keeps run `r` of connection `c` from its bank."""

# The CASE is the expression of idx_bank_import_runs_fronts: Postgres rewrites `(trigger <> 'schedule') = false` so that
# it no longer matches the index.
_WAITS = """status IN ('queued', 'deferred') AND dispatched_at IS NULL
        AND CASE trigger WHEN 'schedule' THEN 0 ELSE 1 END = CAST(:interactive AS int)"""
_CONNECTOR = "coalesce(connector_name, '')"
_READY_AT = "coalesce(not_before, queued_at)"
# A loose index scan finds who is waited for: one probe for each connector. Runs that an older version wrote are in a
# front of their own until they are named.
_FRONT = f"""RECURSIVE connectors AS (
      (SELECT {_CONNECTOR} AS name FROM bank_import_runs WHERE {_WAITS} ORDER BY {_CONNECTOR} LIMIT 1)
      UNION ALL
      SELECT (SELECT {_CONNECTOR} FROM bank_import_runs WHERE {_WAITS} AND {_CONNECTOR} > connectors.name
              ORDER BY {_CONNECTOR} LIMIT 1)
      FROM connectors WHERE connectors.name IS NOT NULL
    ), front AS MATERIALIZED (
      SELECT of_connector.* FROM connectors CROSS JOIN LATERAL (
        SELECT id, connection_id, user_id, trigger, attempt, {_READY_AT} AS ready_at FROM bank_import_runs
        WHERE {_WAITS} AND {_CONNECTOR} = connectors.name AND {_READY_AT} <= now()
          AND user_id <> ALL(CAST(:full_users AS int[]))
        ORDER BY {_READY_AT} LIMIT :page) of_connector
      WHERE connectors.name <> ALL(CAST(:full_connectors AS text[])))"""  # noqa: S608 - constants
"""SQL: of each connector the due runs of one sort that wait longest, of users with a free place. Nothing is asked of
those behind them, however many they are."""

# A running run with an expired lease is taken once the reaper emptied `dispatched_at`.
_WAITING = text(
    f"""
    WITH {_FRONT}, waiting AS (
      (SELECT r.id AS run_id, r.trigger, r.user_id, c.connector_name, r.ready_at
       FROM front r JOIN bank_connections c ON c.id = r.connection_id
       WHERE NOT EXISTS (SELECT 1 FROM bank_import_runs o
                         WHERE o.connection_id = r.connection_id AND o.status = 'running')
         AND {_MAY_ASK})
      UNION ALL
      (SELECT r.id, r.trigger, r.user_id, c.connector_name, r.queued_at
       FROM bank_import_runs r JOIN bank_connections c ON c.id = r.connection_id
       WHERE (r.trigger <> 'schedule') = :interactive
         AND (r.status IN ('queued', 'deferred') AND r.dispatched_at < now() - :redispatch
              OR r.status = 'running' AND r.lease_expires_at < now() AND r.dispatched_at IS NULL)
         AND (r.not_before IS NULL OR r.not_before <= now())
         AND NOT EXISTS (SELECT 1 FROM bank_import_runs o
                         WHERE o.connection_id = r.connection_id AND o.status = 'running' AND o.id <> r.id)
         AND {_MAY_ASK}
       LIMIT :page)
    )
    SELECT run_id, trigger, user_id, connector_name, ready_at FROM waiting ORDER BY ready_at, run_id
    """  # noqa: S608 - constants
)
_NAME_CONNECTORS = text(
    f"""
    UPDATE bank_import_runs r SET connector_name = c.connector_name
    FROM (SELECT id FROM bank_import_runs WHERE {_WAITS} AND {_CONNECTOR} = '' ORDER BY {_READY_AT} LIMIT :page
          FOR UPDATE SKIP LOCKED) unnamed, bank_connections c
    WHERE r.id = unnamed.id AND c.id = r.connection_id
    """  # noqa: S608 - constants
)
# What may not ask its bank yet leaves the front until it may. Else it would hide those behind it, or each pass would
# look at all of it. The CASE keeps Postgres from reading all that is due for each row of the front. What it says is
# asked again of a row that changed meanwhile: a person may just have asked for it, and gets one try.
_POSTPONE = text(
    f"""
    WITH {_FRONT}, held AS (
      SELECT r.id, c.rate_limited_until,
        CASE WHEN CAST(:interactive AS int) = 0 OR r.attempt > 0
          THEN (SELECT max(k.open_until) {_OPEN_CIRCUITS}) END AS open_until
      FROM front JOIN bank_import_runs r ON r.id = front.id JOIN bank_connections c ON c.id = r.connection_id
      WHERE CASE WHEN r.dispatched_at IS NULL
          THEN r.status IN ('queued', 'deferred') AND (r.trigger <> 'schedule') = :interactive END AND NOT ({_MAY_ASK})
      FOR UPDATE OF r SKIP LOCKED
    )
    UPDATE bank_import_runs r SET status = 'deferred', not_before = greatest(held.rate_limited_until, held.open_until),
      code = CASE WHEN held.open_until >= coalesce(held.rate_limited_until, now()) THEN 'provider_down'
        ELSE 'rate_limited' END
    FROM held WHERE r.id = held.id
    """  # noqa: S608 - constants
)
_MARK_PUBLISHED = text(
    """
    WITH taken AS (
      SELECT id FROM bank_import_runs
      WHERE id = ANY(CAST(:ids AS uuid[])) AND (dispatched_at IS NULL OR dispatched_at < now() - :redispatch)
        AND (status IN ('queued', 'deferred') OR (status = 'running' AND lease_expires_at < now()))
      FOR UPDATE SKIP LOCKED
    )
    UPDATE bank_import_runs r SET dispatched_at = now(), dispatch_count = r.dispatch_count + 1
    FROM taken WHERE r.id = taken.id
    RETURNING r.id, r.trigger
    """
)


def take_due_runs(session: Session, *, interactive: bool, limits: DispatchLimits) -> list[DueRun]:
    """Mark the next waiting runs as published and return them; publish their messages after the commit.

    Args:
        interactive: True for runs that a person waits for, False for scheduled ones; each has limits of its own.
    """

    def take_round(under_way: UnderWay) -> list[DueRun] | None:
        redispatch = timedelta(seconds=limits.redispatch_s)
        values = {
            "interactive": interactive,
            "redispatch": redispatch,
            # What waits behind a running run of its connection is at the front, too.
            "page": PAGE + under_way.by_user.total(),
            "full_users": under_way.full_users(limits),
            "full_connectors": under_way.full_connectors(limits),
        }
        waiting = [DueRun(**row) for row in session.execute(_WAITING, values).mappings()]
        chosen = choose(waiting, under_way, limits)
        marking = {"ids": [str(run.run_id) for run in chosen], "redispatch": redispatch}
        marked = session.execute(_MARK_PUBLISHED, marking).all() if chosen else []
        triggers = {row.id: row.trigger for row in marked}
        taken = [replace(run, trigger=triggers[run.run_id]) for run in chosen if run.run_id in triggers]
        # Behind runs of full users there may be more that are held than a front has room for.
        return taken if taken or _postpone(session, values) else None

    return fill_places(read_under_way_in_turn(session, interactive=interactive, limits=limits), limits, take_round)


def fill_places(
    under_way: UnderWay, limits: DispatchLimits, take_round: Callable[[UnderWay], list[DueRun] | None]
) -> list[DueRun]:
    """Take runs in rounds until no place is free or nothing is left that may have one.

    Whoever got the last place of a share is not read in the next round, and hides nobody, however much of theirs waits.

    Args:
        take_round: Takes runs beside those under way; returns None where it changed nothing.
    """
    taken: list[DueRun] = []
    for _ in range(_MOST_ROUNDS):
        more = take_round(under_way) if under_way.published < limits.ahead else None
        if more is None:
            break
        taken += more
        under_way = under_way.beside(more)
    return taken


def postpone_held_runs(session: Session, *, interactive: bool) -> bool:
    """Let the due runs of banks that may not be asked yet wait until they may, so that others come to the front.

    Returns whether very many were, so that there may be more of them.
    """
    values = {"interactive": interactive, "page": PAGE, "full_users": [], "full_connectors": []}
    session.execute(_NAME_CONNECTORS, values)
    return _postpone(session, values) > PAGE / 2


def _postpone(session: Session, values: Mapping[str, object]) -> int:
    result = session.execute(_POSTPONE, values)
    assert isinstance(result, CursorResult)
    return result.rowcount


def read_under_way_in_turn(session: Session, *, interactive: bool, limits: DispatchLimits) -> UnderWay:
    """Return the runs under way of one sort; other passes over that sort wait until the commit."""
    session.execute(_LOCK_PASSES, {"interactive": interactive})
    return _read_under_way(session, interactive=interactive, limits=limits)


def _read_under_way(session: Session, *, interactive: bool, limits: DispatchLimits) -> UnderWay:
    """Return the runs of one sort that are published or running; there are never more than the limits allow."""
    values = {"interactive": interactive, "redispatch": timedelta(seconds=limits.redispatch_s)}
    rows = session.execute(_UNDER_WAY, values).all()
    return UnderWay(
        by_user=Counter(row.user_id for row in rows),
        by_connector=Counter(row.connector_name for row in rows),
        published=sum(row.published for row in rows),
    )


def is_at_a_limit(session: Session, limits: DispatchLimits) -> bool:
    """Say whether as many runs of the schedule are under way, of any connector or in all, as the limits allow."""
    return _read_under_way(session, interactive=False, limits=limits).is_at_a_limit(limits)


_LONGEST_WAITING = prepared(
    f"""
    SELECT r.id FROM bank_import_runs r JOIN bank_connections c ON c.id = r.connection_id
    WHERE r.status IN ('queued', 'deferred') AND r.dispatched_at IS NOT NULL
      AND (r.trigger = 'schedule') = :scheduled AND (r.not_before IS NULL OR r.not_before <= now())
      AND NOT (:light AND {HEAVY_RUN})
      AND NOT EXISTS (SELECT FROM bank_import_runs o WHERE o.connection_id = r.connection_id AND o.status = 'running')
    ORDER BY r.dispatched_at LIMIT 1
    """  # noqa: S608 - a constant
)


def longest_waiting_run(session: Session, *, scheduled: bool, light: bool) -> uuid.UUID | None:
    """Return the run that was published first of those that nobody claimed; None when there is none.

    Args:
        scheduled: Whether one of the schedule, or one that a person waits for.
        light: Leave heavy runs out.
    """
    found: uuid.UUID | None = session.scalar(_LONGEST_WAITING, {"scheduled": scheduled, "light": light})
    return found
