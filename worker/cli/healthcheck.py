"""`finmind-worker healthcheck`: a probe that only reads the age of a file, so that it can run every few seconds.

With a component named, `worker.__main__` answers without coming here.
"""

from enum import StrEnum
from typing import Annotated

import typer

from worker.process import heartbeat_files


class Component(StrEnum):
    """What can be probed on this machine."""

    WORKER = "worker"
    BEAT = "beat"
    DISPATCHER = "dispatcher"


def healthcheck(component: Annotated[Component, typer.Argument()] = Component.WORKER) -> None:
    """Exit 0 when the worker, beat or dispatcher of this machine shows signs of life, 1 when not."""
    raise typer.Exit(heartbeat_files.probe(component.value))
