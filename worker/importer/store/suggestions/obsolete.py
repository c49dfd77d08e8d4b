"""Closes questions whose answer would change nothing any more, because of the bank, another source or the user.

A closed question stays, as `obsolete`, with the time (`decided_at`) and the run that found it so
(`detail.settled_by`); it is open again when it is asked again.
"""

import uuid

from sqlalchemy import text
from sqlalchemy.orm import Session

from worker.importer.decide.transfers.unequal import MAX_FEE_SHARE
from worker.importer.store.suggestions.ask import PURCHASE

CLOSED_AS_OBSOLETE = """status = 'obsolete', decided_at = now(),
      detail = s.detail || jsonb_build_object('settled_by', CAST(:settled_by AS text))"""
"""What is written of a question `s` that a run finds obsolete."""

# An answer is about purchases: that of a twin is the row that has the expense. Nothing is asked
# whose answer would be refused: a source has booked both of two rows, a leg has its peer, a row stands for another
# expense.
# The `+ 0` lets Postgres look rows up by their ids: by the account as well it would read all days of the account.
_IS_HIDDEN = "({0}.expense_id IS NULL OR {0}.expense_state = 'transfer')"
_STANDS = f"""CASE q.kind
    WHEN 'category' THEN EXISTS (SELECT FROM expenses e WHERE e.id = q.expense_id AND e.category_id IS NULL)
    WHEN 'withdrawn' THEN CASE q.reason WHEN 'still_pending' THEN t.state = 'pending' AND t.expense_id IS NOT NULL
      ELSE t.absent_since_at IS NOT NULL AND t.state = 'posted' END
    WHEN 'expense' THEN t.state <> 'removed' AND p.state <> 'removed'
      AND p.expense_state = 'own' AND p.expense_id IS NOT NULL
      AND NOT EXISTS (SELECT FROM bank_transactions b WHERE b.expense_id = q.expense_id)
    WHEN 'transfer' THEN t.state <> 'removed' AND o.state <> 'removed' AND p.state <> 'removed' AND r.state <> 'removed'
      AND p.transfer_peer_id IS NULL AND r.transfer_peer_id IS NULL AND p.amount * r.amount < 0
      AND CASE q.reason WHEN 'exchanged' THEN p.currency <> r.currency
        WHEN 'less_a_fee' THEN p.currency = r.currency
          AND -p.amount - r.amount > 0 AND -p.amount - r.amount <= -least(p.amount, r.amount) * {MAX_FEE_SHARE}
        ELSE p.currency = r.currency AND p.amount = -r.amount END
    WHEN 'takeover' THEN t.expense_id IS NULL AND t.expense_state IN ('own', 'linked')
      AND (t.state = 'removed' OR t.absent_since_at IS NOT NULL)
      AND o.state = 'posted' AND o.expense_state = 'own' AND o.expense_id IS NOT NULL
    WHEN 'twin' THEN CASE WHEN p.id = r.id
      THEN q.reason = 'still_pending' AND p.state <> 'posted' AND p.expense_state IN ('own', 'linked')
        AND p.expense_id IS NULL AND 'posted' IN (t.state, o.state)
      ELSE t.state <> 'removed' AND o.state <> 'removed'
        AND CASE q.reason WHEN 'maybe_hidden' THEN {_IS_HIDDEN.format("p")} <> {_IS_HIDDEN.format("r")}
          ELSE (p.expense_id IS NOT NULL OR p.expense_state = 'transfer')
            AND (r.expense_id IS NOT NULL OR r.expense_state = 'transfer') END
        AND NOT EXISTS (SELECT FROM bank_transactions m JOIN bank_transactions n ON n.account_id + 0 = m.account_id + 0
          WHERE m.state = 'posted' AND (m.id = p.id OR m.twin_id = p.id AND m.expense_state = 'twin')
            AND n.state = 'posted' AND (n.id = r.id OR n.twin_id = r.id AND n.expense_state = 'twin'))
        AND CASE q.reason
          WHEN 'still_pending' THEN least(t.state, o.state) = 'pending' AND greatest(t.state, o.state) = 'posted'
            AND t.amount = o.amount
          WHEN 'other_amount' THEN t.amount <> o.amount
          ELSE TRUE END END
    ELSE TRUE END"""  # noqa: S608 - constants
_OBSOLETE_IDS = f"""SELECT q.id FROM bank_match_suggestions q JOIN bank_transactions t ON t.id = q.transaction_id
    LEFT JOIN bank_transactions o ON o.id = q.other_transaction_id
    LEFT JOIN bank_transactions p ON p.id = {PURCHASE.format("t")}
    LEFT JOIN bank_transactions r ON r.id = {PURCHASE.format("o")}
    WHERE q.user_id = :user_id AND q.status = 'open' AND NOT coalesce({_STANDS}, FALSE)"""  # noqa: S608 - constants
_CLOSE = text(f"UPDATE bank_match_suggestions s SET {CLOSED_AS_OBSOLETE} WHERE s.id IN ({_OBSOLETE_IDS})")  # noqa: S608 - constants
_IS_ASKED = text("SELECT EXISTS (SELECT FROM bank_match_suggestions WHERE user_id = :user_id AND status = 'open')")
_IS_OBSOLETE = text(f"SELECT :id IN ({_OBSOLETE_IDS})")


def close_obsolete_questions(session: Session, user_id: int, run_id: uuid.UUID) -> bool:
    """Close the questions to a user that are obsolete; return whether the user was asked anything.

    Args:
        run_id: The run that finds it.
    """
    # Most users are asked nothing, and to plan the statement takes Postgres ten times as long as to see that.
    was_asked = bool(session.scalar(_IS_ASKED, {"user_id": user_id}))
    if was_asked:
        session.execute(_CLOSE, {"user_id": user_id, "settled_by": str(run_id)})
    return was_asked


def is_obsolete(session: Session, suggestion_id: int, user_id: int) -> bool:
    """Return whether an open question is one that the next run would close."""
    return bool(session.scalar(_IS_OBSOLETE, {"id": suggestion_id, "user_id": user_id}))
