"""Decides what the expense of what a transfer cost says: what the banks say, but for what the user changed."""

from dataclasses import dataclass

from worker.importer.decide.expenses.user_edits import merge_user_edits
from worker.importer.decide.stored_row import ExpenseFields, StoredRow, TransferCost
from worker.importer.decide.transfers.money_moved import Money
from worker.money import expense_amount


@dataclass(frozen=True, slots=True, kw_only=True)
class CostChange:
    """What is to be written of what a transfer cost.

    Attributes:
        said: What the banks say of it; None where it costs nothing any more.
        expense: The expense; None where there is none, as it costs nothing or the user deleted it.
        category_id: Its category.
    """

    said: ExpenseFields | None
    expense: ExpenseFields | None = None
    category_id: int | None = None


def settle_cost(leg: StoredRow, cost: Money | None, left: TransferCost | None) -> CostChange:
    """Return the expense of a leg: with its day and words, unless the user changed these, and none that they deleted.

    Args:
        cost: What the transfer cost in the currency of the leg, as the banks say now.
        left: What the user made of it when the row was a leg before.
    """
    amount = None if cost is None else expense_amount(cost.amount)
    if cost is None or not amount or leg.base is None:
        return CostChange(said=None)
    said = ExpenseFields(amount, cost.currency, "EXPENSE", leg.base.notes, leg.base.spent_on)
    before = leg.cost or left
    if before is None:
        return CostChange(said=said, expense=said)
    if before.expense is None:
        return CostChange(said=said)
    # Of what an older version wrote each difference may be the user's.
    merged = merge_user_edits(before.said or said, before.expense, said).expense
    return CostChange(said=said, expense=merged, category_id=before.category_id)
