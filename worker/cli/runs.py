"""`finmind-worker runs`: list and show runs, row by row, and cancel, retry, revert or replay them."""

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import timedelta
from functools import partial
from typing import Annotated, Any

import typer
from sqlalchemy.orm import Session

from worker.cli.arguments import read_moment
from worker.cli.database import database
from worker.cli.ids import RunId, read_connection_id
from worker.cli.imports import TimeoutOption, WaitFlag, request
from worker.cli.output import JsonFlag, WideFlag, print_json, print_record, print_rows, say
from worker.cli.watching import kind_of, summary
from worker.client import WorkerClient
from worker.runs import follow_up_requests, run_queries
from worker.runs.run_filter import RunFilter, RunOrder
from worker.runs.states import RunRequest, RunStatus
from worker.status.timeline import timeline

app = typer.Typer(no_args_is_help=True, help="What happened, row by row, and what can be done about it.")

_COLUMNS = (
    "id",
    "bank",
    "what",
    "status",
    "code",
    "created",
    "updated",
    "rejected",
    "queued_at",
    "took",
    "user_id",
    "linked",
    "removed",
    "unchanged",
)
_ACCOUNT_COLUMNS = (
    "name",
    "status",
    "code",
    "from_on",
    "to_on",
    "fetched",
    "created",
    "updated",
    "unchanged",
    "rejected",
    "proof",
)
_DECISION_COLUMNS = ("decision", "reason", "effective_on", "amount", "currency", "description", "account")
_REJECTION_COLUMNS = ("id", "code", "message", "external_id", "resolved_at", "dismissed_at")
_MOMENT_COLUMNS = ("at", "what", "after_s")
_MOST_ROWS = 20_000
"""Decisions that one command prints, and rejections: those of a million rows would take gigabytes."""


