"""The delivery loop of webhooks: fan out, claim, sign, send and record, until nothing is due.

Fanning out, claiming and recording are short transactions; sending holds none. One event loop holds all requests under
way, so that an endpoint that hangs costs a socket, and neither a worker nor, after a moment, a place that another one
could have. Database steps run in a thread, in batches. After a kill the leases run out, and the deliveries are sent
again.
"""

import asyncio
import random
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from worker.credentials import Vault
from worker.db.engine import Sessions
from worker.errors import WorkerError
from worker.events import event_id
from worker.process import fault_injection
from worker.telemetry.logs import get_logger
from worker.telemetry.tracing import note_outcome, span
from worker.webhooks.breaker import BreakerPolicy
from worker.webhooks.claiming import ClaimedDelivery, ClaimPolicy, claim, free_lost
from worker.webhooks.keyring import Keyring, open_keyring, place
from worker.webhooks.recording import Result, record
from worker.webhooks.relay import relay
from worker.webhooks.response import ReceiverResponse, ResponseCode
from worker.webhooks.retry import DeliveryState, RetryDecision, RetryPolicy, judge, postponed
from worker.webhooks.signing import Message, signed_headers

log = get_logger(__name__)

_STOPPED = RetryDecision(state=DeliveryState.PENDING, code="stopped", counted=False)
_NOT_SENT = ReceiverResponse(code=ResponseCode.BROKEN)


