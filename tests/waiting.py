"""Waiting for a condition instead of for a time."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

PATIENCE_S = 240
"""What takes longer than this hangs, however busy the machine is (s). Waiting costs nothing where all is well."""


def until(condition: Callable[[], T], *, every_s: float = 0.02) -> T:
    """Return the first true value of `condition`; fail when there is none for as long as `PATIENCE_S`."""
    deadline_s = time.monotonic() + PATIENCE_S
    while not (value := condition()):
        assert time.monotonic() < deadline_s, f"{condition} did not come true in {PATIENCE_S} s"
        time.sleep(every_s)
    return value
