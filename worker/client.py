"""The web app's client: requests runs and publishes events in its own transaction. Needs only SQLAlchemy 2.0 or 2.1.

    client = WorkerClient()
    with db.session.begin():
        run_id = client.request_refresh(db.session, connection_id)

The row is the request: once the caller's transaction commits, the run will be executed. A NOTIFY in the same
transaction wakes the dispatcher, so that the run starts at once. Behind a pooler in transaction mode nothing listens,
and the dispatcher finds the row at its next tick.

A client with the address of the broker sends a message after the commit instead, which saves the way through the
dispatcher. It needs the distribution `finmind-worker`. A broker that is down or frozen takes at most a second or two,
once per `HOLD_OFF_S`, and never raises; meanwhile NOTIFY takes its place.
"""

import contextlib
import logging
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from sqlalchemy import event, func, select
from sqlalchemy.orm import Session, scoped_session

from worker import outbox
from worker.models import BankImportRun, BankTransaction, Expense
from worker.redaction import redact
from worker.runs.request import request_run
from worker.runs.states import RunKind, RunRequest, RunTrigger
from worker.runs.wake_up import wake_at_commit
from worker.telemetry.tracing import current_traceparent

if TYPE_CHECKING:
    from worker.broker import Messages

HOLD_OFF_S = 10.0
"""How long nothing is published after a failure, so that a dead broker slows down only one request."""

_NEAR = timedelta(days=3)
"""How many days apart an expense and a row may be: as many as an import allows."""

_PENDING = "finmind_worker_nudges"
_log = logging.getLogger(__name__)


class WorkerClient:
    """Writes rows of runs and wakes the dispatcher. Create one per process; it may be used after a fork."""

    def __init__(self, broker_url: str | None = None, *, timeout_s: float = 1.0) -> None:
        """Create a client; it connects to a broker at the first message.

        Args:
            broker_url: The worker's BROKER_URL, or its REDIS_URL where it has none; None to use Postgres alone.
            timeout_s: Bound of each socket operation of a message.
        """
        self._messages = None if broker_url is None else _open_messages(broker_url, timeout_s)
        self._notifies = self._messages is None
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
        """Request an import; return the run's id, or the id of the open run that covers the same request.

        Args:
            account_id: The bank's id of one account; None for all. Days are inclusive; None lets the importer decide.

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
        if_older_than: timedelta | None = None,
    ) -> uuid.UUID:
        """Request a refresh (what is new); return the run's id.

        Args:
            account_id: The bank's id of one account; None for all.
            if_older_than: While the last good run is younger, its id is returned and nothing is asked of the bank.

        Raises: NotFoundError, ConflictError.
        """
        request = RunRequest(
            connection_id=uuid.UUID(str(connection_id)),
            kind=RunKind.REFRESH,
            account_external_id=account_id,
            if_older_than=if_older_than,
        )
        return self.request(session, request)

    def request(self, session: Session | scoped_session[Session], request: RunRequest) -> uuid.UUID:
        """Write the row of any request in the caller's transaction, and wake the dispatcher at the commit.

        The caller's current trace is stored with it, unless the request names one.
        """
        plain = session() if isinstance(session, scoped_session) else session
        traced = replace(request, trace_context=request.trace_context or current_traceparent())
        run_id = request_run(plain, traced)
        if self._notifies:
            wake_at_commit(plain)
        if self._messages is not None:
            self._send_after_commit(plain, run_id)
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
        """Write an event for the user's webhook subscriptions in the caller's transaction.

        Args:
            dedup_key: A second event of this user and type under the same key is not written.
        """
        plain = session() if isinstance(session, scoped_session) else session
        outbox.record(plain, user_id=user_id, event_type=event_type, data=dict(data), dedup_key=dedup_key)

    def nudge(self, run_id: uuid.UUID, *, trigger: str = RunTrigger.USER) -> bool:
        """Send the message of a committed run; return False when there is no broker or it did not accept it."""
        return self._send(lambda messages: messages.publish([run_id], trigger))

    def nudge_dispatcher(self) -> bool:
        """Ask the dispatcher to look for work now; return False when no broker took it (the next tick will)."""
        return self._send(lambda messages: messages.publish_tick())

    def _send_after_commit(self, session: Session, run_id: uuid.UUID) -> None:
        if _PENDING not in session.info:
            event.listen(session, "after_commit", self._on_commit)
            event.listen(session, "after_soft_rollback", _on_rollback)
        session.info.setdefault(_PENDING, {})[run_id] = None

    def _on_commit(self, session: Session) -> None:
        if session.in_nested_transaction():
            return
        run_ids = list(session.info[_PENDING])
        session.info[_PENDING].clear()
        if run_ids:
            self._send(lambda messages: messages.publish(run_ids, RunTrigger.USER))

    def _send(self, send: "Callable[[Messages], None]") -> bool:
        if self._messages is None or time.monotonic() < self._silent_until_s:
            return False
        try:
            send(self._messages)
        except Exception as error:  # noqa: BLE001 - the row is written; a failure of the broker must not reach the caller
            self._silent_until_s = time.monotonic() + HOLD_OFF_S
            if not self._notifies:
                _log.warning("no message can be sent to the broker, NOTIFY takes its place: %s", _cause(error))
            self._notifies = True
            return False
        self._notifies = False
        return True

    def close(self) -> None:
        """Close the broker connections of this process."""
        if self._messages is not None:
            with contextlib.suppress(Exception):
                self._messages.close()


def _open_messages(broker_url: str, timeout_s: float) -> "Messages | None":
    try:
        from worker.broker import Messages  # noqa: PLC0415 - not in the distribution finmind-worker-client
    except ImportError as error:
        _log.warning("no messages without the distribution finmind-worker, NOTIFY takes their place: %s", _cause(error))
        return None
    return Messages(broker_url, timeout_s=timeout_s)


def _cause(error: Exception) -> str:
    return f"{type(error).__name__}: {redact(str(error))}"


def run_status(session: Session | scoped_session[Session], run_id: uuid.UUID) -> str | None:
    """Return the status of a run, such as `running`; None when there is no such run."""
    return session.scalar(select(BankImportRun.status).where(BankImportRun.id == run_id))


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedExpense:
    """An expense of the user that a bank's row is linked with."""

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
    """Return imported expenses that may be the same as one about to be entered by hand, nearest day first.

    If the user enters it anyway, the next run of the connection compares it with its rows and links or suggests it.
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
