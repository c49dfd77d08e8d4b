"""Reverts the move of an account to another source: its expenses return to the rows that had them."""

from sqlalchemy import text
from sqlalchemy.orm import Session

from worker.errors import InvalidRequestError
from worker.importer.decide.reasons import Reason
from worker.importer.job import Job
from worker.importer.store.accounts.bank_accounts import add_account
from worker.importer.store.expenses.own_expenses import give_expenses
from worker.importer.store.sources.leading_fields import let_sources_lead
from worker.importer.store.sources.twins import part_source
from worker.importer.store.sources.undo_move import take_back_move
from worker.models import BankConnectionAccount, BankImportRun
from worker.runs.states import Counts, Outcome, RunKind, RunStatus

_LATER_MOVE = text(
    """SELECT m.id FROM bank_import_runs m
    WHERE m.kind = 'move' AND m.id > :run_id AND (m.report ->> 'account_id')::bigint = :account_id
      AND m.user_id = (SELECT user_id FROM bank_import_runs WHERE id = :run_id)
      AND NOT EXISTS (SELECT FROM bank_import_runs r
        WHERE r.target_run_id = m.id AND r.kind = 'revert' AND r.status IN ('succeeded', 'partial'))
    ORDER BY m.id DESC LIMIT 1"""
)
_ASK_AGAIN = text(
    """UPDATE bank_match_suggestions SET status = 'open', decided_at = NULL
    WHERE id = ANY(CAST(:ids AS bigint[])) AND status = 'accepted'"""
)


def is_move(session: Session, job: Job) -> bool:
    """Say whether the run to revert moved an account."""
    target = None if job.target_run_id is None else session.get(BankImportRun, job.target_run_id)
    return target is not None and target.kind == RunKind.MOVE


def revert_move(session: Session, job: Job) -> tuple[Outcome, set[str]]:
    """Give the expenses back to the rows that had them before an account moved, and let its source lead no more.

    Returns the outcome and the months (`YYYY-MM`) of expenses that changed.

    Raises: InvalidRequestError when the account moved again since.
    """
    assert job.target_run_id is not None
    moved = session.get_one(BankImportRun, job.target_run_id)
    which = {"run_id": moved.id, "account_id": moved.report.get("account_id")}
    later = session.execute(_LATER_MOVE, which).scalar()
    if later is not None:
        raise InvalidRequestError(f"the account moved again since: revert run {later} first")
    restored, months = take_back_move(session, job.target_run_id, job.lease.run_id)
    source = session.get(BankConnectionAccount, moved.report.get("source_id", 0))
    if source is not None:
        source.leads_from_on = None
        if moved.report.get("attached") and source.bank_account_id == moved.report.get("account_id"):
            add_account(session, source)
            months |= _part_source(session, job, source, waits=bool(moved.report.get("waited")))
        session.execute(_ASK_AGAIN, {"ids": moved.report.get("answered", [])})
    counts = Counts(updated=restored)
    return Outcome(status=RunStatus.SUCCEEDED, code="ok" if restored else "nothing_new", counts=counts), months


def _part_source(session: Session, job: Job, source: BankConnectionAccount, *, waits: bool) -> set[str]:
    """Let a source wait for its answer again; else give its rows expenses, which later imports made twins of others."""
    if waits:
        source.status, source.status_code = "waiting", "similar_account"
        return set()
    run_id = job.lease.run_id
    rows, left = part_source(session, source.id)
    months = give_expenses(session, rows, Reason.UNMATCHED, user_id=job.user_id, run_id=run_id)
    return months | let_sources_lead(session, left, run_id, also_alone=True)
