"""Lists a person's accounts with their sources: the days each was read for, and how far it is trusted."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from worker.bank_accounts.seams import seams_of
from worker.errors import NotFoundError
from worker.models import BankAccount

_SOURCES = text(
    """SELECT a.id, a.bank_account_id, a.connection_id, c.display_name AS connection, c.connector_name,
      c.status AS connection_status, a.name, a.mask, a.status, a.included, a.id_class, a.leads_from_on,
      a.history_from_on, a.watermark_on, a.balance_amount, a.balance_at, days.first_on, days.last_on, days.rows,
      days.confirming, proof.result AS proof
    FROM bank_connection_accounts a JOIN bank_connections c ON c.id = a.connection_id
    LEFT JOIN LATERAL (
      SELECT min(effective_on) AS first_on, max(effective_on) AS last_on, count(*) AS rows,
        count(*) FILTER (WHERE expense_state = 'twin' AND NOT EXISTS (
          SELECT FROM bank_transactions o WHERE o.id = t.twin_id AND o.account_id = t.account_id)) AS confirming
      FROM bank_transactions t WHERE t.account_id = a.id AND t.state <> 'removed') days ON TRUE
    LEFT JOIN LATERAL (
      SELECT p.balance_proof ->> 'result' AS result FROM bank_import_run_accounts p
      JOIN bank_import_runs r ON r.id = p.run_id AND NOT r.dry_run
      WHERE p.account_id = a.id AND p.balance_proof IS NOT NULL ORDER BY p.id DESC LIMIT 1) proof ON TRUE
    WHERE a.bank_account_id = ANY(:ids) ORDER BY a.bank_account_id, a.id"""
)


LEADS: Mapping[str, Sequence[str]] = {"statement": ("amount", "day"), "feed": ("merchant", "id")}
"""What a source of each kind is believed for before other sources."""


def kind_of(connector_name: str) -> str:
    """Return the kind of a source: `statement` for files of the bank, `feed` for everything online."""
    return "statement" if connector_name == "file" else "feed"


def list_bank_accounts(session: Session, *, user_id: int) -> list[dict[str, Any]]:
    """Return a person's accounts with their sources, oldest first."""
    accounts = session.scalars(select(BankAccount).where(BankAccount.user_id == user_id).order_by(BankAccount.id)).all()
    return _described(session, list(accounts))


def bank_account_of(session: Session, bank_account_id: int, *, user_id: int | None = None) -> dict[str, Any]:
    """Return one account with its sources; `user_id` None is for an operator. Raises: NotFoundError."""
    return _described(session, [find_bank_account(session, bank_account_id, user_id=user_id)])[0]


def find_bank_account(session: Session, bank_account_id: int, *, user_id: int | None = None) -> BankAccount:
    """Return one account. Raises: NotFoundError."""
    account = session.get(BankAccount, bank_account_id)
    if account is None or user_id not in (None, account.user_id):
        raise NotFoundError(f"no account {bank_account_id}")
    return account


def _described(session: Session, accounts: list[BankAccount]) -> list[dict[str, Any]]:
    sources: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for row in session.execute(_SOURCES, {"ids": [account.id for account in accounts]}).mappings():
        source = dict(row)
        kind = kind_of(source["connector_name"])
        source |= {"kind": kind, "ids": source.pop("id_class"), "leads": list(LEADS[kind])}
        sources[source.pop("bank_account_id")].append(source)
    for found in sources.values():
        seams = seams_of(session, found)
        for source in found:
            seam = seams.get(source["id"])
            source |= {"seam": seam and seam.result, "seam_on": seam and seam.on}
            source |= {"seam_difference": seam and seam.difference}
    return [
        {
            "id": account.id,
            "user_id": account.user_id,
            "name": account.name,
            "institution_name": account.institution_name,
            "account_type": account.account_type,
            "mask": account.mask,
            "currency": account.currency,
            "known_by": sorted({anchor.partition(":")[0] for anchor in account.anchors}),
            "sources": sources[account.id],
        }
        for account in accounts
    ]
