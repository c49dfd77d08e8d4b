"""May a claimed run go on right now? Pure: the facts come with the claim."""

from dataclasses import dataclass

from worker.runs.states import Outcome, RunStatus


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
