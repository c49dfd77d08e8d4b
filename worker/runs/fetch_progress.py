"""Writes how far a run has read, while the pages of a delivery still arrive."""

import time
from contextlib import suppress

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from worker.connectors.base import Window
from worker.db.statements import Statements
from worker.runs.states import Lease

WRITE_EVERY_S = 1.0
"""Pages that arrive faster are written together (s); a refresh that is over sooner writes nothing."""

# What is committed is counted per account; the delivery under way comes on top.
_NOTE = text(
    """
    UPDATE bank_import_runs r
    SET pages = s.pages + :pages, fetched = s.fetched + :rows,
      read_from_on = least(r.read_from_on, CAST(:from_on AS date)),
      read_to_on = greatest(r.read_to_on, CAST(:to_on AS date))
    FROM (SELECT coalesce(sum(pages), 0)::int AS pages, coalesce(sum(fetched), 0)::int AS fetched
          FROM bank_import_run_accounts WHERE run_id = :run_id) s
    WHERE r.id = :run_id AND r.lease_token = :token
    """
)
_LIMIT_DAYS = text("UPDATE bank_import_runs SET part_days = :days WHERE id = :run_id AND lease_token = :token")


class FetchProgressWriter:
    """Writes the progress of one run. An update that fails is left out: the next one says more.

    Args:
        statements: Opens a connection whose every statement is a transaction of its own.
        lease: The lease of the run.
    """

    def __init__(self, statements: Statements, lease: Lease) -> None:
        self._statements = statements
        self._key = {"run_id": lease.run_id, "token": lease.token}
        self._written_s = time.monotonic()

    def note(self, pages: int, rows: int, days: Window | None) -> None:
        """Say what of the delivery under way has arrived."""
        if time.monotonic() - self._written_s < WRITE_EVERY_S:
            return
        with suppress(SQLAlchemyError), self._statements() as connection:
            read = {"pages": pages, "rows": rows, "from_on": days and days.from_on, "to_on": days and days.to_on}
            connection.execute(_NOTE, self._key | read)
        self._written_s = time.monotonic()

    def limit_days(self, days: int) -> None:
        """Store how many days one request may ask for, in this attempt and later ones."""
        with self._statements() as connection:
            connection.execute(_LIMIT_DAYS, {**self._key, "days": days})
