"""`finmind-worker db`: apply the schema, bring it up to date, and compare it with the database."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Annotated

import typer
from sqlalchemy import Engine

from worker.cli.environment import settings
from worker.cli.failures import ExitCode
from worker.cli.output import JsonFlag, print_json, say
from worker.db.engine import open_engine
from worker.migrations import SchemaState, Standing, Upgrade, initialise, inspect_schema
from worker.migrations import upgrade as upgrade_schema
from worker.models import Base
from worker.schema import check_schema
from worker.telemetry.logs import get_logger, setup_logging

log = get_logger(__name__)

app = typer.Typer(no_args_is_help=True, help="Apply the database schema, bring it up to date, and check it.")

_DONE = {
    Standing.FRESH: "the schema is applied",
    Standing.UNMARKED: "the schema was complete and has its revision now",
    Standing.AHEAD: "a newer version upgraded this database; nothing changed",
    Standing.CURRENT: "the schema was up to date; nothing changed",
}


@app.command()
def init() -> None:
    """Apply schema.sql: what is missing is created, what exists is left as it is."""
    with _engine() as engine:
        changed = initialise(engine)
    say("the schema is applied" if changed else "the schema was complete; nothing changed")


@app.command()
def upgrade(
    *,
    check: Annotated[bool, typer.Option("--check", help="Only say what is pending; exit 1 when something is.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Bring the database to this version's schema; rows stay, and an interrupted upgrade is gone on with."""
    with _engine() as engine:
        done: SchemaState | Upgrade = inspect_schema(engine) if check else upgrade_schema(engine)
    if as_json:
        print_json(asdict(done))
    elif settings().log_json:  # as a service of a deployment: a line for the collector of logs
        setup_logging(level=settings().log_level, json=True)
        log.info("schema.upgraded", outcome=_summary(done), revision=done.revision)
    else:
        say(_summary(done))
    waits = isinstance(done, SchemaState) and done.standing not in (Standing.CURRENT, Standing.AHEAD)
    raise typer.Exit(ExitCode.FAILED if waits else ExitCode.DONE)


def _summary(done: SchemaState | Upgrade) -> str:
    if isinstance(done, SchemaState):
        return "\n".join(done.sentences()) or f"the schema is up to date ({done.revision})"
    lines = [f"revision {revision} is applied" for revision in done.applied]
    return "\n".join(lines) or f"{_DONE[done.before]} ({done.revision})"


@app.command()
def check(*, as_json: JsonFlag = False) -> None:
    """Compare the database, schema.sql and the models, and say what is pending; exit 1 when something differs."""
    with _engine() as engine:
        differences = inspect_schema(engine).sentences() + check_schema(engine, Base.metadata)
    if as_json:
        print_json({"differences": differences})
    else:
        say("\n".join(differences) or "database, schema.sql and models agree")
    raise typer.Exit(ExitCode.FAILED if differences else ExitCode.DONE)


@contextmanager
def _engine() -> Iterator[Engine]:
    engine = open_engine(settings().database_url.get_secret_value(), role="cli")
    try:
        yield engine
    finally:
        engine.dispose()
