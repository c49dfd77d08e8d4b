"""Holds what a restored database would send or act on a second time or too late."""

from datetime import datetime, timedelta

from sqlalchemy import CursorResult, text
from sqlalchemy.orm import Session

from worker.recovery.restore_facts import Finding, RestoreOptions, count_rows, earlier_point
from worker.reminders.bills import announce_due_bills
from worker.reminders.consent import pass_over_consent_warnings
from worker.webhooks.relay import relay

HELD = "held_after_restore"
"""The code of deliveries and reminders that were not sent because they belong to the time before the restore."""

_REMINDER_DAYS = 7
_BATCH = 1000


def hold_outbox(session: Session, point: datetime, options: RestoreOptions) -> list[Finding]:
    """Hold what waited to be sent: it was sent after the backup, or is stale. Bills due since are held as well."""
    if options.send_held:
        released = count_rows(session, _RELEASE, point)
        return [Finding(name="outbox", count=released, says=f"{released} deliveries under way are sent again")]
    announced = announce_due_bills(session)
    while relay(session, batch=_BATCH):
        pass
    held = count_rows(session, _HOLD, point)
    says = f"{held} deliveries of events from before are held ({HELD}); `webhooks replay-dead` sends them"
    if announced:
        says += f"; {announced} of them are bills that became due since"
    return [Finding(name="outbox", count=held, says=says)]


# Of now() are the bills that were announced in this transaction.
_HOLD = text(
    """
    UPDATE webhook_deliveries d SET state = 'dead', finished_at = now(), last_code = 'held_after_restore',
      lease_token = NULL, lease_expires_at = NULL
    FROM webhook_events e
    WHERE e.id = d.event_id AND d.state IN ('pending', 'leased')
      AND (e.occurred_at <= :point OR e.occurred_at = now())
    """
)
_RELEASE = text(
    """
    UPDATE webhook_deliveries SET state = 'pending', lease_token = NULL, lease_expires_at = NULL
    WHERE state = 'leased' AND created_at <= :point
    """
)


def hold_reminders(session: Session, point: datetime, options: RestoreOptions) -> list[Finding]:
    """Hold reminders that came due around the backup and since: most were sent, and nobody wants a stale one.

    Only the first time: later ones are due on this database.
    """
    if options.send_held or earlier_point(session) is not None:
        return []
    first_at = point - timedelta(days=_REMINDER_DAYS)
    result = session.execute(_HOLD_REMINDERS, {"first_at": first_at})
    assert isinstance(result, CursorResult)
    says = f"{result.rowcount} reminders that came due since are held ({HELD})"
    warned = count_rows(session, _HOLD_WARNINGS, point) + pass_over_consent_warnings(session)
    return [
        Finding(name="reminders", count=result.rowcount, says=says),
        Finding(name="warnings", count=warned, says=f"{warned} warnings about connections are held ({HELD})"),
    ]


_HOLD_WARNINGS = text(
    """
    UPDATE connection_warnings SET state = 'dead', last_code = 'held_after_restore', lease_token = NULL
    WHERE state IN ('pending', 'leased') AND created_at <= :point
    """
)


_HOLD_REMINDERS = text(
    """
    INSERT INTO reminder_deliveries AS d (reminder_id, state, last_code)
    SELECT id, 'dead', 'held_after_restore' FROM reminders
    WHERE NOT sent AND channel = 'email'
      AND send_at <= now() AT TIME ZONE 'UTC' AND send_at > :first_at AT TIME ZONE 'UTC'
    ON CONFLICT (reminder_id) DO UPDATE
    SET state = 'dead', last_code = 'held_after_restore', lease_token = NULL, lease_expires_at = NULL
    WHERE d.state IN ('pending', 'leased')
    """
)


def hold_notices(session: Session, point: datetime, _options: RestoreOptions) -> list[Finding]:
    """Close webhooks of providers that waited: they may be out of date, and the runs asked for see how things are.

    Links that a person finished are tried nevertheless, as only their webhook has the token.
    """
    held = count_rows(session, _HOLD_NOTICES, point)
    return [Finding(name="notices", count=held, says=f"{held} webhooks of providers that waited are not acted on")]


_HOLD_NOTICES = text(
    """
    UPDATE provider_notices SET handled_at = now(), result = 'held_after_restore'
    WHERE handled_at IS NULL AND received_at <= :point AND action <> 'link_finished'
    """
)
