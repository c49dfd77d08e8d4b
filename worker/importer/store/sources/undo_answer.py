"""Keeps with an answer what it replaces, whole, and writes that again when the answer is undone.

All columns of expenses are kept, also those that FinMind adds: nothing of an expense is lost by an answer.
"""

import json
import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.orm import Session

from worker import outbox
from worker.importer.decide.expenses.undo_answer import BASE_COLUMNS, AnswerUndo, Image, Replaced, undo_answer
from worker.importer.decide.reasons import Decision, Reason
from worker.importer.store.expenses.rows import delete_expenses
from worker.importer.store.expenses.whole import as_json, insert_whole, read_json
from worker.importer.store.rows.bulk import array_text
from worker.importer.store.rows.changes import record_without_line
from worker.importer.store.rows.load import load_in_full
from worker.importer.store.sources.expense_handover import let_follow

_COLUMNS = (
    "state", "expense_id", "expense_state", "twin_id", "transfer_peer_id", "absent_since_at", "base_category_id",
    "base_cost", *BASE_COLUMNS,
)  # fmt: skip
"""The columns of a row of the bank that an answer changes, besides those that say when and by which run."""

# An answer about a row is about its purchase: it may change the row that has the expense, its twins, and other legs.
_CONCERNED = text(
    """WITH asked AS (
      SELECT t.id FROM bank_transactions t WHERE t.id = ANY(CAST(:ids AS bigint[]))
      UNION SELECT t.id FROM bank_transactions t JOIN bank_connection_accounts a ON a.id = t.account_id
      WHERE a.id = ANY(CAST(:source_ids AS bigint[])) OR a.bank_account_id IN (
        SELECT s.bank_account_id FROM bank_connection_accounts s WHERE s.id = ANY(CAST(:source_ids AS bigint[])))
    ), purchases AS (
      SELECT DISTINCT CASE WHEN t.expense_state = 'twin' THEN coalesce(t.twin_id, t.id) ELSE t.id END AS id
      FROM asked q JOIN bank_transactions t ON t.id = q.id
    )
    SELECT id FROM asked UNION SELECT id FROM purchases
    UNION SELECT w.id FROM purchases p JOIN bank_transactions w ON w.twin_id = p.id
    UNION SELECT w.id FROM purchases p JOIN bank_transactions w ON w.transfer_peer_id = p.id
    UNION SELECT t.transfer_peer_id FROM purchases p JOIN bank_transactions t ON t.id = p.id
    WHERE t.transfer_peer_id IS NOT NULL"""
)
_ROWS = text(
    f"""SELECT t.id, t.expense_id,
      (SELECT to_jsonb(c) FROM (SELECT {", ".join(f"t.{name}" for name in _COLUMNS)}) c)::text AS image
    FROM bank_transactions t WHERE t.id = ANY(CAST(:ids AS bigint[]))"""  # noqa: S608 - constant names
)
_EXPENSES = text(
    """SELECT e.id, to_jsonb(e)::text AS image FROM expenses e
    WHERE e.id = ANY(CAST(:ids AS bigint[])) ORDER BY e.id FOR UPDATE OF e"""
)
_KEEP = text("UPDATE bank_match_suggestions SET replaced = CAST(:replaced AS jsonb) WHERE id = :id")
_KEPT = text("SELECT replaced::text FROM bank_match_suggestions WHERE id = :id AND replaced IS NOT NULL")
_TAKEN = text(
    """SELECT expense_id FROM bank_transactions
    WHERE expense_id = ANY(CAST(:expense_ids AS bigint[])) AND id <> ALL(CAST(:ids AS bigint[]))"""
)
_LET_GO = text(
    "UPDATE bank_transactions SET expense_id = NULL WHERE id = ANY(CAST(:ids AS bigint[])) AND expense_id IS NOT NULL"
)
_SET_ROWS = text(
    f"""UPDATE bank_transactions t SET {", ".join(f"{name} = v.{name}" for name in _COLUMNS)}
    FROM jsonb_populate_recordset(NULL::bank_transactions, CAST(:images AS jsonb)) v WHERE t.id = v.id"""  # noqa: S608 - constant names
)
_SET_EXPENSES = text(
    """UPDATE expenses e SET amount = v.amount, currency = v.currency, expense_type = v.expense_type, notes = v.notes,
      spent_at = v.spent_at, category_id = v.category_id
    FROM jsonb_populate_recordset(NULL::expenses, CAST(:images AS jsonb)) v WHERE e.id = v.id"""
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Concerned:
    """The rows of the bank and the expenses that an answer may change, as they are: JSON by their ids."""

    rows: Mapping[int, str]
    expenses: Mapping[int, str]


def concerned(
    session: Session, row_ids: Collection[int], expense_ids: Collection[int] = (), *, source_ids: Collection[int] = ()
) -> Concerned:
    """Return what an answer about these rows, expenses, or all rows of these sources' accounts may change; lock it."""
    which = {"ids": array_text(row_ids), "source_ids": array_text(source_ids)}
    return _images(session, session.execute(_CONCERNED, which).scalars().all(), expense_ids)


def keep_replaced(session: Session, suggestion_id: int, before: Concerned) -> None:
    """Keep with a suggestion what its answer has changed since `before`."""
    session.flush()
    after = _images(session, before.rows.keys(), before.expenses.keys())
    replaced = {
        "rows": _differences(before.rows, after.rows),
        "expenses": _differences(before.expenses, after.expenses),
    }
    session.execute(_KEEP, {"id": suggestion_id, "replaced": json.dumps(replaced)})


def plan_undo(session: Session, suggestion_id: int) -> AnswerUndo | None:
    """Return what makes everything as it was before an answer.

    None where nothing of that is kept, or where the rows went on to something else since.
    """
    session.flush()
    kept = session.execute(_KEPT, {"id": suggestion_id}).scalar_one_or_none()
    if kept is None:
        return None
    read = read_json(kept)
    rows, expenses = (
        {int(id_): Replaced(**change) for id_, change in read[name].items()} for name in ("rows", "expenses")
    )
    had = {change.before["expense_id"] for change in rows.values() if change.before is not None} - {None}
    now = _images(session, rows.keys(), {*expenses, *had})
    rows_now, expenses_now = ({id_: read_json(image) for id_, image in of.items()} for of in (now.rows, now.expenses))
    which = {"expense_ids": array_text(had), "ids": array_text(rows)}
    if session.execute(_TAKEN, which).first() is not None:
        return None
    return undo_answer(rows, expenses, rows_now, expenses_now)


def write_undo(session: Session, undo: AnswerUndo, run_id: uuid.UUID) -> set[str]:
    """Make everything as it was; return the months (`YYYY-MM`) of expenses that changed."""
    in_full = load_in_full(session, undo.rows)
    record_without_line(session, in_full.values(), run_id, Decision.UPDATED, Reason.UNMATCHED)
    insert_whole(session, undo.written)
    if undo.changed:
        session.execute(_SET_EXPENSES, {"images": as_json(undo.changed)})
    if undo.rows:
        session.execute(_LET_GO, {"ids": array_text(undo.rows)})  # rows may exchange expenses
        session.execute(_SET_ROWS, {"images": as_json(undo.rows)})
    # A row that met one of these since, and now meets a twin, shares the expense of that purchase.
    let_follow(session, [(id_, row["twin_id"]) for id_, row in undo.rows.items() if row["expense_state"] == "twin"])
    outbox.record_expenses(session, event_type="expense.created", expense_ids=list(undo.written), run_id=run_id)
    outbox.record_expenses(session, event_type="expense.updated", expense_ids=list(undo.changed), run_id=run_id)
    session.expire_all()
    return delete_expenses(session, undo.deleted, run_id) | undo.months


def _images(session: Session, row_ids: Collection[int], expense_ids: Collection[int]) -> Concerned:
    found = session.execute(_ROWS, {"ids": array_text(row_ids)}).all()
    wanted = {*expense_ids, *(row.expense_id for row in found)} - {None}
    expenses = session.execute(_EXPENSES, {"ids": array_text(sorted(wanted))})
    return Concerned(rows={row.id: row.image for row in found}, expenses={row.id: row.image for row in expenses})


def _differences(before: Mapping[int, str], after: Mapping[int, str]) -> dict[int, dict[str, Image | None]]:
    changed = [id_ for id_ in sorted(before.keys() | after.keys()) if before.get(id_) != after.get(id_)]
    return {id_: {"before": read_json(before.get(id_)), "after": read_json(after.get(id_))} for id_ in changed}
