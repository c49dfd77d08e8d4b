"""Reports refused messages: a line for the first one of a reason, then a line with their number while they go on.

Anybody who can write to the broker can send millions of them, and the log must not grow with them.
"""

import time
from collections import Counter
from collections.abc import Callable

from worker.celery_hooks.messages import FloodError, RefusedMessageError
from worker.telemetry.logs import get_logger

log = get_logger(__name__)

REPORT_S = 10.0
"""How often the number of further messages of a reason is reported."""


class RefusalLog:
    """Counts refused messages by reason.

    Args:
        later: Calls a function after so many seconds.
    """

    def __init__(self, later: Callable[[float, Callable[[], None]], object]) -> None:
        self._later = later
        self._more: Counter[str] = Counter()

    def note(self, error: Exception) -> None:
        """Report a refused message, at once or with others."""
        reason = str(error) if isinstance(error, RefusedMessageError) else type(error).__name__
        if reason in self._more:
            self._more[reason] += 1
            return
        self._more[reason] = 0
        if isinstance(error, FloodError):  # our own ticks too, when a worker finds those of its absence
            log.info("message.refused", reason=reason)
        else:
            log.warning("message.refused", reason=reason)
        self._later(REPORT_S, lambda: self._report(reason))

    def _report(self, reason: str) -> None:
        more = self._more.pop(reason)
        if more:
            log.warning("messages.refused", reason=reason, count=more, within_s=REPORT_S)
            self._more[reason] = 0
            self._later(REPORT_S, lambda: self._report(reason))


class DroppedEntries:
    """Counts entries of Redis that were dropped before they became messages, and reports them while they come.

    Args:
        now: A monotonic clock (s).
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._count: Counter[str] = Counter()
        self._reported_at_s: dict[str, float] = {}

    def note(self, reason: str) -> None:
        """Count one; report the first of a reason, and then those since, at most once in `REPORT_S`."""
        now_s = self._now()
        self._count[reason] += 1
        if now_s - self._reported_at_s.get(reason, float("-inf")) >= REPORT_S:
            self._reported_at_s[reason] = now_s
            log.warning("message.unreadable", reason=reason, count=self._count.pop(reason))
