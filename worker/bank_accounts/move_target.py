"""Finds the source of a connection that an account is moved to, and refuses one that is evidently another account."""

import uuid

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from worker.bank_accounts.accounts import find_bank_account
from worker.bank_accounts.move_plan import MovePlan
from worker.errors import ConflictError, NotFoundError
from worker.importer.decide.accounts.recognise import AccountFacts, anchors_contradict
from worker.models import BankAccount, BankConnection, BankConnectionAccount, BankMatchSuggestion

_DECLINED = text(
    """SELECT q.id FROM bank_match_suggestions q
    JOIN bank_connection_accounts o ON o.bank_account_id = :bank_account_id AND o.id <> :source_id
    WHERE q.kind = 'account' AND q.status = 'declined'
      AND (q.account_id = :source_id AND q.other_account_id = o.id
        OR q.account_id = o.id AND q.other_account_id = :source_id) LIMIT 1"""
)


def find_target(
    session: Session, bank_account_id: int, connection_id: uuid.UUID, user_id: int
) -> BankConnectionAccount:
    """Return the source of a connection that is, or may be, the account."""
    connection = session.scalar(
        select(BankConnection)
        .where(BankConnection.id == connection_id, BankConnection.user_id == user_id)
        .with_for_update(key_share=True)  # before its accounts: a run that ends locks them in this order
    )
    if connection is None:
        raise NotFoundError(f"no connection {connection_id}")
    account = find_bank_account(session, bank_account_id)
    sources = session.scalars(
        select(BankConnectionAccount)
        .where(BankConnectionAccount.connection_id == connection_id)
        .order_by(BankConnectionAccount.id)
        .with_for_update()
    ).all()
    fitting = [one for one in sources if None in (one.currency, account.currency) or one.currency == account.currency]
    for found in (
        [one for one in fitting if one.bank_account_id == bank_account_id],
        [one for one in fitting if one.anchor is not None and one.anchor in account.anchors],
        [one for one in fitting if _asked_about(session, one.id, bank_account_id)],
        [one for one in fitting if one.mask is not None and one.mask == account.mask],
        fitting,
    ):
        if len(found) == 1:
            return found[0]
    listed = ", ".join(f"{one.id} ({one.name})" for one in fitting) or "none"
    raise ConflictError(f"which source of connection {connection_id} is meant cannot be told: {listed}")


def check_evidence(session: Session, account: BankAccount, source: BankConnectionAccount, plan: MovePlan) -> None:
    """Refuse to join a source that is evidently another account, or of which nothing says that it is this one.

    Raises: ConflictError.
    """
    which = {"bank_account_id": account.id, "source_id": source.id}
    declined = session.execute(_DECLINED, which).scalar()
    if declined is not None:
        raise ConflictError(
            f"source {source.id} was said to be another account: undo suggestion {declined} before the move"
        )
    known, new = AccountFacts(anchors=frozenset(account.anchors)), AccountFacts(anchors=_anchors_of(source))
    if known.anchors & new.anchors or _asked_about(session, source.id, account.id):
        return
    if anchors_contradict(new, known):
        raise ConflictError(f"source {source.id} ({source.name}) states another account number")
    if plan.met < max(len(plan.only_old), len(plan.only_new), 1):
        raise ConflictError(
            f"nothing says that source {source.id} ({source.name}) is this account: {plan.met} rows agree,"
            f" {len(plan.only_old)} are only in the account and {len(plan.only_new)} only in the source"
        )


def _anchors_of(source: BankConnectionAccount) -> frozenset[str]:
    return frozenset() if source.anchor is None else frozenset({source.anchor})


def _asked_about(session: Session, source_id: int, bank_account_id: int) -> bool:
    return bool(
        session.scalar(
            select(BankMatchSuggestion.id)
            .join(BankConnectionAccount, BankConnectionAccount.id == BankMatchSuggestion.other_account_id)
            .where(
                BankMatchSuggestion.kind == "account",
                BankMatchSuggestion.account_id == source_id,
                BankConnectionAccount.bank_account_id == bank_account_id,
            )
            .limit(1)
        )
    )
