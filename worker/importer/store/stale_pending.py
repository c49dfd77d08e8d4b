"""Removes pending rows whose source is not read any more, or whose place a posted row took without a link."""

from collections.abc import Sequence
from datetime import date

from sqlalchemy import text
from sqlalchemy.orm import Session

from worker.importer.account_state import AccountState
from worker.importer.decide import match_pending
from worker.importer.decide.one_to_one import unambiguous
from worker.importer.decide.plan import Plan
from worker.importer.decide.reasons import Reason
from worker.importer.decide.row_update import tombstone
from worker.importer.decide.similarity import similarity
from worker.importer.job import Job
from worker.importer.store.load import load_details
from worker.importer.store.write import WriteTarget, write_plan

# Of a connection that is not read any more, or not until its user acts, nobody hears what became of a pending row;
# another one to the same account has read its day since.
_ABANDONED = text(
    """SELECT t.id FROM bank_connection_accounts n
    JOIN bank_connection_accounts a ON a.bank_account_id = n.bank_account_id AND a.id <> n.id
    JOIN bank_connections c ON c.id = a.connection_id AND c.status <> 'active'
    JOIN bank_transactions t ON t.account_id = a.id AND t.state = 'pending' AND t.expense_state = 'own'
      AND t.effective_on BETWEEN n.history_from_on AND CAST(:today AS date) - :grace_days
    WHERE n.id = :account_id AND NOT EXISTS (
      SELECT 1 FROM bank_transactions w
      WHERE w.twin_id = t.id AND w.account_id = n.id AND w.state <> 'removed' AND w.expense_state = 'twin')"""
)
# Nor of an account that the bank lists no longer, unless it may go on under another id.
_OF_MISSING_ACCOUNTS = text(
    """SELECT t.id FROM bank_connection_accounts m
    JOIN bank_transactions t ON t.account_id = m.id AND t.state = 'pending' AND t.expense_state = 'own'
      AND t.absent_since_at <= now() - make_interval(days => :grace_days)
    WHERE m.connection_id = :connection_id AND m.status = 'missing'
      AND NOT EXISTS (SELECT 1 FROM bank_match_suggestions s
        WHERE s.kind = 'account' AND s.other_account_id = m.id AND s.status = 'open')
      AND NOT EXISTS (SELECT 1 FROM bank_transactions w
        WHERE w.twin_id = t.id AND w.state <> 'removed' AND w.expense_state = 'twin')"""
)
# A list of changes that neither links a posted row with its pending one nor lists that as removed would keep both.
_SUPERSEDED = text(
    """SELECT p.id AS pending_id, q.id AS posted_id, concat_ws(' ', p.counterparty, p.description) AS pending_words,
      concat_ws(' ', q.counterparty, q.description) AS posted_words
    FROM bank_transactions p JOIN bank_transactions q ON q.account_id = p.account_id AND q.state = 'posted'
      AND q.amount = p.amount AND q.currency = p.currency AND q.created_at > p.created_at
      AND q.pending_external_id IS NULL
      AND q.effective_on BETWEEN p.effective_on AND p.effective_on + CAST(:max_days AS int)
    WHERE p.account_id = :account_id AND p.state = 'pending' AND p.effective_on <= CAST(:today AS date) - :grace_days
      AND NOT EXISTS (SELECT 1 FROM bank_transaction_changes c
        WHERE c.transaction_id = q.id AND c.reason IN ('posted', 'posted_link', 'posted_rewritten', 'posted_amount'))
      AND NOT EXISTS (SELECT 1 FROM bank_match_suggestions s WHERE s.kind = 'takeover' AND s.status = 'declined'
        AND s.transaction_id = least(p.id, q.id) AND s.other_transaction_id = greatest(p.id, q.id))"""
)


def remove_abandoned(session: Session, job: Job, account: AccountState, target: WriteTarget, today: date) -> set[str]:
    """Remove pending rows that nobody tells of any more; what the user changed stays.

    They are of removed connections and did not come with this one, or of missing accounts of this connection.
    """
    grace_days = job.options.pending_grace_days
    values = {"account_id": account.id, "today": today, "grace_days": grace_days}
    ids = list(session.execute(_ABANDONED, values).scalars())
    values = {"connection_id": job.connection_id, "grace_days": grace_days}
    ids += session.execute(_OF_MISSING_ACCOUNTS, values).scalars()
    return _remove_pending(session, target, ids)


def remove_superseded(session: Session, job: Job, account: AccountState, target: WriteTarget, today: date) -> set[str]:
    """Remove pending rows of which a posted one without a link is evidently what became of them."""
    values = {"account_id": account.id, "today": today, "grace_days": job.options.pending_grace_days}
    found = session.execute(_SUPERSEDED, values | {"max_days": match_pending.MAX_DAYS})
    pairs = [
        (row.pending_id, row.posted_id)
        for row in found
        if similarity(row.pending_words, row.posted_words) >= match_pending.SURE
    ]
    return _remove_pending(session, target, [pending_id for pending_id, _ in unambiguous(pairs)])


def _remove_pending(session: Session, target: WriteTarget, ids: Sequence[int]) -> set[str]:
    """Remove pending rows; those whose expense the user changed stay."""
    rows = [row for row in load_details(session, ids).values() if row.expense is not None and row.expense == row.base]
    changes = [tombstone(row, Reason.PENDING_VANISHED) for row in rows if row.category_id is None]
    return write_plan(session, Plan(changes=changes), target).months if changes else set()
