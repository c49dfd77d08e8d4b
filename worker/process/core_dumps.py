"""Keeping what is in a process's memory there: no core dumps, and no reading by other processes of the same user."""

import ctypes
import resource
import sys

_PR_SET_DUMPABLE = 4


def forbid_core_dumps() -> None:
    """Switch off core dumps of this process and of what it forks; call it first thing.

    The limit alone does not stop a kernel that pipes dumps to a program, so on Linux the process is also marked as
    not dumpable; then `/proc/<pid>/environ` and memory belong to root as well.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
