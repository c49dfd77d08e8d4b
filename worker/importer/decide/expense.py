"""Which expense a bank line becomes."""

from worker.importer.decide.line import Line
from worker.importer.decide.stored_row import ExpenseFields
from worker.importer.decide.text import notes_text


def has_expense(line: Line, *, pending_hidden: bool) -> bool:
    """Return whether a line becomes an expense: its amount is not zero, and it is not a hidden pending row."""
    return line.amount != 0 and not (line.pending and pending_hidden)


def expense_from_line(line: Line, *, pending_hidden: bool) -> ExpenseFields | None:
    """Return the expense for a line, or None when it has none.

    The direction is the sign of the amount, never a word in the description. The notes hold the beginning of the
    text; the whole text stays with the bank's line.
    """
    if not has_expense(line, pending_hidden=pending_hidden):
        return None
    return ExpenseFields(
        amount=line.expense_amount,
        currency=line.currency,
        expense_type="INCOME" if line.amount > 0 else "EXPENSE",
        notes=notes_text(line.counterparty, line.description),
        spent_on=line.effective_on,
    )
