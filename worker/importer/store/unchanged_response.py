"""Fast path for a refresh whose response equals the previous one: copies the record of the previous run.

The digest of the last response with nothing new is kept on the connection (`answer_digest`, `answer_run_id`). Every run
that may write forgets it first.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any, TypeVar

from sqlalchemy import ARRAY, BigInteger, Date, DateTime, Text, bindparam, text
from sqlalchemy.orm import Session

from worker.connectors.base import Account, Window
from worker.db.prepared import NO_DISK_WAIT, prepared
from worker.db.statements import first_row
from worker.importer.context import ImportContext
from worker.importer.decide.second_look import looked_at_since
from worker.importer.fetch.request_plan import FetchRequest
from worker.importer.job import Job
from worker.outbox import LISTENS
from worker.process.fault_injection import point
from worker.runs.ending import HELD, apply_consequences, end_values, ending
from worker.runs.states import COUNTED, Counts, EndedRun, Outcome, RunStatus

T = TypeVar("T", Counts, EndedRun)

_REMEMBER = text(
    "UPDATE bank_connections SET answer_digest = :digest, answer_run_id = :run_id WHERE id = :connection_id"
)
_FORGET = text("UPDATE bank_connections SET answer_digest = NULL, answer_run_id = NULL WHERE id = :connection_id")

_TOTALS = {name: f"total.{name}" for name in COUNTED} | dict.fromkeys(
    ("accounts_total", "accounts_done"), "total.accounts"
)

# Counts and proofs are copied from the previous run, because all of them follow from the response.
_REPEAT = prepared(
    f"""
    WITH {NO_DISK_WAIT},
    {HELD},
    requested AS (
      SELECT * FROM unnest(CAST(:account_ids AS bigint[]), CAST(:from_on AS date[]), CAST(:to_on AS date[]))
        q(account_id, from_on, to_on)
    ), previous AS (
      SELECT q.*, p.status, p.code, p.message, p.pages, p.fetched, p.unchanged, p.delivered,
        p.accounted, p.balance_proof
      FROM no_disk_wait, requested q
      JOIN bank_import_run_accounts p ON p.account_id = q.account_id AND p.run_id = :answer_run_id
    ), ours AS (
      SELECT r.id AS run_id FROM held, bank_import_runs r
      WHERE r.id = :run_id AND lease_token = :token AND cancel_requested_at IS NULL
        AND (SELECT count(*) FROM previous) = cardinality(:account_ids)
        AND NOT EXISTS (  -- an expense that FinMind added since may be one of our rows
          SELECT 1 FROM expenses e
          WHERE e.user_id = r.user_id AND e.spent_at >= CAST(:since_on AS date)
            AND e.created_at > (SELECT started_at FROM bank_import_runs WHERE id = :answer_run_id) - INTERVAL '1 day'
            AND NOT EXISTS (SELECT 1 FROM bank_transactions b WHERE b.expense_id = e.id))
        AND NOT (:without_listeners AND {LISTENS.format(user_id="r.user_id")})
      FOR UPDATE OF r
    ), copied AS (
      INSERT INTO bank_import_run_accounts
        (run_id, account_id, from_on, to_on, status, code, message, pages, fetched, unchanged, delivered, accounted,
         balance_proof)
      SELECT run_id, account_id, from_on, to_on, status, code, message, pages, fetched, unchanged, delivered, accounted,
        balance_proof
      FROM previous, ours
      RETURNING *
    ), listed AS (
      UPDATE bank_connection_accounts a SET last_seen_at = now(), balance_at = coalesce(l.balance_at, a.balance_at)
      FROM ours, unnest(CAST(:external_ids AS text[]), CAST(:balances_at AS timestamptz[])) l(external_id, balance_at)
      WHERE a.connection_id = :connection_id AND a.external_id = l.external_id
    ), total AS (
      SELECT count(*) AS accounts, {", ".join(f"coalesce(sum({name}), 0)::integer AS {name}" for name in COUNTED)}
      FROM copied
    ),
    {ending(source="ours, total", totals=_TOTALS)}
    SELECT ended.*, total.* FROM ended, total
    """  # noqa: S608 - constants
).bindparams(
    bindparam("account_ids", type_=ARRAY(BigInteger)),
    bindparam("from_on", type_=ARRAY(Date)),
    bindparam("to_on", type_=ARRAY(Date)),
    bindparam("external_ids", type_=ARRAY(Text)),
    bindparam("balances_at", type_=ARRAY(DateTime(timezone=True))),
)


def remember(session: Session, job: Job, digest: bytes) -> None:
    """Keep the digest of a response that had nothing new."""
    values = {"connection_id": job.connection_id, "run_id": job.lease.run_id, "digest": digest}
    session.execute(_REMEMBER, values)


def forget(session: Session, job: Job) -> None:
    """Forget the digest, together with the first that is written and is not part of the run it belongs to."""
    if job.answer_digest is not None and not job.dry_run:
        session.execute(_FORGET, {"connection_id": job.connection_id})


def copy_previous_run(
    job: Job, context: ImportContext, requests: Sequence[FetchRequest], listed: Iterable[Account]
) -> Outcome | None:
    """Record and close the run as a copy of the run `answer_run_id`, whose response was the same.

    Returns:
        The outcome; None, and nothing was written, when the previous run is deleted or our lease is lost.
    """
    outcome = Outcome(status=RunStatus.SUCCEEDED, code="nothing_new")
    values = _values(job, requests, listed) | end_values(job.lease, outcome)
    values["since_on"] = looked_at_since(context.now().date())
    point("before_close")
    with context.statements() as connection:  # one statement and one round trip, where no event is to be written
        row = first_row(connection, _REPEAT, values | {"without_listeners": True})
    if row is None:
        with context.sessions() as session:
            row = first_row(session, _REPEAT, values | {"without_listeners": False})
            if row is not None:
                apply_consequences(session, _fields_of(EndedRun, row), replace(outcome, counts=_fields_of(Counts, row)))
    return None if row is None else replace(outcome, counts=_fields_of(Counts, row))


def _fields_of(kind: type[T], row: Mapping[str, Any]) -> T:
    return kind(**{field.name: row[field.name] for field in fields(kind)})


def _values(job: Job, requests: Sequence[FetchRequest], listed: Iterable[Account]) -> dict[str, Any]:
    windows = _window_per_account(requests)
    balances = {account.external_id: account.balance.at if account.balance else None for account in listed}
    return {
        "answer_run_id": job.answer_run_id,
        "connection_id": job.connection_id,
        "account_ids": list(windows),
        "from_on": [window.from_on for window in windows.values()],
        "to_on": [window.to_on for window in windows.values()],
        "external_ids": list(balances),
        "balances_at": list(balances.values()),
    }


def _window_per_account(requests: Sequence[FetchRequest]) -> dict[int, Window]:
    """Return the days that were requested of each account; its windows follow each other without holes."""
    windows: dict[int, Window] = {}
    for request in requests:
        for account in request.accounts:
            joined = windows.get(account.id, request.window)
            from_on, to_on = min(joined.from_on, request.window.from_on), max(joined.to_on, request.window.to_on)
            windows[account.id] = Window(from_on=from_on, to_on=to_on)
    return windows
