"""Removes pending rows that are not told of any more or that were booked beside themselves, and asks about old ones."""

from collections.abc import Collection, Sequence
from datetime import date

from sqlalchemy import text
from sqlalchemy.orm import Session

from worker import outbox
from worker.importer.account_state import AccountState
from worker.importer.decide.booked_beside import (
    MAX_PENDING_DAYS,
    Pairs,
    inherited_effect,
    match_booked_beside,
    may_be_booked_as,
)
from worker.importer.decide.decisions import ExpenseEffect
from worker.importer.decide.expense import month
from worker.importer.decide.match_pending import MAX_DAYS
from worker.importer.decide.plan import Plan
from worker.importer.decide.reasons import Decision, Reason
from worker.importer.decide.row_update import tombstone
from worker.importer.decide.stored_row import ExpenseState, State, StoredRow
from worker.importer.job import Job
from worker.importer.store.bulk import ASK_AGAIN, insert_values
from worker.importer.store.change_rows import image_row
from worker.importer.store.expense_rows import delete_expenses
from worker.importer.store.load import load_details
from worker.importer.store.write import WriteTarget, write_plan

NEAR_DAYS = 31
"""A statement file without a row for longer is taken for two, and the days between them for days that nobody read."""

# Of a connection that is not read any more, or not until its user acts, nobody hears what became of a pending row, or
# of one that was booked for a day to come; another one to the same account has read its day since. A statement file has
# read the days between its rows, which must go on until a pending row is booked.
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
            AND f.effective_on BETWEEN t.effective_on - :near_days AND t.effective_on)
        AND EXISTS (
          SELECT 1 FROM bank_transactions f WHERE f.account_id = n.id AND f.state <> 'removed'
            AND f.effective_on BETWEEN t.effective_on + :max_days AND t.effective_on + :max_days + :near_days))
    WHERE n.id = :account_id AND NOT EXISTS (
      SELECT 1 FROM bank_transactions w
      WHERE w.twin_id = t.id AND w.account_id = n.id AND w.state <> 'removed' AND w.expense_state = 'twin')"""
)
# Nor of an account that the bank lists no longer, unless it may go on under another id: a new account was not compared
# yet, or waits.
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
# Each row that is pending, or was until this run, with the posted rows that came after it and took no row's place.
_BOOKED_BESIDE = text(
    """SELECT p.id AS pending_id, q.id AS posted_id
    FROM bank_transactions p JOIN bank_transactions q ON q.account_id = p.account_id AND q.state = 'posted'
      AND q.amount * p.amount > 0 AND q.currency = p.currency AND q.created_at > p.created_at
      AND q.pending_external_id IS NULL
      AND q.effective_on BETWEEN p.effective_on AND p.effective_on + CAST(:max_days AS int)
    WHERE p.account_id = :account_id AND (p.state = 'pending' OR p.id = ANY(:went))
      AND NOT EXISTS (SELECT 1 FROM bank_transaction_changes c
        WHERE c.transaction_id = q.id AND c.reason IN ('posted', 'posted_link', 'posted_rewritten', 'posted_amount'))
      AND NOT EXISTS (SELECT 1 FROM bank_match_suggestions s WHERE s.kind = 'takeover' AND s.status = 'declined'
        AND s.transaction_id = least(p.id, q.id) AND s.other_transaction_id = greatest(p.id, q.id))
    ORDER BY p.id, q.id"""
)
# With the expense that the person had typed for it, if it is free now.
_WENT = text(
    """SELECT c.transaction_id AS id, e.id AS typed_expense_id
    FROM bank_transaction_changes c JOIN bank_transactions t ON t.id = c.transaction_id AND t.state = 'removed'
    LEFT JOIN expenses e ON e.id = (c.before_image ->> 'expense_id')::bigint
      AND c.before_image #>> '{transaction,expense_state}' = 'linked'
      AND NOT EXISTS (SELECT 1 FROM bank_transactions b WHERE b.expense_id = e.id)
    WHERE c.run_id = :run_id AND c.account_id = :account_id AND c.decision = 'removed'
      AND c.before_image #>> '{transaction,state}' = 'pending'"""
)
_LINK = text(
    """UPDATE bank_transactions SET expense_id = :expense_id, expense_state = :state, last_run_id = :run_id
    WHERE id = :id"""
)
_SET_EXPENSE = text(
    """UPDATE expenses SET amount = :amount, currency = :currency, expense_type = :expense_type, notes = :notes,
      spent_at = :spent_on, category_id = coalesce(CAST(:category_id AS int), category_id) WHERE id = :expense_id"""
)
_OLD = text(
    """SELECT id FROM bank_transactions
    WHERE account_id = :account_id AND state = 'pending' AND expense_state IN ('own', 'linked')
      AND effective_on <= CAST(:today AS date) - :days"""
)
# Of very many rows the first ones are asked about.
_ASK = text(
    f"""INSERT INTO bank_match_suggestions (user_id, kind, transaction_id, run_id, reason)
    SELECT :user_id, 'withdrawn', t.id, :run_id, :reason FROM bank_transactions t
    WHERE t.id = ANY(:ids) AND t.state = 'pending' AND t.expense_id IS NOT NULL
      AND NOT EXISTS (SELECT 1 FROM bank_match_suggestions s
        WHERE s.transaction_id = t.id AND s.kind = 'withdrawn' AND s.status = 'declined')
    ORDER BY t.id LIMIT 100
    {ASK_AGAIN}"""  # noqa: S608 - a constant
)


