"""What a plan is made of: rules in, decisions out. Plain data."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from worker.importer.decide.line import Line
from worker.importer.decide.match_by_id import Pair
from worker.importer.decide.stored_row import ExpenseFields, ExpenseState, State, StoredRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The choices of the connection that a plan depends on.

    windows_complete: a posted row missing from a covered window is gone at the bank. guess_pending: the provider does
    not link posted rows to pending ones, so that evidence decides even where nothing was withdrawn.
    """

    pending_hidden: bool = False
    pending_grace_days: int = 7
    windows_complete: bool = False
    guess_pending: bool = True
    reimport: bool = False


class NewRow(NamedTuple):
    """A new row. expense: to be written; link_expense_id: the user's own that it stands for; neither: no expense."""

    line: Line
    identity: bytes
    occurrence: int
    decision: str
    reason: str
    expense_state: ExpenseState
    expense: ExpenseFields | None = None
    link_expense_id: int | None = None
    twin_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpenseEffect:
    """What a change does to the expense of its row.

    write: the expense as it is to be, inserted where the row has none; drop: it goes. link_expense_id: the user's own
    that the row stands for from now on. kept: fields the user had changed and the bank changed too: the user's stay.
    """

    state: ExpenseState
    write: ExpenseFields | None = None
    link_expense_id: int | None = None
    drop: bool = False
    changed: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RowChange:
    """A known row that changes. line: what the bank says now, None when it took the row back."""

    known: StoredRow
    decision: str
    reason: str
    state: State
    effect: ExpenseEffect
    identity: bytes
    occurrence: int
    line: Line | None = None
    base: ExpenseFields | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """A new row that may be an expense the user has; both are kept."""

    line: Line
    expense_id: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be written for one slice of one account. missing: ids to mark as absent since now."""

    creates: Sequence[NewRow] = ()
    changes: Sequence[RowChange] = ()
    suggestions: Sequence[Suggestion] = ()
    returned: Sequence[int] = ()
    missing: Sequence[int] = ()
    unchanged: Sequence[Pair] = ()
