"""Builds the expense of a bank line."""

from worker.connectors.base import TransactionKind
from worker.importer.decide.read.line import Line
from worker.importer.decide.reasons import Reason
from worker.importer.decide.stored_row import ExpenseFields
from worker.inert_text import inert

MAX_NOTES = 500
"""Longer notes are shortened; the whole text stays with the bank's line."""


def has_expense(line: Line, *, pending_hidden: bool) -> bool:
    """Return whether a line becomes an expense."""
    return why_no_expense(line, pending_hidden=pending_hidden) is None


def why_no_expense(line: Line, *, pending_hidden: bool) -> Reason | None:
    """Return why a line does not become an expense; None when it does."""
    if line.expense_amount == 0:
        return Reason.ZERO_AMOUNT
    if line.kind == TransactionKind.TRADE:
        return Reason.TRADE
    return Reason.PENDING_HIDDEN if line.pending and pending_hidden else None


def expense_from_line(line: Line, *, pending_hidden: bool) -> ExpenseFields | None:
    """Return the expense for a line, or None when it has none.

    The direction is the sign of the amount, never a word in the description. The notes hold the beginning of the
    text; the whole text stays with the bank's line.
    """
    return expense_of(line) if has_expense(line, pending_hidden=pending_hidden) else None


def expense_of(line: Line) -> ExpenseFields:
    """Return the expense for a line that has one."""
    return ExpenseFields(
        amount=line.expense_amount,
        currency=line.currency,
        expense_type=type_of(line),
        notes=notes_text(line.counterparty, line.description),
        spent_on=line.effective_on,
    )


def type_of(line: Line) -> str:
    """Return the direction of the expense of a line."""
    return "INCOME" if line.amount > 0 else "EXPENSE"


def notes_text(counterparty: str | None, description: str) -> str | None:
    """Return the notes of an expense, inert: the description, led by the counterparty unless it names it already."""
    if counterparty and counterparty.casefold() not in description.casefold():
        description = f"{counterparty} · {description}" if description else counterparty
    shown = inert(description)
    if shown != description:
        shown = " ".join(shown.split())
    return shown[:MAX_NOTES] or None


def month(expense: ExpenseFields) -> str:
    """Return the month FinMind's caches file this expense under."""
    return expense.spent_on.strftime("%Y-%m")
