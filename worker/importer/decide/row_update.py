"""Updates a stored row to what the bank states now, or marks it as removed."""

from worker.importer.decide.decisions import ExpenseEffect, RowChange, RowIdentity, RowRules
from worker.importer.decide.expenses.from_line import expense_from_line
from worker.importer.decide.expenses.user_edits import effect_of_return, effect_on_expense
from worker.importer.decide.read.line import Line
from worker.importer.decide.reasons import Decision, Reason
from worker.importer.decide.stored_row import WRITTEN_BY_IMPORTS, ExpenseState, State, StoredRow


def update_from_bank(
    known: StoredRow,
    line: Line,
    identity: RowIdentity,
    rules: RowRules,
    *,
    reason: Reason | None = None,
    beside: Line | None = None,
) -> RowChange:
    """Update a stored row to what the bank states now; its expense follows where the user did not edit it.

    Args:
        line: What the bank says now.
        identity: The row's identity from here on; the former one becomes an alias.
        reason: Why line and row belong together, where that is not the identity.
        beside: The pending line by which the same delivery tells the row that the posted line names.
    """
    if in_former_currency(line, known) and known.currency != rules.currency_assumed:
        line = line._replace(currency=known.currency)
    if line.stated_on is None:  # an undated row keeps the day it was first seen
        line = line._replace(effective_on=known.days.effective_on)
    state = State.PENDING if line.pending else State.POSTED
    wanted = expense_from_line(line, pending_hidden=rules.pending_hidden)
    return RowChange(
        known=known,
        line=line,
        decision=Decision.RESTORED if known.state == State.REMOVED else Decision.UPDATED,
        reason=reason or _update_reason(known, line, identity),
        state=state,
        identity=identity.identity,
        occurrence=identity.occurrence,
        base=wanted or known.base,
        effect=effect_on_expense(known, wanted, rules),
        delivered_beside=beside,
    )


def in_former_currency(line: Line, known: StoredRow) -> bool:
    """Return whether a row keeps its currency though that of its account changed.

    A transaction that names no currency is in its account's. Where the account has another one now and the number is
    the same, the bank relabelled the account and not the row: it restates no amount without changing the number. That
    is not said of a currency that was assumed.
    """
    return not line.currency_stated and line.currency != known.currency and line.amount == known.amount


def _update_reason(known: StoredRow, line: Line, identity: RowIdentity) -> Reason:
    """Return why a row that was recognised by its identity or its content changes."""
    if known.state == State.REMOVED:
        return Reason.RETURNED
    if known.state == State.PENDING and not line.pending:
        return Reason.POSTED
    if known.content_key == line.content_key and identity.identity != known.identity:
        return Reason.RENUMBERED
    return Reason.AMENDED


def tombstone(known: StoredRow, reason: Reason, *, still_listed: bool = False) -> RowChange:
    """Mark a row as removed. An expense that the import wrote is deleted; one that the user had before stays.

    Args:
        known: The row.
        reason: Why.
        still_listed: The bank lists the row on: it keeps its state, and has no expense until the bank says more of it.
    """
    own = known.expense_state in WRITTEN_BY_IMPORTS
    keeps_state = known.deleted_by_user or known.expense_state in (ExpenseState.TWIN, ExpenseState.REVERTED)
    return RowChange(
        known=known,
        decision=Decision.UPDATED if still_listed else Decision.REMOVED,
        reason=reason,
        state=known.state if still_listed else State.REMOVED,
        identity=known.identity,
        occurrence=known.occurrence,
        effect=ExpenseEffect(
            state=known.expense_state if keeps_state else ExpenseState.NONE,
            drop=own and known.expense_id is not None,
        ),
        base=known.base,
    )


def take_removal_back(known: StoredRow, reason: Reason, state: State) -> RowChange:
    """Give a row the state that it had before it was removed, and its expense as the user left it."""
    return RowChange(
        known=known,
        decision=Decision.RESTORED,
        reason=reason,
        state=state,
        identity=known.identity,
        occurrence=known.occurrence,
        effect=effect_of_return(known),
        base=known.base,
    )
