"""The flag that makes every run of this worker hand itself back, shared between the worker and its children."""

import mmap


class StopFlag:
    """One byte in memory that a forked child shares with its parent.

    `worker.app` sets it on SIGTERM, `runs.lease_renewal` looks at it in a running import, and `tasks.execution` hands
    the run back.

    It is no multiprocessing.Event: its lock stays locked when a child is killed while it reads it, and setting it in a
    signal handler can deadlock.
    """

    def __init__(self) -> None:
        self._page = mmap.mmap(-1, 1)

    def set(self) -> None:
        """Request a stop; safe in a signal handler."""
        self._page[0] = 1

    def clear(self) -> None:
        """Withdraw the request."""
        self._page[0] = 0

    @property
    def is_set(self) -> bool:
        """Whether a stop was requested."""
        return self._page[0] == 1


STOP = StopFlag()
"""Created at import, before the worker forks."""
