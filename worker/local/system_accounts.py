"""Chooses the system account of a server that is started by root, because Postgres refuses root."""

import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path

from worker.errors import ConfigurationError

_CANDIDATES = ("postgres", "nobody")
_PASSABLE = 0o711
_ROOTS_OWN = Path("/var/lib/finmind-worker")


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemAccount:
    """A system account without privileges."""

    name: str
    uid: int
    gid: int


def server_account() -> SystemAccount | None:
    """Return an existing account for servers that refuse root; None when we are not root.

    Raises: ConfigurationError when the machine has no suitable account.
    """
    if os.geteuid() != 0:
        return None
    for name in _CANDIDATES:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return SystemAccount(name=name, uid=entry.pw_uid, gid=entry.pw_gid)
    raise ConfigurationError(
        f"Postgres does not run as root and this machine has no account {' or '.join(_CANDIDATES)}:"
        " start as another user, or set DATABASE_URL"
    )


def can_reach(account: SystemAccount, directory: Path) -> bool:
    """Say whether the permission bits of every folder above `directory` let the account through."""
    return all(_lets_through(account, folder.stat()) for folder in (directory, *directory.parents))


def reachable_home(account: SystemAccount | None, directory: Path) -> Path:
    """Return `directory`, or, where the account cannot get there, a folder of the same meaning that it can reach.

    Below a private folder such as /root nothing is opened up; root's own /var/lib/finmind-worker is used instead.
    """
    directory.mkdir(parents=True, exist_ok=True)
    directory = directory.resolve()
    if account is None or can_reach(account, directory):
        return directory
    home = _ROOTS_OWN / "-".join(directory.parts[1:])
    make_passable(home)
    return home


def make_passable(directory: Path) -> None:
    """Make a folder and its missing parents, which others may pass through but not list, whatever the umask."""
    if not directory.parent.exists():
        make_passable(directory.parent)
    directory.mkdir(exist_ok=True)
    directory.chmod(_PASSABLE)


def _lets_through(account: SystemAccount, status: os.stat_result) -> bool:
    if status.st_uid == account.uid:
        return bool(status.st_mode & stat.S_IXUSR)
    if status.st_gid == account.gid:
        return bool(status.st_mode & stat.S_IXGRP)
    return bool(status.st_mode & stat.S_IXOTH)
