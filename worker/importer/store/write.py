"""Writes a plan: COPY for new rows, one statement per table for the rest, in the caller's transaction.

Every function takes the session that was fenced; none begins or ends a transaction.
"""

import uuid
from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from typing import Any, Literal

from sqlalchemy import text
from sqlalchemy.orm import Session

from worker import outbox
from worker.importer.decide.decisions import NewRow, RowChange, Suggestion
from worker.importer.decide.expenses.from_line import month
from worker.importer.decide.plan import Plan
from worker.importer.decide.read.clean_text import json_text
from worker.importer.decide.read.line import STATED_FIELDS, Line
from worker.importer.decide.stored_row import MAY_HAVE_EXPENSE, ExpenseFields, ExpenseState, State
from worker.importer.store.expenses.locks import lock_if_unchanged
from worker.importer.store.expenses.rows import delete_expenses, insert_expenses, update_expenses
from worker.importer.store.rows.bulk import copy, insert_values, next_ids, run_values
from worker.importer.store.rows.changes import record_changes
from worker.importer.store.sources.leading_fields import let_sources_lead
from worker.importer.store.sources.twins import leave_to_twins
from worker.importer.store.suggestions.ask import suggest
from worker.importer.store.transfers.broken import release_legs
from worker.importer.store.transfers.followed_costs import deleted_costs, let_costs_follow
from worker.importer.store.write_target import WriteTarget, Written

LINE_COLUMNS = ("external_id", "content_key", "fingerprint", *STATED_FIELDS, "stated_amounts", "raw")
"""Columns of a row that hold what the bank states of it now."""

_stated_values: Callable[[Line], tuple[Any, ...]] = attrgetter(*STATED_FIELDS)
BASE_COLUMNS = ("base_amount", "base_currency", "base_type", "base_notes", "base_spent_on")
"""Columns of a row that hold its expense as the bank states it, to see what the user changed."""

_TRANSACTION_COLUMNS = (
    "id", "account_id", "user_id", "identity", "occurrence", "state", "twin_id", "expense_id", "expense_state",
    "first_run_id", "first_decision", "first_reason", *LINE_COLUMNS, *BASE_COLUMNS,
)  # fmt: skip
_FREE = text("UPDATE bank_transactions SET identity = decode(md5('moving' || id), 'hex') WHERE id = ANY(:ids)")
_CASTS = {
    "content_key": "bytea", "fingerprint": "bytea", "identity": "bytea", "stated_on": "date", "effective_on": "date",
    "booking_on": "date", "value_on": "date", "transaction_on": "date", "amount": "numeric", "raw": "jsonb",
    "stated_amounts": "jsonb",
    "base_amount": "numeric", "base_spent_on": "date", "expense_id": "bigint", "occurrence": "int", "twin_id": "bigint",
}  # fmt: skip


def write_plan(session: Session, plan: Plan, target: WriteTarget) -> Written:
    """Write the whole plan with its lineage and its events.

    Raises:
        ExpensesChangedError: An expense of the user's that it is about is another one now; nothing is written.
    """
    lock_if_unchanged(session, plan.expenses)
    written = Written()
    changes, heirs = leave_to_twins(session, plan.changes, target.run_id)
    deleted = deleted_costs(session, plan.changes)
    _write_changes(session, changes, target, written)
    written.months |= let_sources_lead(session, heirs, target.run_id, also_alone=True)
    written.months |= release_legs(session, plan.changes, user_id=target.user_id, run_id=target.run_id)
    written.months |= let_costs_follow(session, plan.changes, deleted, user_id=target.user_id, run_id=target.run_id)
    _write_creates(session, plan.creates, target, written)
    _write_suggestions(session, plan.suggestions, target, written)
    _set_absent_since(session, plan.newly_absent, "now()")
    _set_absent_since(session, plan.returned, "NULL")
    return written


