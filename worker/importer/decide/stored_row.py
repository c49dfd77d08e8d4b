"""Stored rows as the decisions need them. Plain data."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from worker.importer.decide.read.identity import content_identity
from worker.importer.decide.row_days import RowDays


class State(StrEnum):
    """Where the bank's line is; `removed` is a tombstone that can come back."""

    PENDING = "pending"
    POSTED = "posted"
    REMOVED = "removed"


class ExpenseState(StrEnum):
    """How a row stands to the user's expenses.

    Attributes:
        NONE: It has no expense: its amount is zero, or it is pending and pending rows are hidden.
        OWN: It has an expense that an import wrote. Without an expense: the user deleted that.
        LINKED: It has an expense that the user had already. Without an expense: the user deleted that.
        TRANSFER: It is a leg of a transfer between accounts of the user and has no expense but what that cost.
        TWIN: It has no expense: another row, its `twin_id`, stands for the same purchase.
        REVERTED: It has no expense: a revert took it back.
    """

    NONE = "none"
    OWN = "own"
    LINKED = "linked"
    TRANSFER = "transfer"
    TWIN = "twin"
    REVERTED = "reverted"


WRITTEN_BY_IMPORTS = frozenset({ExpenseState.OWN, ExpenseState.TRANSFER})
"""How a row stands to an expense that an import wrote, and that goes with the row."""

MAY_HAVE_EXPENSE = WRITTEN_BY_IMPORTS | {ExpenseState.LINKED}
"""How a row that has an expense stands to it."""


class ExpenseFields(NamedTuple):
    """The fields of an expense that follow the bank.

    Attributes:
        amount: Positive; `expense_type` gives the direction.
    """

    amount: Decimal
    currency: str
    expense_type: str
    notes: str | None
    spent_on: date


class TransferCost(NamedTuple):
    """What a transfer cost, as the expense of a leg.

    Attributes:
        said: What was last written to the expense; None where an older version wrote it and kept nothing of that.
        expense: The expense as it is or was left; None where the user deleted it.
        category_id: Its category.
    """

    said: ExpenseFields | None
    expense: ExpenseFields | None
    category_id: int | None = None

    @property
    def is_edited(self) -> bool:
        """Whether the user changed the expense, or gave it a category; one that is deleted has nothing to lose."""
        if self.expense is None:
            return False
        return self.category_id is not None or (self.said is not None and self.expense != self.said)


@dataclass(frozen=True, slots=True)
class StoredKey:
    """The fields that are loaded of every stored row, which suffice to see that nothing changed.

    Attributes:
        absent: Earlier deliveries came without the row.
    """

    id: int
    identity: bytes
    external_id: str | None
    content_key: bytes
    occurrence: int
    fingerprint: bytes
    state: str
    days: RowDays
    absent: bool

    @property
    def is_forgotten(self) -> bool:
        """Whether a revert with `reimport` took back what the bank said of the row, so that it is news again."""
        return not self.fingerprint

    @property
    def has_trusted_id(self) -> bool:
        """Whether the identity of the row comes from a trusted id."""
        return self.identity != content_identity(self.content_key, self.occurrence)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRow:
    """A stored row with all fields, for the few rows that need a decision.

    Attributes:
        absent_days: Whole days since a complete delivery first came without the row.
        base: What was last written to its expense.
        expense: The expense now; for a row that has none any more, as it was when it went. None for a leg of a
            transfer: what that cost is not the purchase.
        category_id: The category of the expense; None also where the user deleted it from their categories since.
        former_state: The state that a removed row had.
        kept_expense_id: The user's own expense that a removed row, or a pending one that lost it, was linked with, if
            no other row has it now.
        booked_as_other: The user said that another row of the account, a posted one, is what became of it.
        cost: What the transfer cost of which it is a leg; None where that cost nothing.
    """

    id: int
    identity: bytes
    external_id: str | None
    content_key: bytes
    occurrence: int
    fingerprint: bytes
    state: State
    days: RowDays
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
    former_state: State | None = None
    kept_expense_id: int | None = None
    booked_as_other: bool = False
    cost: TransferCost | None = None

    @property
    def returned_by_revert(self) -> bool:
        """Whether a revert with `reimport` gave a removed row its expense back, until a refresh removes it again."""
        return self.state == State.REMOVED and not self.fingerprint and self.expense_id is not None

    @property
    def deleted_by_user(self) -> bool:
        """Whether the user deleted the expense this row had."""
        return self.expense_id is None and self.expense_state in (ExpenseState.OWN, ExpenseState.LINKED)

    @property
    def changed_by_user(self) -> bool:
        """Whether the user deleted or changed the expense this row has or had."""
        return self.deleted_by_user or self.expense != self.base or self.category_id is not None

    @property
    def has_own_amount(self) -> bool:
        """Whether the user changed the amount; a line that becomes this row keeps it."""
        return self.expense is not None and self.base is not None and self.expense.amount != self.base.amount

    @property
    def suppresses_expense(self) -> bool:
        """Whether a line that becomes this row gets no expense; a wrong match would lose one."""
        is_hidden = self.expense_id is None or self.expense_state == ExpenseState.TRANSFER
        return is_hidden and self.expense_state != ExpenseState.NONE

    def has_content_identity(self, content_key: bytes) -> bool:
        """Return whether its identity is this content and its place among equal rows."""
        return self.identity == content_identity(content_key, self.occurrence)
