"""Decides how the rows of a run are reverted: which expense each gets back, and which ones a user edited since."""

from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

from worker.importer.decide.expenses.user_edits import merge_user_edits
from worker.importer.decide.stored_row import WRITTEN_BY_IMPORTS, ExpenseFields, ExpenseState, StoredRow
from worker.importer.store.rows.changes import expense_from_json


@dataclass(frozen=True, slots=True, kw_only=True)
class Undo:
    """One row to revert.

    Attributes:
        before: Its expense before the run; None when it had none.
        before_id: The id of that expense.
        state: The expense state it gets.
        own: Whether its present expense was written by the importer.
        base: What the bank stated of it before the run; None where it had no expense then.
    """

    known: StoredRow
    before: ExpenseFields | None
    category_id: int | None
    state: ExpenseState
    own: bool
    before_id: int | None = None
    base: ExpenseFields | None = None


def undo_rows(
    rows: Iterable[StoredRow],
    created: frozenset[int],
    images: Mapping[int, Mapping[str, Any]],
    inherited: Mapping[int, Mapping[str, Any] | None],
    edited_legs: AbstractSet[int],
    kept: list[int],
) -> Iterator[Undo]:
    """Yield how each row of a run is reverted.

    Args:
        created: Ids of those that the run created.
        images: How the others were before the run.
        inherited: What the run wrote of a user's edits of other rows; None where it deleted an expense, as they had.
        edited_legs: Ids of the legs of transfers of which the user edited what they cost.
        kept: Gets the ids of rows whose expense the user has edited since; they stay as they are.
    """
    for row in rows:
        written = inherited.get(row.id)
        if row.id in images and _is_leg_as_before(row, images[row.id]):
            continue
        if row.deleted_by_user and row.id not in inherited and _had_no_expense(images.get(row.id)):
            continue  # deleted before the run
        deleted = row.deleted_by_user and (row.id not in inherited or written is not None)
        if deleted or row.id in edited_legs or _is_edited_since(row, images.get(row.id), written):
            kept.append(row.id)
        elif row.id in created and row.expense_state not in (ExpenseState.NONE, ExpenseState.REVERTED):
            yield Undo(known=row, before=None, category_id=None, state=ExpenseState.REVERTED, own=_has_own_expense(row))
        elif row.id in images:
            yield _to_image(row, images[row.id])


def _to_image(row: StoredRow, image: Mapping[str, Any]) -> Undo:
    before = image.get("expense")
    had = image.get("expense_id") is not None and before is not None
    state = ExpenseState(image["transaction"]["expense_state"])
    # A row without an expense was hidden or zero, or was to be imported again: then that is taken back.
    takes_back = state in (ExpenseState.OWN, ExpenseState.LINKED)
    takes_back = takes_back or (state == ExpenseState.NONE and row.expense_state != ExpenseState.NONE)
    return Undo(
        known=row,
        before=expense_from_json(before) if had and before else None,
        category_id=before.get("category_id") if had and before else None,
        state=ExpenseState.REVERTED if takes_back and not had else state,
        own=_has_own_expense(row),
        before_id=image.get("expense_id") if had else None,
        base=expense_from_json(base) if had and (base := image["transaction"].get("base")) else None,
    )


def _is_leg_as_before(row: StoredRow, image: Mapping[str, Any]) -> bool:
    """Say whether the row was a leg before the run and is one: there is no expense to restore or to end."""
    return {row.expense_state, ExpenseState(image["transaction"]["expense_state"])} == {ExpenseState.TRANSFER}


def _had_no_expense(image: Mapping[str, Any] | None) -> bool:
    return image is not None and image.get("expense_id") is None


def _has_own_expense(row: StoredRow) -> bool:
    return row.expense_id is not None and row.expense_state in WRITTEN_BY_IMPORTS


def _is_edited_since(row: StoredRow, image: Mapping[str, Any] | None, written: Mapping[str, Any] | None) -> bool:
    """Say whether the user changed the expense after the run; earlier changes are part of the before-image.

    Args:
        written: The expense as the run wrote it with the user's edits of another row.
    """
    if row.expense_id is None or row.expense_state != ExpenseState.OWN:
        return False
    if written is not None:
        return row.expense != expense_from_json(written) or row.category_id != written.get("category_id")
    before = image.get("expense") if image else None
    base = image["transaction"].get("base") if image else None
    left, category_id = row.base, None
    if before and base and row.base is not None:
        left = merge_user_edits(expense_from_json(base), expense_from_json(before), row.base).expense
        category_id = before.get("category_id")
    return row.expense != left or row.category_id != category_id