def _write_creates(session: Session, creates: Sequence[NewRow], target: WriteTarget, written: Written) -> None:
    if not creates:
        return
    with_expense = [create for create in creates if _has_own_expense(create)]
    new_expense_ids = next_ids(session, "expenses", len(with_expense))
    unused = iter(new_expense_ids)
    expense_ids = [next(unused) if _has_own_expense(create) else create.link_expense_id for create in creates]
    transaction_ids = next_ids(session, "bank_transactions", len(creates))
    run_id = str(target.run_id)  # once: of a hundred thousand rows it took a tenth of a second
    expenses = zip(new_expense_ids, (create.expense for create in with_expense), strict=True)
    insert_expenses(session, target.user_id, ((id_, None, expense) for id_, expense in expenses if expense is not None))
    copy(
        session,
        "bank_transactions",
        _TRANSACTION_COLUMNS,
        (
            _transaction_row(create, transaction_id, expense_id, target, run_id)
            for create, transaction_id, expense_id in zip(creates, transaction_ids, expense_ids, strict=True)
        ),
    )
    written.transaction_ids = transaction_ids
    written.months |= {day.strftime("%Y-%m") for day in {c.expense.spent_on for c in with_expense if c.expense}}
    outbox.record_expenses(session, event_type="expense.created", expense_ids=new_expense_ids, run_id=target.run_id)
    _insert_aliases(
        session,
        target,
        [
            (create.shared_identity, transaction_id, create.line.external_id)
            for create, transaction_id in zip(creates, transaction_ids, strict=True)
            if create.shared_identity is not None
        ],
    )


def _has_own_expense(create: NewRow) -> bool:
    return create.expense is not None and create.expense_state == ExpenseState.OWN


def _write_changes(session: Session, changes: Sequence[RowChange], target: WriteTarget, written: Written) -> None:
    if not changes:
        return
    new = [change for change in changes if change.effect.write and change.known.expense_id is None]
    new_ids = dict(zip((c.known.id for c in new), next_ids(session, "expenses", len(new)), strict=True))
    insert_expenses(
        session,
        target.user_id,
        ((new_ids[c.known.id], c.known.category_id, w) for c in new if (w := c.effect.write) is not None),
    )
    _update_transactions(session, changes, new_ids, target)
    delete_expenses(session, (c.known.expense_id for c in changes if c.effect.drop), target.run_id)
    updated = {
        c.known.expense_id: w for c in changes if (w := c.effect.write) is not None and c.known.expense_id is not None
    }
    update_expenses(session, updated)
    outbox.record_expenses(session, event_type="expense.updated", expense_ids=list(updated), run_id=target.run_id)
    outbox.record_expenses(
        session, event_type="expense.created", expense_ids=list(new_ids.values()), run_id=target.run_id
    )
    _insert_aliases(
        session,
        target,
        [(c.known.identity, c.known.id, c.known.external_id) for c in changes if c.identity != c.known.identity]
        + [
            (beside.identity, c.known.id, beside.external_id)
            for c in changes
            if (beside := c.delivered_beside) is not None
            and beside.identity is not None
            and beside.identity != c.known.identity
        ],
    )
    record_changes(session, changes, target.account_id, target.run_id)
    for change in changes:
        for expense in (change.known.expense, change.effect.write):
            if expense is not None:
                written.months.add(month(expense))


def _update_transactions(
    session: Session, changes: Sequence[RowChange], new_ids: dict[int, int], target: WriteTarget
) -> None:
    columns = ("identity", "occurrence", "state", "expense_id", "expense_state", *LINE_COLUMNS, *BASE_COLUMNS)
    followed = [
        (
            change.known.id,
            change.identity,
            change.occurrence,
            str(change.state),
            *_expense_link(change, new_ids),
            *_line_values(change.line),
            *_base_values(change.base),
        )
        for change in changes
        if change.line is not None
    ]
    dropped = [
        (change.known.id, str(change.state), *_expense_link(change, new_ids))
        for change in changes
        if change.line is None
    ]
    _set_identities_free(session, changes)
    _update(session, columns, followed, target.run_id)
    _update(session, ("state", "expense_id", "expense_state"), dropped, target.run_id)
    twins = [(c.known.id, c.effect.twin_id) for c in changes if c.effect.twin_id is not None]
    _update(session, ("twin_id",), twins, target.run_id)


