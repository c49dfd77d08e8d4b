"""`finmind-worker import` and `refresh`: request a run, and watch it if wanted."""

import uuid
from collections.abc import Callable
from datetime import date
from typing import Annotated

import typer
from sqlalchemy.orm import Session

from worker.cli.arguments import read_day, read_interval
from worker.cli.database import client, database
from worker.cli.ids import ConnectionId
from worker.cli.output import JsonFlag, print_result
from worker.cli.watching import watch
from worker.client import WorkerClient
from worker.db.engine import Sessions

AccountOption = Annotated[
    str | None, typer.Option("--account", metavar="EXT", help="Only this account, by the bank's id of it.")
]
WaitFlag = Annotated[
    bool, typer.Option("--wait", help="Show progress until the run ends; its outcome is the exit code.")
]
TimeoutOption = Annotated[
    float | None, typer.Option("--timeout", metavar="SECONDS", min=0, help="Stop waiting after this long; exit 1.")
]


def import_(  # noqa: PLR0913 - one parameter per flag
    connection: ConnectionId,
    *,
    account: AccountOption = None,
    from_: Annotated[date | None, typer.Option("--from", parser=read_day, metavar="DATE", help="First day.")] = None,
    to: Annotated[date | None, typer.Option("--to", parser=read_day, metavar="DATE", help="Last day.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Decide everything, write nothing.")] = False,
    wait: WaitFlag = False,
    timeout: TimeoutOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Import a connection: everything the bank has, or the days that are named."""

    def ask(client: WorkerClient, session: Session) -> uuid.UUID:
        return client.request_import(
            session, connection, account_id=account, from_date=from_, to_date=to, dry_run=dry_run
        )

    request(ask, wait=wait, timeout_s=timeout, as_json=as_json)


def refresh(
    connection: ConnectionId,
    *,
    account: AccountOption = None,
    if_older_than: Annotated[
        str | None, typer.Option("--if-older-than", metavar="6h|2d", help="Only when the last good run is older.")
    ] = None,
    wait: WaitFlag = False,
    timeout: TimeoutOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Fetch what is new since the last run of a connection."""
    age = None if if_older_than is None else read_interval(if_older_than)

    def ask(client: WorkerClient, session: Session) -> uuid.UUID:
        return client.request_refresh(session, connection, account_id=account, if_older_than=age)

    request(ask, wait=wait, timeout_s=timeout, as_json=as_json)


def request(
    ask: Callable[[WorkerClient, Session], uuid.UUID], *, wait: bool, timeout_s: float | None, as_json: bool
) -> None:
    """Write the run's row, nudge the workers, and either name the run or watch it to its end."""
    with database() as sessions, client() as opened:
        with sessions() as session:
            run_id = ask(opened, session)
        tell(sessions, run_id, wait=wait, timeout_s=timeout_s, as_json=as_json)


def tell(sessions: Sessions, run_id: uuid.UUID, *, wait: bool, timeout_s: float | None, as_json: bool) -> None:
    """Name a run that was asked for, or watch it to its end."""
    if wait:
        raise typer.Exit(watch(sessions, run_id, timeout_s=timeout_s, as_json=as_json))
    print_result({"run_id": run_id}, run_id, as_json=as_json)
