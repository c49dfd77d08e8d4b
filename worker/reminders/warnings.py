"""Sends e-mails about connections: a consent that ends, a bank that needs its user.

Each cause is a row that was written where the cause was met (`worker.runs.warning`). A mail whose cause no longer
holds when its turn comes is dropped. A crash between the server's yes and our note sends it twice, under one
Message-ID.
"""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage

from sqlalchemy import text
from sqlalchemy.orm import Session

from worker.db.engine import Sessions
from worker.inert_text import inert
from worker.process import fault_injection
from worker.reminders.consent import CONSENT_DAYS
from worker.reminders.due_reminders import TRIED_IN_VAIN, ReminderPolicy, after_failure, send_in_batches
from worker.reminders.smtp import MailError, compose_mail
from worker.telemetry.logs import get_logger

log = get_logger(__name__)

# An end that moved a little is still near: only one beyond the first step, or a later step's mail, makes it obsolete.
_DROP = text(
    """
    UPDATE connection_warnings w SET state = 'obsolete', lease_token = NULL
    FROM bank_connections c
    WHERE c.id = w.connection_id AND w.state = 'pending' AND w.next_attempt_at <= now()
      AND (w.kind = 'needs_user' AND c.status <> 'needs_user'
        OR w.kind = 'consent_ends' AND (c.consent_expires_at IS NULL
             OR c.consent_expires_at > now() + make_interval(days => :first_days)
             OR c.consent_warned_days < CAST(split_part(w.cause, ':', 3) AS integer)
             OR c.status NOT IN ('active', 'paused', 'error') OR c.consent_expires_at <= now())
        OR w.created_at < now() - make_interval(days => :catch_up_days)
        OR EXISTS (SELECT FROM user_preferences p WHERE p.user_id = w.user_id AND NOT p.warn_by_mail))
    """
)
_CLAIM = text(
    """
    WITH due AS (
      SELECT id FROM connection_warnings
      WHERE state IN ('pending', 'leased') AND next_attempt_at <= now()
      ORDER BY next_attempt_at LIMIT :batch FOR UPDATE SKIP LOCKED
    ), taken AS (
      UPDATE connection_warnings w
      SET state = 'leased', attempt = w.attempt + 1, lease_token = CAST(:token AS uuid),
        next_attempt_at = now() + make_interval(secs => :lease_s)
      FROM due WHERE w.id = due.id RETURNING w.*
    )
    SELECT t.id, t.connection_id, t.kind, t.attempt, ends.at AS consent_expires_at, u.email, c.display_name,
      c.institution_name, greatest(0, floor(extract(epoch FROM ends.at - now()) / 86400))::int AS days_left
    FROM taken t JOIN users u ON u.id = t.user_id JOIN bank_connections c ON c.id = t.connection_id
    CROSS JOIN LATERAL (SELECT CASE WHEN t.kind = 'consent_ends' THEN c.consent_expires_at END AS at) ends
    ORDER BY t.id
    """
)
_SENT = text(
    """
    UPDATE connection_warnings SET state = 'sent', sent_at = now(), last_code = 'ok', lease_token = NULL
    WHERE id = :id AND lease_token = CAST(:token AS uuid)
    """
)
_FAILED = text(
    f"UPDATE connection_warnings SET {TRIED_IN_VAIN} WHERE id = :id AND lease_token = CAST(:token AS uuid)"  # noqa: S608 - a constant
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DueWarning:
    """A mail under way. days_left: until the consent ends, for one about a consent."""

    id: int
    connection_id: uuid.UUID
    kind: str
    attempt: int
    consent_expires_at: datetime | None
    email: str
    display_name: str
    institution_name: str | None
    days_left: int | None


def send_due_warnings(
    sessions: Sessions,
    send: Callable[[EmailMessage], None],
    policy: ReminderPolicy,
    *,
    renew_url: str | None,
    stopping: Callable[[], bool],
) -> int:
    """Send what is due and still true, a batch at a time; return how many the mail server accepted."""

    def send_batch() -> int:
        token = str(uuid.uuid4())
        with sessions() as session:
            session.execute(_DROP, {"catch_up_days": policy.catch_up_days, "first_days": max(CONSENT_DAYS)})
            due = _claim(session, policy, token)
        return sum(_send_one(sessions, send, warning, policy, token, renew_url) for warning in due)

    return send_in_batches(send_batch, stopping)


def compose_warning(warning: DueWarning, renew_url: str | None) -> EmailMessage:
    """Return the mail of a warning; what a person or a bank wrote is made inert. Pure. Raises: InvalidAddressError."""
    name = " ".join(inert(warning.display_name).split()) or "your bank"
    if warning.kind == "consent_ends":
        subject = "FinMind: your permission to read a bank account ends soon"
        when = {0: "within a day", 1: "in 1 day"}.get(warning.days_left or 0, f"in {warning.days_left} days")
        ends_on = f"{warning.consent_expires_at:%Y-%m-%d}" if warning.consent_expires_at else "soon"
        lines = [f"Your permission for {name} ends {when}, on {ends_on}.", "After that no new transactions arrive."]
    else:
        subject = "FinMind: your bank needs you"
        lines = [f"{name} asks you to sign in again.", "Until then no new transactions arrive."]
    if renew_url:
        lines += ["", "Renew it here:", renew_url.replace("{connection_id}", str(warning.connection_id))]
    return compose_mail(
        to=warning.email,
        subject=subject,
        message_id=f"connection-{warning.connection_id}-{warning.id}",
        body="\n".join(lines) + "\n",
    )


def _claim(session: Session, policy: ReminderPolicy, token: str) -> list[DueWarning]:
    values = {"batch": policy.batch, "token": token, "lease_s": policy.lease_s}
    return [DueWarning(**row) for row in session.execute(_CLAIM, values).mappings()]


def _send_one(
    sessions: Sessions,
    send: Callable[[EmailMessage], None],
    warning: DueWarning,
    policy: ReminderPolicy,
    token: str,
    renew_url: str | None,
) -> bool:
    try:
        send(compose_warning(warning, renew_url))
    except MailError as error:
        log.warning("connection_warning.failed", warning_id=warning.id, attempt=warning.attempt, code=error.code)
        with sessions() as session:
            which = {"id": warning.id, "token": token}
            session.execute(_FAILED, which | after_failure(error, warning.attempt, policy))
        return False
    fault_injection.point("warning_after_send")
    with sessions() as session:
        session.execute(_SENT, {"id": warning.id, "token": token})
    return True
