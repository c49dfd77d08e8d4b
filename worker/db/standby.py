"""Reads from a standby what may be some moments old, while one answers and has what the primary wrote lately."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from sqlalchemy import URL, Engine, make_url, text
from sqlalchemy.orm import Session

from worker.db.engine import Sessions, open_sessions

STALE_S = 60.0
"""A standby whose newest transaction is older than this is not read (s). Workers write every 30 s, also idle ones."""

_IS_FRESH = text(
    """
    SELECT NOT pg_is_in_recovery()
      OR coalesce(now() - pg_last_xact_replay_timestamp() < make_interval(secs => :stale_s), false)
    """
)


def standby_url(url: str) -> URL | None:
    """Return the address of a standby to read from, where an address names several servers; otherwise None.

    The server that takes writes is used while no standby answers.
    """
    given = make_url(url)
    hosts = given.query.get("host", ())
    if isinstance(hosts, str) or len(hosts) < 2:  # noqa: PLR2004 - several
        return None
    return given.update_query_dict({"target_session_attrs": "prefer-standby"})


def open_readings(standby: Engine, primary: Sessions) -> Sessions:
    """Return a factory of transactions on the standby, or on the primary while the standby lags."""
    return partial(_read, open_sessions(standby), primary)


@contextmanager
def _read(standby: Sessions, primary: Sessions) -> Iterator[Session]:
    with standby() as session:
        if session.scalar(_IS_FRESH, {"stale_s": STALE_S}):
            yield session
            return
    with primary() as session:
        yield session
