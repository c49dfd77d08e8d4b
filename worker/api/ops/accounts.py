"""Operator's page of one account of a person: its sources, a calendar of what they cover, and what closes a gap."""

import uuid
from datetime import UTC, date, datetime
from itertools import groupby
from typing import Annotated, Any

from fastapi import APIRouter, BackgroundTasks, Form, Request, UploadFile
from fastapi.responses import HTMLResponse, Response

from worker.api.files import import_upload
from worker.api.ops.access import Operator, OwnForm, acting_operator, operator, same_site
from worker.api.ops.rendering import RELOAD_S, PageRoute, confirmation, done, page
from worker.api.services import ServicesDep, services
from worker.api.uploads import MAX_REQUEST_BYTES, UploadRoute
from worker.audit import acting_as, record_operation, record_view
from worker.bank_accounts.accounts import bank_account_of, find_bank_account
from worker.bank_accounts.coverage_report import coverage_of
from worker.errors import NotFoundError
from worker.models import BankAccount, BankConnectionAccount
from worker.runs.states import RunKind, RunRequest

router = APIRouter(prefix="/ops/accounts", route_class=PageRoute)


class _StatementRoute(PageRoute, UploadRoute):
    """A form with a statement file: who sends it and for whom is known before its body is read."""

    def sender(self, request: Request, size: int) -> int:  # noqa: ARG002 - operators have no allowance of bytes
        operator(request)
        same_site(request)
        with services(request).sessions() as session:
            return find_bank_account(session, request.path_params["bank_account_id"], user_id=None).user_id


_statements = APIRouter(route_class=_StatementRoute)


@router.get("/{bank_account_id}")
def show_account(request: Request, bank_account_id: int, name: Operator, services: ServicesDep) -> HTMLResponse:
    """Show an account: its sources, a calendar of the months, and what closes each gap."""
    with acting_operator(services, name) as session:
        account = bank_account_of(session, bank_account_id)
        record_view(session, table="bank_accounts", row_id=str(bank_account_id), user_id=account["user_id"])
        months = coverage_of(session, bank_account_id, services.runtime.registry, today=datetime.now(UTC).date())
    return page(
        "account.html",
        request,
        account=account,
        years=_years(months),
        months=months,
        uploads=services.runtime.settings.statement_folder is not None,
        reload_s=RELOAD_S,
    )


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


@_statements.post("/{bank_account_id:int}/statements", dependencies=[OwnForm], max_body_size=MAX_REQUEST_BYTES)
def upload(
    bank_account_id: int, name: Operator, services: ServicesDep, background: BackgroundTasks, file: UploadFile
) -> Response:
    """Import a statement file of this account; what the file does not say of the account is taken from here."""
    with acting_operator(services, name) as session:
        account = find_bank_account(session, bank_account_id, user_id=None)
        user_id, stated = account.user_id, _stated(account)
        record_operation(session, "import", table="bank_accounts", row_id=str(bank_account_id), user_id=user_id)
    with acting_as(f"ops:{name}"):
        run = import_upload(services, user_id, file, stated, background)
    return done(f"/ops/runs/{run.id}", "upload")


router.include_router(_statements)


def _stated(account: BankAccount) -> dict[str, Any]:
    """Return what a file of an account may leave out: its currency, and its IBAN where that is known."""
    ibans = [anchor.removeprefix("iban:") for anchor in account.anchors if anchor.startswith("iban:")]
    stated = {"currency": account.currency, "iban": ibans[0] if len(ibans) == 1 else None}
    known = {key: value for key, value in stated.items() if value is not None}
    return {"account": known} if known else {}


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
