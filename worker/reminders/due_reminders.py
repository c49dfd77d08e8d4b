"""Sends due reminders by e-mail and writes `reminder.sent` for those that the mail server accepted.

FinMind's column `send_at` has no time zone; its values are UTC. Only the channel `email` is sent here; `whatsapp` is
sent by the web app. After a crash between sending and recording a reminder is sent twice, with the same Message-ID.
"""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage

from sqlalchemy import CursorResult, text
from sqlalchemy.orm import Session

from worker import outbox
from worker.db.engine import Sessions
from worker.inert_text import inert_lines
from worker.process import fault_injection
from worker.reminders.smtp import MailError, MailRefusedError, compose_mail
from worker.telemetry.logs import get_logger

log = get_logger(__name__)

EVENT_TYPE = "reminder.sent"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReminderPolicy:
    """When reminders are sent.

    Attributes:
        retry_delays_s: The waits between attempts.
        catch_up_days: Reminders that are overdue for longer are not sent.
        lease_s: How long a reminder is leased.
        batch: Reminders leased at a time.
    """

    retry_delays_s: tuple[float, ...] = (60, 300, 900, 3600)
    catch_up_days: int = 7
    lease_s: float = 600
    batch: int = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class DueReminder:
    """A leased reminder."""

    id: int
    user_id: int
    bill_id: int | None
    email: str
    message: str
    attempt: int
    token: uuid.UUID


_CLAIM = text(
    """
    WITH due AS (
      SELECT r.id FROM reminders r LEFT JOIN reminder_deliveries d ON d.reminder_id = r.id
      WHERE NOT r.sent AND r.channel = 'email' AND r.send_at <= now() AT TIME ZONE 'UTC'
        AND r.send_at > now() AT TIME ZONE 'UTC' - make_interval(days => :catch_up_days)
        AND (d.reminder_id IS NULL OR d.state = 'pending' AND d.next_attempt_at <= now()
             OR d.state = 'leased' AND d.lease_expires_at < now())
      ORDER BY r.send_at, r.id LIMIT :batch FOR UPDATE OF r SKIP LOCKED
    ), taken AS (
      INSERT INTO reminder_deliveries AS d (reminder_id, state, attempt, next_attempt_at, lease_token, lease_expires_at)
      SELECT id, 'leased', 1, now(), CAST(:token AS uuid), now() + make_interval(secs => :lease_s) FROM due
      ON CONFLICT (reminder_id) DO UPDATE
      SET state = 'leased', attempt = d.attempt + 1, lease_token = excluded.lease_token,
          lease_expires_at = excluded.lease_expires_at
      WHERE d.state = 'pending' AND d.next_attempt_at <= now() OR d.state = 'leased' AND d.lease_expires_at < now()
      RETURNING reminder_id, attempt
    )
    SELECT r.id, r.user_id, r.bill_id, u.email, r.message, t.attempt
    FROM taken t JOIN reminders r ON r.id = t.reminder_id JOIN users u ON u.id = r.user_id
    ORDER BY r.send_at, r.id
    """
)

_SENT = text(
    """
    WITH ours AS (
      UPDATE reminder_deliveries SET state = 'sent', sent_at = now(), last_code = 'ok',
        lease_token = NULL, lease_expires_at = NULL
      WHERE reminder_id = :id AND lease_token = CAST(:token AS uuid) RETURNING reminder_id, sent_at
    )
    UPDATE reminders r SET sent = true FROM ours WHERE r.id = ours.reminder_id RETURNING ours.sent_at
    """
)

TRIED_IN_VAIN = """state = CASE WHEN CAST(:delay_s AS float8) IS NULL THEN 'dead' ELSE 'pending' END,
      next_attempt_at = now() + make_interval(secs => coalesce(CAST(:delay_s AS float8), 0)),
      last_code = :code, lease_token = NULL"""
"""SQL: what a failed attempt sets of a mail, which is tried again after `delay_s`, or given up without it."""

