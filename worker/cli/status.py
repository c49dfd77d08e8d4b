"""`finmind-worker status`: a summary for operators, with an exit code for probes."""

import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

import redis
import typer
from kombu import Connection

from worker.broker import is_rabbitmq, tls_options
from worker.cli.database import database
from worker.cli.environment import settings
from worker.cli.failures import ExitCode
from worker.cli.output import JsonFlag, print_json, print_rows, say, say_each
from worker.db.engine import Sessions
from worker.net.redis_address import open_redis
from worker.status import Status, concerns, problems, read_status

_PERIOD_S = 2.0
_CLEAR = "\x1b[2J\x1b[H"


def status(
    *,
    watch: Annotated[bool, typer.Option("--watch", help="Look again every two seconds; Ctrl-C ends.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Show a summary for operators; exit 1 when something needs to be done now."""
    url = settings().messages_url
    rabbitmq = Connection(url, connect_timeout=2, ssl=tls_options(url)) if is_rabbitmq(url) else None
    broker = rabbitmq or open_redis(url, timeout_s=2)
    with database() as sessions, broker:
        seen = _read(sessions, broker)
        while watch:
            typer.echo(_CLEAR, nl=False)
            _print(seen)
            time.sleep(_PERIOD_S)
            seen = _read(sessions, broker)
    found = problems(seen)
    if as_json:
        print_json({**asdict(seen), "problems": found, "concerns": concerns(seen)})
    else:
        _print(seen)
    raise typer.Exit(ExitCode.FAILED if found else ExitCode.DONE)


def _read(sessions: Sessions, broker: "redis.Redis | Connection") -> Status:
    with sessions() as session:
        return read_status(session, broker)


def _print(seen: Status) -> None:
    found = problems(seen)
    lines = [f"! {problem}" for problem in found] + [f"- {concern}" for concern in concerns(seen)]
    say_each(lines or ["all is well"], indent=2)
    _heading("work")
    work = seen.work
    say(
        f"{work['runs_running']} running, {work['runs_queued']} queued (oldest {work['oldest_queued_s']} s),"
        f" {work['runs_deferred']} deferred\n"
        f"{work['connections_due']} connections due (longest {work['oldest_due_s']} s)"
    )
    if seen.queues:
        waiting = [f"{name} {length}" for name, length in seen.queues.items() if length]
        say(f"messages: {', '.join(waiting) or 'none wait'}")
    open_ = seen.open
    say(
        f"{open_['dead_letters']} dead letters, {open_['deliveries_waiting']} deliveries waiting\n"
        f"{open_['suggestions_open']} suggestions open, {open_['rejections_unresolved']} rejected rows open,"
        f" {open_['rejections_dismissed']} left out"
    )
    for title, rows, empty in (
        ("signs of life", seen.signs, "none yet: running workers write one every 30 s"),
        ("runs of the last day", seen.runs, "none"),
        ("connections", seen.connections, "none"),
        (_some("connections that need a person", seen.need_a_person, seen.people_needed), seen.need_a_person, ""),
        ("allowances nearly used", seen.quota, ""),
        ("balance proofs", seen.proofs, ""),
        (_some("balances that do not follow from the rows", seen.mismatches, seen.balances_off), seen.mismatches, ""),
    ):
        if rows or empty:
            _heading(title)
            print_rows(rows, list(rows[0]) if rows else (), as_json=False, empty=empty)


def _some(title: str, shown: Sequence[object], count: int) -> str:
    return title if len(shown) == count else f"{title}: {len(shown)} of {count}"


def _heading(title: str) -> None:
    say(f"\n{title.upper()}")
