"""Opens the database or the broker for a command, and closes it when the command ends."""

import getpass
from collections.abc import Collection, Iterator
from contextlib import contextmanager

from worker.audit import acting_as, record_operation
from worker.cli.command_line import current_command
from worker.cli.environment import settings
from worker.client import WorkerClient
from worker.db.engine import Sessions, open_engine, open_sessions
from worker.finmind_cache import open_cache


@contextmanager
def database() -> Iterator[Sessions]:
    """Open the database alone: enough for commands that read and steer. Raises: ConfigurationError."""
    engine = open_engine(settings().database_url.get_secret_value(), role="cli")
    try:
        with acting_as(actor()):
            sessions = open_sessions(engine)
            audit_command(sessions)
            yield sessions
    finally:
        engine.dispose()


def clear_finmind_cache(user_id: int, months: Collection[str]) -> None:
    """Drop FinMind's cached summaries of a user's months (`YYYY-MM`), after the change was committed."""
    url = settings().finmind_cache_url
    open_cache(None if url is None else url.get_secret_value()).clear(user_id, months)


@contextmanager
def client() -> Iterator[WorkerClient]:
    """Open the way to the workers; a broker that is down delays a run until the dispatcher finds it."""
    opened = WorkerClient(settings().messages_url)
    try:
        yield opened
    finally:
        opened.close()


def actor() -> str:
    """Return the actor of the command, for the audit."""
    return f"cli:{getpass.getuser()}"


_READING = frozenset({"list", "show", "status", "events", "deliveries", "attempts", "verify"})
"""Commands that change nothing; all others are written to the audit before they act."""


def audit_command(sessions: Sessions) -> None:
    """Write the command to the audit, unless it only reads."""
    given = current_command()
    if given is None or given.name.split()[-1] in _READING:
        return
    row_id = given.ids[0] if given.ids else ""
    with sessions() as session:
        record_operation(session, given.name, table="", row_id=row_id, flags=given.flags, ids=given.ids)
