"""Ends a process that was told to stop and does not: what it waits for may never come."""

import faulthandler

STOP_WITHIN_S = 100.0
"""Below the 120 s after which Compose and Kubernetes kill a worker without a word of what it waited for."""


def exit_when_overdue(limit_s: float = STOP_WITHIN_S) -> None:
    """Let this process end after `limit_s`, with status 1, and write the stacks of its threads to stderr.

    Safe in a signal handler, and needs no thread that can still run Python. Runs that are under way are lost with it
    and found by their leases.
    """
    faulthandler.dump_traceback_later(limit_s, exit=True)
