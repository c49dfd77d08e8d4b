"""Tasks of events: publish one, deliver due webhooks, announce bills, send reminders, delete old events.

Each periodic task only looks for due rows, so that a lost, repeated or late message changes nothing but the time.
"""

import fcntl
import hashlib
import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import IO, Any

from celery import Task

from worker import outbox
from worker.app import app
from worker.audit import acting_as
from worker.broker import ANNOUNCE_BILLS, DELIVER, PRUNE_EVENTS, PUBLISH_EVENT, SEND_REMINDERS
from worker.connections.linking import read_link_apps
from worker.errors import InvalidRequestError
from worker.process import heartbeat_files
from worker.process.open_files import allow_open_files
from worker.process.stop_flag import STOP
from worker.reminders.bills import BILL_CATCH_UP_DAYS, announce_due_bills
from worker.reminders.due_reminders import ReminderPolicy, send_due_reminders
from worker.reminders.smtp import Mailer
from worker.reminders.warnings import send_due_warnings
from worker.runs.retention.pace import RemovalPace
from worker.runtime import Runtime, mail_server, process_runtime
from worker.telemetry.logs import get_logger
from worker.webhooks import inbox
from worker.webhooks.delivery import DeliveryContext, DeliveryReport, deliver_due
from worker.webhooks.policies import delivery_policy, egress_policy
from worker.webhooks.retention import prune
from worker.webhooks.signed_events import check_event
from worker.webhooks.transport import Transport

log = get_logger(__name__)

_OTHER_FILES = 256
"""Open files of a worker's process beside the sockets of its deliveries."""


class EventRefusedError(Exception):
    """The event does not match its schema; nothing was written."""


@app.task(name=PUBLISH_EVENT, bind=True, throws=(EventRefusedError,))
def publish_event(  # noqa: PLR0913 - the public signature, with a signature
    self: Task[Any, Any],
    user_id: int | str | None = None,
    type: str | None = None,  # noqa: A002 - the public signature
    data: dict[str, Any] | None = None,
    dedup_key: str | None = None,
    *,
    event_id: str | None = None,
    signed_at: int | None = None,
    signature: str | None = None,
) -> None:
    """Publish an event of another program.

    A message carries the id of a row that its sender wrote to `webhook_inbox`: as `event_id`, or alone. Content is
    taken from a message only when EVENT_SIGNING_KEY is set and the sender signed it (`worker.webhooks.signed_events`).
    A call in this process needs neither.
    """
    row_id = event_id or (user_id if isinstance(user_id, str) and type is None else None)
    try:
        with process_runtime().sessions() as session:
            if row_id is not None:
                inbox.take_over(session, only=_row_id(row_id))
                return
            event = _event(user_id=user_id, type=type, data=data, dedup_key=dedup_key)
            if not self.request.called_directly:
                _check_signature(event, signed_at, signature)
            outbox.publish(session, **event)
    except InvalidRequestError as error:
        log.warning("webhook_event.refused", reason=str(error))
        raise EventRefusedError(str(error)) from None


def _event(**given: Any) -> dict[str, Any]:  # noqa: ANN401 - whatever a message holds
    kinds = {"user_id": int, "type": str, "data": dict, "dedup_key": str | None}
    if not all(isinstance(given[name], kind) for name, kind in kinds.items()):
        raise InvalidRequestError("an event needs user_id, type and data")
    return given


def _check_signature(event: dict[str, Any], signed_at: int | None, signature: str | None) -> None:
    key = process_runtime().settings.event_signing_key
    if key is None:
        raise InvalidRequestError("content of messages is not trusted: write a row to webhook_inbox and send its id")
    check_event(key.get_secret_value(), event, signed_at=signed_at, signature=signature)


def _row_id(given: str) -> uuid.UUID:
    try:
        return uuid.UUID(given)
    except (ValueError, AttributeError):
        raise InvalidRequestError("the id of an event is a UUID") from None


@app.task(name=DELIVER, ignore_result=True)
@acting_as(f"task:{DELIVER}")
def deliver() -> None:
    """Fan out new events and make every due delivery, unless another process of this machine does so already."""
    runtime = process_runtime()
    lock = _lock_claiming(runtime.settings.database_url.get_secret_value())
    if lock is None:
        return
    with lock:
        with runtime.sessions() as session:
            inbox.take_over(session)
        report = _deliver_due(runtime, done_claiming=lock.close)
    if report.attempts or report.fanned_out:
        log.info(
            "webhooks.delivered",
            fanned_out=report.fanned_out,
            attempts=report.attempts,
            delivered=report.delivered,
        )


def _lock_claiming(database_url: str) -> IO[str] | None:
    """Lock the right to claim deliveries on this machine; return None when another process has it.

    One process makes hundreds of requests at once, and the others are needed for other tasks. The kernel releases the
    file lock when the process ends.
    """
    name = hashlib.sha256(database_url.encode()).hexdigest()[:16]
    path = heartbeat_files.directory() / f"deliver-{name}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = path.open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        return None
    return lock


def _deliver_due(runtime: Runtime, *, done_claiming: Callable[[], None]) -> DeliveryReport:
    policy = delivery_policy(runtime.settings)
    sockets = allow_open_files(policy.most_waiting, beside=_OTHER_FILES)
    transport = open_transport(runtime)
    try:
        return deliver_due(
            DeliveryContext(
                sessions=runtime.sessions,
                vault=runtime.vault,
                sender=transport,
                policy=replace(policy, most_waiting=sockets),
                stopping=lambda: STOP.is_set,
                done_claiming=done_claiming,
            )
        )
    finally:
        transport.close()


def open_transport(runtime: Runtime) -> Transport:
    """Return the guarded transport the settings describe."""
    return Transport(egress_policy(runtime.settings))


@app.task(name=ANNOUNCE_BILLS)
def announce_bills() -> None:
    """Announce bills that are due."""
    runtime = process_runtime()
    with runtime.sessions() as session:
        announced = announce_due_bills(session)
    if announced:
        log.info("bills.announced", count=announced)


@app.task(name=SEND_REMINDERS)
def send_reminders() -> None:
    """Send due reminders by e-mail, if a mail server is configured."""
    runtime = process_runtime()
    server = mail_server(runtime.settings)
    if server is None:
        return
    with Mailer(server) as mailer:
        sent = send_due_reminders(runtime.sessions, mailer.send, ReminderPolicy(), stopping=lambda: STOP.is_set)
        warned = send_due_warnings(
            runtime.sessions,
            mailer.send,
            ReminderPolicy(),
            renew_url=read_link_apps(runtime.settings.link_apps).renew_url,
            stopping=lambda: STOP.is_set,
        )
    if warned:
        log.info("connection_warnings.sent", count=warned)
    if sent:
        log.info("reminders.sent", count=sent)


@app.task(name=PRUNE_EVENTS)
def prune_events() -> None:
    """Delete old events; events of bills stay until the bill can no longer be announced."""
    runtime = process_runtime()
    keep_days = max(runtime.settings.webhook_retention_days, BILL_CATCH_UP_DAYS + 1)
    pruned = prune(runtime.sessions, keep_days=keep_days, pace=RemovalPace(stop_requested=lambda: STOP.is_set))
    with runtime.sessions() as session:
        inbox.prune_refused(session, keep_days=keep_days)
    if pruned:
        log.info("webhook_events.pruned", count=pruned)
