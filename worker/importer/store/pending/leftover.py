"""Decides about pending rows that no delivery can remove: of removed or missing sources, beside their booking, or old.

The ordinary case, a delivery that lacks the row, is decided by `decide.absent_rows`.
"""

from collections.abc import Sequence
from datetime import date

from sqlalchemy import text
from sqlalchemy.orm import Session

from worker.importer.account_state import AccountState
from worker.importer.decide.pending.booked_beside import MAX_PENDING_DAYS, ids_of
from worker.importer.decide.pending.leftover import MAX_DAYS_WITHOUT_ROW, MAX_QUESTIONS, WaitingRow, decide_waiting
from worker.importer.decide.pending.match_posted import MAX_DAYS_TO_POST
from worker.importer.decide.plan import Plan
from worker.importer.decide.reasons import Reason
from worker.importer.decide.row_update import tombstone
from worker.importer.decide.stored_row import ExpenseState, State, StoredRow
from worker.importer.job import Job
from worker.importer.store.pending.booked_beside import hide_posted_rows, load_rows_beside
from worker.importer.store.rows.load import load_in_full
from worker.importer.store.suggestions.ask import ASK_AGAIN_OF_ROW, suggest
from worker.importer.store.write import write_plan
from worker.importer.store.write_target import WriteTarget

# Selects pending rows, and rows booked for a day to come, of a connection that is not read any more, or not until its
# user acts: nobody hears what became of them. Another source of the same account has read their day since. A statement
# file has read the days between its rows, which must go on until a pending row is booked.
_ABANDONED = text(
    """SELECT t.id FROM bank_connection_accounts n
    JOIN bank_connection_accounts a ON a.bank_account_id = n.bank_account_id AND a.id <> n.id
    JOIN bank_connections c ON c.id = a.connection_id AND c.status <> 'active'
    JOIN bank_connections k ON k.id = n.connection_id
    JOIN bank_transactions t ON t.account_id = a.id AND t.expense_state = 'own'
      AND (t.state = 'pending' OR t.state = 'posted' AND least(t.stated_on, t.effective_on) > a.watermark_on)
      AND t.effective_on BETWEEN n.history_from_on AND CAST(:today AS date) - :grace_days
      AND NOT n.unread_days @> t.effective_on
      AND (k.connector_name <> 'file' OR EXISTS (
          SELECT 1 FROM bank_transactions f WHERE f.account_id = n.id AND f.state <> 'removed'
            AND f.effective_on BETWEEN t.effective_on - :days_without_row AND t.effective_on)
        AND EXISTS (
          SELECT 1 FROM bank_transactions f WHERE f.account_id = n.id AND f.state <> 'removed'
            AND f.effective_on BETWEEN t.effective_on + :max_days AND t.effective_on + :max_days + :days_without_row))
    WHERE n.id = :account_id AND NOT EXISTS (
      SELECT 1 FROM bank_transactions w
      WHERE w.twin_id = t.id AND w.account_id = n.id AND w.state <> 'removed' AND w.expense_state = 'twin')"""
)
# Nobody hears either what became of a pending row of an account that the bank lists no longer, unless the account may
# go on under another id: a new account was not compared yet, or waits.
_OF_MISSING_ACCOUNTS = text(
    """SELECT t.id FROM bank_connection_accounts m
    JOIN bank_transactions t ON t.account_id = m.id AND t.state = 'pending' AND t.expense_state = 'own'
      AND t.absent_since_at <= now() - make_interval(days => :grace_days)
    WHERE m.connection_id = :connection_id AND m.status = 'missing'
      AND NOT EXISTS (SELECT 1 FROM bank_match_suggestions s
        WHERE s.kind = 'account' AND s.other_account_id = m.id AND s.status = 'open')
      AND NOT EXISTS (SELECT 1 FROM bank_connection_accounts n WHERE n.connection_id = m.connection_id
        AND n.bank_account_id IS NULL AND n.included AND n.status IN ('active', 'waiting'))
      AND NOT EXISTS (SELECT 1 FROM bank_transactions w
        WHERE w.twin_id = t.id AND w.state <> 'removed' AND w.expense_state = 'twin')"""
)
# Includes the rows whose expense the user deleted while they were pending: they went, and may come as another row,
# unless the user said of one that it is another purchase.
_PENDING = text(
    """SELECT id, state, CAST(:today AS date) - effective_on AS days, absent_since_at IS NOT NULL AS is_absent,
      EXISTS (SELECT FROM bank_transactions q WHERE q.twin_id = t.id AND q.account_id = t.account_id
        AND q.state = 'posted' AND q.expense_state = 'twin') AS hides_another
    FROM bank_transactions t
    WHERE account_id = :account_id AND (state = 'pending' AND expense_state IN ('own', 'linked', 'twin', 'transfer')
      OR state = 'removed' AND expense_state IN ('own', 'linked') AND expense_id IS NULL
        AND effective_on >= CAST(:today AS date) - :max_days
        AND (SELECT c.before_image #>> '{transaction,state}' FROM bank_transaction_changes c
          WHERE c.transaction_id = t.id AND c.decision = 'removed' ORDER BY c.id DESC LIMIT 1) = 'pending'
        AND NOT EXISTS (SELECT FROM bank_match_suggestions s WHERE s.kind = 'twin' AND s.status = 'declined'
          AND t.id IN (s.transaction_id, s.other_transaction_id)))"""
)
_ASK = text(
    f"""INSERT INTO bank_match_suggestions (user_id, kind, transaction_id, run_id, reason)
    SELECT :user_id, 'withdrawn', t.id, :run_id, :reason FROM bank_transactions t
    WHERE t.id = ANY(:ids) AND t.state = 'pending' AND t.expense_id IS NOT NULL
      AND NOT EXISTS (SELECT 1 FROM bank_match_suggestions s
        WHERE s.transaction_id = t.id AND s.kind = 'withdrawn' AND s.status = 'declined')
    ORDER BY t.id LIMIT {MAX_QUESTIONS}
    {ASK_AGAIN_OF_ROW}"""  # noqa: S608 - a constant
)


