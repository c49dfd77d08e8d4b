"""A whole worker at its most talkative, and every place that what it handles could end up in."""

import base64
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import jwt
import redis
from sqlalchemy import text

from tests.security.echo import EchoServer
from tests.waiting import PATIENCE_S, until
from worker.credentials import ensure_key_file
from worker.db.engine import open_engine, open_sessions
from worker.local.child_processes import Program, start_child
from worker.local.postgres import EmbeddedPostgres
from worker.local.redis import EmbeddedRedis, free_port
from worker.schema.apply import apply_schema

JWT_SECRET = "a-secret-that-is-long-enough-for-hs256"
OPERATOR = "operator:wonderful"
PLUGINS = Path(__file__).parent / "gossip"
TALKATIVE = ("log_statement = 'all'", "log_min_messages = 'debug1'", "log_min_error_statement = 'debug1'")
FLOWER_PAGES = (
    "workers",
    "tasks",
    "broker",
    "worker/{worker}",
    "api/workers?refresh=1",
    "api/tasks?limit=1000",
    "api/task/types",
    "api/queues/length",
    "metrics",
)


class Scene:
    """Postgres that logs every statement, Redis that is listened to, worker and API at DEBUG, Flower, a chatty bank."""

    def __init__(self, directory: Path, link_apps: str = "{}") -> None:
        self.directory = directory
        self.link_apps = link_apps
        self.faults = directory / "faults"
        self.faults.mkdir()
        self.manifests = directory / "manifests"
        self.manifests.mkdir()
        shutil.copy(Path(__file__).parent / "gossip" / "echoed.toml", self.manifests)
        self.echo = EchoServer()
        self.postgres = EmbeddedPostgres(directory / "postgres", durable=False)
        self.redis = EmbeddedRedis(directory / "redis")
        self.key_file = ensure_key_file(directory / "keys")
        self.flower_port = free_port()
        self.api_port = free_port()
        self.engine = open_engine(self.postgres.url, role="test")
        self.sessions = open_sessions(self.engine)
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._heard = bytearray()
        self._told_by_commands = bytearray()
        self._told_by_the_api = bytearray()

    @property
    def environment(self) -> dict[str, str]:
        """What every process is started with."""
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith(("CREDENTIAL_", "FAULT_"))},
            "DATABASE_URL": self.postgres.url,
            "REDIS_URL": self.redis.url,
            "CREDENTIAL_KEYS_FILE": str(self.key_file),
            "LOG_LEVEL": "DEBUG",
            "FAULT_DIRECTORY": str(self.faults),
            "CONNECTOR_MANIFESTS": str(self.manifests),
            "TICK_S": "1",
            "RUNS_PER_USER": "20",
            "RUNS_PER_CONNECTOR": "20",
            "WEBHOOK_ALLOW_LOOPBACK": "true",
            "PROVIDER_PRIVATE_HOSTS": "127.0.0.1:*",
            "WEBHOOK_PORTS": self.echo.address.rpartition(":")[2],
            "FLOWER_UNAUTHENTICATED_API": "true",
            "JWT_SECRET": JWT_SECRET,
            "CONNECTORS_ENABLED": "all",
            "OPS_BASIC_AUTH": OPERATOR,
            "METRICS_DIR": str(self.directory / "metrics"),
            "STATEMENT_FOLDER": str(self.directory / "statements"),
            "LINK_APPS": self.link_apps,
            "ECHO_URL": f"http://{self.echo.address}",
            "PYTHONPATH": os.pathsep.join([str(PLUGINS), os.environ.get("PYTHONPATH", "")]),
            "FINMIND_STATE_DIR": str(self.directory / "state"),
        }

    def open(self) -> None:
        with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            for setting in TALKATIVE:
                connection.execute(text(f"ALTER SYSTEM SET {setting}"))
            connection.execute(text("SELECT pg_reload_conf()"))
        apply_schema(self.engine)
        self._listen()
        self.start("worker", "worker", "-I", "redirected_banks", "-c", "2", "-n", "scene@%h")
        self.start("flower", "flower", f"--port={self.flower_port}", "--address=127.0.0.1")
        self.start("beat", "beat")
        self.run("api", "-m", "worker", "api", f"--port={self.api_port}")
        until(lambda: b"Uvicorn running" in self.log("api"))
        until(lambda: b"ready." in self.log("worker"))
        until(lambda: self._page("api/workers"), every_s=0.2)

    def start(self, name: str, *arguments: str, **environment: str) -> None:
        self.run(name, "-m", "celery", "-A", "worker.app", *arguments, **environment)

    def run(self, name: str, *arguments: str, **environment: str) -> None:
        with (self.directory / f"{name}.log").open("ab") as log:
            program = Program(
                command=[sys.executable, *arguments],
                directory=self.directory,
                environment={**self.environment, **environment},
            )
            self._processes[name] = start_child(program, output=log)

    def stop(self, name: str) -> None:
        process = self._processes.pop(name)
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(20)
        process.kill()
        process.wait()

    def command(self, *arguments: object, given: str = "") -> subprocess.CompletedProcess[str]:
        """Run one command line; what it prints is kept."""
        answer = subprocess.run(
            [sys.executable, "-m", "worker", *map(str, arguments)],
            env=self.environment,
            cwd=self.directory,
            input=given,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        self._told_by_commands += (answer.stdout + answer.stderr).encode()
        return answer

    def ask(self, user_id: int, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
        """Send one request to the API as this user; what it answers is kept, but for secrets that are shown once."""
        now_s = int(time.time())
        token = jwt.encode({"sub": str(user_id), "type": "access", "exp": now_s + 600}, JWT_SECRET, algorithm="HS256")
        request = urllib.request.Request(f"http://127.0.0.1:{self.api_port}{path}", data=body or None, method=method)
        request.add_header("Authorization", f"Bearer {token}")
        request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                status, told = answer.status, answer.read()
        except urllib.error.HTTPError as refusal:
            status, told = refusal.code, refusal.read()
        self._told_by_the_api += told
        return status, told

    def log(self, name: str) -> bytes:
        return (self.directory / f"{name}.log").read_bytes()

    def pid(self, name: str) -> int:
        return self._processes[name].pid

    def places(self) -> dict[str, bytes]:
        """Return everything there is to read, by where it is."""
        return {
            "the worker's log": self.log("worker"),
            "beat's log": self.log("beat"),
            "the API's log": self.log("api"),
            "what the API answers": bytes(self._told_by_the_api),
            **{f"the API's {page}": self._operators_page(page) for page in ("/metrics", "/ops")},
            "Flower's log": self.log("flower"),
            "what commands print": bytes(self._told_by_commands),
            "what went through Redis": bytes(self._heard),
            "Postgres' log": self.postgres.log_path.read_bytes(),
            "the list of processes": _processes(),
            **self._rows(),
            **{f"Flower's /{page}": content for page, content in self._pages()},
            **_files(self.directory, but=self.key_file),
            **_files(self.postgres.log_path.parent, but=self.key_file),
        }

    def close(self) -> None:
        for name in list(self._processes):
            self.stop(name)
        self._monitor.kill()
        self._monitor.wait()
        self._thread.join()
        assert self._monitor.stdout
        self._monitor.stdout.close()
        self.engine.dispose()
        self.redis.stop()
        self.postgres.stop()
        self.echo.close()

    def _listen(self) -> None:
        """Keep every command that any client sends to Redis: messages, events, results."""
        program = "import os, sys, redis\nclient = redis.Redis.from_url(os.environ['REDIS_URL'])\n"
        program += "with client.monitor() as heard:\n  for line in heard.listen(): print(line, flush=True)"
        listener = Program(
            command=[sys.executable, "-c", program], directory=self.directory, environment=self.environment
        )
        self._monitor = start_child(listener, output=subprocess.PIPE)

        def read() -> None:
            assert self._monitor.stdout
            for line in self._monitor.stdout:
                self._heard.extend(line)

        self._thread = threading.Thread(target=read, daemon=True)
        self._thread.start()
        client = redis.Redis.from_url(self.redis.url)
        until(lambda: client.ping() and self._heard)
        client.close()

    def _rows(self) -> dict[str, bytes]:
        with self.sessions() as session:
            tables = session.scalars(
                text("SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace")
            ).all()
            return {
                f"table {table}": "\n".join(session.scalars(text(f'SELECT t::text FROM "{table}" t'))).encode()
                for table in [*tables, "pg_stat_activity", "pg_settings"]
            }

    def _pages(self) -> Iterator[tuple[str, bytes]]:
        import json

        tasks = json.loads(self._page("api/tasks?limit=1000") or b"{}")
        (worker,) = json.loads(self._page("api/workers") or b"{}") or ("scene",)
        pages = [page.format(worker=worker) for page in FLOWER_PAGES]
        for page in [*pages, *(f"task/{task}" for task in tasks), *(f"api/task/info/{task}" for task in tasks)]:
            yield page, self._page(page) or b""

    def _operators_page(self, path: str) -> bytes:
        address = f"http://127.0.0.1:{self.api_port}{path}"
        request = urllib.request.Request(address, headers={"Authorization": _basic(OPERATOR)})
        with urllib.request.urlopen(request, timeout=30) as answer:
            told: bytes = answer.read()
            return told

    def _page(self, page: str) -> bytes | None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.flower_port}/{page}", timeout=10) as answer:
                return answer.read()
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return None


def _basic(login: str) -> str:
    return f"Basic {base64.b64encode(login.encode()).decode()}"


def _processes() -> bytes:
    """Command lines of every process, as `ps` shows them to anybody."""
    lines = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            lines.append(entry.read_bytes())
    return b"\n".join(lines)


def _files(directory: Path, *, but: Path) -> dict[str, bytes]:
    """Every file of the scene: Postgres' pages and write-ahead log, Redis' append-only file, cores if there are any."""
    files = {}
    for path in directory.rglob("*"):
        with contextlib.suppress(OSError):
            if path.is_file() and not path.is_symlink() and path != but:
                files[f"the file {path.relative_to(directory)}"] = path.read_bytes()
    return files