@app.command("list")
def list_(  # noqa: PLR0913 - one argument per option
    *,
    connection: Annotated[
        uuid.UUID | None, typer.Option("--connection", metavar="ID", parser=read_connection_id)
    ] = None,
    status: Annotated[list[RunStatus] | None, typer.Option("--status", help="Only these; repeatable.")] = None,
    code: Annotated[str | None, typer.Option("--code", help="Only with this code, such as rows_rejected.")] = None,
    connector: Annotated[str | None, typer.Option("--connector", help="Only of this connector.")] = None,
    user: Annotated[int | None, typer.Option("--user", help="Only of this user.")] = None,
    search: Annotated[
        str | None, typer.Option("--search", help="Beginning of an id, or words of a bank's name or of an error.")
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(
            "--since", metavar="2h|3d|MOMENT", help="Asked for at this moment (UTC) or later, or so long ago."
        ),
    ] = None,
    sort: Annotated[RunOrder, typer.Option("--sort")] = RunOrder.NEWEST,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 20,
    wide: WideFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """List runs, newest first unless --sort says otherwise."""
    with database() as sessions, sessions() as session:
        wanted = RunFilter(
            connection_id=connection,
            statuses=status or (),
            code=code,
            connector_name=connector,
            user_id=user,
            text=search,
            from_at=read_moment(since, session),
            order=sort,
            limit=limit,
        )
        rows = run_queries.list_runs(session, wanted)
    if as_json:
        print_json(rows)
        return
    shown = [
        row | {"bank": row["connection_name"], "what": kind_of(row), "took": _took(row["duration_s"])} for row in rows
    ]
    print_rows(shown, _COLUMNS, as_json=False, empty="no runs", wide=wide)


@app.command()
def show(
    run: RunId,
    *,
    rows: Annotated[bool, typer.Option("--rows", help="Every row with its decision and reason.")] = False,
    after: Annotated[int, typer.Option("--after", help="With --rows: those behind this id.")] = 0,
    moments: Annotated[bool, typer.Option("--timeline", help="Its moments, with each request to the bank.")] = False,
    wide: WideFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Show one run: how it ended, per account, with --timeline its moments, and with --rows every decision."""
    with database() as sessions, sessions() as session:
        record = run_queries.run_of(session, run)
        accounts = run_queries.accounts_of(session, run)
        story = _story(session, run, after) if rows else {}
        told = _moments(session, run, accounts) if moments else {}
    if as_json:
        print_json({**record, "accounts": accounts, **told, **story})
        return
    say(summary(record))
    say()
    print_record(record, as_json=False)
    say()
    proven = [account | {"proof": _proof(account["balance_proof"])} for account in accounts]
    print_rows(proven, _ACCOUNT_COLUMNS, as_json=False, empty=_without_accounts(record), wide=wide)
    if told:
        say()
        print_rows(told["timeline"], _MOMENT_COLUMNS, as_json=False, empty="", wide=wide)
    if story:
        say()
        print_rows(story["decisions"], _DECISION_COLUMNS, as_json=False, empty="nothing was decided", wide=wide)
    if story.get("rejections"):
        say()
        print_rows(story["rejections"], _REJECTION_COLUMNS, as_json=False, empty="", wide=wide)
    if story.get("further_after"):
        say()
        say(f"there are more decisions: runs show {run} --rows --after {story['further_after']}")


def _moments(
    session: Session, run_id: uuid.UUID, accounts: Sequence[Mapping[str, Any]]
) -> dict[str, list[dict[str, Any]]]:
    return {"timeline": [asdict(one) for one in timeline(run_queries.told_run(session, run_id), accounts)]}


@app.command()
def cancel(run: RunId) -> None:
    """Cancel a run; what it has committed stays."""
    with database() as sessions, sessions() as session:
        status = follow_up_requests.cancel(session, run)
    say(f"cancelled {run}" if status == RunStatus.CANCELLED else f"asked {run} to stop at its next step")


@app.command()
def retry(run: RunId, *, wait: WaitFlag = False, timeout: TimeoutOption = None, as_json: JsonFlag = False) -> None:
    """Ask again for what a failed, partial or cancelled run was asked for."""
    request(_about(run, follow_up_requests.retry_request), wait=wait, timeout_s=timeout, as_json=as_json)


@app.command()
def revert(
    run: RunId,
    *,
    reimport: Annotated[bool, typer.Option("--reimport", help="The next refresh may bring the rows back.")] = False,
    wait: WaitFlag = False,
    timeout: TimeoutOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Take back what a run did; what was edited since is left alone and reported."""
    ask = _about(run, partial(follow_up_requests.revert_request, reimport=reimport))
    request(ask, wait=wait, timeout_s=timeout, as_json=as_json)


@app.command("replay-rejections")
def replay_rejections(
    run: RunId, *, wait: WaitFlag = False, timeout: TimeoutOption = None, as_json: JsonFlag = False
) -> None:
    """Try the rows again that a run had to reject."""
    request(_about(run, follow_up_requests.replay_request), wait=wait, timeout_s=timeout, as_json=as_json)


def _about(
    run_id: uuid.UUID, make_request: Callable[[Session, uuid.UUID], RunRequest]
) -> Callable[[WorkerClient, Session], uuid.UUID]:
    def ask(client: WorkerClient, session: Session) -> uuid.UUID:
        return client.request(session, make_request(session, run_id))

    return ask


def _without_accounts(run: dict[str, Any]) -> str:
    """Say why nothing is kept of any account."""
    new = run["dry_run"] and run["fetched"]
    return "the accounts are new, and a dry run keeps none; --rows names them" if new else "no account was reached"


def _took(duration_s: float | None) -> timedelta | None:
    return None if duration_s is None else timedelta(seconds=duration_s)


def _proof(proof: dict[str, Any] | None) -> str | None:
    """Say in a few words whether the bank's balance follows from the rows."""
    if proof is None:
        return None
    if proof["result"] == "mismatch":
        return f"off by {proof['difference']} since {proof['since_on']}"
    return proof["result"] if proof["result"] == "proven" else f"{proof['result']} ({proof['reason']})"


def _story(session: Session, run_id: uuid.UUID, after_id: int) -> dict[str, Any]:
    """Return decisions and rejections; `further_after` is the id to go on behind, None after the last decision."""
    decisions = run_queries.decisions_of(session, run_id, after_id=after_id, limit=_MOST_ROWS)
    rejections = [] if after_id else run_queries.rejections_of(session, run_id, limit=_MOST_ROWS)
    further_after = decisions[-1]["id"] if len(decisions) == _MOST_ROWS else None
    return {"decisions": decisions, "rejections": rejections, "further_after": further_after}
