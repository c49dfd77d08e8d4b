"""Thins what refreshes without news leave behind, once it is a day old, and deletes runs that nothing needs any more.

The last one of each day (UTC) of a connection's quiet scheduled runs stays, without its part per account and what it
asked the bank. One line a week of the openings of a credential by runs stays, which says how many they were.
What any other run asked the bank goes after the time for which quiet runs are kept, though the run itself may stay.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import TextClause, text


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """A statement that treats a page of rows, to be repeated with where the next page begins.

    Attributes:
        statement: returns its counts and the next values of `start`; no row when nothing is left.
        start: the parameters that say where a page begins, with those of the first page.
        counts: the columns that say how many rows went.
    """

    statement: TextClause
    start: Mapping[str, Any]
    counts: tuple[str, ...]


# The same words as in idx_bank_import_runs_quiet.
QUIET = """r.finished_at IS NOT NULL
    AND r.created + r.updated + r.linked + r.removed + r.rejected + r.suggested = 0 AND NOT r.dry_run"""
"""The condition of a run `r` that changed nothing."""

# The same words as in idx_bank_import_runs_told.
TELLS = "(r.requests IS NOT NULL OR r.earlier_attempts IS NOT NULL)"
"""The condition of a run `r` that tells what it asked the bank."""

_LATER = """SELECT FROM bank_import_run_accounts later JOIN bank_import_runs n ON n.id = later.run_id AND NOT n.dry_run
          WHERE later.account_id = {part}.account_id AND later.id > {part}.id
            AND later.balance_proof ->> 'reason' = {part}.balance_proof ->> 'reason'"""
"""A later proof of the same reason. That of a dry run is none: nobody reads it as the account's."""

UNNEEDED = f"""NOT EXISTS (SELECT FROM bank_connections c
                        WHERE c.id = r.connection_id AND r.id IN (c.last_good_run_id, c.answer_run_id))
      AND NOT EXISTS (SELECT FROM bank_import_runs about WHERE about.target_run_id = r.id)
      AND NOT EXISTS (SELECT FROM bank_transaction_changes change WHERE change.run_id = r.id)
      AND NOT EXISTS (SELECT FROM bank_import_rejections rejection WHERE rejection.run_id = r.id)
      AND NOT (r.kind = 'dismiss' AND EXISTS (SELECT FROM bank_import_rejections rejection
        WHERE rejection.connection_id = r.connection_id AND rejection.dismissed_run_id = r.id))
      AND NOT EXISTS (
        SELECT FROM bank_import_run_accounts proof
        WHERE proof.run_id = r.id AND proof.balance_proof IS NOT NULL AND NOT EXISTS (
          {_LATER.format(part="proof")}))"""  # noqa: S608 - a constant
"""The condition of a run `r` that no undo, proof, open question or dismissed row needs, and no other run.

The last proof of each reason of an account is needed: a balance that fitted tells of what is amiss later.
"""

