"""Keeps what is known of each bank: counted from the records of runs once a minute, read everywhere.

A pass reads the runs that ended since the last one, by their index, and never more than `PAGE`. Figures that need all
connections are counted once an hour.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from worker.runs.activity import KEEP_DAYS_OF_BANKS
from worker.runs.providers.bank_outages import (
    FEWEST_USERS,
    BankState,
    RunResult,
    after,
    plain_words,
    sentence,
    usual_failures,
)

PAGE = 10_000
WINDOW_DAYS = 14
_FEW = 5
_FAILURES = ("bank_down", "provider_down")

_LOCK = text("SELECT pg_try_advisory_xact_lock(hashtextextended('institution_weather', 0))")
_PROGRESS = text(
    """
    INSERT INTO institution_weather_progress (id, until_at) VALUES (TRUE, now() - INTERVAL '1 hour')
    ON CONFLICT (id) DO UPDATE SET id = TRUE RETURNING until_at, figures_at
    """
)
PROVIDER_NAMES = """(NOT c.institution_chosen OR c.outage_scope = '' AND c.connector_name <> 'file' AND EXISTS (
        SELECT FROM bank_connection_accounts a
        WHERE a.connection_id = c.id AND a.institution_name = c.institution_name))"""
"""SQL: the provider named the bank of connection `c`; a name that its user chose says nothing about other users."""

# Runs that are committed a little after their end are not missed: the newest seconds are left for the next pass.
_RESULTS = text(
    f"""
    SELECT r.finished_at, r.user_id, c.connector_name, c.institution_name,
      CASE WHEN r.code = ANY(CAST(:failures AS text[])) THEN r.code END AS code
    FROM bank_import_runs r JOIN bank_connections c ON c.id = r.connection_id
    WHERE r.finished_at > :since_at AND r.finished_at <= now() - INTERVAL '5 seconds'
      AND c.institution_name IS NOT NULL AND NOT r.dry_run AND {PROVIDER_NAMES}
      AND (r.status IN ('succeeded', 'partial') OR r.code = ANY(CAST(:failures AS text[])))
    ORDER BY r.finished_at LIMIT :page
    """  # noqa: S608 - constants
)
_WITH_COUNTS = """
    SELECT w.*, coalesce(d.runs, 0) AS counted_runs, coalesce(d.good, 0) AS counted_good, now() AS now_at
    FROM {banks} w
    LEFT JOIN LATERAL (
      SELECT sum(runs)::bigint AS runs, sum(good)::bigint AS good FROM institution_days d
      WHERE d.connector_name = w.connector_name AND d.institution = w.institution
        AND d.day_on > current_date - :days) d ON TRUE"""
_STATES = text(
    f"""{_WITH_COUNTS.format(banks="institution_weather")}
    WHERE (w.connector_name, w.institution) IN (
      SELECT * FROM unnest(CAST(:connectors AS text[]), CAST(:institutions AS text[])))
    """  # noqa: S608 - a constant
)
_SAVE = text(
    """
    INSERT INTO institution_weather (connector_name, institution, score, failed_users, answered, failing_since_at,
      outage_since_at, last_code, last_good_at)
    VALUES (:connector_name, :institution, :score, :failed_users, :answered, :failing_since_at, :outage_since_at,
      :last_code, :last_good_at)
    ON CONFLICT (connector_name, institution) DO UPDATE SET score = excluded.score,
      failed_users = excluded.failed_users, answered = excluded.answered,
      failing_since_at = excluded.failing_since_at, outage_since_at = excluded.outage_since_at,
      last_code = excluded.last_code, last_good_at = coalesce(excluded.last_good_at, institution_weather.last_good_at)
    """
)
_COUNT = text(
    """
    INSERT INTO institution_days (connector_name, institution, day_on, runs, good)
    VALUES (:connector_name, :institution, :day_on, :runs, :good)
    ON CONFLICT (connector_name, institution, day_on)
    DO UPDATE SET runs = institution_days.runs + excluded.runs, good = institution_days.good + excluded.good
    """
)
_ADVANCE = text("UPDATE institution_weather_progress SET until_at = :until_at")
_FIGURES = text(
    f"""
    WITH figures AS (
      SELECT c.connector_name, c.institution_name AS institution, count(*) AS connections,
        count(DISTINCT c.user_id) FILTER (WHERE {PROVIDER_NAMES}) AS users,
        count(*) FILTER (WHERE c.last_good_at > now() - INTERVAL '1 day') AS fresh
      FROM bank_connections c
      WHERE c.institution_name IS NOT NULL AND c.status IN ('active', 'needs_user', 'error') GROUP BY 1, 2
    ), late AS (
      SELECT c.connector_name, c.institution_name AS institution,
        percentile_disc(0.5) WITHIN GROUP (ORDER BY a.lateness_days) AS lateness_days
      FROM bank_connection_accounts a JOIN bank_connections c ON c.id = a.connection_id
      WHERE c.institution_name IS NOT NULL AND a.status = 'active' GROUP BY 1, 2
    )
    INSERT INTO institution_weather (connector_name, institution, connections, users, fresh, lateness_days)
    SELECT f.connector_name, f.institution, f.connections, f.users, f.fresh, l.lateness_days
    FROM figures f LEFT JOIN late l USING (connector_name, institution)
    ON CONFLICT (connector_name, institution) DO UPDATE SET connections = excluded.connections,
      users = excluded.users, fresh = excluded.fresh, lateness_days = excluded.lateness_days
    """  # noqa: S608 - constants
)
_FIGURES_DONE = text("UPDATE institution_weather_progress SET figures_at = now()")
_FORGET = text("DELETE FROM institution_days WHERE day_on < current_date - :days")
# Nothing is known of a bank that nobody asks any more: an outage that was never seen to end is no news of today.
_FORGET_BANKS = text(
    """
    DELETE FROM institution_weather w WHERE NOT EXISTS (
      SELECT FROM bank_connections c
      WHERE c.connector_name = w.connector_name AND c.institution_name = w.institution
        AND c.status IN ('active', 'needs_user', 'error'))
    """
)
_DOWN_FIRST = "w.outage_since_at IS NULL, w.connections DESC, w.connector_name, w.institution"
# Days are counted of the banks that are shown alone.
_SHOWN = f"""(SELECT w.* FROM institution_weather w
    WHERE (CAST(:user_id AS integer) IS NULL OR w.users >= :fewest OR EXISTS (
        SELECT FROM bank_connections c WHERE c.user_id = CAST(:user_id AS integer)
          AND c.connector_name = w.connector_name AND c.institution_name = w.institution))
      AND (CAST(:connector_name AS text) IS NULL OR w.connector_name = :connector_name)
      AND (CAST(:words AS text) IS NULL OR strpos(lower(w.institution), lower(:words)) > 0)
    ORDER BY {_DOWN_FIRST} LIMIT :limit)"""  # noqa: S608 - a constant
_LIST = text(f"{_WITH_COUNTS.format(banks=_SHOWN)} ORDER BY {_DOWN_FIRST}")
_SENTENCES = text(
    """
    SELECT c.id, w.outage_since_at, w.users, now() AS now_at
    FROM bank_connections c JOIN institution_weather w
      ON w.connector_name = c.connector_name AND w.institution = c.institution_name
    WHERE c.id = ANY(CAST(:ids AS uuid[])) AND w.outage_since_at IS NOT NULL
    """
)


def observe(session: Session) -> int:
    """Take into account the runs that ended since the last pass; return how many. One pass at a time."""
    if not session.scalar(_LOCK):
        return 0
    progress = session.execute(_PROGRESS).one()
    values = {"since_at": progress.until_at, "failures": list(_FAILURES), "page": PAGE}
    rows = session.execute(_RESULTS, values).all()
    by_bank: dict[tuple[str, str], list[RunResult]] = defaultdict(list)
    for row in rows:
        result = RunResult(at=row.finished_at, user_id=row.user_id, code=row.code)
        by_bank[row.connector_name, row.institution_name].append(result)
    _save(session, by_bank)
    if rows:
        session.execute(_ADVANCE, {"until_at": rows[-1].finished_at})
    if progress.figures_at is None or session.scalar(_FIGURES_DUE):
        session.execute(_FIGURES)
        session.execute(_FIGURES_DONE)
        session.execute(_FORGET, {"days": KEEP_DAYS_OF_BANKS})
        session.execute(_FORGET_BANKS)
    return len(rows)


_FIGURES_DUE = text("SELECT figures_at < now() - INTERVAL '1 hour' FROM institution_weather_progress")


def institutions(
    session: Session,
    *,
    user_id: int | None = None,
    connector_name: str | None = None,
    words: str | None = None,
    limit: int = 200,
) -> list[dict[str, Any]]:
    """Return the banks, those that are down first.

    Args:
        user_id: Whose banks, beside those with users enough to say something of; None for an operator: all, in full.
        connector_name: Of this connector only.
        words: Only banks with this in their name, in letters of either case.
        limit: How many at most.
    """
    values = {"user_id": user_id, "connector_name": connector_name, "words": words, "limit": limit}
    rows = session.execute(_LIST, values | {"fewest": FEWEST_USERS, "days": WINDOW_DAYS}).mappings()
    return [_shown(dict(row), in_full=user_id is None or row["users"] >= FEWEST_USERS) for row in rows]


def banks_named(session: Session, *words: str | None) -> list[dict[str, Any]]:
    """Return a few banks with any of these words in their names."""
    return [bank for one in filter(None, words) for bank in institutions(session, words=one, limit=_FEW)]


def institution_of(session: Session, connector_name: str, institution: str) -> dict[str, Any] | None:
    """Return one bank in full, as `institutions` shows it; None of which nothing is known."""
    named = {"connectors": [connector_name], "institutions": [institution], "days": WINDOW_DAYS}
    row = session.execute(_STATES, named).mappings().one_or_none()
    return None if row is None else _shown(dict(row), in_full=True)


def outage_sentences(session: Session, connection_ids: Sequence[Any]) -> dict[Any, str]:
    """Return a sentence by connection whose bank is down; connections of banks that answer are left out."""
    found = session.execute(_SENTENCES, {"ids": [str(one) for one in connection_ids]})
    said = {row.id: sentence(row.outage_since_at, row.users or 0, row.now_at) for row in found}
    return {connection_id: words for connection_id, words in said.items() if words is not None}


def _save(session: Session, by_bank: Mapping[tuple[str, str], Sequence[RunResult]]) -> None:
    names = {"connectors": [name for name, _ in by_bank], "institutions": [bank for _, bank in by_bank]}
    known = {
        (row["connector_name"], row["institution"]): row
        for row in session.execute(_STATES, names | {"days": WINDOW_DAYS}).mappings()
    }
    for (connector_name, institution), results in by_bank.items():
        row = known.get((connector_name, institution))
        fails = usual_failures(row["counted_runs"], row["counted_good"]) if row else usual_failures(0, 0)
        state = after(_state_of(row), results, fails)
        bank = {"connector_name": connector_name, "institution": institution}
        session.execute(_SAVE, bank | _columns(state))
        by_day: dict[Any, list[RunResult]] = defaultdict(list)
        for result in results:
            by_day[result.at.date()].append(result)
        for day_on, of_day in by_day.items():
            good = sum(result.code is None for result in of_day)
            session.execute(_COUNT, bank | {"day_on": day_on, "runs": len(of_day), "good": good})


def _state_of(row: Any) -> BankState:  # noqa: ANN401 - a row of `_STATES`
    if row is None:
        return BankState()
    names = BankState.__slots__
    return BankState(
        **{name: row[name] for name in names if name != "failed_users"}, failed_users=tuple(row["failed_users"])
    )


def _columns(state: BankState) -> dict[str, Any]:
    return {name: getattr(state, name) for name in BankState.__slots__} | {"failed_users": list(state.failed_users)}


def _shown(row: Mapping[str, Any], *, in_full: bool) -> dict[str, Any]:
    """Return what may be shown of a bank; of one with few users only whether it answers."""
    now: datetime = row["now_at"]
    return {
        "connector_name": row["connector_name"],
        "institution": row["institution"],
        "state": "ok" if row["outage_since_at"] is None else "down",
        "outage_since_at": row["outage_since_at"],
        "sentence": sentence(row["outage_since_at"], row["users"], now),
        "current_error": plain_words(row["last_code"]) if row["failing_since_at"] and in_full else None,
        "success": row["counted_good"] / row["counted_runs"] if in_full and row["counted_runs"] else None,
        "freshness": row["fresh"] / row["connections"] if in_full and row["connections"] else None,
        "lateness_days": row["lateness_days"] if in_full else None,
        "connections": row["connections"] if in_full else None,
        "last_good_at": row["last_good_at"] if in_full else None,
    }
