"""Turns stored notices into runs and states of connections, one login at a time, without the network.

A notice that cannot be acted on yet waits: for its login to be linked, for its turn, for another request to end. Any
number of dispatchers may work at once; what one holds is skipped by the others.
"""

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import func, select, text, update
from sqlalchemy.orm import Session

from worker import outbox
from worker.connections.notices.reaction import LoginFacts, NoticeFacts, Reaction, react
from worker.connectors.base import Burst
from worker.connectors.notices import NoticeAction
from worker.errors import ConflictError
from worker.models import BankConnection, BankConnectionAccount, ReceivedNotice
from worker.reminders.consent import warn_of_expiring_consents
from worker.runs.ending import ask_user
from worker.runs.request import request_run
from worker.runs.states import Outcome, RunKind, RunRequest, RunStatus, RunTrigger
from worker.telemetry.logs import get_logger

log = get_logger(__name__)

BATCH = 200
"""Notices looked at in one pass."""

SHORTEST_GAP = timedelta(minutes=1)
"""A connection gets at most one run in this time because of webhooks; what comes meanwhile waits for the next."""

CALLS_PER_RUN = 5
"""What a refresh costs a provider, roughly; of its burst limit webhooks may use as many runs as that allows."""

RUNS_PER_MINUTE = 120
"""Runs through one connector because of webhooks, where it states no burst limit."""

UNKNOWN_LOGIN_WAITS = timedelta(hours=1)
"""A provider may report on a login before the user is back in the web app: so long it may take to be linked."""

_RETRY = timedelta(seconds=30)
_BUSY = timedelta(seconds=2)

_WAITING = text(
    """
    SELECT id FROM provider_notices
    WHERE handled_at IS NULL AND not_before <= now() AND action = ANY(CAST(:known AS text[]))
      AND connector_name <> ALL(CAST(:spent AS text[]))
    ORDER BY not_before LIMIT :batch FOR UPDATE SKIP LOCKED
    """
)
_KNOWN = [action for action in NoticeAction if action is not NoticeAction.LINK_FINISHED]
"""Others are done elsewhere, or by a later version, which runs again some day."""

