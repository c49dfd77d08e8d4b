"""The pump: fan out and claim (tx), sign and send (no tx), record (tx), over and over until nothing is due.

One event loop holds all exchanges under way, so that an endpoint that hangs costs a socket and not a worker; database
steps run in a thread beside it, in batches. Killed at any point, the leases run out and the rows tell what to repeat.
"""

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

from worker import fault_injection
from worker.credentials import Vault
from worker.db.engine import Sessions
from worker.errors import WorkerError
from worker.events import event_id
from worker.telemetry.logs import get_logger
from worker.telemetry.tracing import note_outcome, span
from worker.webhooks.answer import AnswerCode, ReceiverResponse
from worker.webhooks.breaker import BreakerPolicy
from worker.webhooks.claiming import ClaimedDelivery, ClaimPolicy, claim, free_lost
from worker.webhooks.keyring import Keyring, open_keyring, place
from worker.webhooks.recording import Result, record
from worker.webhooks.relay import relay
from worker.webhooks.retry import DeliveryState, RetryDecision, RetryPolicy, judge, postponed
from worker.webhooks.signing import Message, signed_headers

log = get_logger(__name__)

_STOPPED = RetryDecision(state=DeliveryState.PENDING, code="stopped", counted=False)
_NOT_SENT = ReceiverResponse(code=AnswerCode.BROKEN)


