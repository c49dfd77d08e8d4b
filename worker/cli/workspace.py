"""Opens everything for a command that touches credentials, and closes it when the command ends.

`worker.cli.database` opens what the others need: a command starts in half the time without the connectors.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from worker.audit import acting_as
from worker.cli.database import actor, audit_command
from worker.cli.environment import settings
from worker.runtime import Runtime, runtime


@contextmanager
def workspace() -> Iterator[Runtime]:
    """Open everything, the keys included. Raises: ConfigurationError."""
    with runtime(settings(), role="cli") as opened, acting_as(actor()):
        audit_command(opened.sessions)
        yield opened
