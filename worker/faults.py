"""Named points at which the chaos suite makes a process die or stand still; without FAULT_POINTS they do nothing.

FAULT_POINTS holds `name=action` pairs separated by commas. Actions: `kill` (SIGKILL to itself, once per marker file),
`kill-always`, `stop` (SIGSTOP once), `raise` (RuntimeError once). FAULT_DIRECTORY holds the marker files, so that a
fault strikes once across all processes.
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
"""Every point there is, in the order of a run's life; the chaos suite strikes each of them."""

_ARMED = dict(pair.split("=", 1) for pair in os.environ.get("FAULT_POINTS", "").split(",") if "=" in pair)


def point(name: str) -> None:
    """Do what FAULT_POINTS says about `name`; nothing when it says nothing."""
    action = _ARMED.get(name)
    if action and (action == "kill-always" or _first(name)):
        _strike(name, action)


def _first(name: str) -> bool:
    marker = Path(os.environ["FAULT_DIRECTORY"]) / f"{name}.struck"
    try:
        marker.touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def _strike(name: str, action: str) -> None:
    if action == "raise":
        raise RuntimeError(f"fault injected at {name}")
    os.kill(os.getpid(), signal.SIGSTOP if action == "stop" else signal.SIGKILL)
