"""Gives rows that have no expense of their own one, as the bank states them, and takes it where a match says so."""

import uuid
from collections.abc import Collection

from sqlalchemy import text
from sqlalchemy.orm import Session

from worker import outbox
from worker.importer.decide.decisions import ExpenseEffect
from worker.importer.decide.reasons import Reason
from worker.importer.decide.stored_row import ExpenseState, StoredRow
from worker.importer.store.expenses.answered_legs import give_as_left
from worker.importer.store.expenses.rows import delete_expenses
from worker.importer.store.expenses.transfer_costs import costs_written
from worker.importer.store.rows.bulk import array_text
from worker.importer.store.rows.load import lock_expenses

HIDDEN = frozenset({ExpenseState.TRANSFER, ExpenseState.TWIN})

# As `rows.changes.before_image` writes it.
_IMAGE = """jsonb_build_object(
    'transaction', jsonb_build_object(
      'identity', encode(w.identity, 'hex'), 'external_id', w.external_id, 'content_key', encode(w.content_key, 'hex'),
      'occurrence', w.occurrence, 'fingerprint', encode(w.fingerprint, 'hex'), 'state', w.state,
      'stated_on', w.stated_on, 'effective_on', w.effective_on, 'amount', w.amount::text, 'currency', w.currency,
      'description', w.description, 'counterparty', w.counterparty, 'expense_state', w.expense_state,
      'base', jsonb_build_object(
        'amount', w.base_amount::text, 'currency', w.base_currency, 'expense_type', w.base_type,
        'notes', w.base_notes, 'spent_on', w.base_spent_on, 'category_id', NULL)),
    'expense_id', w.expense_id,
    'expense', CASE WHEN w.expense_state <> 'transfer' THEN x.image END)
    || CASE WHEN w.expense_state = 'transfer' AND coalesce(w.base_cost, x.image) IS NOT NULL
      THEN jsonb_build_object('cost', jsonb_build_object('said', w.base_cost, 'expense', x.image))
      ELSE '{}' END"""
_GIVE = text(
    f"""WITH wanted AS MATERIALIZED (
      SELECT t.*, nextval(pg_get_serial_sequence('expenses', 'id')) AS new_expense_id FROM bank_transactions t
      WHERE t.id = ANY(CAST(:ids AS bigint[])) AND t.expense_state = ANY(CAST(:states AS text[]))
        AND t.base_amount IS NOT NULL AND t.state <> 'removed' ORDER BY t.id
    ), noted AS (
      INSERT INTO bank_transaction_changes (run_id, transaction_id, decision, reason, before_image)
      SELECT :run_id, w.id, 'updated', :reason, {_IMAGE}
      FROM wanted w LEFT JOIN expenses e ON e.id = w.expense_id
      LEFT JOIN LATERAL (SELECT CASE WHEN e.id IS NOT NULL THEN jsonb_build_object(
        'amount', e.amount::text, 'currency', e.currency, 'expense_type', e.expense_type, 'notes', e.notes,
        'spent_on', e.spent_at, 'category_id', e.category_id) END AS image) x ON TRUE
    ), written AS (
      INSERT INTO expenses (id, user_id, amount, currency, expense_type, notes, spent_at)
      SELECT new_expense_id, :user_id, base_amount, base_currency, base_type, base_notes, base_spent_on FROM wanted
    )
    UPDATE bank_transactions t SET expense_id = w.new_expense_id, expense_state = 'own', twin_id = NULL
    FROM wanted w WHERE t.id = w.id RETURNING t.expense_id, to_char(t.base_spent_on, 'YYYY-MM') AS month"""  # noqa: S608 - constants
)


def give_expenses(
    session: Session,
    ids: Collection[int],
    reason: Reason,
    *,
    user_id: int,
    run_id: uuid.UUID,
    states: Collection[ExpenseState] = HIDDEN,
) -> set[str]:
    """Write the expense of rows that have none of their own, as the bank states them; return the months.

    Legs of a transfer that a user accepted have what they had before. What the transfer cost is no expense any more.

    Args:
        states: How the rows stand to expenses now: hidden as legs or twins, or linked with an expense of the user's.
    """
    if not ids:
        return set()
    lock_expenses(session, ids)
    costs, as_left, months = list[int | None](), set[int](), set[str]()
    if ExpenseState.TRANSFER in states:
        costs = costs_written(session, ids)
        as_left, months = give_as_left(session, ids, reason, run_id)
    values = {"ids": array_text(set(ids) - as_left), "states": array_text(states), "user_id": user_id, "run_id": run_id}
    given = session.execute(_GIVE, values | {"reason": reason}).all()
    expense_ids = [row.expense_id for row in given]
    outbox.record_expenses(session, event_type="expense.created", expense_ids=expense_ids, run_id=run_id)
    # Last, because the history of the rows keeps what the user made of them.
    months |= delete_expenses(session, costs, run_id)
    return months | {row.month for row in given}


_REPLACE = text(
    """UPDATE bank_transactions SET expense_id = :expense_id, expense_state = :state, twin_id = :twin_id,
      last_run_id = :run_id WHERE id = :id"""
)


def replace_expense(session: Session, row: StoredRow, effect: ExpenseEffect, run_id: uuid.UUID | None) -> set[str]:
    """Let another expense, or another row, stand for a row, and delete the expense that it had; return its month."""
    values = {"expense_id": effect.link_expense_id, "state": effect.state, "twin_id": effect.twin_id}
    session.execute(_REPLACE, values | {"id": row.id, "run_id": run_id})
    return delete_expenses(session, [row.expense_id], run_id)