# Three days are looked at: what was missed in a longer outage goes with all the others. A page is chosen by the time
# alone, whose share of the rows Postgres knows. It takes the condition of a quiet run for rare: with that beside it, it
# would read and sort all three days for every page.
_THIN_RUNS = text(
    f"""
    WITH looked_at AS MATERIALIZED (
      SELECT r.id, r.finished_at, r.connection_id, r.queued_at,
        {QUIET} AND r.status = 'succeeded' AND r.trigger = 'schedule' AS is_quiet
      FROM bank_import_runs r
      WHERE r.finished_at > GREATEST(CAST(:after_at AS timestamptz), now() - INTERVAL '4 days')
        AND r.finished_at <= now() - INTERVAL '1 day'
      ORDER BY r.finished_at FETCH FIRST :page ROWS WITH TIES
    ), page AS MATERIALIZED (
      SELECT * FROM looked_at WHERE is_quiet
    ), thinned AS (
      DELETE FROM bank_import_runs WHERE id IN (
        SELECT r.id FROM page JOIN bank_import_runs r USING (id)
        WHERE EXISTS (SELECT FROM bank_import_runs later
                      WHERE later.connection_id = page.connection_id
                        AND later.status = 'succeeded' AND NOT later.dry_run AND later.queued_at > page.queued_at
                        AND later.queued_at < date_trunc('day', page.queued_at, 'UTC') + INTERVAL '1 day')
          AND {UNNEEDED}
        FOR UPDATE OF r SKIP LOCKED)
      RETURNING id
    ), parts AS (
      DELETE FROM bank_import_run_accounts part USING page
      WHERE part.run_id = page.id AND page.id NOT IN (SELECT id FROM thinned)
        AND NOT EXISTS (SELECT FROM bank_connections c
                        WHERE c.id = page.connection_id AND page.id IN (c.last_good_run_id, c.answer_run_id))
        AND EXISTS (SELECT FROM bank_import_run_accounts later
                    WHERE later.account_id = part.account_id AND later.id > part.id)
        AND (part.balance_proof IS NULL OR EXISTS ({_LATER.format(part="part")}))
      RETURNING 1
    ), stripped AS (
      UPDATE bank_import_runs SET requests = NULL, earlier_attempts = NULL WHERE id IN (
        SELECT r.id FROM page JOIN bank_import_runs r USING (id)
        WHERE page.id NOT IN (SELECT id FROM thinned) AND {TELLS}
        FOR NO KEY UPDATE OF r SKIP LOCKED)
      RETURNING 1
    )
    SELECT (SELECT count(*) FROM thinned) AS thinned_runs, (SELECT count(*) FROM parts) AS thinned_parts,
      last.after_at
    FROM (SELECT max(finished_at) AS after_at FROM looked_at) last WHERE last.after_at IS NOT NULL
    """  # noqa: S608 - constants
)

# Each page begins where the last one ended: what is needed stays, and every batch would look at it again.
_REMOVE_OLD_RUNS = text(
    f"""
    WITH page AS MATERIALIZED (
      SELECT r.id, r.finished_at FROM bank_import_runs r
      WHERE {QUIET} AND r.finished_at > CAST(:after_at AS timestamptz)
        AND r.finished_at < now() - make_interval(days => :run_days)
      ORDER BY r.finished_at FETCH FIRST :batch ROWS WITH TIES
    ), removed AS (
      DELETE FROM bank_import_runs WHERE id IN (
        SELECT r.id FROM page JOIN bank_import_runs r USING (id) WHERE {UNNEEDED} FOR UPDATE OF r SKIP LOCKED)
      RETURNING 1
    )
    SELECT (SELECT count(*) FROM removed) AS old_runs, last.after_at
    FROM (SELECT max(finished_at) AS after_at FROM page) last WHERE last.after_at IS NOT NULL
    """  # noqa: S608 - constants
)

_FORGET_REQUESTS = text(
    f"""
    WITH page AS MATERIALIZED (
      SELECT r.id, r.finished_at FROM bank_import_runs r
      WHERE {TELLS} AND r.finished_at > CAST(:after_at AS timestamptz)
        AND r.finished_at < now() - make_interval(days => :run_days)
      ORDER BY r.finished_at FETCH FIRST :batch ROWS WITH TIES
    ), forgotten AS (
      UPDATE bank_import_runs SET requests = NULL, earlier_attempts = NULL WHERE id IN (
        SELECT r.id FROM page JOIN bank_import_runs r USING (id) FOR NO KEY UPDATE OF r SKIP LOCKED)
      RETURNING 1
    )
    SELECT (SELECT count(*) FROM forgotten) AS forgotten_requests, last.after_at
    FROM (SELECT max(finished_at) AS after_at FROM page) last WHERE last.after_at IS NOT NULL
    """  # noqa: S608 - constants
)

# A function of the database, because no role of a process may delete from the audit.
_FOLD_OPENINGS = text("SELECT folded_openings, after_row_id FROM fold_credential_openings(:after_row_id, :page)")

_FIRST_AT = {"after_at": datetime(1970, 1, 1, tzinfo=UTC)}
THIN_RUNS = Walk(statement=_THIN_RUNS, start=_FIRST_AT, counts=("thinned_runs", "thinned_parts"))
REMOVE_OLD_RUNS = Walk(statement=_REMOVE_OLD_RUNS, start=_FIRST_AT, counts=("old_runs",))
FORGET_REQUESTS = Walk(statement=_FORGET_REQUESTS, start=_FIRST_AT, counts=("forgotten_requests",))
FOLD_OPENINGS = Walk(statement=_FOLD_OPENINGS, start={"after_row_id": ""}, counts=("folded_openings",))
