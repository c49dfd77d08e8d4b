"""Lists, accepts and declines suggestions of the importer. A declined one is not made again."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from worker import outbox
from worker.db.user_lock import lock_user
from worker.errors import ConflictError, NotFoundError
from worker.models import BankConnectionAccount, BankMatchSuggestion, BankTransaction

_DESCRIBED = text(
    """SELECT s.id, s.kind, s.reason, s.status, s.created_at, s.transaction_id, s.expense_id, s.other_transaction_id,
        s.account_id, s.other_account_id, s.detail,
        t.effective_on AS on, t.amount, t.currency, t.description, e.spent_at AS other_on, e.notes AS other_description,
        o.effective_on AS peer_on, o.description AS peer_description, a.name AS account, p.name AS other_account
    FROM bank_match_suggestions s
    LEFT JOIN bank_transactions t ON t.id = s.transaction_id
    LEFT JOIN expenses e ON e.id = s.expense_id
    LEFT JOIN bank_transactions o ON o.id = s.other_transaction_id
    LEFT JOIN bank_connection_accounts a ON a.id = s.account_id
    LEFT JOIN bank_connection_accounts p ON p.id = s.other_account_id
    WHERE s.user_id = :user_id AND s.status = :status ORDER BY s.id LIMIT :limit"""
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SuggestionView:
    """One question as it is shown: what is on the bank's side, and what it may be."""

    id: int
    kind: str
    reason: str
    status: str
    created_at: datetime
    bank: dict[str, Any]
    other: dict[str, Any]


def list_suggestions(session: Session, user_id: int, *, status: str = "open", limit: int = 100) -> list[SuggestionView]:
    """Return the user's questions, oldest first."""
    rows = session.execute(_DESCRIBED, {"user_id": user_id, "status": status, "limit": limit})
    return [
        SuggestionView(
            id=row.id,
            kind=row.kind,
            reason=row.reason,
            status=row.status,
            created_at=row.created_at,
            bank={
                "transaction_id": row.transaction_id,
                "on": row.on,
                "amount": row.amount,
                "currency": row.currency,
                "description": row.description,
                "account": row.account,
            },
            other={
                "expense_id": row.expense_id,
                "transaction_id": row.other_transaction_id,
                "on": row.other_on or row.peer_on,
                "description": row.other_description or row.peer_description,
                "account": row.other_account,
                **row.detail,
            },
        )
        for row in rows
    ]


def decline(session: Session, suggestion_id: int, *, user_id: int) -> None:
    """Say no; both sides stay as they are, and an account that waited for the answer is imported as a new one.

    Raises: NotFoundError, ConflictError when it was decided before.
    """
    lock_user(session, user_id)
    suggestion = _open(session, suggestion_id, user_id)
    account = session.get(BankConnectionAccount, suggestion.account_id) if suggestion.account_id else None
    if account is not None and account.status == "waiting":
        account.status, account.status_code = "active", None
    _decide(suggestion, "declined")


def accept(session: Session, suggestion_id: int, *, user_id: int) -> None:
    """Say yes: the bank's line takes over the expense, the legs are linked, or the accounts are one.

    Raises: NotFoundError, ConflictError when it was decided before or no longer fits.
    """
    lock_user(session, user_id)
    suggestion = _open(session, suggestion_id, user_id)
    match suggestion.kind:
        case "expense":
            _accept_expense(session, suggestion)
        case "transfer":
            _accept_transfer(session, suggestion)
        case "category":
            _accept_category(session, suggestion)
        case _:
            _accept_account(session, suggestion)
    _decide(suggestion, "accepted")


def _open(session: Session, suggestion_id: int, user_id: int) -> BankMatchSuggestion:
    suggestion = session.scalar(
        select(BankMatchSuggestion)
        .where(BankMatchSuggestion.id == suggestion_id, BankMatchSuggestion.user_id == user_id)
        .with_for_update()
    )
    if suggestion is None:
        raise NotFoundError(f"no suggestion {suggestion_id}")
    if suggestion.status != "open":
        raise ConflictError(f"suggestion {suggestion_id} is {suggestion.status}")
    return suggestion


