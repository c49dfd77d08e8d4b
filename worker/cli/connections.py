"""`finmind-worker connections`: link banks, look at them, and change or end what was linked."""

import uuid
from typing import Annotated, Any

import typer

from worker.cli.arguments import read_choices, read_hours, read_interval
from worker.cli.connection_config import ConfigFileOption, ConfigOption, read_config
from worker.cli.database import client, database
from worker.cli.failures import ExitCode
from worker.cli.ids import ConnectionId
from worker.cli.output import JsonFlag, WideFlag, on_terminal, print_json, print_record, print_result, print_rows, say
from worker.cli.recordings import record
from worker.cli.watching import exit_code, follow, summary
from worker.cli.workspace import workspace
from worker.connections import connection_changes, connection_queries, lifecycle
from worker.connections.connection_changes import Schedule
from worker.connections.lifecycle import NewConnection
from worker.connections.validation import read
from worker.errors import InvalidRequestError
from worker.models.connection_options import ConnectionOptions
from worker.runtime import open_connection_service

app = typer.Typer(no_args_is_help=True, help="Link banks, look at them, pause or remove them.")

_COLUMNS = (
    "id",
    "display_name",
    "status",
    "status_code",
    "connector_name",
    "user_id",
    "last_good_at",
    "next_refresh_at",
)
_ACCOUNT_COLUMNS = (
    "external_id",
    "name",
    "account_type",
    "currency",
    "balance_amount",
    "status",
    "included",
    "watermark_on",
)

_NO_ACCOUNTS = "no accounts yet: `finmind-worker import {} --wait` reads them from the bank"

OptionPairs = Annotated[
    list[str] | None,
    typer.Option("--option", metavar="NAME=VALUE", help="A policy, such as import_pending=hide; repeatable."),
]
Every = Annotated[str | None, typer.Option("--every", metavar="6h|2d|never", help="How often it is refreshed.")]
Hours = Annotated[str | None, typer.Option("--hours", metavar="6-22|any", help="Hours of the day to refresh in.")]
Name = Annotated[str | None, typer.Option("--name", help="What its owner calls it.")]
Expenses = Annotated[bool, typer.Option("--delete-expenses", help="Also delete the expenses that imports wrote.")]


