"""Decides when a crashed process is restarted, and when to give up. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartPolicy:
    """When a crashed process is restarted.

    Attributes:
        first_delay_s: The wait after the first crash; each further crash doubles it.
        longest_delay_s: The longest wait.
        crashes: So many crashes within `within_s` end the restarts.
    """

    first_delay_s: float = 0.5
    longest_delay_s: float = 10
    crashes: int = 5
    within_s: float = 60


def restart_delay_s(policy: RestartPolicy, crashed_at_s: Sequence[float]) -> float | None:
    """Return how long to wait after the latest of these crashes; None to give up.

    Args:
        crashed_at_s: Monotonic seconds in order; crashes older than `within_s` do not count.
    """
    recent = [moment for moment in crashed_at_s if crashed_at_s[-1] - moment <= policy.within_s]
    if len(recent) >= policy.crashes:
        return None
    return min(policy.longest_delay_s, policy.first_delay_s * 2.0 ** (len(recent) - 1))
