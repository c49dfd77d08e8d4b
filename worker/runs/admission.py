"""May a claimed run go on right now? Facts are read in one query, the decision is pure."""

from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.orm import Session

from worker.runs import circuit
from worker.runs.states import Lease, Outcome, RunStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known about the connection of a run when it starts.

    rate_limited_s, circuit_s: seconds to wait, 0 for none. user_running, connector_running: other runs of the same
    kind of waiting that are under way for this user, or through this connector. asked_by: traceparent of who asked.
    """

    connection_status: str
    scheduled: bool
    connector_name: str
    rate_limited_s: float = 0
    circuit_s: float = 0
    user_running: int = 0
    connector_running: int = 0
    asked_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of what runs at once, and of attempts."""

    per_user: int
    per_connector: int
    max_attempts: int


class WaitForTurn:
    """The run goes back to the dispatcher: its user or its connector has enough under way."""


def decide(facts: Facts, *, attempt: int, limits: Limits) -> Outcome | WaitForTurn | None:
    """Return None when the run may go on; else how it ends or waits."""
    if facts.connection_status == "disconnected":
        return Outcome(status=RunStatus.FAILED, code="disconnected", message="the connection was removed")
    if facts.scheduled and facts.connection_status != "active":
        return Outcome(status=RunStatus.CANCELLED, code=facts.connection_status)
    if attempt > limits.max_attempts:
        return Outcome(status=RunStatus.FAILED, code="poison", message=f"gave up after {limits.max_attempts} attempts")
    if facts.rate_limited_s > 0 or facts.circuit_s > 0:
        code = "rate_limited" if facts.rate_limited_s > 0 else "provider_down"
        return Outcome(status=RunStatus.DEFERRED, code=code, defer_s=max(facts.rate_limited_s, facts.circuit_s))
    if facts.user_running >= limits.per_user or facts.connector_running >= limits.per_connector:
        return WaitForTurn()
    return None


_FACTS = text(
    """
    SELECT c.status AS connection_status, r.trigger = 'schedule' AS scheduled, c.connector_name, r.trace_context,
           greatest(0, extract(epoch FROM c.rate_limited_until - now()))::float AS rate_limited_s,
           EXISTS (SELECT 1 FROM bank_connector_circuits k
                   WHERE k.connector_name = c.connector_name AND k.state <> 'closed') AS circuit_open,
           (SELECT count(*) FROM bank_import_runs o
            WHERE o.status = 'running' AND o.user_id = r.user_id AND o.id <> r.id AND o.lease_expires_at >= now()
              AND (o.trigger = 'schedule') = (r.trigger = 'schedule')) AS user_running,
           (SELECT count(*) FROM bank_import_runs o JOIN bank_connections oc ON oc.id = o.connection_id
            WHERE o.status = 'running' AND oc.connector_name = c.connector_name AND o.id <> r.id
              AND o.lease_expires_at >= now()
              AND (o.trigger = 'schedule') = (r.trigger = 'schedule')) AS connector_running
    FROM bank_import_runs r JOIN bank_connections c ON c.id = r.connection_id
    WHERE r.id = :run_id
    """
)


def read_facts(session: Session, lease: Lease) -> Facts:
    """Read what decides about a start."""
    row = session.execute(_FACTS, {"run_id": lease.run_id}).one()
    return Facts(
        connection_status=row.connection_status,
        scheduled=row.scheduled,
        connector_name=row.connector_name,
        rate_limited_s=row.rate_limited_s or 0,
        circuit_s=circuit.wait_s(session, row.connector_name) if row.circuit_open else 0,
        user_running=row.user_running,
        connector_running=row.connector_running,
        asked_by=row.trace_context,
    )
