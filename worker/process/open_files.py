"""How many files and sockets this process may hold open at once."""

import resource

_UNBOUNDED = resource.RLIM_INFINITY


def allow_open_files(wanted: int) -> int:
    """Raise this process's own limit as far as `wanted` needs and the system lets it; return how many it may open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == _UNBOUNDED or soft >= wanted:
        return wanted
    allowed = wanted if hard == _UNBOUNDED else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    return allowed
