"""Whether a claimed run may go on right now. Pure: the facts come with the claim."""

from dataclasses import dataclass

from worker.runs.states import Outcome, RunStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmissionFacts:
    """What is known about the connection of a run when it starts.

    Attributes:
        connection_status: as the connection has it.
        scheduled: whether the schedule asked for the run, and nobody waits for it.
        connector_name: the connector of the connection.
        rate_limited_s: how long the provider's limit still holds (s), 0 for none.
        circuit_s: how long the connector's circuit stays open (s), 0 for closed.
        user_running: other runs under way for this user, scheduled like this one or not; counted no further
            than it matters.
        connector_running: other runs that somebody waits for through this connector; 0 for a scheduled run, whose
            connector the dispatcher bounds.
        asked_by: W3C traceparent of the request.
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
class AdmissionLimits:
    """Bounds of what runs at once, and of attempts."""

    per_user: int
    per_connector: int
    max_attempts: int


class WaitForTurn:
    """The run goes back to the dispatcher: its user or its connector has as many under way as allowed."""


def admit(facts: AdmissionFacts, *, attempt: int, limits: AdmissionLimits) -> Outcome | WaitForTurn | None:
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