@app.command()
def add(  # noqa: PLR0913 - one parameter per flag
    *,
    user: Annotated[int, typer.Option("--user", metavar="ID", help="FinMind's user id.")],
    connector: Annotated[str, typer.Option("--connector", metavar="NAME", help="See `finmind-worker connectors`.")],
    name: Name = None,
    config: ConfigOption = None,
    config_file: ConfigFileOption = None,
    option: OptionPairs = None,
    every: Every = None,
    hours: Hours = None,
    import_: Annotated[
        bool, typer.Option("--import", help="Import it at once: show its accounts, and progress until the run ends.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Link a bank and print the new connection's id; without a config flag, its fields are asked for."""
    with workspace() as opened:
        found = opened.registry.get(connector)
        wanted = NewConnection(
            user_id=user,
            connector_name=connector,
            config=read_config(found, config, config_file),
            name=name,
            options=read(ConnectionOptions, read_choices(option or ()), what="options"),
            schedule=read(Schedule, _schedule(every, hours), what="schedule"),
        )
        connection_id = lifecycle.add(open_connection_service(opened), wanted)
    if import_:
        raise typer.Exit(_first_import(connection_id, as_json=as_json))
    print_result({"id": connection_id}, connection_id, as_json=as_json)
    if on_terminal() and not as_json:
        say(f"next: `finmind-worker import {connection_id} --wait` reads its accounts and rows", err=True)


def _first_import(connection_id: uuid.UUID, *, as_json: bool) -> ExitCode:
    """Import a new connection and show its accounts as soon as the bank has listed them."""
    if not as_json:
        say(connection_id)
    with database() as sessions, client() as opened:
        with sessions() as session:
            run_id = opened.request_import(session, connection_id)
        run = follow(sessions, run_id, timeout_s=None, quiet=as_json)
        assert run is not None, "without a timeout it is followed to its end"
        with sessions() as session:
            accounts = connection_queries.list_accounts(session, connection_id)
    print_result({"id": connection_id, "accounts": accounts, "run": run}, summary(run), as_json=as_json)
    return exit_code(run)


@app.command("list")
def list_(
    *,
    user: Annotated[int | None, typer.Option("--user", metavar="ID", help="Only this user's.")] = None,
    wide: WideFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """List connections."""
    with database() as sessions, sessions() as session:
        rows = connection_queries.list_connections(session, user_id=user)
    print_rows(
        rows, _COLUMNS, as_json=as_json, wide=wide, empty="no connections; `finmind-worker connections add` makes one"
    )


@app.command()
def show(connection: ConnectionId, *, as_json: JsonFlag = False) -> None:
    """Show one connection with its accounts."""
    with database() as sessions, sessions() as session:
        record: dict[str, Any] = connection_queries.describe(connection_queries.find(session, connection))
        accounts = connection_queries.list_accounts(session, connection)
    if as_json:
        print_json({**record, "accounts": accounts})
        return
    print_record(record, as_json=False)
    say()
    print_rows(accounts, _ACCOUNT_COLUMNS, as_json=False, empty=_NO_ACCOUNTS.format(connection))


@app.command("set")
def set_(  # noqa: PLR0913 - one parameter per flag
    connection: ConnectionId,
    *,
    name: Name = None,
    option: OptionPairs = None,
    every: Every = None,
    hours: Hours = None,
    include: Annotated[list[str] | None, typer.Option("--include", metavar="ACCOUNT")] = None,
    exclude: Annotated[list[str] | None, typer.Option("--exclude", metavar="ACCOUNT")] = None,
    invert: Annotated[
        list[str] | None, typer.Option("--invert", metavar="ACCOUNT", help="Its bank states the opposite sign.")
    ] = None,
    as_stated: Annotated[
        list[str] | None, typer.Option("--as-stated", metavar="ACCOUNT", help="Its signs are right after all.")
    ] = None,
) -> None:
    """Change name, policies, schedule or the accounts that are imported."""
    if not any((name, option, every, hours, include, exclude, invert, as_stated)):
        raise InvalidRequestError("nothing to change: name at least one of the options (--help lists them)")
    with database() as sessions, sessions() as session:
        row = connection_queries.find(session, connection, lock=True)
        if name is not None:
            connection_changes.rename(row, name)
        if option:
            connection_changes.change_options(row, read_choices(option))
        if every is not None or hours is not None:
            connection_changes.change_schedule(row, _schedule(every, hours))
        for account, included in [(one, True) for one in include or ()] + [(one, False) for one in exclude or ()]:
            connection_changes.include_account(session, connection, account, included=included)
        for account, inverted in [(one, True) for one in invert or ()] + [(one, False) for one in as_stated or ()]:
            connection_changes.invert_account(session, connection, account, inverted=inverted)
    say(f"changed {connection}")


@app.command()
def pause(connection: ConnectionId) -> None:
    """Stop refreshing it until it is resumed."""
    with database() as sessions, sessions() as session:
        lifecycle.pause(session, connection)
    say(f"paused {connection}")


@app.command()
def resume(connection: ConnectionId) -> None:
    """Refresh it again, starting now."""
    with database() as sessions, sessions() as session:
        lifecycle.resume(session, connection)
    say(f"resumed {connection}")


@app.command()
def reauth(connection: ConnectionId, *, config: ConfigOption = None, config_file: ConfigFileOption = None) -> None:
    """Give it new credentials in place; accounts and history stay, and the gap is filled."""
    with workspace() as opened:
        with opened.sessions() as session:
            connector = opened.registry.get(connection_queries.find(session, connection).connector_name)
        lifecycle.reauthorise(open_connection_service(opened), connection, read_config(connector, config, config_file))
    say(f"reauthorised {connection}")


@app.command()
def remove(connection: ConnectionId, *, delete_expenses: Expenses = False, as_json: JsonFlag = False) -> None:
    """End the authorisation at the bank where possible and forget the credentials for good."""
    with workspace() as opened:
        removed = lifecycle.remove(open_connection_service(opened), connection, delete_expenses=delete_expenses)
        opened.cache.clear(removed.user_id, removed.months)
    where = "also at the provider" if removed.revoked else "here; the provider has no way to end it, or did not answer"
    text = f"removed {connection}: credentials are forgotten {where}; expenses deleted: {removed.expenses_deleted}"
    record = {"id": connection, "revoked": removed.revoked, "expenses_deleted": removed.expenses_deleted}
    print_result(record, text, as_json=as_json)


app.command("record")(record)


def _schedule(every: str | None, hours: str | None) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    if every is not None:
        changes["refresh_interval"] = read_interval(every)
    if hours is not None:
        changes["refresh_from_hour"], changes["refresh_until_hour"] = read_hours(hours)
    return changes