def _decide(suggestion: BankMatchSuggestion, status: str) -> None:
    suggestion.status = status
    suggestion.decided_at = func.now()


def _transaction(session: Session, transaction_id: int | None) -> BankTransaction:
    row = transaction_id and session.get(BankTransaction, transaction_id, with_for_update=True)
    if not row or row.state == "removed":
        raise ConflictError("the bank took this row back meanwhile")
    return row


def _accept_expense(session: Session, suggestion: BankMatchSuggestion) -> None:
    """The user's own expense stands for the line; the one we wrote for it goes."""
    row = _transaction(session, suggestion.transaction_id)
    taken = session.scalar(select(BankTransaction.id).where(BankTransaction.expense_id == suggestion.expense_id))
    if suggestion.expense_id is None or taken is not None:
        raise ConflictError("the expense is gone, or stands for another row already")
    ours = row.expense_id if row.expense_state == "own" else None
    row.expense_id, row.expense_state = suggestion.expense_id, "linked"
    session.flush()
    _drop(session, [ours] if ours is not None else [], suggestion)


def _accept_transfer(session: Session, suggestion: BankMatchSuggestion) -> None:
    one, other = (
        _transaction(session, suggestion.transaction_id),
        _transaction(session, suggestion.other_transaction_id),
    )
    if one.transfer_peer_id is not None or other.transfer_peer_id is not None or one.amount != -other.amount:
        raise ConflictError("one of the rows changed or has another peer meanwhile")
    ours = [row.expense_id for row in (one, other) if row.expense_state == "own" and row.expense_id is not None]
    for row, peer in ((one, other), (other, one)):
        row.transfer_peer_id, row.expense_id, row.expense_state = peer.id, None, "transfer"
    session.flush()
    _drop(session, ours, suggestion)


def _accept_category(session: Session, suggestion: BankMatchSuggestion) -> None:
    session.execute(
        text(
            "UPDATE expenses e SET category_id = c.id FROM categories c"
            " WHERE e.id = :expense_id AND c.id = :category_id AND c.user_id = e.user_id AND e.category_id IS NULL"
        ),
        {"expense_id": suggestion.expense_id, "category_id": suggestion.detail.get("category_id")},
    )


def _accept_account(session: Session, suggestion: BankMatchSuggestion) -> None:
    """The new account is the old one: the old row takes the new id, and goes on with its history."""
    new = session.get(BankConnectionAccount, suggestion.account_id, with_for_update=True)
    old = session.get(BankConnectionAccount, suggestion.other_account_id, with_for_update=True)
    if new is None or old is None:
        raise ConflictError("one of the accounts is gone")
    rows = session.scalar(select(func.count()).select_from(BankTransaction).where(BankTransaction.account_id == new.id))
    if rows:
        raise ConflictError("the new account has rows already: revert its import first, then accept")
    external_id, anchor, mask = new.external_id, new.anchor, new.mask
    # A card may be replaced more than once: the latest answer about the old account is the one that is kept.
    session.execute(
        text(
            "DELETE FROM bank_match_suggestions"
            " WHERE kind = 'account' AND account_id IS NULL AND other_account_id = :old_id"
        ),
        {"old_id": old.id},
    )
    suggestion.account_id = None  # or the answer would go with the row it is about
    session.flush()
    session.delete(new)
    session.flush()
    old.former_external_ids = [*old.former_external_ids, old.external_id]
    old.external_id, old.anchor, old.mask = external_id, anchor or old.anchor, mask or old.mask
    old.status, old.status_code = "active", None
    session.flush()


def _drop(session: Session, expense_ids: list[int], suggestion: BankMatchSuggestion) -> None:
    if expense_ids:
        outbox.record_expenses(session, event_type="expense.deleted", expense_ids=expense_ids, run_id=suggestion.run_id)
        session.execute(text("DELETE FROM expenses WHERE id = ANY(:ids)"), {"ids": expense_ids})
