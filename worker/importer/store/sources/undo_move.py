"""Undoes what the move of an account did to rows: expenses return to the rows that had them.

A statement per step for all rows, and each row is written once: 20,000 of them take as long as to COPY them anew.
"""

import uuid

from sqlalchemy import text
from sqlalchemy.orm import Session

from worker import outbox
from worker.importer.store.rows.bulk import arrays
from worker.importer.store.sources.expense_handover import let_follow, repeer

_MOVED = text(
    """SELECT c.id AS change_id, c.transaction_id AS new_id, (c.detail ->> 'from')::bigint AS old_id,
      n.expense_id, n.expense_state, n.transfer_peer_id, (c.detail ->> 'dropped')::bigint AS dropped_id, c.reason
    FROM bank_transaction_changes c JOIN bank_transactions n ON n.id = c.transaction_id
    JOIN bank_transactions o ON o.id = (c.detail ->> 'from')::bigint
    WHERE c.run_id = :run_id AND (
      c.reason = 'moved' AND o.expense_state = 'twin' AND o.twin_id = n.id AND n.expense_state <> 'twin'
      OR c.reason = 'same_account_twin' AND n.expense_state = 'twin' AND n.twin_id = o.id)
    ORDER BY c.id"""
)
# A row of which the move dropped an expense has that one again, any other is the twin that it was.
_RETURN = text(
    """UPDATE bank_transactions n SET expense_id = v.dropped_id,
      expense_state = CASE WHEN v.dropped_id IS NULL THEN 'twin' ELSE 'own' END,
      twin_id = CASE WHEN v.dropped_id IS NULL THEN (c.detail ->> 'from')::bigint END,
      transfer_peer_id = NULL, last_run_id = :run_id,
      base_amount = (c.detail -> 'base' ->> 0)::numeric, base_currency = c.detail -> 'base' ->> 1,
      base_type = c.detail -> 'base' ->> 2, base_notes = c.detail -> 'base' ->> 3,
      base_spent_on = (c.detail -> 'base' ->> 4)::date
    FROM unnest(CAST(:change_ids AS bigint[]), CAST(:dropped_ids AS bigint[])) v(change_id, dropped_id)
    JOIN bank_transaction_changes c ON c.id = v.change_id WHERE n.id = c.transaction_id"""
)
_GIVE_BACK = text(
    """UPDATE bank_transactions o SET expense_id = v.expense_id, expense_state = v.state, twin_id = NULL,
      transfer_peer_id = v.peer_id, last_run_id = :run_id
    FROM unnest(CAST(:old_ids AS bigint[]), CAST(:expense_ids AS bigint[]), CAST(:states AS text[]),
      CAST(:peer_ids AS bigint[])) v(old_id, expense_id, state, peer_id) WHERE o.id = v.old_id"""
)
# Writes the base that the row had before the move, which that of the expense it took has replaced.
_INSERT_DROPPED = text(
    """WITH written AS (
      INSERT INTO expenses (id, user_id, amount, currency, expense_type, notes, spent_at)
      SELECT v.expense_id, n.user_id, b.amount, b.currency, b.type, b.notes, b.spent_on
      FROM unnest(CAST(:change_ids AS bigint[]), CAST(:expense_ids AS bigint[])) v(change_id, expense_id)
      JOIN bank_transaction_changes c ON c.id = v.change_id JOIN bank_transactions n ON n.id = c.transaction_id,
      LATERAL (
        SELECT (c.detail -> 'base' ->> 0)::numeric, c.detail -> 'base' ->> 1, c.detail -> 'base' ->> 2,
          c.detail -> 'base' ->> 3, (c.detail -> 'base' ->> 4)::date WHERE c.reason = 'moved'
        UNION ALL
        SELECT n.base_amount, n.base_currency, n.base_type, n.base_notes, n.base_spent_on WHERE c.reason <> 'moved'
      ) b(amount, currency, type, notes, spent_on)
      RETURNING to_char(spent_at, 'YYYY-MM') AS month)
    SELECT DISTINCT month FROM written"""
)
_OWN_AGAIN = text(
    """UPDATE bank_transactions n SET expense_id = v.expense_id, expense_state = 'own', twin_id = NULL
    FROM unnest(CAST(:new_ids AS bigint[]), CAST(:expense_ids AS bigint[])) v(new_id, expense_id)
    WHERE n.id = v.new_id"""
)


def take_back_move(session: Session, moved_run_id: uuid.UUID, run_id: uuid.UUID) -> tuple[int, set[str]]:
    """Undo what a move did to rows: expenses return to the rows that had them, with their ids and the user's edits.

    Returns how many rows have their expense again, and the months (`YYYY-MM`) of expenses that are back.
    """
    rows = session.execute(_MOVED, {"run_id": moved_run_id}).all()
    moved = [row for row in rows if row.reason == "moved"]
    dropped = [row for row in rows if row.dropped_id is not None]
    expense_ids = [row.dropped_id for row in dropped]
    months: set[str] = set()
    if dropped:
        again = arrays(dropped, change_ids="change_id", expense_ids="dropped_id")
        months = set(session.execute(_INSERT_DROPPED, again).scalars())
    if moved:
        returned = arrays(moved, change_ids="change_id", dropped_ids="dropped_id")
        session.execute(_RETURN, returned | {"run_id": run_id})
        given = arrays(
            moved, old_ids="old_id", expense_ids="expense_id", states="expense_state", peer_ids="transfer_peer_id"
        )
        session.execute(_GIVE_BACK, given | {"run_id": run_id})
        let_follow(session, [(row.new_id, row.old_id) for row in moved])
        repeer(session, [(row.transfer_peer_id, row.old_id) for row in moved if row.transfer_peer_id is not None])
    joined = [row for row in dropped if row.reason != "moved"]
    if joined:
        session.execute(_OWN_AGAIN, arrays(joined, new_ids="new_id", expense_ids="dropped_id"))
    outbox.record_expenses(session, event_type="expense.created", expense_ids=expense_ids, run_id=run_id)
    return len(moved), months
