"""The table of processes that `up` runs beside Postgres and Redis."""

import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from worker.broker import Queue
from worker.local.child_processes import Program, start_child
from worker.local.environments import process_environment

CELERY = (sys.executable, "-m", "worker.celery_command")
"""The commands that are used alone, which need less memory than the program `celery`."""

FEW_ARENAS = {"MALLOC_ARENA_MAX": "2"}
"""Lets glibc keep memory for two threads, not for eight a core: what one of many threads frees, another one uses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One process that `up` keeps alive.

    Attributes:
        ready: Text in its output that says that it works.
        signals: Signals that stop it, sent `patience_s` apart before it is killed.
        last: Whether it is stopped after all others, because they need it.
        port: Its loopback port.
    """

    name: str
    start: Callable[[], subprocess.Popen[bytes]]
    ready: str | None = None
    signals: Sequence[signal.Signals] = (signal.SIGTERM,)
    patience_s: float = 20
    last: bool = False
    port: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A line of the table: a program with its environment on top of what it gets of ours."""

    name: str
    command: Sequence[str]
    ready: str
    environment: Mapping[str, str] = field(default_factory=dict)
    port: int | None = None

    def service(self, environment: Mapping[str, str]) -> Service:
        """Return the service that runs this command.

        Args:
            environment: That of `up`, of which it gets what it reads.
        """
        chosen = process_environment(self.name, environment)
        program = Program(command=self.command, directory=Path.cwd(), environment={**chosen, **self.environment})
        return Service(
            name=self.name,
            start=lambda: start_child(program, output=subprocess.PIPE),
            ready=self.ready,
            port=self.port,
        )


def worker(name: str, *queues: str, concurrency: int = 2, pool: str = "prefork") -> Command:
    """Return a Celery worker for these queues."""
    options = (
        *("--hostname", f"{name}@%h", "--queues", ",".join(queues)),
        *("--pool", pool, "--concurrency", str(concurrency)),
    )
    return Command(
        name=name,
        command=(*CELERY, "worker", *options, "--without-mingle", "--without-gossip"),
        ready=" ready.",
        environment=FEW_ARENAS,
    )


def commands(
    *,
    flower_port: int | None,
    flower_basic_auth: str | None = None,
    api_port: int | None = None,
    sample_page: str | None = None,
) -> tuple[Command, ...]:
    """Return the table of processes, without Flower or the HTTP API when its port is None.

    The interactive worker also consumes the queue of tasks that are sent by name.

    Args:
        flower_port: Of Flower.
        flower_basic_auth: Its log-in, `user:password`.
        api_port: Of the HTTP API.
        sample_page: Address of the user whose sample page the API serves; None: no page.
    """
    page = () if sample_page is None else (f"--sample-page={sample_page}",)
    api = Command(
        name="api",
        command=(sys.executable, "-m", "worker", "api", "--host=127.0.0.1", f"--port={api_port}", *page),
        ready="Uvicorn running",
        port=api_port,
    )
    flower = Command(
        name="flower",
        command=(*CELERY, "flower", "--address=127.0.0.1", f"--port={flower_port}"),
        ready="Connected to redis",
        environment={"FLOWER_BASIC_AUTH": flower_basic_auth} if flower_basic_auth else {},
        port=flower_port,
    )
    return (
        worker("interactive", Queue.INTERACTIVE, "celery", pool="threads", concurrency=20),
        worker("scheduled", Queue.SCHEDULED, pool="threads", concurrency=200),
        worker("heavy", Queue.HEAVY),
        worker("webhooks", Queue.WEBHOOKS, Queue.MAINTENANCE),
        Command(name="beat", command=(*CELERY, "beat"), ready="beat.started"),
        *((flower,) if flower_port else ()),
        *((api,) if api_port else ()),
    )
