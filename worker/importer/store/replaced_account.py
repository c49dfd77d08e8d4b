"""Detects a new account that may replace one the bank lists no longer; it is not imported until the user answers."""

from itertools import islice

from sqlalchemy import text
from sqlalchemy.orm import Session

from worker.importer.decide.compare_accounts import AccountRow, SameAccount, compare_accounts
from worker.importer.decide.line import Line, read_transaction
from worker.importer.decide.reasons import Reason
from worker.importer.store.account_import import AccountDelivery
from worker.importer.store.load import has_rows

MAX_COMPARED_ROWS = 2000

# An account that has a suggestion, open or answered, gets no second one.
_MISSING = text(
    """SELECT o.id FROM bank_connection_accounts o JOIN bank_connection_accounts n ON n.id = :account_id
    WHERE o.connection_id = n.connection_id AND o.status = 'missing' AND o.currency IS NOT DISTINCT FROM n.currency
      AND (o.anchor IS NULL OR n.anchor IS NULL OR o.anchor = n.anchor)
      AND NOT EXISTS (SELECT 1 FROM bank_match_suggestions s WHERE s.kind = 'account' AND s.account_id = n.id)
    ORDER BY o.id"""
)
_ROWS = text(
    """SELECT coalesce(stated_on, effective_on) AS "on", amount, currency,
        concat_ws(' ', counterparty, description) AS words
    FROM bank_transactions WHERE account_id = :account_id AND state <> 'removed'
    ORDER BY effective_on DESC, id DESC LIMIT :most"""
)
_WAIT = text(
    "UPDATE bank_connection_accounts SET status = 'waiting', status_code = 'similar_account' WHERE id = :account_id"
)
_ASK = text(
    """INSERT INTO bank_match_suggestions (user_id, kind, account_id, other_account_id, run_id, reason)
    VALUES (:user_id, 'account', :account_id, :other_account_id, :run_id, :reason) ON CONFLICT DO NOTHING"""
)


def ask_if_replaced(session: Session, step: AccountDelivery) -> bool:
    """Ask whether a new account is one that went missing, if their rows say that it may be; it waits for the answer."""
    if has_rows(session, step.account.id):
        return False
    missing_ids = list(session.execute(_MISSING, {"account_id": step.account.id}).scalars())
    if not missing_ids:
        return False
    delivered = _delivered_rows(step)
    verdicts = {
        account_id: compare_accounts(delivered, _stored_rows(session, account_id)) for account_id in missing_ids
    }
    for wanted in (SameAccount.EVIDENT, SameAccount.POSSIBLE):
        found = [account_id for account_id, verdict in verdicts.items() if verdict == wanted]
        if found:
            values = {"user_id": step.job.user_id, "run_id": step.job.lease.run_id, "reason": Reason.SIMILAR_ACCOUNT}
            session.execute(_ASK, values | {"account_id": step.account.id, "other_account_id": found[0]})
            session.execute(_WAIT, {"account_id": step.account.id})
            return True
    return False


def _delivered_rows(step: AccountDelivery) -> list[AccountRow]:
    transactions = step.delivery.staging.transactions(step.account.external_id)
    lines = (read_transaction(transaction, step.read_context) for transaction in transactions)
    return [
        AccountRow(
            on=line.stated_on or line.effective_on,
            amount=line.amount,
            currency=line.currency,
            words=f"{line.counterparty or ''} {line.description}",
        )
        for line in islice(lines, MAX_COMPARED_ROWS)
        if isinstance(line, Line)
    ]


def _stored_rows(session: Session, account_id: int) -> list[AccountRow]:
    rows = session.execute(_ROWS, {"account_id": account_id, "most": MAX_COMPARED_ROWS})
    return [AccountRow(on=row.on, amount=row.amount, currency=row.currency, words=row.words) for row in rows]
