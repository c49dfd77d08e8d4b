"""The flag that asks every run of this worker to hand back its work, shared between the worker and its children."""

import mmap


class StopFlag:
    """One byte in memory that a forked child shares with its parent.

    Not a multiprocessing.Event: its lock stays taken for ever when a child is killed while it looks, and setting it
    inside a signal handler can wait for the very process that was interrupted.
    """

    def __init__(self) -> None:
        self._page = mmap.mmap(-1, 1)

    def set(self) -> None:
        """Ask everyone to stop; safe in a signal handler."""
        self._page[0] = 1

    def clear(self) -> None:
        """Take it back."""
        self._page[0] = 0

    @property
    def is_set(self) -> bool:
        """Whether anyone asked."""
        return self._page[0] == 1


STOP = StopFlag()
"""Created at import, which is before the worker forks."""
