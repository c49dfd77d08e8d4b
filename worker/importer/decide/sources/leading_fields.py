"""Decides which source of a purchase leads for which field of its expense. Pure.

A bank's statement is believed for amount and day, a feed for the merchant.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from worker.importer.decide.sources.rows import MAX_DAYS_ALIKE
from worker.importer.decide.sources.unlike import MAX_DAYS_LATE
from worker.importer.decide.stored_row import ExpenseFields

MAX_DAYS_LED = max(MAX_DAYS_ALIKE, MAX_DAYS_LATE)
"""So many days the source that leads may date an expense from the day of its row: no rule makes rows further apart one
purchase, not even by the user's answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedExpense:
    """What one source says of a purchase.

    Attributes:
        owns: Its row has the expense.
        is_statement: The source is a statement file of the bank.
        is_linked: Its connection was not removed: what its bank changes is heard of.
        expense: The expense that its row alone would make.
    """

    transaction_id: int
    owns: bool
    is_statement: bool
    is_linked: bool
    pending: bool
    expense: ExpenseFields


def leading_fields(stated: Sequence[StatedExpense]) -> ExpenseFields:
    """Return the expense of a purchase by all of its sources.

    Among several statements, or feeds, a posted row leads before a pending one, then a row of a connection that was not
    removed, then the row with the expense.

    Args:
        stated: At least the row with the expense.
    """
    order = sorted(stated, key=lambda one: (one.pending, not one.is_linked, not one.owns, one.transaction_id))
    money = next((one for one in order if one.is_statement and not one.pending), order[0])
    owner = next(one for one in order if one.owns)
    named = [one for one in order if not one.is_statement and one.expense.notes] or [owner]
    return money.expense._replace(notes=named[0].expense.notes)


def contradictions(stated: Sequence[StatedExpense]) -> dict[int, tuple[str, ...]]:
    """Return the fields of money in which a source differs from what leads, by the id of its row."""
    leads = leading_fields(stated)
    found = {
        one.transaction_id: tuple(
            name
            for name in ("amount", "currency", "expense_type")
            if getattr(one.expense, name) != getattr(leads, name)
        )
        for one in stated
    }
    return {transaction_id: fields for transaction_id, fields in found.items() if fields}
