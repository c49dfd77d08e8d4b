"""Lists, accepts and declines suggestions of the importer. A declined one is not made again."""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, select, text
from sqlalchemy.orm import Session

from worker import outbox
from worker.db.user_lock import lock_user
from worker.errors import ConflictError, NotFoundError
from worker.importer.actions.joining import join_again, join_expense, join_transfer, join_twin
from worker.importer.actions.settled_balance import settle_balance
from worker.importer.actions.withdrawn_rows import take_for_gone
from worker.importer.decide.transfers.money_moved import BookedMoney, costs_of
from worker.importer.store.accounts.bank_accounts import add_account, attach, other_sources, sources_of
from worker.importer.store.accounts.exchanged_ids import exchange_accounts
from worker.importer.store.accounts.replaced import go_on_as
from worker.importer.store.sources.joined_rows import meet_joined_rows
from worker.importer.store.sources.undo_answer import Concerned, concerned, keep_replaced
from worker.models import BankConnectionAccount, BankMatchSuggestion, BankTransaction

_DESCRIBED = text(
    """SELECT s.id, s.kind, s.reason, s.status, s.created_at, s.transaction_id, s.expense_id, s.other_transaction_id,
        s.account_id, s.other_account_id, s.detail, s.run_id,
        t.effective_on AS on, t.amount, t.currency, t.stated_amounts, t.description,
        e.spent_at AS other_on, e.notes AS other_description,
        o.effective_on AS peer_on, o.description AS peer_description,
        o.amount AS peer_amount, o.currency AS peer_currency, o.stated_amounts AS peer_stated_amounts,
        a.name AS account, p.name AS other_account,
        c.id AS connection_id, c.display_name AS connection, b.id AS other_connection_id,
        b.display_name AS other_connection
    FROM bank_match_suggestions s
    LEFT JOIN bank_transactions t ON t.id = s.transaction_id
    LEFT JOIN expenses e ON e.id = s.expense_id
    LEFT JOIN bank_transactions o ON o.id = s.other_transaction_id
    LEFT JOIN bank_connection_accounts a ON a.id = coalesce(s.account_id, t.account_id)
    LEFT JOIN bank_connections c ON c.id = a.connection_id
    LEFT JOIN bank_connection_accounts p ON p.id = coalesce(s.other_account_id, o.account_id)
    LEFT JOIN bank_connections b ON b.id = p.connection_id
    WHERE s.user_id = :user_id AND s.status = :status AND s.id > :after ORDER BY s.id LIMIT :limit"""
)

