"""`finmind-worker up` and `demo`: run everything on this machine."""

from pathlib import Path
from typing import Annotated

import typer

from worker.process.state_directory import state_directory


def up(
    *,
    state: Annotated[
        Path | None, typer.Option("--state-dir", help="Where data is kept; FINMIND_STATE_DIR, else .finmind here.")
    ] = None,
    flower: Annotated[bool, typer.Option(help="Run Flower, the dashboard of the workers.")] = True,
    api: Annotated[bool, typer.Option(help="Run the HTTP API, where it is installed.")] = True,
    demo: Annotated[bool, typer.Option("--demo", help="Add a user with made-up banks in every state, once.")] = False,
) -> None:
    """Run Postgres, Redis, workers, beat, Flower and the API in this terminal; Ctrl-C stops all of it.

    DATABASE_URL and REDIS_URL name servers that run already; without them embedded ones are started.
    """
    from worker.local.up import UpOptions, run_up  # noqa: PLC0415 - `--help` needs no server

    run_up(UpOptions(state_directory=state or state_directory(), flower=flower, api=api, demo=demo))


def demo() -> None:
    """Show an import in under a minute: connect, import, refresh, meet errors; exit 0 if every claim holds."""
    from worker.local.demo import run_demo  # noqa: PLC0415 - `--help` needs no server

    run_demo()
