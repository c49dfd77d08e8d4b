"""What `up` runs beside Postgres and Redis, in one table: add a line to add a process."""

import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from worker.broker import Queue
from worker.local.children import Program, start_child

CELERY = (sys.executable, "-m", "celery", "--quiet", "--app", "worker.app")


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One process that `up` keeps alive.

    ready: what its output says once it works. signals: sent in turn to stop it, `patience_s` apart, before it is
    killed. last: stopped after all others, because they need it. port: what it listens on, on loopback.
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
    """A line of the table: a program with its environment on top of ours."""

    name: str
    command: Sequence[str]
    ready: str
    environment: Mapping[str, str] = field(default_factory=dict)
    port: int | None = None

    def service(self, environment: Mapping[str, str]) -> Service:
        """Return the service that runs this command. environment: of all commands."""
        program = Program(command=self.command, directory=Path.cwd(), environment={**environment, **self.environment})
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
        name=name, command=(*CELERY, "worker", *options, "--without-mingle", "--without-gossip"), ready=" ready."
    )


def commands(
    *, flower_port: int | None, flower_basic_auth: str | None = None, api_port: int | None = None
) -> tuple[Command, ...]:
    """Return the table. A port that is None: without Flower, or without the HTTP API.

    Tasks sent by name without a queue are interactive ones.
    """
    api = Command(
        name="api",
        command=(sys.executable, "-m", "worker", "api", "--host=127.0.0.1", f"--port={api_port}"),
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