_CATEGORISE = text(
    """UPDATE expenses e SET category_id = c.id FROM categories c
    WHERE e.id = :expense_id AND c.id = :category_id AND c.user_id = e.user_id AND e.category_id IS NULL
    RETURNING e.id, to_char(e.spent_at, 'YYYY-MM') AS month"""
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SuggestionView:
    """An open suggestion: the bank's side, and what it may be. Each side names its account and connection."""

    id: int
    kind: str
    reason: str
    status: str
    created_at: datetime
    run_id: uuid.UUID | None
    bank: dict[str, Any]
    other: dict[str, Any]


def list_suggestions(
    session: Session, user_id: int, *, status: str = "open", limit: int = 100, after: int = 0
) -> list[SuggestionView]:
    """Return the user's questions, oldest first.

    Args:
        after: The id of the last one that was read.
    """
    rows = session.execute(_DESCRIBED, {"user_id": user_id, "status": status, "limit": limit, "after": after})
    return [_view(row) for row in rows]


def _view(row: Row[Any]) -> SuggestionView:
    return SuggestionView(
        id=row.id,
        kind=row.kind,
        reason=row.reason,
        status=row.status,
        created_at=row.created_at,
        run_id=row.run_id,
        bank={
            "transaction_id": row.transaction_id,
            "on": row.on,
            "amount": row.amount,
            "currency": row.currency,
            "description": row.description,
            "account": row.account,
            "connection_id": row.connection_id,
            "connection": row.connection,
        },
        other={
            "expense_id": row.expense_id,
            "transaction_id": row.other_transaction_id,
            "on": row.other_on or row.peer_on,
            "amount": row.peer_amount,
            "currency": row.peer_currency,
            "costs": _costs(row) if row.kind == "transfer" else [],
            "description": row.other_description or row.peer_description,
            "account": row.other_account,
            "connection_id": row.other_connection_id,
            "connection": row.other_connection,
            **row.detail,
        },
    )


def _costs(row: Row[Any]) -> list[dict[str, Any]]:
    """Return what stays an expense when two rows are accepted as a transfer."""
    bank = BookedMoney(row.amount, row.currency, row.stated_amounts)
    other = BookedMoney(row.peer_amount, row.peer_currency, row.peer_stated_amounts)
    out, into = sorted((bank, other), key=lambda one: one.amount)
    return [cost._asdict() for cost in costs_of(out, into) if cost is not None]


def decline(session: Session, suggestion_id: int, *, user_id: int) -> None:
    """Say no; both sides stay as they are, and an account that waited for the answer is imported as a new one.

    A row that the bank's answers come without is kept from then on.

    Raises: NotFoundError, ConflictError when it was decided before.
    """
    lock_user(session, user_id)
    suggestion = _open(session, suggestion_id, user_id)
    account = session.get(BankConnectionAccount, suggestion.account_id) if suggestion.account_id else None
    if account is not None and account.status == "waiting":
        account.status, account.status_code = "active", None
    _decide(suggestion, "declined")


def accept(session: Session, suggestion_id: int, *, user_id: int) -> frozenset[str]:
    """Say yes: two are one (a row and an expense, two rows, two accounts), a row is gone, a category or balance right.

    Returns the months (`YYYY-MM`) of expenses that changed, for FinMind's caches.

    Raises: NotFoundError, ConflictError when it was decided before or no longer fits.
    """
    lock_user(session, user_id)
    suggestion = _open(session, suggestion_id, user_id)
    if suggestion.kind not in KINDS:
        raise ConflictError(f"suggestion {suggestion_id} is of a later version, which alone knows what to do")
    before = concerned_by(session, suggestion)
    months = _ACCEPT[suggestion.kind](session, suggestion)
    keep_replaced(session, suggestion.id, before)
    _decide(suggestion, "accepted")
    return frozenset(months)


def concerned_by(session: Session, suggestion: BankMatchSuggestion) -> Concerned:
    """Return what accepting a suggestion may change, as it is."""
    rows = [id_ for id_ in (suggestion.transaction_id, suggestion.other_transaction_id) if id_ is not None]
    asked = (suggestion.account_id, suggestion.other_account_id) if suggestion.kind == "account" else ()
    sources = [id_ for id_ in asked if id_ is not None]
    return concerned(session, rows, [suggestion.expense_id] if suggestion.expense_id else [], source_ids=sources)


def find_suggestion(session: Session, suggestion_id: int, user_id: int) -> BankMatchSuggestion:
    """Return a user's suggestion, locked. Raises: NotFoundError."""
    suggestion = session.scalar(
        select(BankMatchSuggestion)
        .where(BankMatchSuggestion.id == suggestion_id, BankMatchSuggestion.user_id == user_id)
        .with_for_update()
    )
    if suggestion is None:
        raise NotFoundError(f"no suggestion {suggestion_id}")
    return suggestion


def _open(session: Session, suggestion_id: int, user_id: int) -> BankMatchSuggestion:
    suggestion = find_suggestion(session, suggestion_id, user_id)
    if suggestion.status != "open":
        raise ConflictError(f"suggestion {suggestion_id} is {suggestion.status}")
    return suggestion


def _decide(suggestion: BankMatchSuggestion, status: str) -> None:
    suggestion.status = status
    suggestion.decided_at = func.now()


def _accept_category(session: Session, suggestion: BankMatchSuggestion) -> set[str]:
    values = {"expense_id": suggestion.expense_id, "category_id": suggestion.detail.get("category_id")}
    found = session.execute(_CATEGORISE, values).all()
    ids = [row.id for row in found]
    outbox.record_expenses(session, event_type="expense.updated", expense_ids=ids, run_id=suggestion.run_id)
    return {row.month for row in found}


def _accept_account(session: Session, suggestion: BankMatchSuggestion) -> set[str]:
    """Merge a new account into the old one: the old row gets the new id and keeps its history."""
    new = session.get(BankConnectionAccount, suggestion.account_id, with_for_update=True)
    old = session.get(BankConnectionAccount, suggestion.other_account_id, with_for_update=True)
    if new is None or old is None:
        raise ConflictError("one of the accounts is gone")
    if suggestion.detail.get("exchanged"):
        exchange_accounts(session, new, old)
        return set()
    if new.connection_id != old.connection_id:
        return _join_accounts(session, suggestion, new, old)
    rows = session.scalar(select(func.count()).select_from(BankTransaction).where(BankTransaction.account_id == new.id))
    if rows:
        raise ConflictError("the new account has rows already: revert its import first, then accept")
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
    go_on_as(session, old, new)
    return set()


def _join_accounts(
    session: Session, suggestion: BankMatchSuggestion, new: BankConnectionAccount, old: BankConnectionAccount
) -> set[str]:
    """Make a source, with the others of its account where it has one, sources of another account."""
    joined = [new] if new.bank_account_id is None else sources_of(session, new.bank_account_id)
    bank_account_id = old.bank_account_id or add_account(session, old)
    if new.bank_account_id == bank_account_id:
        raise ConflictError("both are sources of one account already")
    months: set[str] = set()
    for source in joined:
        attach(session, source, bank_account_id)
        if source.status == "waiting":
            source.status, source.status_code = "active", None
        months |= meet_joined_rows(session, source.id, other_sources(session, bank_account_id, source.id), new.user_id)
    suggestion.detail = suggestion.detail | {"joined": [source.id for source in joined]}
    session.flush()
    session.expire_all()
    return months


_ACCEPT: Mapping[str, Callable[[Session, BankMatchSuggestion], set[str]]] = {
    "expense": join_expense,
    "transfer": join_transfer,
    "category": _accept_category,
    "withdrawn": take_for_gone,
    "account": _accept_account,
    "balance": settle_balance,
    "twin": join_twin,
    "takeover": join_again,
}

KINDS = tuple(_ACCEPT)
"""The kinds of suggestions."""