_ASKED_LATELY = text(
    """
    SELECT connector_name, count(DISTINCT run_id) AS runs FROM provider_notices
    WHERE handled_at > now() - INTERVAL '1 minute' AND run_id IS NOT NULL GROUP BY connector_name
    """
)
# A user that FinMind deletes at this moment is passed by, as in planning.
_CONNECTIONS = text(
    """
    SELECT c.id FROM bank_connections c JOIN users u ON u.id = c.user_id
    WHERE c.connector_name = :connector_name AND c.login_ref = :login_ref AND c.status <> 'disconnected'
    ORDER BY c.id FOR KEY SHARE OF u SKIP LOCKED FOR NO KEY UPDATE OF c SKIP LOCKED
    """
)
_ALL_OF_LOGIN = text(
    """
    SELECT count(*) FROM bank_connections
    WHERE connector_name = :connector_name AND login_ref = :login_ref AND status <> 'disconnected'
    """
)
_NEXT_TURN = text(
    """
    SELECT max(queued_at) + make_interval(secs => :gap_s) FROM bank_import_runs
    WHERE connection_id = :connection_id AND trigger = 'webhook' AND queued_at > now() - make_interval(secs => :gap_s)
    """
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Login:
    """A login at a provider, as its notices name it."""

    connector_name: str
    ref: str


def handle_notices(session: Session, burst_of: Callable[[str], Burst | None]) -> int:
    """Act on notices that are due and return how many were dealt with; runs are taken up by the dispatcher.

    Args:
        burst_of: The burst limit of a connector, by its name.
    """
    asked = {row.connector_name: row.runs for row in session.execute(_ASKED_LATELY)}
    spent = [name for name, runs in asked.items() if runs >= runs_per_minute(burst_of(name))]
    ids = session.scalars(_WAITING, {"batch": BATCH, "spent": spent, "known": _KNOWN}).all()
    rows = session.scalars(select(ReceivedNotice).where(ReceivedNotice.id.in_(ids))).all()
    by_login: dict[_Login, list[ReceivedNotice]] = {}
    for row in rows:
        by_login.setdefault(_Login(connector_name=row.connector_name, ref=row.login_ref), []).append(row)
    dealt_with = 0
    for login, notices in by_login.items():
        room = runs_per_minute(burst_of(login.connector_name)) - asked.get(login.connector_name, 0)
        runs = _handle_login(session, login, notices, may_ask=room > 0)
        asked[login.connector_name] = asked.get(login.connector_name, 0) + runs
        dealt_with += sum(notice.result is not None for notice in notices)
    session.flush()
    return dealt_with


def runs_per_minute(burst: Burst | None) -> int:
    """Return how many runs a minute webhooks may start through one connector. Pure."""
    return RUNS_PER_MINUTE if burst is None else max(1, int(burst.calls / burst.per_s * 60 / CALLS_PER_RUN))


def _handle_login(session: Session, login: _Login, notices: Sequence[ReceivedNotice], *, may_ask: bool) -> int:
    """React for every connection of a login; return how many runs were asked for."""
    known = {"connector_name": login.connector_name, "login_ref": login.ref}
    ids = session.scalars(_CONNECTIONS, known).all()
    if len(ids) < (session.scalar(_ALL_OF_LOGIN, known) or 0):  # another transaction holds one for a moment
        for notice in notices:
            notice.not_before = func.now() + _BUSY
        return 0
    if not ids:
        _wait_for_login(session, login, notices)
        return 0
    facts = [_facts(notice) for notice in notices]
    run_ids: list[uuid.UUID] = []
    waits = False
    for connection_id in ids:
        connection = session.get_one(BankConnection, connection_id, populate_existing=True)
        connection.webhook_seen_at = func.now()
        reaction = react(facts, _login_facts(connection))
        _apply(session, connection, reaction)
        if reaction.look and connection.status != "paused":
            asked = _ask_for_run(session, connection, may_ask=may_ask)
            run_ids += [asked] if asked else []
            waits = waits or asked is None
    for notice in notices:
        if waits and notice.action != NoticeAction.NONE:
            notice.not_before = _later_turn(session, ids)
        else:
            _close(notice, "run_asked" if run_ids else "noted", run_ids[0] if run_ids else None)
    return len(run_ids)


def _wait_for_login(session: Session, login: _Login, notices: Sequence[ReceivedNotice]) -> None:
    """Let notices of an unknown login wait for it to be linked, but not for ever."""
    now = session.scalar(select(func.now()))
    assert now is not None
    for notice in notices:
        if now - notice.received_at > UNKNOWN_LOGIN_WAITS:
            _close(notice, "unknown_login", None)
            log.info("provider_notice.unknown_login", connector=login.connector_name, code=notice.code)
        else:
            # Ever more seldom: notices of logins that nobody links must not keep out those of known ones.
            notice.not_before = now + max(_RETRY, (now - notice.received_at) / 4)


def _ask_for_run(session: Session, connection: BankConnection, *, may_ask: bool) -> uuid.UUID | None:
    """Ask for a run that begins after this moment; None when it is not the connection's turn yet."""
    gap = {"connection_id": connection.id, "gap_s": SHORTEST_GAP.total_seconds()}
    if not may_ask or session.scalar(_NEXT_TURN, gap) is not None:
        return None
    request = RunRequest(connection_id=connection.id, kind=RunKind.REFRESH, trigger=RunTrigger.WEBHOOK)
    try:
        return request_run(session, request, join_running=False)
    except ConflictError:  # another request waits: a dry run, a revert
        return None


def _later_turn(session: Session, connection_ids: Sequence[uuid.UUID]) -> Any:  # noqa: ANN401 - a moment, or SQL for one
    turns = [
        session.scalar(_NEXT_TURN, {"connection_id": connection_id, "gap_s": SHORTEST_GAP.total_seconds()})
        for connection_id in connection_ids
    ]
    return max((turn for turn in turns if turn is not None), default=func.now() + timedelta(seconds=5))


def _apply(session: Session, connection: BankConnection, reaction: Reaction) -> None:
    """Write what notices say about the connection, and tell its user."""
    if reaction.forget_end:
        connection.consent_expires_at, connection.consent_warned_days = None, None
    if reaction.revoked_accounts:
        _close_accounts(session, connection, reaction.revoked_accounts)
    if reaction.new_accounts_at is not None and reaction.new_accounts_at > connection.linked_at:
        _announce_new_accounts(session, connection, reaction)
    if reaction.needs_user is not None and connection.status in {"active", "error"}:
        notice = reaction.needs_user
        message = f"the provider reports {notice.code} ({notice.reason})"
        ask_user(session, connection, Outcome(status=RunStatus.FAILED, code="needs_user", message=message))
    if reaction.ends_at is not None and reaction.needs_user is None:
        connection.consent_expires_at = reaction.ends_at
        session.flush()
        warn_of_expiring_consents(session, only=connection.id)
    session.flush()


def _announce_new_accounts(session: Session, connection: BankConnection, reaction: Reaction) -> None:
    if connection.new_accounts_at is None:
        outbox.record(
            session,
            user_id=connection.user_id,
            event_type="connection.new_accounts",
            data={"connection_id": str(connection.id), "display_name": connection.display_name},
            dedup_key=f"{connection.id}:{connection.link_epoch}",
        )
    connection.new_accounts_at = reaction.new_accounts_at


def _close_accounts(session: Session, connection: BankConnection, external_ids: frozenset[str]) -> None:
    """Stop importing accounts that the user took back; their rows stay, and a bank that lists them again opens them."""
    session.execute(
        update(BankConnectionAccount)
        .where(BankConnectionAccount.connection_id == connection.id)
        .where(BankConnectionAccount.external_id.in_(external_ids))
        .values(
            status="closed",
            status_code="account_revoked",
            problem_code=None,
            problem_message=None,
            problem_since_at=None,
            updated_at=func.now(),
        )
    )


def _close(notice: ReceivedNotice, result: str, run_id: uuid.UUID | None) -> None:
    notice.handled_at, notice.result, notice.run_id = func.now(), result, run_id
    notice.secret_encrypted, notice.secret_key_id = None, None


def _facts(notice: ReceivedNotice) -> NoticeFacts:
    return NoticeFacts(
        action=NoticeAction(notice.action),
        code=notice.code,
        issued_at=notice.issued_at,
        account_id=notice.account_external_id,
        reason=notice.reason,
        repaired=notice.repaired,
        works_until=notice.works_until,
    )


def _login_facts(connection: BankConnection) -> LoginFacts:
    proven = [moment for moment in (connection.linked_at, connection.last_good_at) if moment is not None]
    return LoginFacts(status=connection.status, proven_at=max(proven), renewed_at=connection.linked_at)
