"""Reads rows that may be legs of a transfer, and what the user said of them."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from worker.importer.decide.transfers.evidence import TransferLeg
from worker.importer.store.rows.bulk import array_text

# A twin is no leg, because the row of the other connection is; a reverted row is not in the ledger, also while it is
# to be imported again.
MAY_BE_LEG = """t.transfer_peer_id IS NULL AND t.state <> 'removed' AND t.expense_state NOT IN ('twin', 'reverted')
    AND NOT (t.expense_state = 'none' AND t.fingerprint = ''::bytea)"""
"""SQL: whether a row `t` may be a leg."""

LEG = """SELECT t.id, t.account_id, a.bank_account_id, t.amount, t.currency, t.effective_on AS "on", t.kind,
    t.counterparty_account, concat_ws(' ', t.counterparty, t.description) AS words, a.anchor, a.mask, a.name,
    a.account_type, t.stated_amounts
    FROM bank_transactions t JOIN bank_connection_accounts a ON a.id = t.account_id"""
"""SQL: selects the columns of a leg."""

_BY_ID = text(f"{LEG} WHERE t.id = ANY(CAST(:ids AS bigint[])) ORDER BY t.amount")
_ASKED = text(
    """SELECT transaction_id, other_transaction_id, status = 'open' AS is_open FROM bank_match_suggestions
    WHERE user_id = :user_id AND kind = 'transfer' AND status IN ('declined', 'open')"""
)
# Selected by account: by the rows alone, Postgres reads all rows of the user to find that no other account has any.
_ACCOUNTS = text(
    """SELECT a.id, a.bank_account_id, a.anchor, a.mask, a.name, a.account_type FROM bank_connection_accounts a
    WHERE a.user_id = :user_id AND EXISTS (SELECT 1 FROM bank_transactions t WHERE t.account_id = a.id) ORDER BY a.id"""
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnAccount:
    """An account of a user that rows may name, as one source lists it."""

    id: int
    bank_account_id: int | None
    anchor: str | None
    mask: str | None
    name: str
    account_type: str


def accounts_with_rows(session: Session, user_id: int) -> list[OwnAccount]:
    """Return the accounts of a user that have rows, as each source lists them."""
    return [OwnAccount(**row._asdict()) for row in session.execute(_ACCOUNTS, {"user_id": user_id})]


def read_leg(row: Any) -> TransferLeg:  # noqa: ANN401 - a row of LEG
    """Return a selected row as a leg."""
    return TransferLeg(**row._asdict())


def load_legs(session: Session, ids: Collection[int]) -> list[TransferLeg]:
    """Return these rows as legs, what leaves before what arrives."""
    return [read_leg(row) for row in session.execute(_BY_ID, {"ids": array_text(ids)})]


def load_asked(session: Session, user_id: int) -> tuple[frozenset[tuple[int, int]], frozenset[int]]:
    """Return the pairs that the user parted, by their ids, the lower one first; and rows that wait for an answer."""
    asked = session.execute(_ASKED, {"user_id": user_id}).all()
    parted = frozenset((row.transaction_id, row.other_transaction_id) for row in asked if not row.is_open)
    waiting = (id_ for row in asked if row.is_open for id_ in (row.transaction_id, row.other_transaction_id))
    return parted, frozenset(waiting)


def days_around(days: Iterable[date], most: timedelta) -> dict[str, date]:
    """Return the first and the last day so many days around others, by the names of parameters."""
    on = sorted(days)
    return {"from_on": on[0] - most, "to_on": on[-1] + most}
