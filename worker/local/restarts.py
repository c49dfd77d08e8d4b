"""When a crashed process is started again, and when that is no use any more. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartPolicy:
    """`delay = first_delay_s * 2 ** (crashes - 1)`, at most `longest_delay_s`; `crashes` within `within_s` end it."""

    first_delay_s: float = 0.5
    longest_delay_s: float = 10
    crashes: int = 5
    within_s: float = 60


def restart_delay_s(policy: RestartPolicy, crashed_at_s: Sequence[float]) -> float | None:
    """Return how long to wait after the latest of these crashes; None: give up.

    crashed_at_s: monotonic seconds in order; crashes longer ago than the policy looks back are forgotten.
    """
    recent = [moment for moment in crashed_at_s if crashed_at_s[-1] - moment <= policy.within_s]
    if len(recent) >= policy.crashes:
        return None
    return min(policy.longest_delay_s, policy.first_delay_s * 2.0 ** (len(recent) - 1))
