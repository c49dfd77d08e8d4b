"""What a bank line looks like as an expense, and how bank and user changes meet in one. Pure."""

from dataclasses import dataclass

from worker.importer.decide.line import Line
from worker.importer.decide.stored_row import ExpenseFields

MAX_NOTES = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Merge:
    """The outcome of a three-way merge. kept: fields both the bank and the user changed: the user's stay."""

    expense: ExpenseFields
    changed: tuple[str, ...]
    kept: tuple[str, ...]


def has_expense(line: Line, *, pending_hidden: bool) -> bool:
    """Say whether a line is an expense at all: not a zero amount, not a pending row while those are hidden."""
    return line.amount != 0 and not (line.pending and pending_hidden)


def project(line: Line, *, pending_hidden: bool) -> ExpenseFields | None:
    """Return the expense for a line; None for zero amounts and for pending rows while those are hidden.

    The direction is the sign of the amount, never a word in the description. Notes hold the first 500 characters;
    the whole text stays with the bank's line.
    """
    if not has_expense(line, pending_hidden=pending_hidden):
        return None
    return ExpenseFields(
        amount=line.expense_amount,
        currency=line.currency,
        expense_type="INCOME" if line.amount > 0 else "EXPENSE",
        notes=notes_of(line.counterparty, line.description),
        spent_on=line.effective_on,
    )


def notes_of(counterparty: str | None, description: str) -> str | None:
    """Return what the user reads: the description, led by the counterparty where it does not name it already."""
    if counterparty and counterparty.casefold() not in description.casefold():
        description = f"{counterparty} · {description}" if description else counterparty
    return description[:MAX_NOTES] or None


def merge(base: ExpenseFields, current: ExpenseFields, wanted: ExpenseFields) -> Merge:
    """Apply what the bank changed since `base` to the fields the user left alone.

    Type follows the amount: a user who touched either keeps both.
    """
    changed: list[str] = []
    kept: list[str] = []
    for name in ExpenseFields._fields:
        before, now, then = getattr(base, name), getattr(current, name), getattr(wanted, name)
        if then in (before, now):
            continue
        (changed if now == before else kept).append(name)
    if "amount" in kept and "expense_type" in changed:
        changed.remove("expense_type")
        kept.append("expense_type")
    return Merge(
        expense=current._replace(**{name: getattr(wanted, name) for name in changed}),
        changed=tuple(changed),
        kept=tuple(kept),
    )
