"""What the importer knows of rows it wrote before. Plain data, no queries."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from worker.importer.decide.identity import content_identity


class State(StrEnum):
    """Where the bank's line is; `removed` is a tombstone that can come back."""

    PENDING = "pending"
    POSTED = "posted"
    REMOVED = "removed"


class ExpenseState(StrEnum):
    """How a line stands to the user's expenses (see schema.sql)."""

    NONE = "none"
    OWN = "own"
    LINKED = "linked"
    TRANSFER = "transfer"
    TWIN = "twin"
    REVERTED = "reverted"


class ExpenseFields(NamedTuple):
    """The part of an expense that follows the bank, in the order of its columns.

    amount: positive; expense_type gives the direction.
    """

    amount: Decimal
    currency: str
    expense_type: str
    notes: str | None
    spent_on: date


@dataclass(frozen=True, slots=True)
class StoredKey:
    """The little that must be read of every known row: enough to see that nothing changed.

    by_id: its identity comes from a trusted id. absent: earlier deliveries came without it.
    """

    id: int
    identity: bytes
    external_id: str | None
    content_key: bytes
    occurrence: int
    fingerprint: bytes
    state: str
    day: date
    absent: bool

    @property
    def by_id(self) -> bool:
        """Whether a trusted id made this row's identity."""
        return self.identity != content_identity(self.content_key, self.occurrence)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRow:
    """A known row whole, for the few that need a decision.

    base: what was last written to its expense. expense: what the expense holds now; for a removed row what it held
    when it was taken back. category_id: the expense's. absent_days: whole days since a complete delivery first came
    without the row.
    """

    id: int
    identity: bytes
    external_id: str | None
    content_key: bytes
    occurrence: int
    fingerprint: bytes
    state: State
    stated_on: date | None
    effective_on: date
    amount: Decimal
    currency: str
    description: str
    counterparty: str | None
    reference: str | None
    absent_days: int | None
    expense_id: int | None
    expense_state: ExpenseState
    base: ExpenseFields | None
    expense: ExpenseFields | None
    category_id: int | None = None

    def speaks_for(self, content_key: bytes) -> bool:
        """Whether its identity is this content and its place among equal rows."""
        return self.identity == content_identity(content_key, self.occurrence)

    @property
    def deleted_by_user(self) -> bool:
        """Whether the user deleted the expense this row had."""
        return self.expense_id is None and self.expense_state in (ExpenseState.OWN, ExpenseState.LINKED)

    @property
    def has_own_amount(self) -> bool:
        """Whether the user changed the amount: a line that takes this row over keeps it."""
        return self.expense is not None and self.base is not None and self.expense.amount != self.base.amount

    @property
    def swallows(self) -> bool:
        """Whether a line that takes this row over gets no expense: a wrong match would lose one."""
        return self.expense_id is None and self.expense_state != ExpenseState.NONE
