"""Removes a row that a user takes for gone, as if the bank had said so, and takes that back."""

from sqlalchemy.orm import Session

from worker.errors import ConflictError
from worker.importer.actions.action_runs import begin_action, end_action
from worker.importer.actions.joining import asked_row, standing_row
from worker.importer.decide.plan import Plan
from worker.importer.decide.reasons import Reason
from worker.importer.decide.row_update import take_removal_back, tombstone
from worker.importer.decide.stored_row import State
from worker.importer.store.rows.load import load_in_full
from worker.importer.store.rows.reach import forget_short_answers
from worker.importer.store.write import write_plan
from worker.importer.store.write_target import WriteTarget
from worker.models import BankConnectionAccount, BankMatchSuggestion, BankTransaction
from worker.runs.states import RunKind


def take_for_gone(session: Session, suggestion: BankMatchSuggestion) -> set[str]:
    """Remove the row of a question; return the months of expenses that changed.

    A pending row that the bank still lists loses its expense, until it is posted.

    Raises: ConflictError when the bank took the row back, or delivers it again.
    """
    row = standing_row(session, suggestion.transaction_id)
    waits = suggestion.reason == Reason.STILL_PENDING and row.state == State.PENDING
    if row.absent_since_at is None and not waits:
        raise ConflictError("the bank delivers this row again")
    known = load_in_full(session, [row.id])[row.id]
    if not waits:
        forget_short_answers(session, row.account_id)
    gone = tombstone(known, Reason.STILL_PENDING if waits else Reason.WITHDRAWN, still_listed=waits)
    return _write(session, suggestion, row, Plan(changes=[gone]), RunKind.ANSWER)


def take_for_there(session: Session, suggestion: BankMatchSuggestion) -> set[str]:
    """Bring the row back that was taken for gone, as the user left it; return the months of expenses that changed.

    Raises: ConflictError when the bank told of the row since.
    """
    row = asked_row(session, suggestion.transaction_id)
    waits = suggestion.reason == Reason.STILL_PENDING
    if row.state != (State.PENDING if waits else State.REMOVED) or row.expense_id is not None:
        raise ConflictError("the bank told of the row since: its expense is as that said")
    known = load_in_full(session, [row.id])[row.id]
    back = take_removal_back(known, Reason.UNMATCHED, State.PENDING if waits else State.POSTED)
    plan = Plan(changes=[back], newly_absent=[] if waits else [row.id])
    return _write(session, suggestion, row, plan, RunKind.UNMATCH)


def _write(
    session: Session, suggestion: BankMatchSuggestion, row: BankTransaction, plan: Plan, kind: RunKind
) -> set[str]:
    """Write the plan as a run of its own."""
    source = session.get_one(BankConnectionAccount, row.account_id)
    run_id = begin_action(session, connection_id=source.connection_id, user_id=row.user_id, kind=kind)
    target = WriteTarget(account_id=row.account_id, user_id=row.user_id, run_id=run_id)
    written = write_plan(session, plan, target)
    removed = sum(change.state == State.REMOVED for change in plan.changes)
    report = {"match": suggestion.kind, "transaction_id": row.id, "suggestion_id": suggestion.id}
    end_action(session, run_id, updated=len(plan.changes) - removed, removed=removed, report=report)
    session.expire_all()
    return written.months
