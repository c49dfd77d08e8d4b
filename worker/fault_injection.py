"""Named points at which the chaos suite makes a process die or stand still; without FAULT_DIRECTORY they do nothing.

A file `<point>.<action>` in that directory arms a point; the process that removes the file is struck, so that a fault
strikes once across all processes. Actions: `kill` (SIGKILL to itself), `stop` (SIGSTOP), `raise` (RuntimeError), and
`kill-always`, whose file stays.
"""

import os
import signal
from pathlib import Path

POINTS = (
    "after_claim",
    "between_pages",
    "before_commit",
    "after_commit",
    "before_close",
    "before_ack",
    "between_dispatch_commit_and_publish",
    "after_publish",
    "after_reap",
)
"""Every point in the life of a run, in its order; the chaos suite strikes each of them."""

DELIVERY_POINTS = ("webhook_after_claim", "webhook_after_send", "reminder_after_send")
"""The points in the life of a delivery and of a reminder, struck by the tests beside them."""

_DIRECTORY = os.environ.get("FAULT_DIRECTORY")


def point(name: str) -> None:
    """Be struck here when the point is armed."""
    if _DIRECTORY is not None:
        _strike_if_armed(Path(_DIRECTORY), name)


def _strike_if_armed(directory: Path, name: str) -> None:
    for armed in directory.glob(f"{name}.*"):
        action = armed.suffix[1:]
        if action != "kill-always" and not _removed(armed):
            continue
        if action == "raise":
            raise RuntimeError(f"fault injected at {name}")
        os.kill(os.getpid(), signal.SIGSTOP if action == "stop" else signal.SIGKILL)


def _removed(armed: Path) -> bool:
    try:
        armed.unlink()
    except FileNotFoundError:
        return False
    return True
