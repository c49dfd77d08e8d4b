"""What FinMind's own routes tell the worker: expenses that a person wrote, and a person who goes.

Needs the distribution `finmind-worker-client`. Every function works in the transaction of the route that calls it: what
is not committed was not said.
"""

import logging
from datetime import timedelta

import requests
from flask import current_app, request
from sqlalchemy import text

from worker.client import WorkerClient, imported_expenses
from worker.errors import ConflictError

log = logging.getLogger("finmind.bank_events")

worker = WorkerClient()


def expense_changed(session, kind: str, expense) -> None:
    """Announce to webhook subscribers that FinMind wrote an expense; call it before the commit.

    Args:
        kind: `created`, `updated` or `deleted`.
        expense: FinMind's Expense, flushed, so that it has an id.
    """
    worker.publish_event(
        session,
        user_id=expense.user_id,
        event_type=f"expense.{kind}",
        data={
            "id": expense.id,
            "amount": str(expense.amount),
            "currency": expense.currency,
            "expense_type": expense.expense_type,
            "description": expense.notes,
            "date": expense.spent_at.isoformat(),
            "category_id": expense.category_id,
            "run_id": None,
        },
    )


def imported_twin(session, expense) -> int | None:
    """Return the id of an imported expense that may be the same as one about to be written, to ask the person."""
    found = imported_expenses(
        session,
        user_id=expense.user_id,
        amount=expense.amount,
        currency=expense.currency,
        expense_type=expense.expense_type,
        spent_on=expense.spent_at,
    )
    return found[0].expense_id if found else None


def refresh_banks(session, user_id: int) -> None:
    """Ask for what is new at every bank of a person who opens the app, unless it was read within the hour."""
    mine = text("SELECT id FROM bank_connections WHERE user_id = :user_id AND status = 'active'")
    for connection_id in session.scalars(mine, {"user_id": user_id}).all():
        try:
            worker.request_refresh(session, connection_id, if_older_than=timedelta(hours=1))
        except ConflictError:
            log.info("bank connection %s waits for another run already", connection_id)


def leave_banks() -> list[str]:
    """End what the caller's banks allow, before FinMind deletes the user. Returns: connections that could not be ended.

    The rows of the worker go with the user; what a provider was allowed does not. Delete the user when the list is
    empty, or tell them which bank to revoke it at.
    """
    api = f"{current_app.config['BANK_WORKER_URL']}/bank-connections/connections"
    headers = {"Authorization": request.headers["Authorization"]}
    listed = requests.get(api, headers=headers, timeout=(3, 30))
    listed.raise_for_status()
    left = []
    for connection in listed.json()["items"]:
        if connection["status"] == "disconnected":
            continue
        answer = requests.delete(f"{api}/{connection['id']}", headers=headers, timeout=(3, 60))
        if not answer.ok:
            log.warning("bank connection %s was not ended: %s", connection["id"], answer.status_code)
            left.append(connection["display_name"])
    return left
