"""Defines the settings and the collaborators that are passed to the import engine."""

import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from worker.connectors.base import BankConnector, QuotaReading, Window
from worker.db.engine import Sessions
from worker.db.statements import Statements
from worker.runs.lease import fence
from worker.runs.states import Lease


def _do_nothing(*_values: object) -> None:
    """Do nothing; the default of optional callbacks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportContext:
    """Collaborators of one run.

    Attributes:
        sessions: Opens a transaction.
        statements: Opens a connection whose every statement is a transaction of its own.
        open_connector: Reads and decrypts the connection's config and builds the connector with its HTTP client.
        check: Called between pages and slices; raises StopRequestedError, LostLeaseError or CancelRequestedError.
        wait: Sleeps for so many seconds, or raises what `check` raises.
        now: The current moment (UTC), for days only; whether something is due is decided by Postgres.
        clear_cache: Drops FinMind's cached summaries of a user's months (`YYYY-MM`) after the commit; never raises.
        note_quota: Stores the allowances that responses stated.
        note_fetched: Called after every page with the pages, rows and days of the delivery so far, for those who watch.
        note_part_days: Stores over how many days one request of this run may go, because the bank is slow.
        clock: Measures how long a delivery takes (s).
        part_s: A delivery that takes longer is cut into parts, each of which is committed (s).
        note_progress: Called when the run got further: rows were written, an account is done, fewer days are asked for.
        refuse_if_heavy: Called with the number of rows of a delivery; raises TooHeavyError where they are too many for
            this worker and another one can take the run.
        fence: Checks in a transaction that writes that the lease is still ours.
    """

    sessions: Sessions
    statements: Statements
    open_connector: Callable[[uuid.UUID], BankConnector]
    check: Callable[[], None]
    wait: Callable[[float], None]
    now: Callable[[], datetime]
    clear_cache: Callable[[int, frozenset[str]], None]
    note_quota: Callable[[Sequence[QuotaReading]], None] = _do_nothing
    note_fetched: Callable[[int, int, Window | None], None] = _do_nothing
    note_part_days: Callable[[int], None] = _do_nothing
    clock: Callable[[], float] = time.monotonic
    part_s: float = float("inf")
    note_progress: Callable[[], None] = _do_nothing
    refuse_if_heavy: Callable[[int], None] = _do_nothing
    fence: Callable[[Session, Lease], None] = fence
