"""Which new line is an expense the user has already: typed in, from a file, or of another connection.

Same day, amount, currency, direction and merchant: the same. Same amount within three days, similar words and no
other candidate: the same. Anything less: both are kept, with a suggestion.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from worker.importer.decide.expense import expense_from_line
from worker.importer.decide.line import Line
from worker.importer.decide.one_to_one import Key, Match, OneToOne, PlacePair, Rating, unambiguous
from worker.importer.decide.reasons import Reason
from worker.importer.decide.similarity import ALIKE, days_apart, similarity

MAX_DAYS = 3
_COST_PER_DAY = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class UserExpense:
    """An expense that no line of this connection stands for.

    Attributes:
        twin_id: The row of another connection that has it; None for the user's own.
        same_account: Whether that connection's account is evidently this one; None when nothing tells.
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
    """Match new lines with existing expenses; no expense and no line is matched twice."""
    usable = [expense for expense in expenses if expense.same_account is not False]
    matching = OneToOne(lines, usable)
    matching.choose(_near(matching, max_days=0), _rate_same_day)
    matching.choose(unambiguous(_near(matching)), _rate_only_candidate)
    certain = list(matching.matches)
    own = [pair for pair in _near(matching) if usable[pair[1]].twin_id is None]
    return ExpenseMatches(matches=certain, suggestions=matching.choose(own, _rate_suggestion))


def _near(matching: OneToOne[Line, UserExpense], *, max_days: int = MAX_DAYS) -> list[PlacePair]:
    """Return the pairs of equal amount and direction that are at most so many days apart."""
    return list(matching.pairs_by_key_and_day(_key_of_line, _key_of_expense, max_days))


def _key_of_line(line: Line) -> tuple[Key, date]:
    wanted = expense_from_line(line, pending_hidden=False)
    money = None if wanted is None else (wanted.amount, wanted.currency, wanted.expense_type)
    return money, line.effective_on


def _key_of_expense(expense: UserExpense) -> tuple[Key, date]:
    return (expense.amount, expense.currency, expense.expense_type), expense.spent_on


def _rate_same_day(line: Line, expense: UserExpense) -> Rating | None:
    alike = _likeness(line, expense)
    if alike < ALIKE:
        return None
    return Rating(1 - alike, Reason.SAME_EXPENSE if expense.twin_id is None else Reason.SAME_ACCOUNT_TWIN)


def _rate_only_candidate(line: Line, expense: UserExpense) -> Rating | None:
    alike = _likeness(line, expense)
    if alike < ALIKE and not (expense.twin_id is not None and expense.same_account):
        return None
    return Rating(1 - alike, Reason.LIKELY_EXPENSE if expense.twin_id is None else Reason.SAME_ACCOUNT_TWIN)


def _rate_suggestion(line: Line, expense: UserExpense) -> Rating:
    days = days_apart(line.effective_on, expense.spent_on)
    reason = Reason.SIMILAR_EXPENSE if days else Reason.SAME_AMOUNT_AND_DAY
    return Rating(1 - _likeness(line, expense) + days * _COST_PER_DAY, reason)


def _likeness(line: Line, expense: UserExpense) -> float:
    return similarity(f"{line.counterparty or ''} {line.description}", expense.notes)
