"""Writes the rows of `bank_transaction_changes`: decision, reason and before-image."""

import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy.orm import Session

from worker.importer.decide.decisions import RowChange
from worker.importer.decide.plan import Plan
from worker.importer.decide.read.line import Line
from worker.importer.decide.reasons import Decision, Reason
from worker.importer.decide.stored_row import ExpenseFields, StoredRow, TransferCost
from worker.importer.store.rows.bulk import insert_values

_TABLE = "bank_transaction_changes"
_COLUMNS = ("run_id", "account_id", "transaction_id", "decision", "reason", "detail", "before_image")


def record_changes(session: Session, changes: Sequence[RowChange], account_id: int, run_id: uuid.UUID) -> None:
    """Record what a plan changes."""
    rows = [
        (
            str(run_id),
            account_id,
            change.known.id,
            change.decision,
            change.reason,
            json.dumps(_detail(change)),
            json.dumps(before_image(change.known)),
        )
        for change in changes
    ]
    insert_values(session, _TABLE, _COLUMNS, rows)


def record_without_line(
    session: Session,
    rows: Iterable[StoredRow],
    run_id: uuid.UUID,
    decision: Decision,
    reason: Reason,
    *,
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Record changes of rows that no line of the bank led to, such as a revert; before they are written."""
    images = [
        (str(run_id), row.id, decision, reason, json.dumps(detail or {}), json.dumps(before_image(row))) for row in rows
    ]
    columns = ("run_id", "transaction_id", "decision", "reason", "detail", "before_image")
    insert_values(session, _TABLE, columns, images)


def record_unchanged(session: Session, plan: Plan, account_id: int, run_id: uuid.UUID) -> None:
    """Record the rows that stay as they are, which only a dry run reports."""
    rows = [
        (
            str(run_id),
            account_id,
            match.known_id,
            Decision.UNCHANGED,
            Reason.AS_BEFORE,
            json.dumps(_line_to_json(match.line)),
            None,
        )
        for match in plan.unchanged
    ]
    insert_values(session, _TABLE, _COLUMNS, rows)


def before_image(known: StoredRow) -> dict[str, Any]:
    """Return how a row and its expense were, as far as a revert has to restore them."""
    return {
        "transaction": {
            "identity": known.identity.hex(),
            "external_id": known.external_id,
            "content_key": known.content_key.hex(),
            "occurrence": known.occurrence,
            "fingerprint": known.fingerprint.hex(),
            "state": known.state,
            "stated_on": known.days.stated_on.isoformat() if known.days.stated_on else None,
            "effective_on": known.days.effective_on.isoformat(),
            "amount": str(known.amount),
            "currency": known.currency,
            "description": known.description,
            "counterparty": known.counterparty,
            "expense_state": known.expense_state,
            "base": expense_to_json(known.base, None),
        },
        "expense_id": known.expense_id,
        "expense": expense_to_json(known.expense, known.category_id),
        **({} if known.cost is None else {"cost": _cost_to_json(known.cost)}),
    }


def expense_to_json(expense: ExpenseFields | None, category_id: int | None) -> dict[str, Any] | None:
    """Return an expense as a before-image holds it."""
    if expense is None:
        return None
    written = {"amount": str(expense.amount), "spent_on": expense.spent_on.isoformat(), "category_id": category_id}
    return expense._asdict() | written


def _cost_to_json(cost: TransferCost) -> dict[str, Any]:
    return {
        "said": expense_to_json(cost.said, None),
        "expense": expense_to_json(cost.expense, cost.category_id),
    }


def cost_from_json(image: Mapping[str, Any]) -> TransferCost:
    """Return what a before-image holds of what a transfer cost."""
    said, expense = image["said"], image["expense"]
    return TransferCost(
        said=None if said is None else expense_from_json(said),
        expense=None if expense is None else expense_from_json(expense),
        category_id=None if expense is None else expense["category_id"],
    )


def expense_from_json(image: Mapping[str, Any]) -> ExpenseFields:
    """Return the expense a before-image holds."""
    return ExpenseFields(
        amount=Decimal(image["amount"]),
        currency=image["currency"],
        expense_type=image["expense_type"],
        notes=image["notes"],
        spent_on=date.fromisoformat(image["spent_on"]),
    )


def _detail(change: RowChange) -> dict[str, Any]:
    detail = _line_to_json(change.line) if change.line else {}
    if change.effect.link_expense_id is not None:
        detail["expense_id"] = change.effect.link_expense_id
    return detail | {"changed": list(change.effect.changed), "kept": list(change.effect.kept)}


def _line_to_json(line: Line) -> dict[str, Any]:
    return {
        "on": line.effective_on.isoformat(),
        "amount": str(line.amount),
        "currency": line.currency,
        "description": line.description[:200],
        "pending": line.pending,
    }
