"""Combines edits and deletions by the user with changes of the bank; the user's choice stays, field by field."""

from dataclasses import dataclass

from worker.importer.decide.decisions import ExpenseEffect, RowRules
from worker.importer.decide.stored_row import ExpenseFields, ExpenseState, StoredRow


@dataclass(frozen=True, slots=True, kw_only=True)
class EditMerge:
    """The outcome of a three-way merge.

    Attributes:
        expense: The new state of the expense.
        changed: Fields that follow the bank.
        kept: Fields that both the bank and the user changed; the user's values stay.
    """

    expense: ExpenseFields
    changed: tuple[str, ...]
    kept: tuple[str, ...]


def merge_user_edits(base: ExpenseFields, current: ExpenseFields, wanted: ExpenseFields) -> EditMerge:
    """Apply what the bank changed since `base` to the fields the user left alone.

    The type follows the amount: a user who touched either keeps both.

    Args:
        base: What was last written from the bank.
        current: What the expense holds now.
        wanted: What the bank says now.
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
    return EditMerge(
        expense=current._replace(**{name: getattr(wanted, name) for name in changed}),
        changed=tuple(changed),
        kept=tuple(kept),
    )


def effect_on_expense(known: StoredRow, wanted: ExpenseFields | None, rules: RowRules) -> ExpenseEffect:
    """Return what happens to the expense of a row when the bank changes it.

    An expense that the user deleted stays deleted. A leg of a transfer, a twin and a reverted row get no expense.

    Args:
        wanted: The expense the bank's line would become; None for zero amounts and hidden pending rows.
    """
    state = known.expense_state
    if known.deleted_by_user or state in (ExpenseState.TRANSFER, ExpenseState.TWIN):
        return ExpenseEffect(state=state)
    if state == ExpenseState.REVERTED and not rules.reimport:
        return ExpenseEffect(state=state)
    if known.expense_id is None:
        return _effect_without_expense(known, wanted)
    return _effect_on_present_expense(known, wanted)


def effect_of_return(known: StoredRow) -> ExpenseEffect:
    """Return what a row whose removal is taken back stands for: what it does now, or else its expense again."""
    if known.expense_state != ExpenseState.NONE:
        return ExpenseEffect(state=known.expense_state)
    return _effect_without_expense(known, known.base)


def _effect_without_expense(known: StoredRow, wanted: ExpenseFields | None) -> ExpenseEffect:
    """Write an expense as the user left it, if the row had one before; a row that was linked is linked again."""
    if wanted is None:
        return ExpenseEffect(state=ExpenseState.NONE)
    if known.kept_expense_id is not None:
        return ExpenseEffect(state=ExpenseState.LINKED, link_expense_id=known.kept_expense_id)
    if known.expense is not None and known.base is not None:
        wanted = merge_user_edits(known.base, known.expense, wanted).expense
    return ExpenseEffect(state=ExpenseState.OWN, write=wanted)


def _effect_on_present_expense(known: StoredRow, wanted: ExpenseFields | None) -> ExpenseEffect:
    assert known.expense is not None
    if wanted is None:
        own = known.expense_state == ExpenseState.OWN
        return ExpenseEffect(state=ExpenseState.NONE, drop=True) if own else ExpenseEffect(state=known.expense_state)
    merged = merge_user_edits(known.base or known.expense, known.expense, wanted)
    return ExpenseEffect(
        state=known.expense_state,
        write=merged.expense if merged.changed else None,
        changed=merged.changed,
        kept=merged.kept,
    )
