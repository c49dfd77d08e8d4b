"""The state directory of `up`: its lock, its contents, and the addresses that it publishes for other terminals."""

import fcntl
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from worker.errors import ConflictError
from worker.process.state_directory import ADDRESSES

_OF_POSTGRES = frozenset({"postgres", "programs"})


@dataclass(frozen=True, slots=True, kw_only=True)
class StateDirectory:
    """The folder of everything that is kept when `up` ends."""

    path: Path

    @property
    def postgres(self) -> Path:
        """Postgres' data directory."""
        return self.path / "postgres"

    @property
    def redis(self) -> Path:
        """Redis' directory: append-only file, password, port, log."""
        return self.path / "redis"

    @property
    def key_file(self) -> Path:
        """The keys that seal credentials; without it they are lost."""
        return self.path / "credential.keys"

    @property
    def health(self) -> Path:
        """Heartbeat files of the processes."""
        return self.path / "health"

    @property
    def metrics(self) -> Path:
        """Latencies that the processes measured since `up` started."""
        return self.path / "metrics"

    @property
    def addresses(self) -> Path:
        """The file of addresses for commands in other terminals, one `NAME=value` per line."""
        return self.path / ADDRESSES

    @property
    def operator_password(self) -> Path:
        """The password of the operator's page and of Flower."""
        return self.path / "operator-password"

    def token_secret(self) -> str:
        """Return the secret that signs the API's tokens on this machine, made at the first call, mode 0600."""
        return _made_once(self.path / "jwt-secret", length=48)

    def operator_login(self) -> str:
        """Return the login of the operator on this machine as `operator:password`, made at the first call."""
        return f"operator:{_made_once(self.operator_password, length=12)}"

    @contextmanager
    def published(self, environment: Mapping[str, str]) -> Iterator[None]:
        """Publish addresses for other terminals in a file of mode 0600 while the block runs."""
        draft = self.addresses.with_suffix(".new")
        draft.unlink(missing_ok=True)
        draft.touch(mode=0o600)
        draft.write_text("".join(f"{name}={value}\n" for name, value in environment.items()), encoding="utf-8")
        draft.replace(self.addresses)
        try:
            yield
        finally:
            self.addresses.unlink(missing_ok=True)


def _made_once(path: Path, *, length: int) -> str:
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(length), encoding="ascii")
    return path.read_text(encoding="ascii")


@contextmanager
def private_files() -> Iterator[None]:
    """Set the umask of the block, so that new files get mode 0600 and folders 0700, also in child processes."""
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)


def _make_private(path: Path) -> None:
    """Take from others what an earlier start under another umask gave them. What Postgres owns keeps its modes.

    As root, Postgres runs as an account that must get through to its own folder.
    """
    path.chmod(0o711 if os.geteuid() == 0 else 0o700)
    for folder, folders, files in os.walk(path):
        if Path(folder) == path:
            folders[:] = [name for name in folders if name not in _OF_POSTGRES]
        for name in folders:
            (Path(folder) / name).chmod(0o700)
        for name in files:
            (Path(folder) / name).chmod(0o600)


@contextmanager
def claimed(directory: Path) -> Iterator[StateDirectory]:
    """Lock the directory while the block runs.

    Raises: ConflictError when another process has locked it.
    """
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = directory.resolve()
    _make_private(path)
    with (path / "lock").open("a+", encoding="ascii") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise ConflictError(
                f"`finmind-worker up` (process {lock.read().strip() or 'unknown'}) already runs on {path}"
            ) from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield StateDirectory(path=path)
