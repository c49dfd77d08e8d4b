"""Routes of a person's accounts: their sources, what is covered, and moving them to another source."""

import uuid
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from worker.api.inputs import Input, RowId
from worker.api.paging import Listed
from worker.api.query import Day
from worker.api.services import ServicesDep, UserId
from worker.api.transactions import UnmatchedOut
from worker.bank_accounts.accounts import bank_account_of, find_bank_account, list_bank_accounts
from worker.bank_accounts.coverage import MonthState
from worker.bank_accounts.coverage_report import coverage_of
from worker.bank_accounts.moving import move_account
from worker.bank_accounts.unmatching import detach

router = APIRouter(prefix="/accounts", tags=["accounts"])


class AccountSourceOut(BaseModel):
    """One source of an account: the account as a connection lists it."""

    id: int
    connection_id: uuid.UUID
    connection: str
    connection_status: str
    connector_name: str
    kind: Literal["statement", "feed"]
    ids: str | None = Field(description="How far its transaction ids are trusted; null: as the connector says.")
    leads: list[str] = Field(description="What it is believed for before other sources.")
    name: str
    mask: str | None
    status: str
    included: bool
    leads_from_on: date | None = Field(description="Its rows have the expenses from this day on.")
    history_from_on: date | None
    watermark_on: date | None
    first_on: date | None
    last_on: date | None
    rows: int
    confirming: int = Field(description="Rows of purchases that another source has as well.")
    balance_amount: Decimal | None
    balance_at: datetime | None
    proof: str | None = Field(examples=["proven"])
    seam: Literal["proven", "mismatch", "unproven"] | None = Field(
        description="Whether balances prove that it goes on from the earlier sources; null for the first one."
    )
    seam_on: date | None
    seam_difference: Decimal | None


class BankAccountOut(BaseModel):
    """A person's account, whatever tells about it."""

    id: int
    name: str
    institution_name: str | None
    account_type: str
    mask: str | None
    currency: str | None
    known_by: list[str] = Field(description="Kinds of account numbers that are known.", examples=[["iban"]])
    sources: list[AccountSourceOut]


@router.get("")
def list_bank_accounts_of_user(user_id: UserId, services: ServicesDep) -> Listed[BankAccountOut]:
    """List the caller's accounts, each with its sources."""
    with services.sessions() as session:
        found = list_bank_accounts(session, user_id=user_id)
    return Listed(items=[BankAccountOut.model_validate(account) for account in found])


@router.get("/{bank_account_id}")
def show_bank_account(bank_account_id: RowId, user_id: UserId, services: ServicesDep) -> BankAccountOut:
    """Show one account with its sources."""
    with services.sessions() as session:
        return BankAccountOut.model_validate(bank_account_of(session, bank_account_id, user_id=user_id))


class CureOut(BaseModel):
    """The cheapest way to close a gap. `refetch`: ask the source's connection for an import of exactly these days."""

    action: Literal["refetch", "upload"]
    sentence: str = Field(examples=["upload the statement of March 2025"])
    from_on: date
    to_on: date
    source_id: int | None


class MonthOut(BaseModel):
    """One month of an account: the worst that is known of it, and all of it in words."""

    month: str = Field(examples=["2025-03"])
    state: MonthState
    days: int
    covered_days: int
    sources: list[str]
    rows: int
    says: list[str] = Field(examples=[["28 of 31 days are covered"]])
    cure: CureOut | None


@router.get("/{bank_account_id}/coverage")
def show_coverage(bank_account_id: RowId, user_id: UserId, services: ServicesDep) -> Listed[MonthOut]:
    """Say month by month which sources cover an account, what proves it, and what closes a gap."""
    with services.sessions() as session:
        find_bank_account(session, bank_account_id, user_id=user_id)
        months = coverage_of(session, bank_account_id, services.runtime.registry, today=datetime.now(UTC).date())
    return Listed(items=[MonthOut.model_validate(month) for month in months])


class MoveIn(Input):
    """Where an account moves to. `preview`: only say what it would do."""

    connection_id: uuid.UUID
    cut_over_on: Day | None = Field(default=None, description="From this day on; else the rows decide.")
    preview: bool = False


class MoveExampleOut(BaseModel):
    """One row that only one side has, or that is in doubt."""

    transaction_id: int
    on: date
    amount: Decimal
    description: str


class MovedOut(BaseModel):
    """What a move does, or did. Revert its run to undo it; `run_id` is null for a preview."""

    run_id: uuid.UUID | None
    source_id: int
    cut_over_on: date
    met: int
    moved: int
    doubled: int
    only_old: int
    only_new: int
    in_doubt: int
    gone: int = Field(description="Expenses that are deleted, because another one of the same purchase stays.")
    seam: Literal["proven", "mismatch", "unproven"]
    seam_difference: Decimal | None
    difference_before: Decimal | None = Field(
        description="What the account's purchases add up to, doubled ones twice, less the balance of the new source."
    )
    difference_after: Decimal | None = Field(description="The same after the move.")
    examples: dict[str, list[MoveExampleOut]]
    says: str


@router.post("/{bank_account_id}/move")
def move_bank_account(bank_account_id: RowId, wanted: MoveIn, user_id: UserId, services: ServicesDep) -> MovedOut:
    """Move an account to another connection as one history: expenses keep their ids, edits, categories, deletions."""
    with services.sessions() as session:
        report = move_account(
            session,
            bank_account_id,
            wanted.connection_id,
            user_id=user_id,
            cut_over_on=wanted.cut_over_on,
            preview=wanted.preview,
        )
    services.runtime.cache.clear(user_id, report.months)
    return MovedOut.model_validate(report, from_attributes=True)


@router.post("/sources/{source_id}/detach")
def detach_source(source_id: RowId, user_id: UserId, services: ServicesDep) -> UnmatchedOut:
    """Make a source an account of its own again; it is not joined with the others any more."""
    with services.sessions() as session:
        undone = detach(session, source_id, user_id=user_id)
    services.runtime.cache.clear(user_id, undone.months)
    return UnmatchedOut.model_validate(undone, from_attributes=True)
