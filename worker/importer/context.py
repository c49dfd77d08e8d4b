"""Defines the settings and the collaborators that are passed to the import engine."""

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from worker.connectors.base import BankConnector, QuotaReading
from worker.db.engine import Sessions
from worker.runs.lease import fence
from worker.runs.states import Lease


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportPolicy:
    """Settings of an import.

    Attributes:
        overlap_days: How far a refresh without a cursor looks back.
        history_days: How far a first import looks back.
        slice_rows: Rows planned and written at a time.
        burst_tries: How often a request is made that meets a burst rate limit.
        burst_total_s: How long these tries may take together.
        cursor_restarts: How often a delivery is begun whose cursor the provider voids.
    """

    overlap_days: int = 45
    history_days: int = 730
    slice_rows: int = 20_000
    burst_tries: int = 3
    burst_total_s: float = 30.0
    cursor_restarts: int = 3


def _do_nothing(*_values: object) -> None:
    """Do nothing: the default of optional callbacks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportContext:
    """Collaborators of one run.

    Attributes:
        sessions: Opens a transaction.
        statements: Opens a session whose every statement is a transaction of its own.
        open_connector: Reads and decrypts the connection's config and builds the connector with its HTTP client.
        check: Called between pages and slices; raises StopRequestedError, LostLeaseError or CancelRequestedError.
        wait: Sleeps for so many seconds, or raises what `check` raises.
        now: The current moment (UTC), for days only; whether something is due is decided by Postgres.
        clear_cache: Drops FinMind's cached summaries of a user's months (`YYYY-MM`) after the commit; never raises.
        note_quota: Stores the allowances that responses stated.
        advanced: Called after a commit that made progress (rows were written, or an account is done).
        weigh: Called with the rows of a delivery; raises TooHeavyError where another worker must go on with the run.
        fence: Proves, in a transaction that writes, that the run is still ours.
    """

    sessions: Sessions
    statements: Sessions
    open_connector: Callable[[uuid.UUID], BankConnector]
    check: Callable[[], None]
    wait: Callable[[float], None]
    now: Callable[[], datetime]
    clear_cache: Callable[[int, frozenset[str]], None]
    note_quota: Callable[[Sequence[QuotaReading]], None] = _do_nothing
    advanced: Callable[[], None] = _do_nothing
    weigh: Callable[[int], None] = _do_nothing
    fence: Callable[[Session, Lease], None] = fence
    policy: ImportPolicy = ImportPolicy()
