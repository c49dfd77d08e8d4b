"""Takes one automatic decision about two rows back: a linked expense, a twin, a transfer, a takeover, a joined source.

What is taken back stays taken back, because the pair is kept as a declined suggestion; and it is a run of its own.
"""

import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from worker.bank_accounts.takeovers import last_takeover, split_takeover
from worker.db.user_lock import lock_user
from worker.errors import ConflictError, NotFoundError
from worker.importer.actions.action_runs import begin_action, decline_pair, end_action
from worker.importer.decide.reasons import Reason
from worker.importer.decide.stored_row import ExpenseState
from worker.importer.gc_pause import gc_paused
from worker.importer.store.accounts.bank_accounts import add_account, other_sources
from worker.importer.store.expenses.own_expenses import give_expenses
from worker.importer.store.sources.leading_fields import let_sources_lead
from worker.importer.store.sources.twins import part_source
from worker.importer.store.sources.undo_answer import plan_undo, write_undo
from worker.models import BankConnectionAccount, BankTransaction
from worker.runs.states import RunKind

_ANSWERED = text(
    """SELECT id FROM bank_match_suggestions WHERE kind = :kind AND status = 'accepted' AND replaced IS NOT NULL
      AND transaction_id = :transaction_id AND expense_id IS NOT DISTINCT FROM CAST(:expense_id AS bigint)
      AND other_transaction_id IS NOT DISTINCT FROM CAST(:other_transaction_id AS bigint)"""
)
_UNPAIR = text("UPDATE bank_transactions SET transfer_peer_id = NULL WHERE id = ANY(:ids)")


class RowMatch(StrEnum):
    """The automatic decisions about a row that can be taken back.

    Attributes:
        EXPENSE: It stands for an expense that the person typed in.
        TWIN: Another source of the account has the purchase.
        TRANSFER: It is a leg of a transfer.
        TAKEOVER: It took the place of another row: a pending one that was posted, one that was rewritten.
    """

    EXPENSE = "expense"
    TWIN = "twin"
    TRANSFER = "transfer"
    TAKEOVER = "takeover"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unmatched:
    """What was taken back.

    Attributes:
        suggestion_id: The declined suggestion that keeps the two apart.
        transaction_ids: Rows that have an expense of their own again.
        months: Months (`YYYY-MM`) of expenses that changed, for FinMind's caches.
    """

    run_id: uuid.UUID
    match: str
    suggestion_id: int
    transaction_ids: list[int]
    months: frozenset[str] = field(default_factory=frozenset)


def matches_of(session: Session, row: BankTransaction) -> list[RowMatch]:
    """Return the decisions about a row that can be taken back."""
    found = []
    if row.expense_state == ExpenseState.LINKED and row.expense_id is not None:
        found.append(RowMatch.EXPENSE)
    if row.expense_state == ExpenseState.TWIN and row.twin_id is not None:
        found.append(RowMatch.TWIN)
    if row.transfer_peer_id is not None:
        found.append(RowMatch.TRANSFER)
    if last_takeover(session, row.id) is not None:
        found.append(RowMatch.TAKEOVER)
    return found


def unmatch(session: Session, transaction_id: int, *, user_id: int, match: RowMatch | None = None) -> Unmatched:
    """Take one decision about a row back.

    Args:
        session: The caller's transaction.
        transaction_id: The row.
        user_id: Whose row it must be.
        match: Which decision, where there are several.

    Raises: NotFoundError, ConflictError when there is none, several, or it cannot be taken back.
    """
    lock_user(session, user_id)
    row = find_row(session, transaction_id, user_id)
    possible = matches_of(session, row)
    if not possible or match not in (None, *possible):
        raise ConflictError(f"row {transaction_id} was matched with nothing{'' if match is None else f' as {match}'}")
    if match is None and len(possible) > 1:
        raise ConflictError(f"row {transaction_id} has several matches: say which of {', '.join(possible)}")
    wanted = match or possible[0]
    source = session.get_one(BankConnectionAccount, row.account_id)
    run_id = begin_action(session, connection_id=source.connection_id, user_id=user_id, kind=RunKind.UNMATCH)
    undone = _UNDO[wanted](session, row, run_id)
    end_action(
        session,
        run_id,
        updated=len(undone.transaction_ids),
        report={"match": wanted, "transaction_id": transaction_id, "suggestion_id": undone.suggestion_id},
    )
    return undone


def find_row(session: Session, transaction_id: int, user_id: int) -> BankTransaction:
    """Return a person's row, locked. Raises: NotFoundError."""
    row = session.scalar(
        select(BankTransaction)
        .where(BankTransaction.id == transaction_id, BankTransaction.user_id == user_id)
        .with_for_update()
    )
    if row is None:
        raise NotFoundError(f"no transaction {transaction_id}")
    return row


