"""`finmind-worker db`: apply the schema and its roles, bring it up to date, and compare it with the database."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from worker.cli.environment import settings
from worker.cli.failures import ExitCode
from worker.cli.output import JsonFlag, print_json, say, say_each
from worker.cli.progress import progress
from worker.cli.workspace import workspace
from worker.db.engine import open_engine
from worker.errors import ConflictError, InvalidRequestError
from worker.migrations.state import SchemaState, Standing
from worker.migrations.upgrading import Upgrade, initialise, inspect_schema
from worker.migrations.upgrading import upgrade as upgrade_schema
from worker.models import Base
from worker.process.interruption import when_stopped
from worker.recovery.after_restore import check_after_restore
from worker.recovery.restore_facts import RestoreOptions
from worker.schema.check import check_schema
from worker.schema.partitions import Form, PartitionGroup, PartitionStep, partition_states
from worker.schema.partitions import partition as partition_tables
from worker.schema.roles import DatabaseRole, LogIn, apply_roles, read_login, role_differences, roles_sql
from worker.telemetry.logs import get_logger, setup_logging

log = get_logger(__name__)

app = typer.Typer(no_args_is_help=True, help="Apply the database schema, bring it up to date, and check it.")

RESTART_S = 60.0
_NEXT_TRY_S = 1.0
_GOES_ON = "stopped: the same command goes on"
_RESTARTING = re.compile(
    "starting up|shutting down|closed the connection|administrator command|refused|No such file", re.IGNORECASE
)

_DONE = {
    Standing.FRESH: "the schema is applied",
    Standing.UNMARKED: "the schema was complete and has its revision now",
    Standing.AHEAD: "a newer version upgraded this database; nothing changed",
    Standing.CURRENT: "the schema was up to date; nothing changed",
}


@app.command()
def init() -> None:
    """Apply schema.sql: create what is missing, and do not change what exists."""
    with _engine() as engine:
        changed = initialise(engine)
    say("the schema is applied" if changed else "the schema was complete; nothing changed")


@app.command()
def upgrade(
    *,
    check: Annotated[bool, typer.Option("--check", help="Only say what is pending; exit 1 when something is.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Upgrade the database to this version's schema; rows stay, and an interrupted upgrade is continued."""
    with _engine() as engine:
        done: SchemaState | Upgrade = inspect_schema(engine) if check else _upgrade_patiently(engine)
    if as_json:
        print_json(asdict(done))
    elif settings().log_json:  # in a deployment the log collector reads lines
        setup_logging(level=settings().log_level, json=True)
        log.info("schema.upgraded", outcome=_summary(done), revision=done.revision)
    else:
        say_each(_summary(done).splitlines())
    waits = isinstance(done, SchemaState) and done.standing not in (Standing.CURRENT, Standing.AHEAD)
    raise typer.Exit(ExitCode.FAILED if waits else ExitCode.DONE)


def _upgrade_patiently(engine: Engine) -> Upgrade:
    """Upgrade, and go on after a restart of Postgres; an interrupted upgrade is continued where it was."""
    until_s = time.monotonic() + RESTART_S
    with when_stopped(_GOES_ON), progress("upgrading the database", unit="revisions") as advance:
        while True:
            try:
                return upgrade_schema(engine, on_revision=lambda _: advance(1))
            except DBAPIError as error:
                if time.monotonic() > until_s or not _RESTARTING.search(str(error.orig)):
                    raise
                say("the database is restarting; trying again", err=True)
            time.sleep(_NEXT_TRY_S)


def _summary(done: SchemaState | Upgrade) -> str:
    if isinstance(done, SchemaState):
        return "\n".join(done.sentences()) or f"the schema is up to date ({done.revision})"
    lines = [f"revision {revision} is applied" for revision in done.applied]
    return "\n".join(lines) or f"{_DONE[done.before]} ({done.revision})"