def _set_identities_free(session: Session, changes: Sequence[RowChange]) -> None:
    """Take identities that rows exchange from all of them first, because no two rows may have one at any moment."""
    before = {change.known.identity: change.known.id for change in changes}
    ids = [holder for c in changes if (holder := before.get(c.identity, c.known.id)) != c.known.id]
    if ids:
        session.execute(_FREE, {"ids": ids})


def _update(session: Session, columns: Sequence[str], rows: Sequence[tuple[Any, ...]], run_id: uuid.UUID) -> None:
    if not rows:
        return
    assignments = ", ".join(f"{name} = v.{name}{'::' + _CASTS[name] if name in _CASTS else ''}" for name in columns)
    run_values(
        session,
        f"UPDATE bank_transactions t SET {assignments}, last_run_id = '{run_id}', absent_since_at = NULL,"  # noqa: S608 - constant names
        f" updated_at = now() FROM (VALUES %s) AS v(id, {', '.join(columns)}) WHERE t.id = v.id",
        rows,
    )


def _insert_aliases(session: Session, target: WriteTarget, aliases: Sequence[tuple[bytes, int, str | None]]) -> None:
    """Note identities that rows had before, or that other rows have too, each with its row and its id."""
    columns = ("identity", "transaction_id", "external_id", "account_id")
    insert_values(session, "bank_transaction_aliases", columns, [(*alias, target.account_id) for alias in aliases])


_OTHER_SIDES: Mapping[Literal["expense", "twin", "takeover"], Callable[[Suggestion], int | None]] = {
    "expense": attrgetter("expense_id"), "twin": attrgetter("twin_id"), "takeover": attrgetter("former_id"),
}  # fmt: skip


def _write_suggestions(
    session: Session, suggestions: Sequence[Suggestion], target: WriteTarget, written: Written
) -> None:
    for kind, other_of in _OTHER_SIDES.items() if suggestions else ():
        pairs = [
            (written.transaction_ids[one.new_place], other_id, one.reason)
            for one in suggestions
            if (other_id := other_of(one)) is not None
        ]
        suggest(session, target.user_id, target.run_id, kind, pairs)


def _set_absent_since(session: Session, ids: Sequence[int], moment: str) -> None:
    if ids:
        session.execute(
            text(f"UPDATE bank_transactions SET absent_since_at = {moment} WHERE id = ANY(:ids)"),  # noqa: S608 - two constants
            {"ids": list(ids)},
        )


def _expense_link(change: RowChange, new_ids: dict[int, int]) -> tuple[int | None, str]:
    written = new_ids.get(change.known.id, change.effect.link_expense_id)
    if written is not None:
        return written, str(change.effect.state)
    keeps = change.effect.state in MAY_HAVE_EXPENSE and not change.effect.drop
    return (change.known.expense_id if keeps else None), str(change.effect.state)


def _transaction_row(
    create: NewRow, transaction_id: int, expense_id: int | None, target: WriteTarget, run_id: str
) -> tuple[Any, ...]:
    return (
        transaction_id, target.account_id, target.user_id, create.identity, create.occurrence,
        State.PENDING if create.line.pending else State.POSTED, create.twin_id, expense_id, create.expense_state,
        run_id, create.decision, create.reason, *_line_values(create.line), *_base_values(create.expense),
    )  # fmt: skip


def _line_values(line: Line) -> tuple[Any, ...]:
    return (line.external_id, line.content_key, line.fingerprint, *_stated_values(line), *_json_values(line))


def _json_values(line: Line) -> tuple[str | None, str | None]:
    return json_text(line.stated_amounts), json_text(line.raw)


def _base_values(base: ExpenseFields | None) -> tuple[Any, ...]:
    return base or (None,) * len(BASE_COLUMNS)
