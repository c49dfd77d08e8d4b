"""`finmind-worker up` and `demo`: everything on this machine."""

from pathlib import Path
from typing import Annotated

import typer

from worker.cli.environment import state_directory


def up(
    *,
    state: Annotated[
        Path | None, typer.Option("--state-dir", help="Where data is kept; FINMIND_STATE_DIR, else .finmind here.")
    ] = None,
    flower: Annotated[bool, typer.Option(help="Run Flower, the dashboard of the workers.")] = True,
    api: Annotated[bool, typer.Option(help="Run the HTTP API, where it is installed.")] = True,
) -> None:
    """Run Postgres, Redis, workers, beat, Flower and the API in this terminal; Ctrl-C stops all of it.

    DATABASE_URL and REDIS_URL name servers that run already; without them embedded ones are started.
    """
    from worker.local.up import UpOptions, run_up  # noqa: PLC0415 - `--help` needs no server

    run_up(UpOptions(state_directory=state or state_directory(), flower=flower, api=api))


def demo() -> None:
    """Tell the whole story in under a minute: connect, import, refresh, be refused; exit 0 if all of it was so."""
    from worker.local.demo import run_demo  # noqa: PLC0415 - `--help` needs no server

    run_demo()
