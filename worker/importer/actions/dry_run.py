"""A dry run is the import itself, in one transaction that is taken back; only what it decided is carried out of it.

What it promises is therefore what the import does: transfers, suggestions and windows that meet each other included.
Everything was fetched before the transaction began, and the run's own row is not locked while it lasts.
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from tempfile import TemporaryFile
from typing import IO

from sqlalchemy.orm import Session

from worker.importer.context import ImportContext
from worker.importer.job import Job
from worker.importer.store.bulk import copy_back, copy_out

_SAID = """jsonb_build_object('on', t.effective_on, 'amount', t.amount::text, 'currency', t.currency,
    'description', left(t.description, 200), 'pending', t.state = 'pending')"""
_REPORT = "bank_transaction_changes (run_id, account_id, transaction_id, decision, reason, detail)"
_DECIDED = f"""
    SELECT '{{run_id}}', CASE WHEN account_id IN ({{accounts}}) THEN account_id END, transaction_id, decision, reason,
        detail
    FROM (
        SELECT 1 AS part, c.id, coalesce(c.account_id, t.account_id) AS account_id,
            CASE WHEN t.first_run_id IS DISTINCT FROM '{{run_id}}' THEN t.id END AS transaction_id,
            c.decision, c.reason, coalesce({_SAID}, '{{{{}}}}') || c.detail AS detail
        FROM bank_transaction_changes c LEFT JOIN bank_transactions t ON t.id = c.transaction_id
        WHERE c.run_id = '{{run_id}}'
        UNION ALL
        SELECT 2, t.id, t.account_id, NULL, t.first_decision, t.first_reason, {_SAID} || CASE
            WHEN t.first_decision = 'linked' THEN jsonb_build_object('expense_id', t.expense_id) ELSE '{{{{}}}}' END
        FROM bank_transactions t WHERE t.first_run_id = '{{run_id}}'
        UNION ALL
        SELECT 3, s.id, coalesce(s.account_id, t.account_id),
            CASE WHEN t.first_run_id IS DISTINCT FROM '{{run_id}}' THEN t.id END, 'suggested', s.reason,
            coalesce({_SAID}, '{{{{}}}}') || jsonb_build_object('kind', s.kind, 'expense_id', s.expense_id) || s.detail
        FROM bank_match_suggestions s LEFT JOIN bank_transactions t ON t.id = s.transaction_id
        WHERE s.run_id = '{{run_id}}'
        UNION ALL
        SELECT 4, r.id, r.account_id, NULL, 'rejected', r.code,
            jsonb_build_object('description', r.message, 'external_id', r.external_id)
        FROM bank_import_rejections r WHERE r.run_id = '{{run_id}}'
    ) d ORDER BY part, id"""  # noqa: S608 - constant parts; the values put in are a UUID and numbers
_ACCOUNT_COLUMNS = (
    "run_id, account_id, from_on, to_on, status, code, message, pages, fetched, created, updated, unchanged, linked,"
    " removed, rejected, suggested, balance_proof"
)
_ACCOUNTS = (
    f"SELECT {_ACCOUNT_COLUMNS} FROM bank_import_run_accounts"  # noqa: S608 - constant columns
    " WHERE run_id = '{run_id}' AND account_id IN ({accounts}) ORDER BY id"
)


class Carried:
    """What is taken along from a transaction that is rolled back."""

    def __init__(self) -> None:
        self._context: list[tuple[str, IO[bytes]]] = []

    def take(self, session: Session, job: Job, known: Collection[int]) -> None:
        """Read what the run decided. known: accounts there were before; new ones cannot be named afterwards."""
        values = {"run_id": str(job.lease.run_id), "accounts": ", ".join(map(str, known)) or "NULL"}
        account_table = f"bank_import_run_accounts ({_ACCOUNT_COLUMNS})"
        for into, query in ((_REPORT, _DECIDED), (account_table, _ACCOUNTS)):
            file = TemporaryFile(prefix="finmind-dry-")  # noqa: SIM115 - closed when it is written
            copy_out(session, query.format(**values), file)
            self._context.append((into, file))

    def write(self, session: Session) -> None:
        """Write it as the report of the dry run."""
        for into, file in self._context:
            with file:
                copy_back(session, into, file)


@contextmanager
def dry_run_transaction(
    context: ImportContext, job: Job, known: Collection[int]
) -> Iterator[tuple[ImportContext, Session]]:
    """Lend collaborators whose work is taken back when the block ends, and write what it decided as the report.

    known: accounts there were before.
    """
    carried = Carried()
    with context.sessions() as session:
        with session.begin_nested() as trial:
            yield _on_trial(context, session), session
            carried.take(session, job, known)
            trial.rollback()
        context.fence(session, job.lease)
        carried.write(session)


def _on_trial(context: ImportContext, session: Session) -> ImportContext:
    """Return collaborators whose transactions are parts of this one, and that reach nobody outside of it."""

    @contextmanager
    def part_of_it() -> Iterator[Session]:
        session.expire_all()
        with session.begin_nested():
            yield session

    return replace(
        context,
        sessions=part_of_it,
        clear_cache=lambda _user_id, _months: None,
        advanced=lambda: None,
        fence=lambda _session, _lease: None,
    )
