"""`finmind-worker accounts`: a person's accounts with their sources."""

import uuid
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from worker.bank_accounts.accounts import bank_account_of, find_bank_account, list_bank_accounts
from worker.bank_accounts.coverage_report import coverage_of
from worker.bank_accounts.moving import move_account
from worker.bank_accounts.unmatching import detach
from worker.cli.database import clear_finmind_cache, database
from worker.cli.environment import settings
from worker.cli.output import JsonFlag, WideFlag, print_json, print_record, print_rows, say
from worker.cli.progress import progress
from worker.connectors.registry import ConnectorRegistry

app = typer.Typer(no_args_is_help=True, help="Accounts of a person: sources, coverage, moving to another provider.")

UserOption = Annotated[int, typer.Option("--user", metavar="ID", help="Whose accounts.")]
AccountId = Annotated[int, typer.Argument(metavar="ACCOUNT", help="Number of the account.")]

_MONTH_COLUMNS = ("month", "state", "covered", "rows", "says", "cure", "sources")
_COLUMNS = ("id", "name", "currency", "mask", "institution_name", "sources", "from_on", "to_on")
_SOURCE_COLUMNS = (
    "id", "connection", "connector_name", "kind", "status", "first_on", "last_on", "rows", "confirming", "proof",
    "seam", "leads_from_on",
)  # fmt: skip


@app.command("list")
def list_(*, user: UserOption, wide: WideFlag = False, as_json: JsonFlag = False) -> None:
    """List a person's accounts, each with how many sources it has and the days they cover."""
    with database() as sessions, sessions() as session:
        accounts = list_bank_accounts(session, user_id=user)
    rows = accounts if as_json else [_summary(account) for account in accounts]
    print_rows(rows, _COLUMNS, as_json=as_json, wide=wide, empty="no account was imported yet")


@app.command("show")
def show(account: AccountId, *, user: UserOption, as_json: JsonFlag = False) -> None:
    """Show one account and its sources."""
    with database() as sessions, sessions() as session:
        found = bank_account_of(session, account, user_id=user)
    if as_json:
        print_json(found)
        return
    print_record({name: value for name, value in found.items() if name != "sources"}, as_json=False)
    say()
    print_rows(found["sources"], _SOURCE_COLUMNS, as_json=False, empty="no source")


@app.command("detach")
def detach_(
    source: Annotated[int, typer.Argument(metavar="SOURCE", help="Number of the source.")], *, user: UserOption
) -> None:
    """Make a source an account of its own again: it and the others were not one account."""
    with database() as sessions, sessions() as session:
        undone = detach(session, source, user_id=user)
    clear_finmind_cache(user, undone.months)
    say(f"source {source} is an account of its own; {len(undone.transaction_ids)} rows have their own expense again")


@app.command("coverage")
def coverage(
    account: AccountId,
    *,
    user: UserOption,
    gaps: Annotated[bool, typer.Option("--gaps", help="Only months that are not whole, or not in order.")] = False,
    wide: WideFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Say month by month which sources cover an account, what proves it, and what closes a gap."""
    registry = ConnectorRegistry(manifests=settings().connector_manifests)
    with database() as sessions, sessions() as session:
        find_bank_account(session, account, user_id=user)
        months = coverage_of(session, account, registry, today=datetime.now(UTC).date())
    shown = [month for month in months if not gaps or month["state"] not in {"proven", "covered"}]
    rows = shown if as_json else [_month(month) for month in shown]
    print_rows(rows, _MONTH_COLUMNS, as_json=as_json, wide=wide, empty="nothing to show")


@app.command("move")
def move(
    account: AccountId,
    *,
    user: UserOption,
    to: Annotated[uuid.UUID, typer.Option("--to", metavar="CONNECTION", help="The connection that leads from now on.")],
    cut_over: Annotated[
        datetime | None,
        typer.Option("--cut-over", formats=["%Y-%m-%d"], help="From this day on; else the rows decide."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what it would do.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Move an account to another connection: one history, without a doubled row; revert the run to undo it."""
    with database() as sessions, progress("moving"), sessions() as session:
        report = move_account(
            session, account, to, user_id=user, cut_over_on=cut_over and cut_over.date(), preview=dry_run
        )
    clear_finmind_cache(user, report.months)
    if as_json:
        print_json({name: value for name, value in asdict(report).items() if name != "months"})
        return
    say(report.says)
    rows = [{"kind": kind.replace("_", " "), **row} for kind, found in report.examples.items() for row in found]
    if rows:
        print_rows(rows, ("kind", "on", "amount", "description", "transaction_id"), as_json=False, empty="")
    say("nothing was changed" if report.run_id is None else f"undo it: finmind-worker runs revert {report.run_id}")


def _month(month: dict[str, Any]) -> dict[str, Any]:
    return month | {
        "covered": f"{month['covered_days']} of {month['days']} days",
        "sources": ", ".join(month["sources"]),
        "says": "; ".join(month["says"]),
        "cure": month["cure"]["sentence"] if month["cure"] else "",
    }


def _summary(account: dict[str, Any]) -> dict[str, Any]:
    days = [(source["first_on"], source["last_on"]) for source in account["sources"] if source["first_on"]]
    return account | {
        "sources": len(account["sources"]),
        "from_on": min((first for first, _ in days), default=None),
        "to_on": max((last for _, last in days), default=None),
    }
