"""`finmind-worker healthcheck`: a probe that only looks at the age of a file, so that it can run every few seconds."""

from enum import StrEnum
from typing import Annotated

import typer

from worker import health
from worker.cli.failures import ExitCode


class Component(StrEnum):
    """What can be probed on this machine."""

    WORKER = "worker"
    BEAT = "beat"
    DISPATCHER = "dispatcher"


def healthcheck(component: Annotated[Component, typer.Argument()] = Component.WORKER) -> None:
    """Exit 0 when the worker, beat or dispatcher of this machine shows signs of life, 1 when not."""
    problem = health.problem(component.value)
    typer.echo(problem or f"{component.value} is alive")
    raise typer.Exit(ExitCode.FAILED if problem else ExitCode.DONE)
