"""Decides whether a claimed run may start now. Pure: the claim reads the facts."""

from dataclasses import dataclass

from worker.runs.states import Outcome, RunStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmissionFacts:
    """What is known about the connection of a run when it starts.

    Attributes:
        connection_status: Status of the connection.
        scheduled: Whether the schedule requested the run, so that nobody waits for it.
        person_waits: Whether a person asked for the run; neither the schedule nor a provider's webhook is one.
        connector_name: Connector of the connection.
        rate_limited_s: How long the provider's limit still holds (s); 0 for none.
        circuit_s: How long the connector's circuit stays open (s); 0 when it is closed.
        user_running: Other runs of this user under way of the same sort (scheduled or not), counted up to the limit.
        user_running_here: Other runs of this user under way in the same worker, of any sort.
        connector_running: Other interactive runs of this connector under way; 0 for a scheduled run, which the
            dispatcher limits.
        last_code: Why the attempt before ended: `stopped` when it was handed back, `lost` when its worker died.
        trace_context: W3C traceparent of the request.
    """

    connection_status: str
    scheduled: bool
    connector_name: str
    person_waits: bool = True
    rate_limited_s: float = 0
    circuit_s: float = 0
    user_running: int = 0
    user_running_here: int = 0
    connector_running: int = 0
    last_code: str | None = None
    trace_context: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmissionLimits:
    """How many runs may be under way at once, and how many attempts a run has; the numbers are settings.

    Attributes:
        per_user: `RUNS_PER_USER`.
        per_connector: `RUNS_PER_CONNECTOR`.
        max_attempts: `MAX_ATTEMPTS`.
        per_user_here: In one worker, so that one user never holds all its places; None where the operator set another
            bound, or the run is of the schedule.
    """

    per_user: int
    per_connector: int
    max_attempts: int
    per_user_here: int | None = None


def places_per_user(places: int) -> int:
    """Return how many of the places of a worker one user may hold: a quarter, and one at least."""
    return max(1, places // 4)


class WaitForTurn:
    """Hand the run back to the dispatcher: its user or its connector has as many under way as allowed."""


def admit(facts: AdmissionFacts, *, attempt: int, limits: AdmissionLimits) -> Outcome | WaitForTurn | None:
    """Return None when the run may start; otherwise how it ends or that it waits."""
    if facts.connection_status == "disconnected":
        return Outcome(status=RunStatus.FAILED, code="disconnected", message="the connection was removed")
    if facts.scheduled and facts.connection_status != "active":
        return Outcome(status=RunStatus.CANCELLED, code=facts.connection_status)
    if attempt > limits.max_attempts:
        return _give_up(facts, limits)
    if facts.rate_limited_s > 0 or facts.circuit_s > 0:
        code = "rate_limited" if facts.rate_limited_s > 0 else "provider_down"
        return Outcome(status=RunStatus.DEFERRED, code=code, defer_s=max(facts.rate_limited_s, facts.circuit_s))
    return WaitForTurn() if _has_to_wait(facts, limits) else None


def _give_up(facts: AdmissionFacts, limits: AdmissionLimits) -> Outcome:
    """End a run without attempts left: as `poison` when it killed its workers, as `no_progress` when time ran out."""
    if facts.last_code != "stopped":
        return poisonous(limits.max_attempts)
    reason = f"{limits.max_attempts} attempts used up their time and got no further"
    return Outcome(status=RunStatus.FAILED, code="no_progress", message=reason)


def poisonous(attempts: int) -> Outcome:
    """Return the end of a run that killed its worker in each of its attempts."""
    return Outcome(status=RunStatus.FAILED, code="poison", message=f"the worker was lost in {attempts} attempts")


def _has_to_wait(facts: AdmissionFacts, limits: AdmissionLimits) -> bool:
    shares = (
        (facts.user_running, limits.per_user),
        (facts.connector_running, limits.per_connector),
        (facts.user_running_here, limits.per_user_here),
    )
    return any(most is not None and running >= most for running, most in shares)
