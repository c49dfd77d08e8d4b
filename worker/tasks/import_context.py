"""Builds the context that the import engine gets from this worker: transactions, lease, progress and limits."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial

from sqlalchemy.orm import Session

from worker.db.engine import Sessions
from worker.errors import TooHeavyError
from worker.importer.context import ImportContext
from worker.process.fault_injection import point
from worker.runs.dispatching.heavy import LIGHT_ROWS, LightWorker, is_consumed
from worker.runs.fetch_progress import FetchProgressWriter
from worker.runs.lease_renewal import LeaseKeeper
from worker.runtime import Runtime
from worker.tasks.open_connector import ConnectorOpener


def import_context(
    runtime: Runtime, keeper: LeaseKeeper, opener: ConnectorOpener, light: LightWorker | None
) -> ImportContext:
    """Return the context of a run in this worker.

    Args:
        keeper: Keeps the run's lease, and raises when the run has to end.
        opener: Opens the connector.
        light: Set when this worker executes light runs only.
    """
    progress = FetchProgressWriter(runtime.statements, keeper.lease)
    return ImportContext(
        sessions=partial(_transaction, runtime.sessions, keeper),
        statements=runtime.statements,
        open_connector=opener,
        check=keeper.check,
        wait=keeper.wait,
        now=lambda: datetime.now(UTC),
        clear_cache=runtime.cache.clear,
        note_quota=opener.note_quota,
        note_fetched=progress.note,
        note_part_days=progress.limit_days,
        part_s=keeper.deadline_s / 2,
        note_progress=keeper.advance,
        refuse_if_heavy=partial(refuse_if_heavy, runtime, light),
    )


def heavy_queue_is_consumed(runtime: Runtime) -> bool:
    """Say whether the queue of heavy runs has a consumer."""
    with runtime.statements() as connection:
        return is_consumed(connection)


def refuse_if_heavy(runtime: Runtime, light: LightWorker | None, rows: int) -> None:
    """Raise TooHeavyError when so many rows are too many for a light worker and another one can take them."""
    if light is not None and rows > LIGHT_ROWS and heavy_queue_is_consumed(runtime):
        raise TooHeavyError(f"a delivery of {rows} rows is for a worker of heavy runs")


@contextmanager
def _transaction(sessions: Sessions, keeper: LeaseKeeper) -> Iterator[Session]:
    """Open a transaction of the engine that keeps the lease, with a fault point before and after the commit."""
    with sessions() as session:
        with keeper.writing(session):
            yield session
        point("before_commit")
    point("after_commit")
