"""Loads the accounts that a run imports, either from the row of its claim or by a query of its own."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy import Text, bindparam
from sqlalchemy.orm import Session

from worker.db.prepared import prepared
from worker.importer.decide.reach import AnswersReach
from worker.models import BankConnectionAccount
from worker.models.connection_options import ConnectionOptions
from worker.runs.imported_accounts import IMPORTED_ACCOUNTS


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountState:
    """One account to import, in its state at the start of the run.

    Attributes:
        inverted: The user declared that the bank states the account's amounts with the opposite sign.
        bank_account_id: The user's account that it is a source of; None before it was recognised.
        days_at: The time of day (UTC) of all its moments, where the bank writes days as moments.
        currency_assumed: The currency its rows were taken to be in while the bank stated none of the account.
        booked: Its booked balance.
        withdrawn_from_on: The first day of rows that stand although the bank's answers come without them.
        longest_reach_days, shortest_reach_days: How far back its answers reach: `decide.reach.AnswersReach`.
    """

    id: int
    external_id: str
    former_external_ids: Sequence[str]
    inverted: bool
    anchor: str | None
    mask: str | None
    id_class: str | None
    currency: str | None
    cursor: str | None
    watermark_on: date | None
    history_from_on: date | None
    history_complete: bool
    lateness_days: int
    bank_account_id: int | None
    days_at: str | None
    currency_assumed: str | None
    booked: Decimal | None
    withdrawn_from_on: date | None
    longest_reach_days: int | None
    shortest_reach_days: int | None

    @property
    def reach(self) -> AnswersReach:
        """How far back its answers reach."""
        return AnswersReach(self.longest_reach_days, self.shortest_reach_days)


_ACTIVE = prepared(
    f"""{IMPORTED_ACCOUNTS} :connection_id
      AND (CAST(:only AS text) IS NULL OR external_id = :only OR (:only = ANY(former_external_ids) AND NOT EXISTS (
        SELECT 1 FROM bank_connection_accounts n WHERE n.connection_id = :connection_id AND n.external_id = :only)))
    ORDER BY id
    """  # noqa: S608 - constants
).bindparams(bindparam("only", type_=Text))


def is_inverted(account: "AccountState | BankConnectionAccount", options: ConnectionOptions) -> bool:
    """Say whether the bank states the account's amounts with the opposite sign.

    The user declares it for the account, or for its present or a former id, so that it also applies after a new link.
    """
    ids = {account.external_id, *account.former_external_ids}
    return account.inverted or not ids.isdisjoint(options.inverted_accounts)


def load_accounts(session: Session, connection_id: uuid.UUID, only: str | None) -> list[AccountState]:
    """Return the accounts to import: active and included, or the requested one (by its present or a former id)."""
    rows = session.execute(_ACTIVE, {"connection_id": connection_id, "only": only})
    return [_state(row._asdict()) for row in rows]


def with_present_account(session: Session, account: AccountState) -> tuple[AccountState, BankConnectionAccount]:
    """Return a source with the account that it is one of now, and its row: held, it is read once in a transaction.

    It may have been recognised in this run, and a user may have parted or moved it meanwhile.
    """
    row = session.get_one(BankConnectionAccount, account.id)
    return replace(account, bank_account_id=row.bank_account_id), row


def claimed_accounts(claimed: Sequence[Mapping[str, Any]]) -> list[AccountState]:
    """Return the accounts to import as a claim read them, in JSON."""
    return [_state({**account, **{name: _day(account[name]) for name in _DAYS}}) for account in claimed]


_DAYS = ("watermark_on", "history_from_on", "withdrawn_from_on")


def _state(read: Mapping[str, Any]) -> AccountState:
    booked: str | None = read["booked"]
    return AccountState(**{**read, "booked": booked and Decimal(booked)})


def _day(on: str | None) -> date | None:
    return None if on is None else date.fromisoformat(on)
