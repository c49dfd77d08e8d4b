"""Fault points at which the chaos suite kills or stops a process; without FAULT_DIRECTORY they do nothing.

A file `<point>.<action>` in that directory arms a point. The process that deletes the file executes the action, so that
a fault happens once across all processes. Actions: `kill` (SIGKILL to itself), `stop` (SIGSTOP), `raise`, and
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
"""The points of a run, in order; the chaos suite uses each of them."""

_DIRECTORY = os.environ.get("FAULT_DIRECTORY")


def point(name: str) -> None:
    """Execute the action of the point if it is armed."""
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