def remove_abandoned(
    session: Session,
    job: Job,
    account: AccountState,
    target: WriteTarget,
    today: date,
    *,
    has_other_sources: bool,
) -> set[str]:
    """Remove pending rows, and bookings of days to come, that nobody delivers any more; what the user changed stays.

    They are of removed connections to the account and did not come with this one, or of missing accounts of this
    connection.
    """
    grace_days = job.options.pending_grace_days
    values = {"account_id": account.id, "today": today, "grace_days": grace_days}
    values |= {"max_days": MAX_DAYS_TO_POST, "days_without_row": MAX_DAYS_WITHOUT_ROW}
    ids = list(session.execute(_ABANDONED, values).scalars()) if has_other_sources else []
    values = {"connection_id": job.connection_id, "grace_days": grace_days}
    ids += session.execute(_OF_MISSING_ACCOUNTS, values).scalars()
    rows = [row for row in load_in_full(session, ids).values() if row.expense is not None and not row.changed_by_user]
    return _remove(session, target, rows)


def decide_pending(
    session: Session, job: Job, account: AccountState, target: WriteTarget, today: date, *, by_cursor: bool
) -> set[str]:
    """Decide about pending rows beside which the bank delivered a possible booking, or that are pending for long.

    The rule is `decide.pending.leftover`. Returns the months of expenses that changed.

    Args:
        by_cursor: The bank delivers changes, so that nothing says whether it still has a row.
    """
    values = {"account_id": account.id, "today": today, "max_days": MAX_PENDING_DAYS}
    waiting = [WaitingRow(**row._asdict()) for row in session.execute(_PENDING, values)]
    if not waiting:
        return set()
    grace_days = job.options.pending_grace_days
    went = {row.id for row in waiting if row.state == State.REMOVED}
    told_long = {row.id for row in waiting if row.days >= grace_days} - went
    beside = load_rows_beside(session, account.id, went, told_long)
    decided = decide_waiting(waiting, beside, grace_days=grace_days, by_cursor=by_cursor)
    hiding = load_in_full(session, decided.hiding_ids)
    months = _remove(session, target, [*decided.booked, *hiding.values()])
    asked_pairs = ((*ids_of(pair), Reason.STILL_PENDING) for pair in decided.asked_pairs)
    suggest(session, target.user_id, target.run_id, "twin", asked_pairs)
    months |= hide_posted_rows(session, target, decided.hidden)
    if decided.asked_ids:
        values = {"user_id": job.user_id, "run_id": target.run_id, "reason": Reason.STILL_PENDING}
        session.execute(_ASK, values | {"ids": sorted(decided.asked_ids)})
    return months


def _remove(session: Session, target: WriteTarget, rows: Sequence[StoredRow]) -> set[str]:
    """Remove rows that have an expense or are legs; return the months of expenses that changed.

    The other leg of a transfer is an expense until it is paired with what the row became.
    """
    there = (ExpenseState.OWN, ExpenseState.LINKED, ExpenseState.TRANSFER)
    wanted = [row for row in rows if row.expense_state in there]
    changes = [
        tombstone(row, Reason.PENDING_VANISHED if row.state == State.PENDING else Reason.CALLED_OFF) for row in wanted
    ]
    return write_plan(session, Plan(changes=changes), target).months if changes else set()
