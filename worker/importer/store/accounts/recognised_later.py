"""Asks whether two accounts of a user are one, once rows show it that neither had when they were first compared.

A source is compared with the user's accounts when it is new. Later a file may extend it to days of another account,
or a source that joined one account may have the rows of a second one as well: two accounts that begin to state the same
purchases. Nothing is joined by that alone, because both have expenses.
"""

import uuid

from sqlalchemy import text
from sqlalchemy.orm import Session

from worker.importer.decide.accounts.recognise import MIN_AMOUNTS_LATER, AccountFacts, anchors_contradict
from worker.importer.decide.accounts.row_agreement import MAX_COMPARED_ROWS
from worker.importer.decide.sources.rows import MAX_DAYS_BY_ORDER
from worker.importer.store.accounts.bank_accounts import own_rows, recognise_source
from worker.importer.store.suggestions.ask import suggest_account
from worker.models import BankAccount, BankConnectionAccount

# Accounts of which this run's new rows state as many amounts on near days, and which no connection lists beside ours.
_STATES_THE_SAME = text(
    """WITH added AS MATERIALIZED (
      SELECT DISTINCT amount, currency, effective_on FROM (
        SELECT amount, currency, effective_on FROM bank_transactions
        WHERE account_id = :source_id AND first_run_id = :run_id AND state <> 'removed'
        ORDER BY effective_on DESC LIMIT :most) newest
    ), others AS MATERIALIZED (
      SELECT s.id, s.bank_account_id FROM bank_connection_accounts n JOIN bank_connection_accounts s
        ON s.user_id = n.user_id AND s.bank_account_id <> n.bank_account_id
      WHERE n.id = :source_id AND NOT EXISTS (
        SELECT FROM bank_connection_accounts o JOIN bank_connection_accounts p ON p.connection_id = o.connection_id
        WHERE o.bank_account_id = n.bank_account_id AND p.bank_account_id = s.bank_account_id)
    )
    SELECT EXISTS (
      SELECT FROM others o CROSS JOIN added a JOIN bank_transactions t ON t.account_id = o.id
        AND t.effective_on BETWEEN a.effective_on - :max_days AND a.effective_on + :max_days
        AND t.amount = a.amount AND t.currency = a.currency AND t.state <> 'removed'
      GROUP BY o.bank_account_id HAVING count(DISTINCT a.amount) >= :least)"""
)


def ask_whether_one_account(session: Session, source_id: int, run_id: uuid.UUID, *, added: int) -> None:
    """Ask about an account of which rows agree with those that a run added to a source of another one.

    Args:
        added: How many rows that were.
    """
    if added < MIN_AMOUNTS_LATER:
        return
    values = {"source_id": source_id, "run_id": run_id, "most": MAX_COMPARED_ROWS, "least": MIN_AMOUNTS_LATER}
    values["max_days"] = MAX_DAYS_BY_ORDER
    if not session.execute(_STATES_THE_SAME, values).scalar_one():
        return
    rows = own_rows(session, source_id)
    found = recognise_source(session, source_id, lambda _until_on: rows)
    if found is None:
        return
    source, (other, evidence) = session.get_one(BankConnectionAccount, source_id), found
    if not evidence.agreement.agreeing or evidence.agreement.gap_days is not None:
        return
    if anchors_contradict(*(_anchors_of(session, one) for one in (source, other))):
        return
    suggest_account(session, source.user_id, source_id, other.id, run_id=run_id, evidence=evidence.as_json())


def _anchors_of(session: Session, source: BankConnectionAccount) -> AccountFacts:
    account = session.get(BankAccount, source.bank_account_id) if source.bank_account_id is not None else None
    return AccountFacts(anchors=frozenset(account.anchors if account is not None else ()))
