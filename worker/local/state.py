"""The state directory of `up`: who holds it, what is in it, and the addresses it leaves for other terminals."""

import fcntl
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from worker.errors import ConflictError


@dataclass(frozen=True, slots=True, kw_only=True)
class StateDirectory:
    """Where everything that must outlive `up` is kept."""

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
        """Signs of life of the processes."""
        return self.path / "health"

    @property
    def metrics(self) -> Path:
        """What the processes measured since `up` began."""
        return self.path / "metrics"

    @property
    def addresses(self) -> Path:
        """What commands in other terminals read, one `NAME=value` a line."""
        return self.path / "env"

    @property
    def operator_password(self) -> Path:
        """The password of the operator's page and of Flower."""
        return self.path / "operator-password"

    def token_secret(self) -> str:
        """Return the secret that signs the API's tokens on this machine, made at the first call, mode 0600."""
        return _made_once(self.path / "jwt-secret", length=48)

    def operator_login(self) -> str:
        """Return the log-in of the operator on this machine as `operator:password`, made at the first call."""
        return f"operator:{_made_once(self.operator_password, length=12)}"

    @contextmanager
    def published(self, environment: Mapping[str, str]) -> Iterator[None]:
        """Leave addresses for other terminals, mode 0600, as long as the block runs."""
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
def claimed(directory: Path) -> Iterator[StateDirectory]:
    """Hold the directory for as long as the block runs, or the process lives.

    Raises: ConflictError when another process holds it.
    """
    directory.mkdir(parents=True, exist_ok=True, mode=0o711 if os.geteuid() == 0 else 0o700)
    path = directory.resolve()
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