@app.command()
def check(
    *,
    after_restore: Annotated[
        bool, typer.Option("--after-restore", help="Look for what a restored backup has out of step, and mend it.")
    ] = False,
    backup_of: Annotated[
        datetime | None,
        typer.Option("--backup-of", metavar="MOMENT", help="When the backup was made (UTC); else the newest row says."),
    ] = None,
    send_held: Annotated[
        bool, typer.Option("--send-held", help="Send what waited to be sent when the backup was made.")
    ] = False,
    give_up_credentials: Annotated[
        bool, typer.Option("--give-up-credentials", help="Replace for good what no key opens: people log in again.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Change nothing.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Compare database, schema.sql, models and roles, and say what is pending; exit 1 when something differs.

    With --after-restore, before anything is started on a restored database: hands back its runs, holds what it was
    about to send, has accounts read again. Ends with 3 when something is left for a person.
    """
    if after_restore:
        moment = backup_of and backup_of.replace(tzinfo=UTC)
        _check_restored(
            RestoreOptions(
                backup_of=moment, send_held=send_held, give_up_credentials=give_up_credentials, dry_run=dry_run
            ),
            as_json=as_json,
        )
    with _engine() as engine, progress("comparing"):
        differences = inspect_schema(engine).sentences() + check_schema(engine, Base.metadata)
        with engine.connect() as connection:
            differences += role_differences(connection)
            states = partition_states(connection)
            connection.rollback()
    differences += [state.sentence() for state in states if state.form is Form.BEGUN]
    if as_json:
        print_json({"differences": differences})
    else:
        partitioned = [state.sentence() for state in states if state.form is Form.PARTITIONED]
        say_each(differences or ["database, schema.sql and models agree", *partitioned])
    raise typer.Exit(ExitCode.FAILED if differences else ExitCode.DONE)


def _check_restored(options: RestoreOptions, *, as_json: bool) -> None:
    with workspace() as runtime, when_stopped(_GOES_ON), progress("looking through the database"):
        found = check_after_restore(runtime.sessions, runtime.vault, options)
    left = [finding for finding in found if not finding.mended]
    if as_json:
        print_json({"findings": [asdict(finding) for finding in found]})
    else:
        say_each((f"{'ok  ' if finding.mended else 'LEFT'}  {finding.says}" for finding in found), indent=6)
        if options.dry_run:
            say("nothing was changed")
    raise typer.Exit(ExitCode.IN_PART if left else ExitCode.DONE)


@app.command()
def partition(
    tables: Annotated[
        PartitionGroup | None, typer.Argument(help="What is to be partitioned. Without it: how far each is.")
    ] = None,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the steps, or what is in the way.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Turn whole tables into partitions by time, which maintenance then makes and drops. There is no way back.

    `events` are events, deliveries and attempts, by week; `history` is the audit and the changes of transactions, by
    month. Everybody goes on working; a command that was stopped goes on when it is run again. Workers and API of 0.3.0
    must be gone: they cannot write into partitions.
    """
    with _engine() as engine:
        steps = [] if tables is None else _partition(engine, tables, dry_run=dry_run, silent=as_json)
        with engine.connect() as connection:
            states = [state for state in partition_states(connection) if tables in (None, state.group)]
    if as_json:
        print_json([asdict(state) | ({"steps": steps} if dry_run else {}) for state in states])
    else:
        say_each(state.sentence() for state in states)


def _partition(engine: Engine, tables: PartitionGroup, *, dry_run: bool, silent: bool) -> list[str]:
    """Take the steps, or say which would be taken; return what was done or would be."""
    taken: list[str] = []

    def take(step: PartitionStep) -> None:
        taken.append(step.says)
        if not silent:
            say_each([f"{len(taken)}. {step.says}"], indent=3)

    if not_current := inspect_schema(engine).sentences():
        raise ConflictError("; ".join(not_current))
    with when_stopped(_GOES_ON):
        partition_tables(engine, tables, on_step=take, dry_run=dry_run)
    return taken


_LOGINS = {role.removeprefix("finmind_"): role for role in DatabaseRole}


@app.command()
def roles(
    *,
    apply: Annotated[bool, typer.Option("--apply", help="Make the roles and grant, instead of printing.")] = False,
    login: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ROLE=FILE",
            help="Also make the log-in that the DATABASE_URL in FILE names. ROLE: migrate, worker, api or readonly.",
        ),
    ] = None,
) -> None:
    """Print the SQL of the roles of least privilege, or apply it as the owner of the database; idempotent."""
    wanted = [_read_login(given) for given in login or []]
    if not apply:
        if wanted:
            raise InvalidRequestError("--login needs --apply: passwords are not printed")
        typer.echo(roles_sql(), nl=False)
        return
    with _engine() as engine:
        shared = bool(wanted) and all(made.name == engine.url.username for made in wanted)
        if not shared:
            apply_roles(engine, wanted)
    if shared:
        say("every process has the log-in of the owner: no roles are made")
        return
    names = "".join(f", {made.name} logs in as {made.role}" for made in wanted)
    message = f"the roles are made and may do what they need{names}"
    if settings().log_json:
        setup_logging(level=settings().log_level, json=True)
        log.info("roles.applied", outcome=message)
    else:
        say(message)


def _read_login(given: str) -> LogIn:
    name, _, path = given.partition("=")
    if name not in _LOGINS or not path:
        raise InvalidRequestError(f"--login takes ROLE=FILE, with one of {', '.join(_LOGINS)} as ROLE")
    try:
        url = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidRequestError(f"{path} cannot be read: {type(error).__name__}") from None
    return read_login(_LOGINS[name], url)


@contextmanager
def _engine() -> Iterator[Engine]:
    engine = open_engine(settings().database_url.get_secret_value(), role="cli")
    try:
        yield engine
    finally:
        engine.dispose()
