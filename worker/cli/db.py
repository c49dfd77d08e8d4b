"""`finmind-worker db`: apply the schema, and compare it with the database."""

from collections.abc import Iterator
from contextlib import contextmanager

import typer
from sqlalchemy import Engine

from worker.cli.environment import settings
from worker.cli.failures import ExitCode
from worker.cli.output import JsonFlag, print_json
from worker.database import open_engine
from worker.models import Base
from worker.schema import apply_schema, check_schema

app = typer.Typer(no_args_is_help=True, help="Apply the database schema, and check it.")


@app.command()
def init() -> None:
    """Apply schema.sql: what is missing is created, what exists is left as it is."""
    with _engine() as engine:
        changed = apply_schema(engine)
    typer.echo("the schema is applied" if changed else "the schema was complete; nothing changed")


@app.command()
def check(*, as_json: JsonFlag = False) -> None:
    """Compare the database, schema.sql and the models; exit 1 when they differ."""
    with _engine() as engine:
        differences = check_schema(engine, Base.metadata)
    if as_json:
        print_json({"differences": differences})
    else:
        typer.echo("\n".join(differences) or "database, schema.sql and models agree")
    raise typer.Exit(ExitCode.FAILED if differences else ExitCode.DONE)


@contextmanager
def _engine() -> Iterator[Engine]:
    engine = open_engine(settings().database_url.get_secret_value(), role="cli")
    try:
        yield engine
    finally:
        engine.dispose()