class Sender(Protocol):
    """Sends one signed request and always returns a response, also for failures."""

    async def post(self, url: str, headers: dict[str, str], body: bytes) -> ReceiverResponse:
        """Send `body` unchanged."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryPolicy:
    """Limits of the delivery loop.

    Attributes:
        places: Requests of this process at once that began within `moment_s`.
        moment_s: How long a request holds a place; whoever takes longer to answer keeps nobody from beginning.
        most_waiting: Requests of this process at once, those included that wait for longer.
        relay_batch: Events fanned out in one transaction.
        claim_for_s: How long one call of `deliver_due` claims new deliveries.
        poll_s: How often it claims while requests are under way.
        gather_s: How long it collects responses before it records them in one transaction.
        stop_grace_s: How long it waits for responses when the worker shuts down; then deliveries are handed back.
    """

    retry: RetryPolicy = field(default_factory=RetryPolicy)
    breaker: BreakerPolicy = field(default_factory=BreakerPolicy)
    claim: ClaimPolicy = field(default_factory=ClaimPolicy)
    places: int = 256
    moment_s: float = 0.5
    most_waiting: int = 4096
    relay_batch: int = 500
    claim_for_s: float = 20
    poll_s: float = 0.25
    gather_s: float = 0.02
    stop_grace_s: float = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryContext:
    """Collaborators of the delivery loop.

    Attributes:
        stopping: Says whether the process is shutting down; called between batches.
        done_claiming: Called, perhaps several times, once nothing more is claimed, so that another process may claim.
    """

    sessions: Sessions
    vault: Vault
    sender: Sender
    policy: DeliveryPolicy
    stopping: Callable[[], bool] = lambda: False
    done_claiming: Callable[[], None] = lambda: None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryReport:
    """What one call of `deliver_due` did."""

    fanned_out: int = 0
    attempts: int = 0
    delivered: int = 0


def free_places(ages_s: Collection[float], policy: DeliveryPolicy) -> int:
    """Return how many requests may begin beside those that are under way for so long. Pure."""
    young = sum(age_s < policy.moment_s for age_s in ages_s)
    return max(0, min(policy.places - young, policy.most_waiting - len(ages_s)))


class _Sent(NamedTuple):
    """A request under way, and when it began by the monotonic clock (s)."""

    item: ClaimedDelivery
    began_s: float


def deliver_due(context: DeliveryContext) -> DeliveryReport:
    """Deliver everything that is due in this process, and return when nothing is left."""
    return asyncio.run(_DeliveryLoop(context).run())


class _DeliveryLoop:
    """State of one loop: requests under way, results that are not recorded yet, keyrings opened so far."""

    def __init__(self, context: DeliveryContext) -> None:
        self._context = context
        self._under_way: dict[asyncio.Task[Result], _Sent] = {}
        self._finished: list[Result] = []
        self._keyrings: dict[tuple[object, int], Keyring] = {}
        self._report = DeliveryReport()

    async def run(self) -> DeliveryReport:
        """Repeat record, claim and send until nothing is due and nothing is under way."""
        policy = self._context.policy
        give_up_s = time.monotonic() + policy.claim_for_s
        while True:
            stopping = self._context.stopping()
            if stopping:
                await self._stop()
            claiming = not stopping and time.monotonic() < give_up_s
            if not claiming:
                self._context.done_claiming()
            moved = await self._run_once(claiming=claiming)
            if not self._under_way and not moved:
                return self._report
            if self._under_way:
                await asyncio.wait(self._under_way, timeout=policy.poll_s, return_when=asyncio.FIRST_COMPLETED)
                await asyncio.sleep(policy.gather_s)
                self._collect()

    async def _run_once(self, *, claiming: bool) -> bool:
        """Record finished attempts, claim and start as many as fit; say whether anything happened."""
        finished, self._finished = self._finished, []
        now_s = time.monotonic()
        ages_s = [now_s - sent.began_s for sent in self._under_way.values()]
        capacity = free_places(ages_s, self._context.policy) if claiming else 0
        fanned_out, claimed = await asyncio.to_thread(self._record_and_claim, finished, capacity)
        for item in claimed:
            task = asyncio.create_task(self._deliver_traced(item))
            self._under_way[task] = _Sent(item, time.monotonic())
        self._report = DeliveryReport(
            fanned_out=self._report.fanned_out + fanned_out,
            attempts=self._report.attempts + len(finished),
            delivered=self._report.delivered
            + sum(result.verdict.state is DeliveryState.DELIVERED for result in finished),
        )
        return bool(finished or claimed or fanned_out)

    def _record_and_claim(self, finished: Sequence[Result], capacity: int) -> tuple[int, list[ClaimedDelivery]]:
        """Record, fan out and claim, each in a short transaction of its own."""
        sessions, policy = self._context.sessions, self._context.policy
        if finished:
            with sessions() as session:
                record(session, finished, policy.breaker)
        if not capacity:
            return 0, []
        with sessions() as session:
            fanned_out = relay(session, batch=policy.relay_batch)
        with sessions() as session:
            free_lost(session)
        with sessions() as session:
            claimed = claim(session, capacity=capacity, policy=policy.claim)
        fault_injection.point("webhook_after_claim")
        return fanned_out, claimed

    async def _deliver_traced(self, item: ClaimedDelivery) -> Result:
        with span("delivery", _log_fields(item)):
            result = await self._deliver(item)
            verdict = result.verdict
            failed = verdict.state is not DeliveryState.DELIVERED
            note_outcome(failed=failed, state=verdict.state.value, code=verdict.code)
            return result

    async def _deliver(self, item: ClaimedDelivery) -> Result:
        try:
            answer = await self._send(item, self._keyring(item).signing(item.claimed_at))
        except Exception as error:
            # A defect of one delivery, such as a secret that cannot be decrypted, must not stop the others.
            log.exception("webhook_attempt.postponed", **_log_fields(item))
            code = error.code if isinstance(error, WorkerError) else WorkerError.code
            return Result(claimed=item, answer=_NOT_SENT, verdict=postponed(code, self._context.policy.retry))
        fault_injection.point("webhook_after_send")
        jitter = random.random()  # noqa: S311 - spreads retries, hides nothing
        verdict = judge(answer, item.attempt, self._context.policy.retry, jitter=jitter)
        if verdict.state is not DeliveryState.DELIVERED:
            log.info("webhook_attempt.failed", **_log_fields(item), code=verdict.code, state=verdict.state)
        return Result(claimed=item, answer=answer, verdict=verdict)

    async def _send(self, item: ClaimedDelivery, secrets: Sequence[str]) -> ReceiverResponse:
        body = item.envelope.body()
        message = Message(
            event_id=event_id(item.envelope.id), event_type=item.envelope.type, attempt=item.attempt, body=body
        )
        headers = signed_headers(message, secrets, int(item.claimed_at.timestamp()))
        return await self._context.sender.post(item.url, headers, body)

    def _keyring(self, item: ClaimedDelivery) -> Keyring:
        """Return a subscription's secrets, decrypted once per loop. Raises: CredentialError."""
        key = (item.subscription_id, item.secret_version)
        if key not in self._keyrings:
            where = place(item.user_id, item.subscription_id, item.secret_version)
            self._keyrings[key] = open_keyring(self._context.vault, item.secret_encrypted, where)
        return self._keyrings[key]

    def _collect(self) -> None:
        for task in [task for task in self._under_way if task.done()]:
            del self._under_way[task]
            self._finished.append(task.result())

    async def _stop(self) -> None:
        """Wait briefly for responses; hand back what is still under way, which does not count as an attempt."""
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=self._context.policy.stop_grace_s)
        self._collect()
        for task, sent in self._under_way.items():
            task.cancel()
            self._finished.append(Result(claimed=sent.item, answer=_NOT_SENT, verdict=_STOPPED))
        await asyncio.gather(*self._under_way, return_exceptions=True)
        self._under_way.clear()


def _log_fields(item: ClaimedDelivery) -> dict[str, str | int]:
    return {
        "event_id": event_id(item.envelope.id),
        "subscription_id": str(item.subscription_id),
        "delivery_id": item.delivery_id,
        "attempt": item.attempt,
    }
