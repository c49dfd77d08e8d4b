"""Deletes a connection's credentials, schedule, waiting runs and, if wanted, the expenses of its imports."""

from dataclasses import dataclass

from sqlalchemy import Select, func, null, select, update
from sqlalchemy.orm import Session, aliased

from worker.importer.store.expenses.rows import delete_expenses
from worker.importer.store.rows.load import load_in_full
from worker.importer.store.sources.leading_fields import let_sources_lead
from worker.importer.store.sources.twins import hand_to_twins
from worker.models import BankConnection, BankConnectionAccount, BankImportRun, BankTransaction
from worker.runs.states import WAITING, RunStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed:
    """The result of removing a connection.

    Attributes:
        revoked: Whether the provider ended the authorisation.
        months: Months (`YYYY-MM`) of the expenses that were deleted, or that another source states now.
    """

    user_id: int
    revoked: bool
    expenses_deleted: int = 0
    months: frozenset[str] = frozenset()


def forget(session: Session, row: BankConnection, *, with_expenses: bool, revoked: bool) -> Removed:
    """Remove the credentials and the schedule from the row; its rows in `bank_transactions` stay.

    Args:
        with_expenses: Also delete the expenses that imports wrote.
    """
    row.status = "disconnected"
    row.status_code = row.status_message = None
    row.config_encrypted = row.config_key_id = row.config_sealed_at = None
    row.cursor = row.next_refresh_at = row.rate_limited_until = row.consent_expires_at = None
    row.updated_at = func.now()
    session.flush()
    _end_runs(session, row)
    deleted, months = _delete_written(session, row) if with_expenses else (0, _let_others_lead(session, row))
    return Removed(user_id=row.user_id, revoked=revoked, expenses_deleted=deleted, months=months)


def _end_runs(session: Session, row: BankConnection) -> None:
    mine = BankImportRun.connection_id == row.id
    session.execute(
        update(BankImportRun)
        .where(mine, BankImportRun.status.in_(WAITING))
        .values(status=RunStatus.CANCELLED, code="disconnected", finished_at=func.now(), not_before=None)
    )
    session.execute(
        update(BankImportRun)
        .where(mine, BankImportRun.status == RunStatus.RUNNING, BankImportRun.cancel_requested_at.is_(None))
        .values(cancel_requested_at=func.now())
    )


def _account_ids(row: BankConnection) -> Select[int]:
    return select(BankConnectionAccount.id).where(BankConnectionAccount.connection_id == row.id)


def _let_others_lead(session: Session, row: BankConnection) -> frozenset[str]:
    """Let other sources lead for the expenses that rows of the connection keep; return the months that changed."""
    mine = _account_ids(row)
    owner = aliased(BankTransaction)
    beside = (
        select(owner.id)
        .join(BankTransaction, BankTransaction.twin_id == owner.id)
        .where(owner.account_id.in_(mine), BankTransaction.expense_state == "twin")
        .where(BankTransaction.account_id.not_in(mine))
        .distinct()
    )
    return frozenset(let_sources_lead(session, session.scalars(beside).all(), None))


def _delete_written(session: Session, row: BankConnection) -> tuple[int, frozenset[str]]:
    """Delete the expenses that the connection wrote, but those of purchases that another source of the account states.

    Nobody deleted these one by one: the other source's row has the expense from now on. The connection's own rows state
    nothing any more: none of them leads an expense of another source, or takes one over when that is removed as well,
    or is a leg of a transfer. What a transfer cost goes with its leg; the next import of the other leg shows that one.
    Returns how many went, and the months (`YYYY-MM`) of expenses that changed.
    """
    mine = _account_ids(row)
    twins = update(BankTransaction).where(BankTransaction.account_id.in_(mine), BankTransaction.expense_state == "twin")
    left = session.scalars(twins.values(expense_state="reverted").returning(BankTransaction.twin_id)).all()
    has_expense = (BankTransaction.expense_state == "own") & BankTransaction.expense_id.is_not(None)
    stating = (
        select(BankTransaction.id)
        .where(BankTransaction.account_id.in_(mine))
        .where(has_expense | (BankTransaction.expense_state == "transfer"))
    )
    ids = list(session.scalars(stating))
    handed = hand_to_twins(session, list(load_in_full(session, ids).values()), None)
    rows = select(BankTransaction.expense_id).where(BankTransaction.id.in_(stating))
    expense_ids = [expense_id for expense_id in session.scalars(rows) if expense_id is not None]
    _part_from_legs(session, ids)
    # Unlike expenses that a user deleted one by one, these return when the bank is linked again.
    nothing = {"expense_id": None, "expense_state": "reverted", "transfer_peer_id": None, "base_cost": null()}
    session.execute(update(BankTransaction).where(BankTransaction.id.in_(ids)).values(nothing))
    months = delete_expenses(session, expense_ids, None)
    owner_ids = {*handed.values(), *(owner_id for owner_id in left if owner_id is not None)}
    months |= let_sources_lead(session, owner_ids, None, also_alone=True)
    return len(expense_ids), frozenset(months)


def _part_from_legs(session: Session, ids: list[int]) -> None:
    """Leave the other legs of these rows alone: their next import gives them expenses, also where it is the same."""
    peers = update(BankTransaction).where(BankTransaction.transfer_peer_id.in_(ids)).values(transfer_peer_id=None)
    account_ids = set(session.scalars(peers.returning(BankTransaction.account_id)))
    theirs = select(BankConnectionAccount.connection_id).where(BankConnectionAccount.id.in_(account_ids))
    told = update(BankConnection).where(BankConnection.id.in_(theirs))
    session.execute(told.values(answer_digest=None, answer_run_id=None))
