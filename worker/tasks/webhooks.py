"""Tasks about events: publish one by name, deliver what is due, and the ticks that need a clock.

Each only looks for due rows, so a message that is lost, doubled or late changes nothing but the moment.
"""

import fcntl
import hashlib
from collections.abc import Callable
from typing import IO, Any

from worker import heartbeat_files, outbox
from worker.app import app
from worker.audit import acting_as
from worker.broker import ANNOUNCE_BILLS, DELIVER, PRUNE_EVENTS, PUBLISH_EVENT, SEND_REMINDERS
from worker.errors import InvalidRequestError
from worker.reminders.bills import BILL_CATCH_UP_DAYS, announce_due_bills
from worker.reminders.mail import Mailer, parse_mail_server
from worker.reminders.sending import ReminderPolicy, send_due_reminders
from worker.runtime import Runtime, process_runtime
from worker.stop_flag import STOP
from worker.telemetry.logs import get_logger
from worker.webhooks.delivery import DeliveryContext, PumpReport, deliver_due
from worker.webhooks.policies import delivery_policy, egress_policy
from worker.webhooks.retention import prune
from worker.webhooks.transport import Transport

log = get_logger(__name__)


class EventRefusedError(Exception):
    """The event does not fit its schema; nothing was written."""


@app.task(name=PUBLISH_EVENT, throws=(EventRefusedError,))
def publish_event(user_id: int, type: str, data: dict[str, Any], dedup_key: str | None = None) -> None:  # noqa: A002 - the public signature
    """Write one event for another program; a message delivered twice needs a `dedup_key` to count once."""
    try:
        with process_runtime().sessions() as session:
            outbox.publish(session, user_id, type, data, dedup_key)
    except InvalidRequestError as error:
        log.warning("webhook_event.refused", user_id=user_id, type=type, reason=str(error))
        raise EventRefusedError(str(error)) from None


@app.task(name=DELIVER, ignore_result=True)
@acting_as(f"task:{DELIVER}")
def deliver() -> None:
    """Fan out new events and make every due delivery, unless a pump on this machine is at it already."""
    runtime = process_runtime()
    turn = _take_turn(runtime.settings.database_url.get_secret_value())
    if turn is None:
        return
    with turn:
        report = _pump(runtime, done_claiming=turn.close)
    if report.attempts or report.fanned_out:
        log.info(
            "webhooks.delivered",
            fanned_out=report.fanned_out,
            attempts=report.attempts,
            delivered=report.delivered,
        )


def _take_turn(database_url: str) -> IO[str] | None:
    """Take this machine's turn to claim deliveries, or return None: one pump at a time holds hundreds of exchanges.

    Other tasks need the children. The lock is the kernel's and goes with the process, however it dies.
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


def _pump(runtime: Runtime, *, done_claiming: Callable[[], None]) -> PumpReport:
    transport = open_transport(runtime)
    try:
        return deliver_due(
            DeliveryContext(
                sessions=runtime.sessions,
                vault=runtime.vault,
                sender=transport,
                policy=delivery_policy(runtime.settings),
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
    """Send due reminders by e-mail; without a mail server there is nothing to do."""
    runtime = process_runtime()
    settings = runtime.settings
    if settings.smtp_url is None:
        return
    server = parse_mail_server(settings.smtp_url.get_secret_value(), sender=settings.email_from)
    with Mailer(server) as mailer:
        sent = send_due_reminders(runtime.sessions, mailer.send, ReminderPolicy(), stopping=lambda: STOP.is_set)
    if sent:
        log.info("reminders.sent", count=sent)


@app.task(name=PRUNE_EVENTS)
def prune_events() -> None:
    """Forget old events; what a bill's announcement relies on is never forgotten before its catch-up ends."""
    runtime = process_runtime()
    keep_days = max(runtime.settings.webhook_retention_days, BILL_CATCH_UP_DAYS + 1)
    pruned = prune(runtime.sessions, keep_days=keep_days)
    if pruned:
        log.info("webhook_events.pruned", count=pruned)
