"""Signs of life as files: who is alive touches one, and a probe only has to look at its age.

Nothing heavy is imported here, so that a probe costs little more than starting Python.
"""

import os
import sys
import tempfile
import time
from pathlib import Path

VARIABLE = "FINMIND_HEALTH_DIR"
"""The setting `finmind_health_dir`; read here because a probe cannot afford to load the settings."""

MAX_AGE_S = {"worker": 30.0, "beat": 30.0, "dispatcher": 60.0}
"""How old the sign of life of a component may be (s)."""

_CLOCKS_DIFFER_S = 1.0


def directory() -> Path:
    """Return where heartbeat files are kept.

    That is FINMIND_HEALTH_DIR, else what a running `up` left in its state directory for commands beside it, else a
    folder of this user in the temporary directory.
    """
    named = os.environ.get(VARIABLE) or _left_by_up()
    return Path(named) if named else Path(tempfile.gettempdir()) / f"finmind-worker-{os.getuid()}"


def _left_by_up() -> str | None:
    try:
        lines = (Path(os.environ.get("FINMIND_STATE_DIR") or ".finmind") / "env").read_text(encoding="utf-8")
    except OSError:
        return None
    addresses = dict(line.split("=", 1) for line in lines.splitlines() if "=" in line)
    return addresses.get(VARIABLE)


def touch(name: str) -> None:
    """Say that `name` is alive now."""
    path = directory() / f"{name}.alive"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


def remove(name: str) -> None:
    """Say that `name` ended on purpose."""
    (directory() / f"{name}.alive").unlink(missing_ok=True)


def age_s(name: str) -> float:
    """Return how long ago `name` said that it is alive (s); infinite when it never did.

    A sign from the future says nothing: the clock was set back, and it would be taken for fresh until then.
    """
    try:
        seen_s = time.time() - (directory() / f"{name}.alive").stat().st_mtime
    except FileNotFoundError:
        return float("inf")
    return seen_s if seen_s > -_CLOCKS_DIFFER_S else float("inf")


def problem(component: str) -> str | None:
    """Return why `component` (worker, beat or dispatcher) of this machine is not healthy; None when it is."""
    files = sorted(directory().glob(f"{component}*.alive"))
    if not files:
        return f"no sign of life from {component} in {directory()}"
    for path in files:
        seen_s = age_s(path.stem)
        if seen_s > MAX_AGE_S[component]:
            return f"{path.stem} was last seen alive {seen_s:.0f} s ago (at most {MAX_AGE_S[component]:.0f} s)"
    return None


def probe(component: str) -> int:
    """Print how `component` of this machine is; return the exit code of a probe: 0 alive, 1 not."""
    found = problem(component)
    sys.stdout.write(f"{found or f'{component} is alive'}\n")
    return 1 if found else 0