def remove_abandoned(session: Session, job: Job, account: AccountState, target: WriteTarget, today: date) -> set[str]:
    """Remove pending rows, and bookings of days to come, that nobody tells of any more; what the user changed stays.

    They are of removed connections and did not come with this one, or of missing accounts of this connection.
    """
    grace_days = job.options.pending_grace_days
    values = {"account_id": account.id, "today": today, "grace_days": grace_days}
    values |= {"max_days": MAX_DAYS, "near_days": NEAR_DAYS}
    ids = list(session.execute(_ABANDONED, values).scalars())
    values = {"connection_id": job.connection_id, "grace_days": grace_days}
    ids += session.execute(_OF_MISSING_ACCOUNTS, values).scalars()
    rows = [row for row in load_details(session, ids).values() if row.expense is not None and not row.changed_by_user]
    return _remove(session, target, rows)


def settle_pending(session: Session, job: Job, account: AccountState, target: WriteTarget, today: date) -> set[str]:
    """Settle the pending rows of a list of changes that neither linked nor removed them when they were booked.

    Where a posted row is evidently what became of one, it goes after the days of grace; about others the person is
    asked. Returns the months of expenses that changed.
    """
    grace = {"account_id": account.id, "today": today, "days": job.options.pending_grace_days}
    old = set(session.execute(_OLD, grace).scalars())
    if not old:
        return set()
    beside = _booked_beside(session, account.id, ())
    gone = {
        pending.id: pending
        for pending, posted in match_booked_beside(beside)
        if pending.id in old and not (pending.changed_by_user and posted.changed_by_user)
    }
    months = _remove(session, target, list(gone.values()))
    doubtful = {pending.id for pending, posted in beside if may_be_booked_as(pending, posted)}
    expired = set(session.execute(_OLD, grace | {"days": MAX_PENDING_DAYS}).scalars())
    asked = (old & doubtful | expired) - gone.keys()
    if asked:
        values = {"user_id": job.user_id, "run_id": target.run_id, "reason": Reason.STILL_PENDING}
        session.execute(_ASK, values | {"ids": sorted(asked)})
    return months


def let_posted_rows_inherit(session: Session, target: WriteTarget) -> set[str]:
    """Apply what the person did to pending rows that this run removed to the posted rows of the same purchases.

    Returns the months of expenses that changed.
    """
    which = {"run_id": target.run_id, "account_id": target.account_id}
    went = {row.id: row.typed_expense_id for row in session.execute(_WENT, which)}
    if not went:
        return set()
    months: set[str] = set()
    for pending, posted in match_booked_beside(_booked_beside(session, target.account_id, went)):
        if pending.id in went:
            effect = inherited_effect(pending, posted, went[pending.id])
            months |= set() if effect is None else _inherit(session, target, pending, posted, effect)
    return months


def _booked_beside(session: Session, account_id: int, went: Collection[int]) -> Pairs:
    values = {"account_id": account_id, "went": list(went), "max_days": MAX_DAYS}
    pairs = session.execute(_BOOKED_BESIDE, values).all()
    rows = load_details(session, {id_ for pair in pairs for id_ in pair})
    return [(rows[pair.pending_id], rows[pair.posted_id]) for pair in pairs]


def _inherit(
    session: Session, target: WriteTarget, pending: StoredRow, posted: StoredRow, effect: ExpenseEffect
) -> set[str]:
    """Write what a posted row inherits; return the months of expenses that changed."""
    assert posted.expense is not None
    assert posted.expense_id is not None
    image = image_row([posted], target.run_id, Decision.UPDATED, Reason.BOOKED_BESIDE)
    insert_values(session, "bank_transaction_changes", *image)
    months = {month(posted.expense)}
    if effect.write is not None:
        values = {"expense_id": posted.expense_id, "category_id": pending.category_id}
        session.execute(_SET_EXPENSE, effect.write._asdict() | values)
        outbox.record_expenses(
            session, event_type="expense.updated", expense_ids=[posted.expense_id], run_id=target.run_id
        )
        return months | {month(effect.write)}
    link = {"id": posted.id, "expense_id": effect.link_expense_id, "state": effect.state, "run_id": target.run_id}
    outbox.record_expenses(session, event_type="expense.deleted", expense_ids=[posted.expense_id], run_id=target.run_id)
    session.execute(_LINK, link)
    delete_expenses(session, [posted.expense_id])
    return months


def _remove(session: Session, target: WriteTarget, rows: Sequence[StoredRow]) -> set[str]:
    """Remove rows whose expense is their own or the person's; return the months of expenses that changed."""
    wanted = [row for row in rows if row.expense_state in (ExpenseState.OWN, ExpenseState.LINKED)]
    changes = [
        tombstone(row, Reason.PENDING_VANISHED if row.state == State.PENDING else Reason.CALLED_OFF) for row in wanted
    ]
    return write_plan(session, Plan(changes=changes), target).months if changes else set()
