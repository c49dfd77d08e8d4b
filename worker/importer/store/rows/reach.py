"""Notes that a bank's answers reach less far back than they did: withdrawn rows are older than all that they told."""

from datetime import date

from sqlalchemy import text, update
from sqlalchemy.orm import Session

from worker.importer.decide.reach import LEAST_REACH_DAYS
from worker.models import BankConnectionAccount
from worker.runs.imported_accounts import STANDS_WITHDRAWN

_FALL_SHORT = text(
    f"""UPDATE bank_connection_accounts a SET
      shortest_reach_days = least(a.shortest_reach_days, s.youngest_days - 1, {LEAST_REACH_DAYS})
    FROM (SELECT CAST(:today AS date) - max(coalesce(t.stated_on, t.effective_on)) AS youngest_days
      FROM bank_transactions t WHERE t.account_id = :account_id AND {STANDS_WITHDRAWN}
        AND coalesce(t.stated_on, t.effective_on) < :told_from_on
        AND t.absent_since_at > now() - INTERVAL '1 day') s
    WHERE a.id = :account_id AND s.youngest_days > 0"""  # noqa: S608 - a constant
)


def note_short_answer(session: Session, account_id: int, told_from_on: date, today: date) -> None:
    """Note how far back the answers reach, if withdrawn rows are older than all that was told.

    The user is asked about these rows once. Who says that one is gone says that the answers reach as far as they did.

    Args:
        told_from_on: The day of the oldest posted row that the run was told.
    """
    session.execute(_FALL_SHORT, {"account_id": account_id, "told_from_on": told_from_on, "today": today})


def forget_short_answers(session: Session, account_id: int) -> None:
    """Let the answers reach as far back as they ever did."""
    of_account = update(BankConnectionAccount).where(BankConnectionAccount.id == account_id)
    session.execute(of_account.values(shortest_reach_days=None))
