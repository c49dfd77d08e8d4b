"""Plain data: the rules of a connection, and the changes of rows that were decided."""

from dataclasses import dataclass
from typing import NamedTuple

from worker.importer.decide.read.line import Line
from worker.importer.decide.reasons import Decision, Reason
from worker.importer.decide.stored_row import ExpenseFields, ExpenseState, State, StoredRow


@dataclass(frozen=True, slots=True, kw_only=True)
class RowRules:
    """What decisions depend on besides rows: choices of the connection, promises of the provider, the kind of delivery.

    Attributes:
        pending_grace_days: How long an absent pending row stays; an option of the connection.
        pending_hidden: Pending rows get no expense.
        windows_complete: A posted row absent from a covered window is removed at the bank.
        links_pending: The provider links posted rows to pending ones. Where it does not, evidence decides even where
            nothing was withdrawn.
        list_of_changes: The delivery says what changed since a cursor, so that one row may be in it in several states.
        whole_days: The delivery holds each of its days as a whole.
        report_all: Every row is decided and reported, also an unchanged one.
        reimport: Rows that a revert took back are imported again.
        currency_assumed: What rows that state no currency were taken to be in before the bank stated the account's.
    """

    pending_grace_days: int
    pending_hidden: bool = False
    windows_complete: bool = False
    links_pending: bool = False
    list_of_changes: bool = False
    whole_days: bool = False
    report_all: bool = False
    reimport: bool = False
    currency_assumed: str | None = None


class RowIdentity(NamedTuple):
    """What a row is recognised by.

    Attributes:
        identity: Of its trusted id, or of its content and occurrence.
        occurrence: Its place among rows of equal content, from 0; 0 for a trusted id.
    """

    identity: bytes
    occurrence: int


class NewRow(NamedTuple):
    """A row that is stored for the first time.

    Attributes:
        expense: The expense to write, unless the row is linked with another one.
        link_expense_id: The user's own expense to link it with.
        twin_id: The row of another connection that has the expense.
        shared_identity: The identity its id would give it, if other rows did not have the same id.
    """

    line: Line
    identity: bytes
    occurrence: int
    decision: Decision
    reason: Reason
    expense_state: ExpenseState
    expense: ExpenseFields | None = None
    link_expense_id: int | None = None
    twin_id: int | None = None
    shared_identity: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpenseEffect:
    """What a change does to the expense of its row.

    Attributes:
        state: How the row stands to the user's expenses from now on.
        write: The new state of the expense, inserted where the row has none.
        link_expense_id: The user's own expense to link the row with.
        twin_id: The row of another connection that has the expense from now on.
        drop: The expense is deleted.
        changed: Fields that follow the bank.
        kept: Fields that both the bank and the user changed; the user's values stay.
    """

    state: ExpenseState
    write: ExpenseFields | None = None
    link_expense_id: int | None = None
    twin_id: int | None = None
    drop: bool = False
    changed: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RowChange:
    """A stored row that changes.

    Attributes:
        line: What the bank says now; None when it took the row back.
        base: What is to be remembered as last written to the expense.
        delivered_beside: The pending line by which the same delivery tells the row that the posted line names.
    """

    known: StoredRow
    decision: Decision
    reason: Reason
    state: State
    effect: ExpenseEffect
    identity: bytes
    occurrence: int
    line: Line | None = None
    base: ExpenseFields | None = None
    delivered_beside: Line | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """A new row that may be an expense the user has, or another row; both stay until a user decides.

    Attributes:
        new_place: The place of the row among the plan's new rows.
        expense_id: The user's own expense; None where a row is meant.
        twin_id: The row of another source of the account.
        former_id: The row of the same source whose place it may have taken.
    """

    new_place: int
    reason: Reason
    expense_id: int | None = None
    twin_id: int | None = None
    former_id: int | None = None
