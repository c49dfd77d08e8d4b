"""What the engine is given: collaborators and numbers, nothing global."""

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
    """Numbers that steer an import.

    overlap_days: how far a refresh without cursor looks back. history_days: how far a first import looks back.
    slice_rows: rows planned and written at a time. burst_tries, burst_total_s: retries of a burst rate limit.
    """

    overlap_days: int = 45
    history_days: int = 730
    slice_rows: int = 20_000
    burst_tries: int = 3
    burst_total_s: float = 30.0
    cursor_restarts: int = 3


def _unnoticed() -> None:
    """Nobody asks how far the run got."""


def _forget(_readings: Sequence[QuotaReading]) -> None:
    """Nobody keeps a ledger."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportContext:
    """Collaborators of one run.

    sessions: opens a transaction. statements: opens a session whose every statement is a transaction of its own.
    open_connector: reads and decrypts the connection's config and builds the connector with its HTTP client.
    check: raises StopRequestedError, LostLeaseError or CancelRequestedError; called between pages and slices.
    wait: sleeps for so many seconds, or raises what `check` raises. now: the current moment (UTC), for days only;
    whether something is due is decided by Postgres.
    clear_cache: drops FinMind's cached summaries of a user's months (`YYYY-MM`), after the commit; never raises.
    note_quota: keeps what responses said about allowances.
    fence: proves, in a transaction that writes, that the run is still ours.
    advanced: called after a commit that brought the run further: rows were written, or an account is done.
    """

    sessions: Sessions
    statements: Sessions
    open_connector: Callable[[uuid.UUID], BankConnector]
    check: Callable[[], None]
    wait: Callable[[float], None]
    now: Callable[[], datetime]
    clear_cache: Callable[[int, frozenset[str]], None]
    note_quota: Callable[[Sequence[QuotaReading]], None] = _forget
    advanced: Callable[[], None] = _unnoticed
    fence: Callable[[Session, Lease], None] = fence
    policy: ImportPolicy = ImportPolicy()
