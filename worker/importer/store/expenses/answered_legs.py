"""Gives legs of a transfer that a user accepted their expenses again as they had left them, once the pair is broken.

A pair that a run finds hides no edit: what the user changed is asked about. Their answer keeps what it replaces, and
holds no longer than the pair: when the bank takes a leg back or changes it, the answer is obsolete.
"""

import uuid
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from worker import outbox
from worker.importer.decide.expenses.undo_answer import BASE_COLUMNS, Image, as_fields, expense_again
from worker.importer.decide.reasons import Decision, Reason
from worker.importer.decide.stored_row import ExpenseState
from worker.importer.store.expenses.whole import insert_whole, read_json
from worker.importer.store.rows.bulk import array_text, arrays
from worker.importer.store.rows.changes import record_without_line
from worker.importer.store.rows.load import load_in_full

# A leg may have gone to the row of another source since the answer, whose twin the row of the answer is now.
_KEPT = text(
    f"""SELECT DISTINCT ON (t.id) t.id, s.id AS suggestion_id, k.row_before ->> 'expense_state' AS state,
      (k.row_before ->> 'expense_id')::bigint AS expense_id, k.row_before::text AS row_before,
      (SELECT to_jsonb(c) FROM (SELECT {", ".join(f"t.{name}" for name in BASE_COLUMNS)}) c)::text AS row_now,
      (s.replaced -> 'expenses' -> (k.row_before ->> 'expense_id') -> 'before')::text AS expense_before,
      EXISTS (SELECT FROM expenses e WHERE e.id = (k.row_before ->> 'expense_id')::bigint) AS is_there,
      EXISTS (SELECT FROM bank_transactions o WHERE o.expense_id = (k.row_before ->> 'expense_id')::bigint) AS is_taken
    FROM bank_transactions t JOIN bank_transactions w ON w.id = t.id OR w.twin_id = t.id
    JOIN bank_match_suggestions s ON s.user_id = t.user_id AND s.kind = 'transfer'
      AND s.status = 'accepted' AND jsonb_exists(s.replaced -> 'rows', w.id::text)
    CROSS JOIN LATERAL (SELECT s.replaced -> 'rows' -> w.id::text -> 'before' AS row_before) k
    WHERE t.id = ANY(CAST(:ids AS bigint[])) AND (:are_gone AND t.expense_state <> 'twin'
      OR t.expense_state = 'transfer' AND t.state <> 'removed')
    ORDER BY t.id, s.decided_at DESC"""  # noqa: S608 - constant names
)
_SET = text(
    """UPDATE bank_transactions t SET expense_id = v.expense_id, expense_state = v.state, twin_id = NULL
    FROM unnest(CAST(:ids AS bigint[]), CAST(:expense_ids AS bigint[]), CAST(:states AS text[]))
      v(id, expense_id, state) WHERE t.id = v.id"""
)
_CLOSE = text(
    """UPDATE bank_match_suggestions s SET status = 'obsolete', decided_at = now(),
      detail = s.detail || jsonb_build_object('settled_by', CAST(:run_id AS text))
    WHERE s.id = ANY(CAST(:ids AS bigint[]))"""
)


def give_as_left(
    session: Session, ids: Collection[int], reason: Reason, run_id: uuid.UUID
) -> tuple[set[int], set[str]]:
    """Give those of these rows that an answer made legs what they had; return these, and the months that changed.

    An expense is written again whole, with what the bank said since. One that the user typed in stands for its row
    again. What they had deleted stays deleted.
    """
    kept = [
        row
        for row in session.execute(_KEPT, {"ids": array_text(ids), "are_gone": False})
        if not row.is_taken and _had_expense(row)
    ]
    if not kept:
        return set(), set()
    record_without_line(
        session, load_in_full(session, [row.id for row in kept]).values(), run_id, Decision.UPDATED, reason
    )
    written = {row.expense_id: _as_left(row) for row in kept if row.expense_id is not None and not row.is_there}
    insert_whole(session, written)
    session.execute(_SET, arrays(kept, ids="id", expense_ids="expense_id", states="state"))
    session.execute(_CLOSE, {"ids": array_text({row.suggestion_id for row in kept}), "run_id": str(run_id)})
    outbox.record_expenses(session, event_type="expense.created", expense_ids=list(written), run_id=run_id)
    return {row.id for row in kept}, {str(image["spent_at"])[:7] for image in written.values()}


def keep_of_gone(session: Session, ids: Collection[int], run_id: uuid.UUID) -> set[str]:
    """Keep what these rows had, which an answer made legs and which go; return the months that changed.

    What the user typed in is there again. What they changed in an imported one is on record, for when the row returns.
    Comes before `give_as_left` of the other legs, which closes the answers.
    """
    found = session.execute(_KEPT, {"ids": array_text(ids), "are_gone": True}) if ids else ()
    kept = [row for row in found if not row.is_taken and row.expense_before is not None and _had_expense(row)]
    if not kept:
        return set()
    images = {row.id: _as_left(row) for row in kept}
    in_full = load_in_full(session, images)
    rows = [
        replace(
            in_full[row.id],
            expense_state=ExpenseState(row.state),
            expense_id=row.expense_id,
            expense=as_fields(images[row.id]),
            category_id=images[row.id]["category_id"],
        )
        for row in kept
    ]
    record_without_line(session, rows, run_id, Decision.UPDATED, Reason.LEG_ALONE)
    typed = {row.expense_id: images[row.id] for row in kept if row.state == ExpenseState.LINKED and not row.is_there}
    insert_whole(session, typed)
    outbox.record_expenses(session, event_type="expense.created", expense_ids=list(typed), run_id=run_id)
    return {str(image["spent_at"])[:7] for image in typed.values()}


def _had_expense(row: Row[Any]) -> bool:
    """Return whether a leg stood for an expense that there is or that is kept, or for one that the user had deleted."""
    if row.state not in {ExpenseState.OWN, ExpenseState.LINKED}:
        return False
    return row.expense_id is None or row.is_there or row.expense_before is not None


def _as_left(row: Row[Any]) -> Image:
    images: Mapping[str, Image] = {name: read_json(getattr(row, name)) for name in ("row_before", "row_now")}
    return expense_again(read_json(row.expense_before), images["row_before"], images["row_now"])
