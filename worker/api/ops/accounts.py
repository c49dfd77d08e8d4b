"""Operator's page of one account of a person: its sources, and a calendar of what they cover."""

import uuid
from datetime import UTC, date, datetime
from itertools import groupby
from typing import Annotated, Any

from fastapi import APIRouter, BackgroundTasks, Form, Request
from fastapi.responses import HTMLResponse, Response

from worker.api.ops.access import Operator, OwnForm, acting_operator
from worker.api.ops.rendering import RELOAD_S, PageRoute, confirmation, done, page
from worker.api.services import ServicesDep
from worker.audit import record_operation, record_view
from worker.bank_accounts.accounts import bank_account_of
from worker.bank_accounts.coverage_report import coverage_of, reach_by
from worker.errors import NotFoundError
from worker.models import BankConnectionAccount
from worker.runs.states import RunKind, RunRequest

router = APIRouter(prefix="/ops/accounts", route_class=PageRoute)


@router.get("/{bank_account_id}")
def show_account(request: Request, bank_account_id: int, name: Operator, services: ServicesDep) -> HTMLResponse:
    """Show an account: its sources, a calendar of the months, and what closes each gap."""
    with acting_operator(services, name) as session:
        account = bank_account_of(session, bank_account_id)
        record_view(session, table="bank_accounts", row_id=str(bank_account_id), user_id=account["user_id"])
        months = coverage_of(
            session, bank_account_id, today=datetime.now(UTC).date(), reach_of=reach_by(services.runtime.registry)
        )
    return page("account.html", request, account=account, years=_years(months), months=months, reload_s=RELOAD_S)


@router.post("/{bank_account_id}/refetch", dependencies=[OwnForm])
def refetch(  # noqa: PLR0913 - one argument per parameter
    request: Request,
    bank_account_id: int,
    name: Operator,
    services: ServicesDep,
    *,
    background: BackgroundTasks,
    source_id: Annotated[int, Form()],
    from_on: Annotated[date, Form()],
    to_on: Annotated[date, Form()],
    confirmed: Annotated[str, Form()] = "",
) -> Response:
    """Ask the bank of a source for exactly these days; asks before it does."""
    path = f"/ops/accounts/{bank_account_id}"
    with acting_operator(services, name) as session:
        source = session.get(BankConnectionAccount, source_id)
        if source is None or source.bank_account_id != bank_account_id:
            raise NotFoundError(f"account {bank_account_id} has no source {source_id}")
        if not confirmed:
            fields = {"source_id": str(source_id), "from_on": from_on.isoformat(), "to_on": to_on.isoformat()}
            question = f"Ask the bank of {source.name}, user {source.user_id}, for {from_on} to {to_on}?"
            return confirmation(request, question=question, button="Refetch", fields=fields, back=path)
        connection_id: uuid.UUID = source.connection_id
        record_operation(session, "import", table="bank_connections", row_id=str(connection_id), user_id=source.user_id)
        asked = RunRequest(
            connection_id=connection_id,
            kind=RunKind.IMPORT,
            account_external_id=source.external_id,
            from_on=from_on,
            to_on=to_on,
        )
        run_id = services.ask(session, asked, background)
    return done(f"/ops/runs/{run_id}", "refresh")


def _years(months: list[dict[str, Any]]) -> list[tuple[str, list[dict[str, Any]]]]:
    """Return the months by year, newest year first, each with its place in a grid of four columns."""
    by_year = [(year, list(found)) for year, found in groupby(months, key=lambda month: month["month"][:4])]
    return [
        (
            year,
            [
                month | {"x": (number - 1) % 4 * 90, "y": (number - 1) // 4 * 58, "name": _SHORT[number - 1]}
                for month in found
                for number in [int(month["month"][5:])]
            ],
        )
        for year, found in reversed(by_year)
    ]


_SHORT = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
