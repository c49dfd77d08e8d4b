"""For the web app: ask for a run inside its own transaction. Needs only sqlalchemy and celery.

    client = WorkerClient(os.environ["REDIS_URL"])
    with db.session.begin():
        run_id = client.request_refresh(db.session, connection_id)

The row is the request: once the caller's transaction commits, the run happens, whatever becomes of Redis. After the
commit a message is sent so that it happens at once; a broker that is down or frozen costs at most a second or two, once
per `HOLD_OFF_S`, and never raises. Without the message the dispatcher finds the row at its next tick.
"""

import contextlib
import logging
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from celery import Celery
from sqlalchemy import event, func, select
from sqlalchemy.orm import Session, scoped_session

from worker import outbox
from worker.broker import Nudge, Queue, publish, run_queue, transport_options
from worker.models import BankImportRun, BankTransaction, Expense
from worker.runs.request import request_run
from worker.runs.states import RunKind, RunRequest, RunStatus
from worker.telemetry.tracing import current_traceparent

HOLD_OFF_S = 10.0
"""After a failed publish nothing is published for this long, so that a dead broker slows down one request, not all."""

_NEAR = timedelta(days=3)
"""As far apart as importing looks for the same purchase."""

_PENDING = "finmind_worker_nudges"
_log = logging.getLogger(__name__)


class WorkerClient:
    """Writes run rows and nudges the worker; create one per process (a fork makes its own broker connections)."""

    def __init__(self, broker_url: str, *, timeout_s: float = 1.0) -> None:
        """broker_url: the worker's REDIS_URL. timeout_s: bound of each socket operation of a publish."""
        self._app = Celery("finmind-client", broker=broker_url, set_as_current=False)
        self._app.conf.update(
            broker_transport_options=transport_options(
                "client", socket_timeout_s=timeout_s, connect_timeout_s=timeout_s
            ),
            broker_connection_timeout=timeout_s,
            broker_pool_acquire_timeout=timeout_s,
            task_publish_retry=False,
        )
        self._silent_until_s = 0.0

    def request_import(
        self,
        session: Session | scoped_session[Session],
        connection_id: uuid.UUID | str,
        *,
        account_id: str | None = None,
        from_date: date | None = None,
        to_date: date | None = None,
        dry_run: bool = False,
    ) -> uuid.UUID:
        """Ask for an import; return the run's id, or the id of the open run that already answers this request.

        account_id: the bank's id of one account; None for all. Days are inclusive; None lets the importer decide.
        Raises: NotFoundError, ConflictError, InvalidRequestError.
        """
        return self.request(
            session,
            RunRequest(
                connection_id=uuid.UUID(str(connection_id)),
                kind=RunKind.IMPORT,
                account_external_id=account_id,
                from_on=from_date,
                to_on=to_date,
                dry_run=dry_run,
            ),
        )

    def request_refresh(
        self,
        session: Session | scoped_session[Session],
        connection_id: uuid.UUID | str,
        *,
        account_id: str | None = None,
    ) -> uuid.UUID:
        """Ask for what is new; return the run's id. Raises: NotFoundError, ConflictError."""
        request = RunRequest(
            connection_id=uuid.UUID(str(connection_id)), kind=RunKind.REFRESH, account_external_id=account_id
        )
        return self.request(session, request)

    def request(self, session: Session | scoped_session[Session], request: RunRequest) -> uuid.UUID:
        """Write the row of any request in the caller's transaction and nudge the worker once that commits.

        The trace the caller is in goes with it, unless the request names one.
        """
        plain = session() if isinstance(session, scoped_session) else session
        traced = replace(request, trace_context=request.trace_context or current_traceparent())
        run_id = request_run(plain, traced)
        self._nudge_after_commit(plain, run_id)
        return run_id

    def publish_event(
        self,
        session: Session | scoped_session[Session],
        *,
        user_id: int,
        event_type: str,
        data: Mapping[str, Any],
        dedup_key: str | None = None,
    ) -> None:
        """Announce something to the user's webhook subscribers, once the caller's transaction commits.

        dedup_key: a second event of this user and type under the same key is not announced.
        """
        plain = session() if isinstance(session, scoped_session) else session
        outbox.record(plain, user_id=user_id, event_type=event_type, data=dict(data), dedup_key=dedup_key)

    def nudge(self, run_id: uuid.UUID, *, trigger: str = "user") -> bool:
        """Tell the workers about a committed run; False when the broker did not take it (the dispatcher will)."""
        return self._publish([Nudge(run_id=run_id, queue=run_queue(trigger))])

    def _nudge_after_commit(self, session: Session, run_id: uuid.UUID) -> None:
        if _PENDING not in session.info:
            event.listen(session, "after_commit", self._on_commit)
            event.listen(session, "after_soft_rollback", _on_rollback)
        session.info.setdefault(_PENDING, {})[run_id] = None

    def _on_commit(self, session: Session) -> None:
        if not session.in_nested_transaction():
            nudges = [Nudge(run_id=run_id, queue=Queue.INTERACTIVE) for run_id in session.info[_PENDING]]
            session.info[_PENDING].clear()
            self._publish(nudges)

    def _publish(self, nudges: list[Nudge]) -> bool:
        if not nudges or time.monotonic() < self._silent_until_s:
            return False
        try:
            publish(self._app, nudges)
        except Exception:  # noqa: BLE001 - the row is written; nothing about the broker may reach the caller
            self._silent_until_s = time.monotonic() + HOLD_OFF_S
            _log.warning("broker unreachable; the dispatcher will find %d run(s)", len(nudges))
            return False
        return True

    def close(self) -> None:
        """Close the broker connections of this process."""
        with contextlib.suppress(Exception):
            self._app.close()


def run_status(session: Session | scoped_session[Session], run_id: uuid.UUID) -> RunStatus | None:
    """Return where a run is; None when there is no such run."""
    status = session.scalar(select(BankImportRun.status).where(BankImportRun.id == run_id))
    return None if status is None else RunStatus(status)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedExpense:
    """An expense of the user that a bank's row stands behind."""

    expense_id: int
    spent_on: date
    notes: str


def imported_expenses(
    session: Session | scoped_session[Session],
    *,
    user_id: int,
    amount: Decimal,
    currency: str,
    expense_type: str,
    spent_on: date,
) -> list[ImportedExpense]:
    """Return imported expenses that may be the one about to be written, nearest day first; none: write it.

    An expense that is written all the same is compared by the next run of the connection, and linked or suggested.
    """
    query = (
        select(Expense.id, Expense.spent_at, Expense.notes)
        .join(BankTransaction, BankTransaction.expense_id == Expense.id)
        .where(Expense.user_id == user_id, Expense.amount == amount, Expense.currency == currency)
        .where(Expense.expense_type == expense_type)
        .where(Expense.spent_at.between(spent_on - _NEAR, spent_on + _NEAR))
        .order_by(func.abs(Expense.spent_at - spent_on), Expense.id)
    )
    return [
        ImportedExpense(expense_id=row.id, spent_on=row.spent_at, notes=row.notes or "")
        for row in session.execute(query)
    ]


def _on_rollback(session: Session, _previous: Any) -> None:  # noqa: ANN401 - SQLAlchemy's own type is private
    if not session.in_nested_transaction():
        session.info.get(_PENDING, {}).clear()
