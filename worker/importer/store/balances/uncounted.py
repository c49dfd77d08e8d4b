"""Removes posted rows that the bank neither delivers nor counts in its balance any more."""

from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import text
from sqlalchemy.orm import Session

from worker.importer.account_state import AccountState
from worker.importer.decide.balances.uncounted import AbsentRow, uncounted
from worker.importer.decide.plan import Plan
from worker.importer.decide.reasons import Reason
from worker.importer.decide.row_update import tombstone
from worker.importer.job import Job
from worker.importer.store.balances.proof import StatedBalances, prove_balance
from worker.importer.store.rows.load import load_in_full
from worker.importer.store.transfers.pair import pair_transfers
from worker.importer.store.write import write_plan
from worker.importer.store.write_target import WriteTarget
from worker.runs.imported_accounts import NOT_KEPT

MAX_ROWS = 100

# An empty answer proves nothing. What the user keeps is not taken away.
_ABSENT = text(
    f"""SELECT t.id, t.amount, t.absent_since_at, coalesce(t.stated_on, t.effective_on) AS "on" FROM bank_transactions t
    JOIN bank_connection_accounts a ON a.id = t.account_id
    WHERE t.account_id = :account_id AND {NOT_KEPT}
      AND coalesce(t.stated_on, t.effective_on) >= a.opening_on
      AND EXISTS (SELECT 1 FROM bank_import_run_accounts r
        WHERE r.run_id = :run_id AND r.account_id = t.account_id AND r.delivered > 0)
    ORDER BY t.id LIMIT :most"""  # noqa: S608 - a constant
)


def remove_uncounted(
    session: Session, job: Job, account: AccountState, zone: ZoneInfo, stated: StatedBalances
) -> tuple[int, set[str]]:
    """Remove absent rows without which the bank's balance fits; return how many, and the months of expenses changed.

    The two are independent: the answers come without the rows, and the balance changed by them. A row that is delivered
    again is restored as the user left it.

    Args:
        zone: Of the bank's days.
        stated: Balances that came with the deliveries.
    """
    values: dict[str, Any] = {"account_id": account.id, "run_id": job.lease.run_id, "most": MAX_ROWS}
    rows = session.execute(_ABSENT, values).all()
    if not rows:
        return 0, set()
    proof = prove_balance(session, job, account.id, zone, stated)
    if proof.difference is None or proof.balance_on is None:
        return 0, set()
    absent = [
        AbsentRow(id=row.id, amount=row.amount, absent_since_at=row.absent_since_at)
        for row in rows
        if row.on <= proof.balance_on
    ]
    target = WriteTarget(account_id=account.id, user_id=job.user_id, run_id=job.lease.run_id)
    gone = load_in_full(session, uncounted(proof.difference, absent))
    plan = Plan(changes=[tombstone(row, Reason.UNCOUNTED) for row in gone.values()])
    written = write_plan(session, plan, target)
    return len(gone), written.months | pair_transfers(session, target, plan, written)
