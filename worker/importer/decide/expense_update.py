"""How a known row follows the bank, and its expense with it where the user did not touch it. Pure."""

from worker.importer.decide.decisions import ExpenseEffect, RowChange, Rules
from worker.importer.decide.expense import merge, project
from worker.importer.decide.line import Line
from worker.importer.decide.stored_row import ExpenseFields, ExpenseState, State, StoredRow


def update_from_bank(known: StoredRow, line: Line, reason: str, now: tuple[bytes, int], rules: Rules) -> RowChange:
    """Bring a known row to what the bank says now; its expense follows where the user did not touch it.

    now: the row's identity and occurrence from here on.
    """
    if line.stated_on is None:  # an undated row keeps the day it was first seen
        line = line._replace(effective_on=known.effective_on)
    state = State.PENDING if line.pending else State.POSTED
    if reason == "changed":
        reason = _why(known, line, state)
    wanted = project(line, pending_hidden=rules.pending_hidden)
    return RowChange(
        known=known,
        line=line,
        decision="restored" if known.state == State.REMOVED else "updated",
        reason=reason,
        state=state,
        identity=now[0],
        occurrence=now[1],
        base=wanted or known.base,
        effect=_effect(known, wanted, rules),
    )


def _why(known: StoredRow, line: Line, state: State) -> str:
    if known.state == State.REMOVED:
        return "returned"
    if known.state == State.PENDING and state == State.POSTED:
        return "posted"
    if known.content_key == line.content_key and line.identity not in (None, known.identity):
        return "renumbered"
    return "amended"


def _effect(known: StoredRow, wanted: ExpenseFields | None, rules: Rules) -> ExpenseEffect:
    state = known.expense_state
    if known.deleted_by_user or state in (ExpenseState.TRANSFER, ExpenseState.TWIN):
        return ExpenseEffect(state=state)
    if state == ExpenseState.REVERTED and not rules.reimport:
        return ExpenseEffect(state=state)
    if known.expense_id is None:
        return _effect_without_expense(known, wanted)
    return _effect_on_expense(known, wanted)


def _effect_without_expense(known: StoredRow, wanted: ExpenseFields | None) -> ExpenseEffect:
    """Write one; a row that comes back gets its expense as the user left it."""
    if wanted is None:
        return ExpenseEffect(state=ExpenseState.NONE)
    if known.expense is not None and known.base is not None:
        wanted = merge(known.base, known.expense, wanted).expense
    return ExpenseEffect(state=ExpenseState.OWN, write=wanted)


def _effect_on_expense(known: StoredRow, wanted: ExpenseFields | None) -> ExpenseEffect:
    assert known.expense is not None
    if wanted is None:
        own = known.expense_state == ExpenseState.OWN
        return ExpenseEffect(state=ExpenseState.NONE, drop=True) if own else ExpenseEffect(state=known.expense_state)
    merged = merge(known.base or known.expense, known.expense, wanted)
    return ExpenseEffect(
        state=known.expense_state,
        write=merged.expense if merged.changed else None,
        changed=merged.changed,
        kept=merged.kept,
    )


def tombstone(known: StoredRow, reason: str) -> RowChange:
    """Mark a row as removed. Our own expense goes with it; one the user had before stays and is only let go."""
    own = known.expense_state == ExpenseState.OWN
    keeps_state = known.deleted_by_user or known.expense_state in (ExpenseState.TWIN, ExpenseState.REVERTED)
    return RowChange(
        known=known,
        decision="removed",
        reason=reason,
        state=State.REMOVED,
        identity=known.identity,
        occurrence=known.occurrence,
        effect=ExpenseEffect(
            state=known.expense_state if keeps_state else ExpenseState.NONE,
            drop=own and known.expense_id is not None,
        ),
        base=known.base,
    )
