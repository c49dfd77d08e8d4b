"""Heartbeat files: each component touches its file, and a probe reads the age of the file.

This module imports little, so that a probe takes little longer than starting Python.
"""

import os
import sys
import tempfile
import time
from pathlib import Path

from worker.process.state_directory import published_addresses

VARIABLE = "FINMIND_HEALTH_DIR"
"""Names the folder; read here because loading all settings would make a probe slow."""

MAX_AGE_S = {"worker": 30.0, "beat": 30.0, "dispatcher": 60.0}
"""How old the heartbeat of a component may be (s)."""

_CLOCKS_DIFFER_S = 1.0


def directory() -> Path:
    """Return the folder of heartbeat files.

    It is FINMIND_HEALTH_DIR, otherwise the folder that a running `up` published in its state directory, otherwise a
    folder of this user in the temporary directory.
    """
    named = os.environ.get(VARIABLE) or published_addresses().get(VARIABLE)
    return Path(named) if named else Path(tempfile.gettempdir()) / f"finmind-worker-{os.getuid()}"


def touch(name: str) -> None:
    """Touch the file of `name`."""
    path = directory() / f"{name}.alive"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


def remove(name: str) -> None:
    """Delete the file of `name`, which ends on purpose."""
    (directory() / f"{name}.alive").unlink(missing_ok=True)


def age_s(name: str) -> float:
    """Return the age of the heartbeat of `name` (s); infinite when there is none.

    A heartbeat in the future does not count: the clock was set back, and it would look fresh until then.
    """
    try:
        seen_s = time.time() - (directory() / f"{name}.alive").stat().st_mtime
    except FileNotFoundError:
        return float("inf")
    return seen_s if seen_s > -_CLOCKS_DIFFER_S else float("inf")


def problem(component: str) -> str | None:
    """Return why `component` (worker, beat or dispatcher) of this machine is not alive; None when it is."""
    files = sorted(directory().glob(f"{component}*.alive"))
    if not files:
        return f"no sign of life from {component} in {directory()}"
    for path in files:
        seen_s = age_s(path.stem)
        if seen_s > MAX_AGE_S[component]:
            return f"{path.stem} was last seen alive {seen_s:.0f} s ago (at most {MAX_AGE_S[component]:.0f} s)"
    return None


def probe(component: str) -> int:
    """Print whether `component` of this machine is alive; return the exit code: 0 alive, 1 not."""
    found = problem(component)
    sys.stdout.write(f"{found or f'{component} is alive'}\n")
    return 1 if found else 0
