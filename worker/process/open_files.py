"""How many files and sockets this process may hold open at once."""

import resource

_UNBOUNDED = resource.RLIM_INFINITY


def allow_open_files(wanted: int, *, beside: int) -> int:
    """Raise this process's own limit as far as `wanted` files beside others need and the system lets it.

    Returns how many of the wanted ones it may hold open; never none, with which nothing would ever move.
    """
    total = wanted + beside
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == _UNBOUNDED or soft >= total:
        return wanted
    allowed = total if hard == _UNBOUNDED else min(total, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    return max(1, allowed - beside)
