"""Exchanges the ids of two accounts that the bank exchanged, as `decide.accounts.exchanged_ids` says.

The rows of both stay where they are, with what the user did to them; what the bank lists changes hands.
"""

from sqlalchemy import text
from sqlalchemy.orm import Session

from worker.importer.account_state import AccountState, load_accounts
from worker.importer.decide.accounts.exchanged_ids import account_of_rows
from worker.importer.decide.accounts.replaced import SameAccount
from worker.importer.store.account_share import AccountShare
from worker.importer.store.accounts.bank_accounts import own_rows
from worker.importer.store.accounts.listed import EXCHANGING
from worker.importer.store.accounts.replaced import delivered_rows
from worker.importer.store.suggestions.ask import suggest_account
from worker.models import BankConnectionAccount
from worker.telemetry.logs import get_logger

log = get_logger(__name__)

_LISTED = (
    "connection_id", "external_id", "anchor", "name", "mask", "account_type", "institution_name", "id_class",
    "balance_amount", "balance_kind", "balance_at", "cursor", "status", "status_code", "last_seen_at",
)  # fmt: skip
"""What the bank lists of an account."""

# Sources of one account tell the same rows. Accounts of the same connection come first.
_OTHERS = text(
    """SELECT o.id FROM bank_connection_accounts o JOIN bank_connection_accounts a ON a.id = :account_id
    JOIN bank_connections c ON c.id = o.connection_id AND c.status <> 'disconnected'
    WHERE o.user_id = a.user_id AND o.id <> a.id AND o.status IN ('active', 'missing') AND o.included
      AND coalesce(o.currency = a.currency, TRUE) AND o.bank_account_id <> a.bank_account_id
      AND EXISTS (SELECT 1 FROM bank_transactions t WHERE t.account_id = o.id)
    ORDER BY o.connection_id <> a.connection_id, o.id LIMIT 50"""
)
# Who said once that two accounts changed places is asked when they may have changed them back.
_ANSWER = text(
    """UPDATE bank_match_suggestions SET status = CASE status WHEN 'declined' THEN status ELSE 'open' END
    WHERE kind = 'account' AND account_id = :account_id AND other_account_id = :other_id RETURNING status"""
)


def account_of_unknown_rows(session: Session, share: AccountShare, *, may_exchange: bool) -> AccountState | None:
    """Return the account that a share of unknown rows is of: its own, or the other one; None where the user is asked.

    Args:
        may_exchange: No account of this run was exchanged before.
    """
    account = share.account
    others = {id_: own_rows(session, id_) for (id_,) in session.execute(_OTHERS, {"account_id": account.id})}
    other_id, verdict = account_of_rows(delivered_rows(share, None), own_rows(session, account.id), others)
    if other_id is None:
        return account
    ours, other = (session.get_one(BankConnectionAccount, id_, with_for_update=True) for id_ in (account.id, other_id))
    if verdict == SameAccount.EVIDENT and ours.connection_id == other.connection_id and may_exchange:
        exchange_accounts(session, ours, other)
        return next(iter(load_accounts(session, other.connection_id, other.external_id)), None)
    return account if _ask(session, share, *sorted((ours.id, other.id))) == "declined" else None


def _ask(session: Session, share: AccountShare, one_id: int, other_id: int) -> str:
    """Ask whether two accounts changed places, and return how the question stands."""
    evidence = {"evidence": ["the rows that the bank tells of one now are those of the other"], "exchanged": True}
    job = share.job
    suggest_account(session, job.user_id, one_id, other_id, run_id=job.lease.run_id, evidence=evidence)
    return str(session.execute(_ANSWER, {"account_id": one_id, "other_id": other_id}).scalar_one())


def exchange_accounts(session: Session, one: BankConnectionAccount, other: BankConnectionAccount) -> None:
    """Let two accounts change places at the bank."""
    listed = [{name: getattr(row, name) for name in _LISTED} for row in (one, other)]
    one.external_id, one.anchor = f"{EXCHANGING}{one.id}", None
    other.anchor = None
    session.flush()
    for row, stated in ((other, listed[0]), (one, listed[1])):
        for name, value in stated.items():
            setattr(row, name, value)
        if one.connection_id != other.connection_id:
            row.history_from_on, row.history_complete, row.cursor = None, False, None
        session.flush()
    log.info("account.exchanged", account_id=one.id, other_id=other.id)
