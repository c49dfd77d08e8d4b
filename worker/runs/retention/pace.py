"""How fast a pass of maintenance removes rows, and when it ends."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field


def _never() -> bool:
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class RemovalPace:
    """The pace of one pass, which begins when this is created.

    Attributes:
        rows_per_s: Rows removed per second, so that removing never crowds out importing.
        stop_after_s: What is left then waits for the next pass; less than the time limit of a task.
    """

    rows_per_s: int = 2000
    stop_after_s: float = 720
    wait: Callable[[float], None] = time.sleep
    stop_requested: Callable[[], bool] = _never
    since_s: float = field(default_factory=time.monotonic)

    def goes_on(self) -> bool:
        """Say whether the pass goes on."""
        return time.monotonic() < self.since_s + self.stop_after_s and not self.stop_requested()

    def rest(self, rows: int) -> None:
        """Wait for as long as the removal of so many rows should take."""
        self.wait(rows / self.rows_per_s)
