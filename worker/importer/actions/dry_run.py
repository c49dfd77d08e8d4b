"""Runs an import in a transaction that is rolled back, and keeps only the report of its decisions.

Everything is fetched before the transaction begins, and the run's own row is not locked while it lasts.
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from tempfile import TemporaryFile
from typing import IO

from sqlalchemy.orm import Session

from worker.importer.context import ImportContext
from worker.importer.job import Job
from worker.importer.store.rows.bulk import copy_back, copy_out

_ROW = """jsonb_build_object('on', t.effective_on, 'amount', t.amount::text, 'currency', t.currency,
    'description', left(t.description, 200), 'pending', t.state = 'pending')"""
_CHANGE_COLUMNS = ("run_id", "account_id", "transaction_id", "decision", "reason", "detail")
# Rows and accounts that the run created are gone after it, so that the report names them and cannot refer to them.
_CHANGES = f"""
    SELECT %(run_id)s, CASE WHEN known THEN d.account_id END, transaction_id, decision, reason,
        CASE WHEN known THEN detail ELSE detail || jsonb_build_object('account', b.name) END
    FROM (
        SELECT 1 AS part, c.id, coalesce(c.account_id, t.account_id) AS account_id,
            CASE WHEN t.first_run_id IS DISTINCT FROM %(run_id)s THEN t.id END AS transaction_id,
            c.decision, c.reason, coalesce({_ROW}, jsonb_build_object()) || c.detail AS detail
        FROM bank_transaction_changes c LEFT JOIN bank_transactions t ON t.id = c.transaction_id
        WHERE c.run_id = %(run_id)s
        UNION ALL
        SELECT 2, t.id, t.account_id, NULL, t.first_decision, t.first_reason, {_ROW} || CASE
            WHEN t.first_decision = 'linked' THEN jsonb_build_object('expense_id', t.expense_id)
            ELSE jsonb_build_object() END
        FROM bank_transactions t WHERE t.first_run_id = %(run_id)s
        UNION ALL
        SELECT 3, s.id, coalesce(s.account_id, t.account_id),
            CASE WHEN t.first_run_id IS DISTINCT FROM %(run_id)s THEN t.id END, 'suggested', s.reason,
            coalesce({_ROW}, jsonb_build_object())
                || jsonb_build_object('kind', s.kind, 'expense_id', s.expense_id) || s.detail
        FROM bank_match_suggestions s LEFT JOIN bank_transactions t ON t.id = s.transaction_id
        WHERE s.run_id = %(run_id)s
        UNION ALL
        SELECT 4, r.id, r.account_id, NULL, 'rejected', r.code,
            jsonb_build_object('description', r.message, 'external_id', r.external_id)
        FROM bank_import_rejections r WHERE r.run_id = %(run_id)s
    ) d LEFT JOIN bank_connection_accounts b ON b.id = d.account_id
    CROSS JOIN LATERAL (SELECT b.id IS NULL OR b.id = ANY(%(account_ids)s::bigint[]) AS known) k
    ORDER BY part, d.id"""  # noqa: S608 - constant parts
_ACCOUNT_COLUMNS = (
    "run_id", "account_id", "from_on", "to_on", "status", "code", "message", "pages", "fetched", "created", "updated",
    "unchanged", "linked", "removed", "rejected", "suggested", "delivered", "accounted", "balance_proof",
)  # fmt: skip
_ACCOUNTS = f"""
    SELECT {", ".join(_ACCOUNT_COLUMNS)} FROM bank_import_run_accounts
    WHERE run_id = %(run_id)s AND account_id = ANY(%(account_ids)s::bigint[]) ORDER BY id"""  # noqa: S608 - constants
_REPORT: Sequence[tuple[str, Sequence[str], str]] = (
    ("bank_transaction_changes", _CHANGE_COLUMNS, _CHANGES),
    ("bank_import_run_accounts", _ACCOUNT_COLUMNS, _ACCOUNTS),
)


@contextmanager
def dry_run_transaction(
    context: ImportContext, job: Job, account_ids: Collection[int]
) -> Iterator[tuple[ImportContext, Session]]:
    """Give the block a context whose work is rolled back at its end; then write what it decided as the run's report.

    Args:
        account_ids: Accounts there were before, which the report can refer to.
    """
    values = {"run_id": str(job.lease.run_id), "account_ids": list(account_ids)}
    report: list[IO[bytes]] = []
    with context.sessions() as session:
        with session.begin_nested() as savepoint:
            yield _rolled_back_context(context, session), session
            for _, _, query in _REPORT:
                report.append(TemporaryFile(prefix="finmind-dry-"))  # noqa: SIM115 - closed below
                copy_out(session, query, values, report[-1])
            savepoint.rollback()
        context.fence(session, job.lease)
        for file, (table, columns, _) in zip(report, _REPORT, strict=True):
            with file:
                copy_back(session, table, columns, file)


def _rolled_back_context(context: ImportContext, session: Session) -> ImportContext:
    """Return a context whose transactions are savepoints of this one, without effects outside of it."""

    @contextmanager
    def as_savepoint() -> Iterator[Session]:
        session.expire_all()
        with session.begin_nested():
            yield session

    return replace(
        context,
        sessions=as_savepoint,
        clear_cache=lambda _user_id, _months: None,
        note_progress=lambda: None,
        fence=lambda _session, _lease: None,
    )
