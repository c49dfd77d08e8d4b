"""Which new line is an expense the user has already: typed in, from a file, or of another connection. Pure.

Same day, amount, currency, direction and merchant: the same. Same amount within three days, similar words and nothing
else near: the same. Anything less: both are kept, with a suggestion.
"""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from worker.importer.decide.expense import project
from worker.importer.decide.line import Line
from worker.importer.decide.similarity import (
    ALIKE,
    Match,
    bucketed_by_day,
    choose,
    days_apart,
    lonely,
    similarity,
    without,
)

MAX_DAYS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class UserExpense:
    """An expense that no line of this connection stands for.

    twin_id: the bank line of another connection that has it; None for the user's own. same_account: whether that
    connection's account is evidently this one; None when nothing tells.
    """

    expense_id: int
    amount: Decimal
    currency: str
    expense_type: str
    notes: str
    spent_on: date
    twin_id: int | None = None
    same_account: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpenseMatches:
    """Certain matches, and pairs that a person should decide."""

    matches: Sequence[Match[Line, UserExpense]] = ()
    suggestions: Sequence[Match[Line, UserExpense]] = ()


def match_user_expenses(lines: Sequence[Line], expenses: Sequence[UserExpense]) -> ExpenseMatches:
    """Match new lines with existing expenses, one-to-one; no expense is consumed twice."""
    usable = [expense for expense in expenses if expense.same_account is not False]
    sure = choose(choose_from(lines, usable, max_days=0), _sure)
    lines = without(lines, (match.left for match in sure))
    usable = without(usable, (match.right for match in sure))
    near = list(choose_from(lines, usable))
    likely = choose(lonely(near), _likely)
    taken_lines = without(lines, (match.left for match in likely))
    taken = without(usable, (match.right for match in likely))
    suggestions = choose(choose_from(taken_lines, [e for e in taken if e.twin_id is None]), _maybe)
    return ExpenseMatches(matches=[*sure, *likely], suggestions=suggestions)


def choose_from(
    lines: Iterable[Line], expenses: Iterable[UserExpense], *, max_days: int = MAX_DAYS
) -> list[tuple[Line, UserExpense]]:
    """Return the pairs of equal amount and direction that are at most so many days apart."""
    return list(bucketed_by_day(lines, expenses, _line_key, _expense_key, max_days))


def _sure(line: Line, expense: UserExpense) -> tuple[float, str] | None:
    alike = _alike(line, expense)
    if alike < ALIKE:
        return None
    return 1 - alike, "same_account_twin" if expense.twin_id is not None else "same_expense"


def _likely(line: Line, expense: UserExpense) -> tuple[float, str] | None:
    alike = _alike(line, expense)
    if alike < ALIKE and not (expense.twin_id is not None and expense.same_account):
        return None
    return 1 - alike, "same_account_twin" if expense.twin_id is not None else "likely_expense"


def _maybe(line: Line, expense: UserExpense) -> tuple[float, str]:
    days = days_apart(line.effective_on, expense.spent_on)
    return 1 - _alike(line, expense) + days * 0.1, "similar_expense" if days else "same_amount_and_day"


def _line_key(line: Line) -> tuple[Hashable, date]:
    wanted = project(line, pending_hidden=False)
    money = None if wanted is None else (wanted.amount, wanted.currency, wanted.expense_type)
    return money, line.effective_on


def _expense_key(expense: UserExpense) -> tuple[Hashable, date]:
    return (expense.amount, expense.currency, expense.expense_type), expense.spent_on


def _alike(line: Line, expense: UserExpense) -> float:
    return similarity(f"{line.counterparty or ''} {line.description}", expense.notes)