@gc_paused()
def detach(session: Session, source_id: int, *, user_id: int) -> Unmatched:
    """Make a source an account of its own again: its rows, and those that were its twins, get their own expenses.

    Raises: NotFoundError, ConflictError when it is the only source.
    """
    lock_user(session, user_id)
    source = session.scalar(
        select(BankConnectionAccount).where(
            BankConnectionAccount.id == source_id, BankConnectionAccount.user_id == user_id
        )
    )
    if source is None:
        raise NotFoundError(f"no source {source_id}")
    others = other_sources(session, source.bank_account_id, source_id)
    if source.bank_account_id is None or not others:
        raise ConflictError(f"source {source_id} is an account of its own already")
    run_id = begin_action(session, connection_id=source.connection_id, user_id=user_id, kind=RunKind.UNMATCH)
    rows, left = part_source(session, source_id)
    add_account(session, source)
    source.leads_from_on = None
    months = _own_expenses(session, rows, {ExpenseState.TWIN}, user_id, run_id)
    months |= let_sources_lead(session, left, run_id, also_alone=True)
    kept_apart = [
        decline_pair(session, run_id, user_id, "account", {"account_id": source_id, "other_account_id": other_id})
        for other_id in others
    ]
    end_action(session, run_id, updated=len(rows), report={"match": "account", "source_id": source_id})
    return Unmatched(
        run_id=run_id, match="account", suggestion_id=kept_apart[0], transaction_ids=rows, months=frozenset(months)
    )


def _unlink(session: Session, row: BankTransaction, run_id: uuid.UUID) -> Unmatched:
    pair = {"transaction_id": row.id, "expense_id": row.expense_id}
    months = _as_before_answer(session, "expense", pair, run_id)
    if months is None:
        months = _own_expenses(session, [row.id], {ExpenseState.LINKED}, row.user_id, run_id)
    kept_apart = decline_pair(session, run_id, row.user_id, "expense", pair)
    return _undone(RowMatch.EXPENSE, run_id, kept_apart, [row.id], months)


def _part_twins(session: Session, row: BankTransaction, run_id: uuid.UUID) -> Unmatched:
    pair = _pair(row.id, row.twin_id)
    twin_id = row.twin_id
    assert twin_id is not None
    twin = session.get_one(BankTransaction, twin_id)
    was_deleted = twin.expense_id is None and twin.expense_state in {ExpenseState.OWN, ExpenseState.LINKED}
    months = _as_before_answer(session, "twin", pair, run_id)
    if months is None:
        months = _own_expenses(session, [row.id], {ExpenseState.TWIN}, row.user_id, run_id)
        months |= let_sources_lead(session, [twin_id], run_id, also_alone=True)
    kept_apart = decline_pair(session, run_id, row.user_id, "twin", pair, was_deleted=was_deleted)
    return _undone(RowMatch.TWIN, run_id, kept_apart, [row.id], months)


def _part_legs(session: Session, row: BankTransaction, run_id: uuid.UUID) -> Unmatched:
    pair = _pair(row.id, row.transfer_peer_id)
    legs = [leg for leg in pair.values() if leg is not None]
    months = _as_before_answer(session, "transfer", pair, run_id)
    if months is None:
        session.execute(_UNPAIR, {"ids": legs})
        months = _own_expenses(session, legs, {ExpenseState.TRANSFER}, row.user_id, run_id)
    return _undone(
        RowMatch.TRANSFER, run_id, decline_pair(session, run_id, row.user_id, "transfer", pair), legs, months
    )


def _part_takeover(session: Session, row: BankTransaction, run_id: uuid.UUID) -> Unmatched:
    new_id, months = split_takeover(session, row, run_id)
    kept_apart = decline_pair(session, run_id, row.user_id, "takeover", _pair(row.id, new_id))
    return _undone(RowMatch.TAKEOVER, run_id, kept_apart, [new_id], months)


_UNDO = {
    RowMatch.EXPENSE: _unlink,
    RowMatch.TWIN: _part_twins,
    RowMatch.TRANSFER: _part_legs,
    RowMatch.TAKEOVER: _part_takeover,
}


def _undone(match: RowMatch, run_id: uuid.UUID, suggestion_id: int, rows: list[int], months: set[str]) -> Unmatched:
    return Unmatched(
        run_id=run_id, match=match, suggestion_id=suggestion_id, transaction_ids=rows, months=frozenset(months)
    )


def _as_before_answer(
    session: Session, kind: str, pair: Mapping[str, int | None], run_id: uuid.UUID
) -> set[str] | None:
    """Make two as they were before the person said that they are one; None where they did not, or the rows went on."""
    which = {"expense_id": None, "other_transaction_id": None, **pair}
    answer_id = session.execute(_ANSWERED, which | {"kind": kind}).scalar_one_or_none()
    undo = answer_id and plan_undo(session, answer_id)
    return write_undo(session, undo, run_id) if undo else None


def _own_expenses(
    session: Session, ids: Collection[int], states: set[ExpenseState], user_id: int, run_id: uuid.UUID
) -> set[str]:
    session.flush()
    months = give_expenses(
        session, list(ids), Reason.UNMATCHED, user_id=user_id, run_id=run_id, states=frozenset(states)
    )
    session.expire_all()
    return months


def _pair(one: int, other: int | None) -> dict[str, int | None]:
    assert other is not None
    return {"transaction_id": min(one, other), "other_transaction_id": max(one, other)}
