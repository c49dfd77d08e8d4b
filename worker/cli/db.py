"""`finmind-worker db`: apply the schema, and compare it with the database."""

import typer

from worker.cli.environment import settings
from worker.database import open_engine
from worker.schema import apply_schema

app = typer.Typer(no_args_is_help=True, help="Apply and check the database schema.")


@app.command()
def init() -> None:
    """Apply schema.sql; what exists is left as it is."""
    engine = open_engine(settings().database_url.get_secret_value(), role="cli")
    apply_schema(engine)
    typer.echo("the schema is applied")