_FAILED = text(
    f"""
    UPDATE reminder_deliveries SET {TRIED_IN_VAIN}, lease_expires_at = NULL
    WHERE reminder_id = :id AND lease_token = CAST(:token AS uuid)
    """  # noqa: S608 - a constant
)


def send_due_reminders(
    sessions: Sessions, send: Callable[[EmailMessage], None], policy: ReminderPolicy, *, stopping: Callable[[], bool]
) -> int:
    """Send what is due, a batch at a time, and return how many the mail server accepted.

    Args:
        send: Sends one e-mail, or raises MailError.
    """

    def send_batch() -> int:
        with sessions() as session:
            due = claim_due(session, policy)
        return sum(_send_one(sessions, send, reminder, policy) for reminder in due)

    return send_in_batches(send_batch, stopping)


def send_in_batches(send_batch: Callable[[], int], stopping: Callable[[], bool]) -> int:
    """Send batches until none of a batch is accepted; return how many were.

    Then nothing is due, or the mail server is down: the next tick tries again.
    """
    sent = 0
    while not stopping() and (accepted := send_batch()):
        sent += accepted
    return sent


def claim_due(session: Session, policy: ReminderPolicy) -> list[DueReminder]:
    """Lease due reminders; no two processes lease the same one."""
    token = uuid.uuid4()
    rows = session.execute(
        _CLAIM,
        {
            "catch_up_days": policy.catch_up_days,
            "batch": policy.batch,
            "token": str(token),
            "lease_s": policy.lease_s,
        },
    )
    return [DueReminder(**row, token=token) for row in rows.mappings()]


def compose(reminder: DueReminder) -> EmailMessage:
    """Return the e-mail of a reminder. Pure. Raises: InvalidAddressError."""
    return compose_mail(
        to=reminder.email,
        subject="FinMind reminder",
        message_id=f"reminder-{reminder.id}",
        body=inert_lines(reminder.message),
    )


def retry_delay_s(attempt: int, policy: ReminderPolicy) -> float | None:
    """Return the wait after a failed attempt (from 1), or None when it was the last. Pure."""
    return policy.retry_delays_s[attempt - 1] if attempt <= len(policy.retry_delays_s) else None


def after_failure(error: MailError, attempt: int, policy: ReminderPolicy) -> dict[str, object]:
    """Return the parameters of `TRIED_IN_VAIN`. Pure."""
    delay_s = None if isinstance(error, MailRefusedError) else retry_delay_s(attempt, policy)
    return {"code": error.code, "delay_s": delay_s}


def _send_one(
    sessions: Sessions, send: Callable[[EmailMessage], None], reminder: DueReminder, policy: ReminderPolicy
) -> bool:
    try:
        send(compose(reminder))
    except MailError as error:
        log.warning("reminder.failed", reminder_id=reminder.id, attempt=reminder.attempt, code=error.code)
        with sessions() as session:
            which = {"id": reminder.id, "token": str(reminder.token)}
            session.execute(_FAILED, which | after_failure(error, reminder.attempt, policy))
        return False
    fault_injection.point("reminder_after_send")
    with sessions() as session:
        return _mark_sent(session, reminder)


def _mark_sent(session: Session, reminder: DueReminder) -> bool:
    result = session.execute(_SENT, {"id": reminder.id, "token": str(reminder.token)})
    assert isinstance(result, CursorResult)
    sent_at: datetime | None = result.scalar_one_or_none()
    if sent_at is None:
        return False  # the lease ran out: the process that took it over sends and records it
    outbox.record(
        session,
        user_id=reminder.user_id,
        event_type=EVENT_TYPE,
        data={
            "id": reminder.id,
            "bill_id": reminder.bill_id,
            "message": reminder.message,
            "channel": "email",
            "sent_at": sent_at.isoformat(),
        },
        dedup_key=str(reminder.id),
    )
    return True