class Sender(Protocol):
    """Sends one signed body and always returns an answer."""

    async def post(self, url: str, headers: dict[str, str], body: bytes) -> ReceiverResponse:
        """Send `body` as it is."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryPolicy:
    """How deliveries are made. places: exchanges under way at once in this process.

    claim_for_s: how long one pump takes on new work. poll_s: how often it looks for more while exchanges are under
    way. gather_s: how long it lets answers gather before it writes them down. stop_grace_s: how long a pump that is
    asked to stop waits for answers before it hands deliveries back.
    """

    retry: RetryPolicy = field(default_factory=RetryPolicy)
    breaker: BreakerPolicy = field(default_factory=BreakerPolicy)
    claim: ClaimPolicy = field(default_factory=ClaimPolicy)
    places: int = 256
    relay_batch: int = 500
    claim_for_s: float = 20
    poll_s: float = 0.25
    gather_s: float = 0.02
    stop_grace_s: float = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryContext:
    """What a pump works with.

    stopping: asked between batches whether the process is shutting down. done_claiming: told, perhaps more than once,
    that from here on the pump only waits for answers, so that another one may take over.
    """

    sessions: Sessions
    vault: Vault
    sender: Sender
    policy: DeliveryPolicy
    stopping: Callable[[], bool] = lambda: False
    done_claiming: Callable[[], None] = lambda: None


@dataclass(frozen=True, slots=True, kw_only=True)
class PumpReport:
    """What one pump did."""

    fanned_out: int = 0
    attempts: int = 0
    delivered: int = 0


def deliver_due(parts: DeliveryContext) -> PumpReport:
    """Deliver everything that is due, in this process, and return when nothing more is."""
    return asyncio.run(_Pump(parts).run())


class _Pump:
    """One pump's state: exchanges under way, results not yet written down, keyrings opened so far."""

    def __init__(self, parts: DeliveryContext) -> None:
        self._parts = parts
        self._under_way: dict[asyncio.Task[Result], ClaimedDelivery] = {}
        self._finished: list[Result] = []
        self._keyrings: dict[tuple[object, int], Keyring] = {}
        self._report = PumpReport()

    async def run(self) -> PumpReport:
        """Turn until nothing is due and nothing is under way."""
        policy = self._parts.policy
        give_up_s = time.monotonic() + policy.claim_for_s
        while True:
            stopping = self._parts.stopping()
            if stopping:
                await self._wind_down()
            claiming = not stopping and time.monotonic() < give_up_s
            if not claiming:
                self._parts.done_claiming()
            moved = await self._turn(claiming=claiming)
            if not self._under_way and not moved:
                return self._report
            if self._under_way:
                await asyncio.wait(self._under_way, timeout=policy.poll_s, return_when=asyncio.FIRST_COMPLETED)
                await asyncio.sleep(policy.gather_s)
                self._collect()

    async def _turn(self, *, claiming: bool) -> bool:
        """Write down what is finished, claim what fits, start it; say whether anything moved."""
        finished, self._finished = self._finished, []
        capacity = self._parts.policy.places - len(self._under_way) if claiming else 0
        fanned_out, claimed, opened_at = await asyncio.to_thread(self._rows, finished, capacity)
        for item in claimed:
            task = asyncio.create_task(self._traced(item, opened_at))
            self._under_way[task] = item
        self._report = PumpReport(
            fanned_out=self._report.fanned_out + fanned_out,
            attempts=self._report.attempts + len(finished),
            delivered=self._report.delivered
            + sum(result.verdict.state is DeliveryState.DELIVERED for result in finished),
        )
        return bool(finished or claimed or fanned_out)

    def _rows(self, finished: Sequence[Result], capacity: int) -> tuple[int, list[ClaimedDelivery], datetime]:
        """All database work of one turn, each step a short transaction of its own."""
        sessions, policy = self._parts.sessions, self._parts.policy
        if finished:
            with sessions() as session:
                record(session, finished, policy.breaker)
        if capacity <= 0:
            return 0, [], datetime.now(UTC)
        with sessions() as session:
            fanned_out = relay(session, batch=policy.relay_batch)
        with sessions() as session:
            free_lost(session)
        with sessions() as session:
            claimed = claim(session, capacity=capacity, policy=policy.claim)
        fault_injection.point("webhook_after_claim")
        return fanned_out, claimed, datetime.now(UTC)

    async def _traced(self, item: ClaimedDelivery, now: datetime) -> Result:
        with span("delivery", _names(item)):
            result = await self._deliver(item, now)
            verdict = result.verdict
            failed = verdict.state is not DeliveryState.DELIVERED
            note_outcome(failed=failed, state=verdict.state.value, code=verdict.code)
            return result

    async def _deliver(self, item: ClaimedDelivery, now: datetime) -> Result:
        try:
            answer = await self._send(item, self._keyring(item).signing(now))
        except Exception as error:
            # One delivery's surprise, a secret that does not open for one, must not stop the others.
            log.exception("webhook_attempt.postponed", **_names(item))
            code = error.code if isinstance(error, WorkerError) else WorkerError.code
            return Result(claimed=item, answer=_NOT_SENT, verdict=postponed(code, self._parts.policy.retry))
        fault_injection.point("webhook_after_send")
        jitter = random.random()  # noqa: S311 - spreads retries, hides nothing
        verdict = judge(answer, item.attempt, self._parts.policy.retry, jitter=jitter)
        if verdict.state is not DeliveryState.DELIVERED:
            log.info("webhook_attempt.failed", **_names(item), code=verdict.code, state=verdict.state)
        return Result(claimed=item, answer=answer, verdict=verdict)

    async def _send(self, item: ClaimedDelivery, secrets: Sequence[str]) -> ReceiverResponse:
        body = item.envelope.body()
        message = Message(
            event_id=event_id(item.envelope.id), event_type=item.envelope.type, attempt=item.attempt, body=body
        )
        headers = signed_headers(message, secrets, int(time.time()))
        return await self._parts.sender.post(item.url, headers, body)

    def _keyring(self, item: ClaimedDelivery) -> Keyring:
        """Open a subscription's secrets once per pump. Raises: CredentialError."""
        key = (item.subscription_id, item.secret_version)
        if key not in self._keyrings:
            where = place(item.user_id, item.subscription_id, item.secret_version)
            self._keyrings[key] = open_keyring(self._parts.vault, item.secret_encrypted, where)
        return self._keyrings[key]

    def _collect(self) -> None:
        for task in [task for task in self._under_way if task.done()]:
            del self._under_way[task]
            self._finished.append(task.result())

    async def _wind_down(self) -> None:
        """Wait a moment for answers; what is still under way then is handed back, uncounted, to be sent again."""
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=self._parts.policy.stop_grace_s)
        self._collect()
        for task, item in self._under_way.items():
            task.cancel()
            self._finished.append(Result(claimed=item, answer=_NOT_SENT, verdict=_STOPPED))
        await asyncio.gather(*self._under_way, return_exceptions=True)
        self._under_way.clear()


def _names(item: ClaimedDelivery) -> dict[str, str | int]:
    return {
        "event_id": event_id(item.envelope.id),
        "subscription_id": str(item.subscription_id),
        "delivery_id": item.delivery_id,
        "attempt": item.attempt,
    }
