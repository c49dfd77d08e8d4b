"""Reads from a standby what may be some moments old, while one answers and has what the primary wrote lately."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial

from sqlalchemy import URL, Engine, make_url, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from worker.db.engine import Sessions, open_sessions
from worker.db.trouble import is_away

STALE_S = 60.0
"""A standby whose newest transaction is older than this is not read (s). Workers write every 30 s, also idle ones."""

MOST_APART_S = 10.0
"""A standby whose clock differs from the primary's by more is not read (s): it would take who is there for gone."""

# The primary's clock is in each transaction that a standby replays: by the standby's own one, that would be late which
# is not, or in time though it is minutes old.
_NOW = text("SELECT clock_timestamp()")
# Where the primary is away, its clock is not known, and the standby has what there is.
_IS_FRESH = text(
    """
    SELECT CAST(:now AS timestamptz) IS NULL OR NOT pg_is_in_recovery() OR coalesce(
      CAST(:now AS timestamptz) - pg_last_xact_replay_timestamp() < make_interval(secs => :stale_s)
      AND abs(extract(epoch FROM clock_timestamp() - CAST(:now AS timestamptz))) < :most_apart_s, false)
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
    """Return a factory of transactions on the standby, or on the primary while the standby or its clock lags.

    While the primary is away the standby is read, however far it came.
    """
    return partial(_read, open_sessions(standby), primary)


@contextmanager
def _read(standby: Sessions, primary: Sessions) -> Iterator[Session]:
    with standby() as session:
        if session.scalar(_IS_FRESH, {"now": _now(primary), "stale_s": STALE_S, "most_apart_s": MOST_APART_S}):
            yield session
            return
    with primary() as session:
        yield session


def _now(primary: Sessions) -> datetime | None:
    """Return what the primary's clock says, or None while it is away."""
    try:
        with primary() as session:
            now: datetime = session.execute(_NOW).scalar_one()
            return now
    except DBAPIError as error:
        if not is_away(error):
            raise
        return None
