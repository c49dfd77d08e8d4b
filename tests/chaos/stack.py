"""A whole worker as processes of its own, with everything needed to hurt it: real Postgres, Redis, workers and beat."""

import base64
import os
import signal
import subprocess
import sys
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import psutil
import redis
from celery import Celery
from kombu.exceptions import OperationalError
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from tests.chaos import witness
from tests.chaos.bank import Bank
from tests.waiting import until
from worker.broker import EXECUTE
from worker.client import WorkerClient
from worker.connections.credentials import new_config_values
from worker.connectors.mock import MockConfig
from worker.credentials import open_vault
from worker.db.engine import open_engine, open_sessions
from worker.local.postgres import EmbeddedPostgres
from worker.local.redis import EmbeddedRedis
from worker.models import BankConnection
from worker.schema.apply import apply_schema
from worker.settings import Settings

LEASE_S = 3.0
TICK_S = 1.0
HERE = Path(__file__).parent
QUEUES = "interactive,scheduled,maintenance,celery,webhooks"


class Stack:
    """Starts everything, keeps workers and beat running as a supervisor would, and stops everything at the end."""

    def __init__(self, directory: Path, bank: Bank, *, pool: str = "prefork", **configured: str) -> None:
        self.configured = configured
        self.directory = directory
        self.bank = bank
        self.pool = pool
        self.faults = directory / "faults"
        self.faults.mkdir()
        self.postgres = EmbeddedPostgres(directory / "postgres")
        self.redis = EmbeddedRedis(directory / "redis")
        self.key = os.urandom(32)
        self.environment = self._environment()
        self.settings = Settings(**{name.lower(): value for name, value in self._configured().items()})
        self.engine = open_engine(self.postgres.url, role="chaos")
        self.sessions = open_sessions(self.engine)
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.queues: dict[str, str] = {}
        self.client = WorkerClient(self.redis.url, timeout_s=0.5)
        self.by_name = Celery("outsider", broker=self.redis.url, set_as_current=False)
        self.by_name.conf.broker_transport_options = {
            "socket_timeout": 0.5,
            "socket_connect_timeout": 0.5,
            "max_retries": 1,
            "interval_start": 0,
        }

    def __enter__(self) -> Self:
        try:
            apply_schema(self.engine)
            witness.install(self.engine)
            self.start("worker")
            self.start("beat")
            until(self.is_up, every_s=0.1)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for name in list(self.processes):
            self.kill(name)
        self.engine.dispose()
        self.client.close()
        self.by_name.close()
        self.resume_redis()
        self.redis.stop()
        self.postgres.stop()

    def _configured(self) -> dict[str, str]:
        key = base64.b64encode(self.key).decode()
        return {
            "DATABASE_URL": self.postgres.url,
            "REDIS_URL": self.redis.url,
            "CREDENTIAL_KEYS": f"chaos:{key}",
            "LEASE_S": str(LEASE_S),
            "TICK_S": str(TICK_S),
            "PROVIDER_PRIVATE_HOSTS": "127.0.0.1:*",
            "LOG_FORMAT": "json",
        } | self.configured

    def _environment(self) -> dict[str, str]:
        paths = [str(HERE / "loopbank"), str(HERE.parent.parent), os.environ.get("PYTHONPATH", "")]
        return (
            os.environ
            | self._configured()
            | {
                "FAULT_DIRECTORY": str(self.faults),
                "FINMIND_HEALTH_DIR": str(self.directory / "health"),
                "PYTHONPATH": os.pathsep.join(path for path in paths if path),
            }
        )

    # processes ------------------------------------------------------------------------------------------------------

    def start(self, name: str, *, queues: str | None = None, app: str = "worker.app") -> None:
        """Start `worker…` or `beat…` under this name. queues: of a worker, from now on; all of them by default."""
        self.queues[name] = queues or self.queues.get(name, QUEUES)
        celery = ["worker.celery_command"] if app == "worker.app" else ["celery", "-A", app]
        program = [sys.executable, "-m", *celery, *self._arguments(name)]
        log = (self.directory / f"{name}.log").open("ab")
        self.processes[name] = subprocess.Popen(
            program, env=self.environment, stdout=log, stderr=log, cwd=self.directory, start_new_session=True
        )
        log.close()

    def _arguments(self, name: str) -> list[str]:
        if name.startswith("beat"):
            return ["beat", "-s", str(self.directory / name), "--pidfile", ""]
        quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
        return ["worker", "-n", f"{name}@chaos", "-P", self.pool, "-c", "3", "-Q", self.queues[name], *quiet]

    def kill(self, name: str) -> None:
        """SIGKILL the process and everything it started."""
        process = self.processes.pop(name)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def restart(self, name: str, *, queues: str | None = None, app: str = "worker.app") -> None:
        self.kill(name)
        self.start(name, queues=queues, app=app)

    def supervise(self) -> None:
        """Start again what ended."""
        for name, process in list(self.processes.items()):
            if process.poll() is not None:
                self.restart(name)

    def children(self, name: str = "worker") -> list[psutil.Process]:
        with suppress(psutil.NoSuchProcess):
            return psutil.Process(self.processes[name].pid).children()
        return []

    def log_lines(self, name: str) -> list[str]:
        """Return what the process of this name logged so far."""
        return (self.directory / f"{name}.log").read_text(errors="replace").splitlines()

    def is_up(self) -> bool:
        return bool(self.children()) and any((self.directory / "health").glob("worker*"))

    def resume_redis(self) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.redis.pid, signal.SIGCONT)

    def restart_redis(self) -> None:
        port = self.redis.port
        self.redis.stop()
        self.redis = EmbeddedRedis(self.directory / "redis", port=port)

    def crash_postgres(self) -> None:
        """SIGKILL one server process: all sessions end at once and the server recovers from its log."""
        pid = int((self.directory / "postgres" / "postmaster.pid").read_text().split()[0])
        for child in psutil.Process(pid).children():
            with suppress(psutil.NoSuchProcess):
                if "checkpointer" in " ".join(child.cmdline()):
                    child.kill()

    # work -----------------------------------------------------------------------------------------------------------

    def add_user(self, name: str) -> int:
        """Add a FinMind user."""
        with self.sessions() as session:
            return session.execute(
                text(
                    "INSERT INTO users (email, password_hash, preferred_currency)"
                    " VALUES (:email, 'x', 'EUR') RETURNING id"
                ),
                {"email": f"{name}@chaos.test"},
            ).scalar_one()

    def add_connection(self, login: str, mock: MockConfig | None = None, *, user_id: int | None = None) -> uuid.UUID:
        """Connect a login of the bank, or a made-up bank, to a user; by default to a new one of that name."""
        from loopbank import LoopConfig

        connection_id = uuid.uuid4()
        user_id = self.add_user(login) if user_id is None else user_id
        with self.sessions() as session:
            config = mock or LoopConfig(url=self.bank.url, user=login)
            sealed = new_config_values(open_vault(self.settings), config, connection_id=connection_id, user_id=user_id)
            session.add(
                BankConnection(
                    id=connection_id,
                    user_id=user_id,
                    connector_name="loopbank" if mock is None else "mock",
                    display_name=login,
                    next_refresh_at=None,
                    **sealed,
                )
            )
        return connection_id

    def ask(self, connection_id: uuid.UUID, way: str) -> None:
        """Ask for a refresh the way the web app, another program, or the clock does."""
        with suppress(DBAPIError, OperationalError):
            match way:
                case "client":
                    with self.sessions() as session:
                        self.client.request_refresh(session, connection_id)
                case "by name":
                    self._send("worker.tasks.imports.refresh_connection", connection_id)
                case _:
                    self._make_due(connection_id)

    def _make_due(self, connection_id: uuid.UUID) -> None:
        with self.sessions() as session:
            session.execute(
                text("UPDATE bank_connections SET next_refresh_at = now() WHERE id = :id"), {"id": connection_id}
            )

    def send(self, run_id: uuid.UUID) -> None:
        """Send a message about a run, whatever its state."""
        with suppress(Exception):
            self._send(EXECUTE, run_id, task_id=str(run_id), queue="interactive")

    def _send(self, task: str, about: uuid.UUID, **options: str) -> None:
        # Tries again on a frozen Redis would hold the suite up, and with it the moment when Redis is thawed.
        self.by_name.send_task(task, args=[str(about)], retry=False, **options)

    def rows(self, query: str, **values: Any) -> list[Any]:
        """Ask the database, as often as it takes for it to answer."""

        def answered() -> list[list[Any]] | None:
            try:
                with self.sessions() as session:
                    return [list(session.execute(text(query), values).all())]
            except DBAPIError:
                return None

        found = until(answered, every_s=0.2)
        return found[0] if found else []

    def redis_client(self) -> redis.Redis:
        return redis.Redis.from_url(self.redis.url, socket_timeout=1, socket_connect_timeout=1)
