"""What a command works with, opened when it begins and closed when it ends."""

import getpass
from collections.abc import Iterator
from contextlib import contextmanager

from worker.audit import acting_as
from worker.cli.environment import settings
from worker.client import WorkerClient
from worker.db.engine import Sessions, open_engine, open_sessions
from worker.runtime import Runtime, runtime


@contextmanager
def database() -> Iterator[Sessions]:
    """Open the database alone: enough for commands that read and steer. Raises: ConfigurationError."""
    engine = open_engine(settings().database_url.get_secret_value(), role="cli", prepared_statements=False)
    try:
        with acting_as(actor()):
            yield open_sessions(engine)
    finally:
        engine.dispose()


@contextmanager
def workspace() -> Iterator[Runtime]:
    """Open everything, the keys included: for commands that touch credentials. Raises: ConfigurationError."""
    with runtime(settings(), role="cli") as opened, acting_as(actor()):
        yield opened


@contextmanager
def client() -> Iterator[WorkerClient]:
    """Open the way to the workers; a broker that is down delays a run until the dispatcher finds it."""
    opened = WorkerClient(settings().redis_url.get_secret_value())
    try:
        yield opened
    finally:
        opened.close()


def actor() -> str:
    """Return who is on record as having given the command."""
    return f"cli:{getpass.getuser()}"
