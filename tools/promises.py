"""What an installed worker must be able to start, with no extra and with each one."""

import os
import selectors
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

PATIENCE_S = 300
STOP_PATIENCE_S = 60

_WORKER = ("python", "-m", "celery", "--app", "worker.app", "worker", "--concurrency", "1", "--without-mingle")
_SERVERS = """
import pathlib, sys, tempfile
from worker.local.postgres import EmbeddedPostgres
from worker.local.redis import EmbeddedRedis
with tempfile.TemporaryDirectory(prefix="finmind-promise-") as folder:
    pathlib.Path(folder).chmod(0o755)
    home = pathlib.Path(folder)
    for server in (EmbeddedPostgres(home / "postgres", durable=False), EmbeddedRedis(home)):
        server.stop()
"""
_KMS = """
from worker.credentials.aws import AwsKms
AwsKms({"main": "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"})
"""
_TRANSIT = """
from worker.credentials.transit import VaultTransit, TransitServer
VaultTransit({"main": "transit/finmind"}, TransitServer(address="http://127.0.0.1:9"))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """Something an installed worker does.

    Attributes:
        says: what it is, for people.
        command: the program, found in the environment that is tried, and its arguments.
        ready: what a program that goes on says once it works; None for one that ends by itself with exit code 0.
        environment: variables on top of the addresses of the servers.
        slow: takes longer than a test should.
    """

    says: str
    command: tuple[str, ...]
    ready: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    slow: bool = False


PROMISES: Mapping[str, tuple[Promise, ...]] = {
    "": (
        Promise(says="prints its commands", command=("finmind-worker", "--help")),
        Promise(says="lists its connectors", command=("finmind-worker", "connectors")),
        Promise(says="makes its schema", command=("finmind-worker", "db", "upgrade")),
        Promise(says="runs a worker", command=_WORKER, ready=" ready."),
        Promise(
            says="runs beat", command=("python", "-m", "celery", "--app", "worker.app", "beat"), ready="beat.started"
        ),
        Promise(
            says="runs Flower",
            command=("python", "-m", "celery", "--app", "worker.app", "flower", "--address=127.0.0.1", "--port=0"),
            ready="Connected to redis",
        ),
    ),
    "embedded": (
        Promise(says="starts servers of its own", command=("python", "-c", _SERVERS)),
        Promise(says="plays the demo", command=("finmind-worker", "demo"), slow=True),
    ),
    "api": (
        Promise(
            says="serves the API",
            command=("finmind-worker", "api"),
            ready="Uvicorn running",
            environment={"JWT_SECRET": "a secret of at least thirty-two characters"},
        ),
    ),
    "aws": (Promise(says="opens AWS KMS", command=("python", "-c", _KMS)),),
    "vault": (Promise(says="opens Vault's transit engine", command=("python", "-c", _TRANSIT)),),
    "otel": (
        Promise(
            says="runs a worker that exports spans",
            command=_WORKER,
            ready=" ready.",
            environment={"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"},
        ),
    ),
}
"""Extra (empty for none) to what it promises."""


class BrokenPromiseError(Exception):
    """An installed worker does not do what it must; the message ends with what it printed."""


def keep(promise: Promise, binaries: Path, environment: Mapping[str, str], directory: Path) -> None:
    """Start what a promise says in the environment whose programs are in `binaries`, and stop it once it works.

    Raises: BrokenPromiseError.
    """
    program, *arguments = promise.command
    process = subprocess.Popen(  # noqa: S603 - our own arguments
        [binaries / program, *arguments],
        cwd=directory,
        env={**environment, **promise.environment, "PATH": f"{binaries}{os.pathsep}{os.defpath}"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    with process:
        printed, works = _read(process, promise.ready)
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(STOP_PATIENCE_S)
            except subprocess.TimeoutExpired:
                process.kill()
    if not works or (promise.ready is None and process.returncode):
        raise BrokenPromiseError(f"{' '.join(promise.command[:4])}: exit code {process.returncode}\n{printed[-3000:]}")


def _read(process: subprocess.Popen[bytes], ready: str | None) -> tuple[str, bool]:
    """Return what a program printed until it was ready or ended, and whether it was ready (or ended unasked)."""
    assert process.stdout
    printed, deadline_s = b"", time.monotonic() + PATIENCE_S
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while time.monotonic() < deadline_s:
            if not selector.select(timeout=1):
                continue
            chunk = os.read(process.stdout.fileno(), 65536)
            printed += chunk
            if ready is not None and ready.encode() in printed:
                return printed.decode(errors="replace"), True
            if not chunk:
                process.wait(STOP_PATIENCE_S)
                return printed.decode(errors="replace"), ready is None
    return printed.decode(errors="replace"), False
