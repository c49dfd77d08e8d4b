"""Tells the story of one row: what each source stated, which sources confirm it, and every decision about it."""

from typing import Any

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from worker.bank_accounts.accounts import LEADS, kind_of
from worker.bank_accounts.unmatching import matches_of
from worker.errors import NotFoundError
from worker.importer.decide.sources.leading_fields import contradictions
from worker.importer.store.sources.leading_fields import stated_by_owner
from worker.models import BankTransaction

_ROWS = text(
    """WITH owner AS (
      SELECT CASE WHEN expense_state = 'twin' AND twin_id IS NOT NULL THEN twin_id ELSE id END AS id
      FROM bank_transactions WHERE id = :id)
    SELECT t.id AS transaction_id, a.id AS source_id, a.name AS source, c.connector_name,
      c.display_name AS connection, coalesce(t.stated_on, t.effective_on) AS "on", t.amount, t.currency,
      t.description, t.counterparty, t.state, t.expense_state, t.expense_id
    FROM owner, bank_transactions t JOIN bank_connection_accounts a ON a.id = t.account_id
    JOIN bank_connections c ON c.id = a.connection_id
    WHERE t.id = owner.id OR t.twin_id = owner.id AND t.expense_state = 'twin'
    ORDER BY t.id <> owner.id, t.id"""
)
_HISTORY = text(
    """SELECT c.created_at AS at, c.run_id, r.kind AS run_kind, c.decision, c.reason
    FROM bank_transaction_changes c JOIN bank_import_runs r ON r.id = c.run_id AND NOT r.dry_run
    WHERE c.transaction_id = :id
    UNION ALL
    SELECT created_at, first_run_id, NULL, first_decision, first_reason FROM bank_transactions WHERE id = :id
    ORDER BY at"""
)
_APART = text(
    """SELECT id AS suggestion_id, kind, transaction_id, other_transaction_id, expense_id FROM bank_match_suggestions
    WHERE (transaction_id = :id OR other_transaction_id = :id) AND status = 'declined' ORDER BY id"""
)


def owner_of(session: Session, transaction_id: int) -> int:
    """Return whose row it is, for an operator. Raises: NotFoundError."""
    user_id = session.scalar(select(BankTransaction.user_id).where(BankTransaction.id == transaction_id))
    if user_id is None:
        raise NotFoundError(f"no transaction {transaction_id}")
    return user_id


def story_of(session: Session, transaction_id: int, *, user_id: int) -> dict[str, Any]:
    """Return what is known of one row. Raises: NotFoundError when the person has no such row."""
    row = session.scalar(
        select(BankTransaction).where(BankTransaction.id == transaction_id, BankTransaction.user_id == user_id)
    )
    if row is None:
        raise NotFoundError(f"no transaction {transaction_id}")
    which = {"id": transaction_id}
    confirmed_by = [dict(found) for found in session.execute(_ROWS, which).mappings()]
    differing: dict[int, tuple[str, ...]] = {}
    for stated in stated_by_owner(session, [transaction_id]).values():
        differing |= contradictions(stated)
    for one in confirmed_by:
        one["leads"] = list(LEADS[kind_of(one["connector_name"])]) if len(confirmed_by) > 1 else []
        one["contradicts"] = list(differing.get(one["transaction_id"], ()))
    return {
        "id": row.id,
        "on": row.stated_on or row.effective_on,
        "amount": row.amount,
        "currency": row.currency,
        "description": row.description,
        "counterparty": row.counterparty,
        "state": row.state,
        "expense_state": row.expense_state,
        "expense_id": next((one["expense_id"] for one in confirmed_by if one["expense_id"] is not None), None),
        "transfer_peer_id": row.transfer_peer_id,
        "confirmed_by": confirmed_by,
        "matches": [str(match) for match in matches_of(session, row)],
        "kept_apart": [dict(found) for found in session.execute(_APART, which).mappings()],
        "history": [dict(found) for found in session.execute(_HISTORY, which).mappings()],
    }
