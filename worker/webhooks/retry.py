"""Decides when a delivery is tried again and when it is dead-lettered. Pure.

By default a delivery is tried at once, then after 1, 5 and 15 minutes; each wait is prolonged by up to 20 % at random.
"""

from dataclasses import dataclass
from enum import StrEnum

from worker.webhooks.response import OURS, ReceiverResponse, ResponseCode

_GONE = 410
_SLOW_DOWN = 429
_SLOW_DOWN_S = 60.0


class DeliveryState(StrEnum):
    """Where a delivery is: `pending → leased → delivered | pending | dead`, or `cancelled`."""

    PENDING = "pending"
    LEASED = "leased"
    DELIVERED = "delivered"
    DEAD = "dead"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How long to wait between attempts.

    Attributes:
        delays_s: The waits between attempts.
        jitter: The share of a wait that is added at random.
        postpone_s: The wait after an outcome that is not the receiver's fault; see `RetryDecision`.
    """

    delays_s: tuple[float, ...] = (60, 300, 900)
    jitter: float = 0.2
    postpone_s: float = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryDecision:
    """What follows from an attempt for its delivery.

    Attributes:
        delay_s: The wait before the next attempt, for a pending delivery.
        counted: False when the fault is ours (the proxy, no thread to look a name up, a key that cannot be used): it
            uses up no attempt and does not count as a failure of the receiver.
        gone: The receiver answered 410, so that the subscription is disabled.
    """

    state: DeliveryState
    code: str
    delay_s: float = 0
    counted: bool = True
    gone: bool = False


def judge(answer: ReceiverResponse, attempt: int, policy: RetryPolicy, *, jitter: float) -> RetryDecision:
    """Decide what follows from one attempt of a delivery.

    Args:
        attempt: The number of the attempt, from 1.
        jitter: A random number from 0 to 1.
    """
    code = _code(answer)
    if answer.status is not None and 200 <= answer.status < 300:  # noqa: PLR2004 - 2xx, the HTTP class
        return RetryDecision(state=DeliveryState.DELIVERED, code=code)
    if answer.code in OURS:
        return postponed(code, policy)
    if answer.status == _GONE:
        return RetryDecision(state=DeliveryState.DEAD, code=code, gone=True)
    if answer.code is ResponseCode.NOT_ALLOWED or attempt > len(policy.delays_s):
        return RetryDecision(state=DeliveryState.DEAD, code=code)
    return RetryDecision(state=DeliveryState.PENDING, code=code, delay_s=_wait_s(answer, attempt, policy, jitter))


def postponed(code: str, policy: RetryPolicy) -> RetryDecision:
    """Return the decision for an attempt that could not be made for a reason of our own."""
    return RetryDecision(state=DeliveryState.PENDING, code=code, delay_s=policy.postpone_s, counted=False)


def _wait_s(answer: ReceiverResponse, attempt: int, policy: RetryPolicy, jitter: float) -> float:
    floor_s = policy.delays_s[attempt - 1]
    if answer.status == _SLOW_DOWN or answer.code is ResponseCode.TIMEOUT:
        floor_s = max(floor_s, _SLOW_DOWN_S)
    if answer.retry_after_s is not None:
        return min(max(answer.retry_after_s, floor_s), 2 * floor_s)
    return floor_s * (1 + policy.jitter * jitter)


def _code(answer: ReceiverResponse) -> str:
    return answer.code if answer.status is None else f"http_{answer.status}"
