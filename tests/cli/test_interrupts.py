"""Ctrl-C at odd moments of commands that may take long, as real processes: one line, 130, nothing half done."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic, sleep

import psutil
import pytest
from sqlalchemy import create_engine, text

from tests.waiting import PATIENCE_S
from worker.credentials import generate_key

pytestmark = pytest.mark.processes

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = (sys.executable, "-m", "worker")
CONNECTION = "6f1b6c60-0000-4000-8000-000000000001"
SOON_S = 8.0
"""Less than the 10 s that a lock is waited for: what ends within it was ended by the signal (s)."""

MOMENTS_S = (0.0, 0.3, 1.0)
"""After the program took the signal from Python, which shows a traceback of its own while it starts (s)."""

AT_THE_DATABASE = {
    "import": ("import", CONNECTION, "--wait"),
    "add a bank": ("connections", "add", "--user", "1", "--connector", "mock", "--config", "{}"),
    "file": ("files", "import", "statement.csv", "--user", "1"),
    "rotate": ("keys", "rotate", "--all"),
    "upgrade": ("db", "upgrade"),
    "export": ("users", "export", "1"),
    "erase": ("users", "erase", "1", "--yes"),
    "revert": ("runs", "revert", CONNECTION, "--wait"),
    "status": ("status",),
}
ALONE = {
    "inspect": ("files", "inspect", "long.csv"),
    "replay": ("replay", *map(str, sorted((ROOT / "tests/recordings/plaid-over-days").glob("*.json")))),
}
AT_ANY_MOMENT = ALONE | {name: AT_THE_DATABASE[name] for name in ("import", "upgrade", "export")}
ROWS = "".join(f"2026-01-{1 + n % 28:02},Shop {n},-{n % 90}.10,EUR\n" for n in range(60_000))


@pytest.fixture(autouse=True)
def _heeded() -> Iterator[None]:
    """Let programs heed Ctrl-C where the tests themselves were started by something that does not, such as nohup."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder that servers can reach, also when the tests run as root."""
    with tempfile.TemporaryDirectory(prefix="finmind-test-", ignore_cleanup_errors=True) as name:
        directory = Path(name)
        directory.chmod(0o711)
        (directory / "tmp").mkdir(mode=0o711)
        (directory / "tmp").chmod(0o711)
        (directory / "statement.csv").write_text("Date,Description,Amount,Currency\n2026-01-02,Shop,-1.10,EUR\n")
        (directory / "long.csv").write_text("Date,Description,Amount,Currency\n" + ROWS)
        yield directory


@pytest.fixture
def environment(home: Path) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "TMPDIR": str(home / "tmp"),
        "CREDENTIAL_KEYS": generate_key(),
        "STATEMENT_FOLDER": str(home / "statements"),
    }


def started(arguments: tuple[str, ...], home: Path, environment: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*PROGRAM, *arguments], cwd=home, env=environment, text=True, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip


def run_to_its_end(arguments: tuple[str, ...], home: Path, environment: dict[str, str]) -> tuple[int, str]:
    with started(arguments, home, environment) as process:
        _, said = process.communicate(timeout=PATIENCE_S)
    return process.returncode, said


def wait_until_ours(process: subprocess.Popen[str]) -> None:
    """Wait until Ctrl-C is the program's to answer: it was given back to the system, or a thread waits for it.

    For a moment it looks so as well before Python took it.
    """
    while process.poll() is None:
        status = dict(line.split(":\t", 1) for line in Path(f"/proc/{process.pid}/status").read_text().splitlines())
        python_is_up = _holds(status["SigIgn"], signal.SIGPIPE)
        if python_is_up and (not _holds(status["SigCgt"], signal.SIGINT) or int(status["Threads"]) > 1):
            return
        sleep(0.005)


def _holds(mask: str, number: signal.Signals) -> bool:
    return bool(int(mask, 16) >> (number - 1) & 1)


def is_pythons_own(said: str) -> bool:
    """Say whether it is the traceback of a Python that had not come to the program yet: none of its files is in it."""
    return "Traceback" in said and f"{os.sep}worker{os.sep}" not in said


def interrupted(process: subprocess.Popen[str], *, times: int = 1) -> tuple[int, str]:
    """Send Ctrl-C, and return the exit code and what was said on standard error."""
    is_over = process.poll() is not None
    family = [] if is_over else psutil.Process(process.pid).children(recursive=True)
    for _ in range(0 if is_over else times):
        process.send_signal(signal.SIGINT)
    try:
        _, said = process.communicate(timeout=PATIENCE_S)
    finally:
        process.kill()
    _, alive = psutil.wait_procs(family, timeout=5)
    assert not alive
    assert "Traceback" not in said or is_pythons_own(said)
    assert "ignored in" not in said
    return process.returncode, said


@contextmanager
def everything_locked(url: str) -> Iterator[str]:
    """Hold every table, so that a command waits at the first it touches; yield a query for what waits."""
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg2://"))
    with engine.begin() as connection:
        tables = connection.scalars(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")).all()
        connection.execute(text(f"LOCK TABLE {', '.join(tables)} IN ACCESS EXCLUSIVE MODE"))
        yield "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        connection.rollback()
    engine.dispose()


def rows_of(engine) -> dict[str, int]:
    with engine.connect() as connection:
        names = connection.scalars(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")).all()
        return {name: connection.scalar(text(f'SELECT count(*) FROM "{name}"')) for name in names}


@pytest.mark.parametrize("arguments", AT_THE_DATABASE.values(), ids=AT_THE_DATABASE)
def test_a_command_that_waits_for_the_database_is_stopped_at_once(
    arguments, home, environment, database_url, redis_url, engine
):
    environment |= {"DATABASE_URL": database_url, "REDIS_URL": redis_url}
    before = rows_of(engine)
    with everything_locked(database_url) as waiting, engine.connect() as watching:
        process = started(arguments, home, environment)
        until_s = monotonic() + 60
        while not watching.execute(text(waiting)).scalar_one():
            watching.rollback()
            assert process.poll() is None, process.communicate()
            assert monotonic() < until_s
            sleep(0.02)
        signal_at_s = monotonic()
        code, said = interrupted(process, times=2)
        assert monotonic() - signal_at_s < SOON_S
    assert code == 130
    assert len(said.splitlines()) == 1
    assert said.startswith("stopped")
    assert rows_of(engine) == before
    assert not list((home / "statements").rglob("*.part"))
    assert not list(home.glob("*.zip"))


@pytest.mark.parametrize("arguments", AT_ANY_MOMENT.values(), ids=AT_ANY_MOMENT)
def test_a_command_that_is_stopped_at_any_moment_says_so_in_one_line(
    arguments, home, environment, database_url, redis_url
):
    environment |= {"DATABASE_URL": database_url, "REDIS_URL": redis_url}
    undisturbed = run_to_its_end(arguments, home, environment)
    for moment_s in MOMENTS_S:
        with started(arguments, home, environment) as process:
            wait_until_ours(process)
            with suppress(subprocess.TimeoutExpired):
                process.wait(moment_s)
            code, said = interrupted(process)
        # Before the command line is there, the signal ends the process as it ends any other.
        unsaid = (code, said) == (-signal.SIGINT, "") or is_pythons_own(said)
        stopped = code == 130 and len(said.splitlines()) == 1
        assert unsaid or stopped or (code, said) == undisturbed, (moment_s, code, said)
    assert not list((home / "tmp").iterdir())


WRAPS = """
import os, signal, sys, time
from worker.cli import main
def stopped_inside_a_library(*_, **__):
    try:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(10)
    except BaseException:
        raise ValueError("what the library says of it")
main._load = stopped_inside_a_library
sys.argv = ["finmind-worker", "status"]
from worker.__main__ import main
main()
"""


def test_a_stop_that_a_library_passes_on_as_an_error_of_its_own_is_a_stop(home, environment):
    """pydantic makes a SchemaError of it while it builds a model."""
    done = subprocess.run(
        [sys.executable, "-c", WRAPS], cwd=home, env=environment, text=True, capture_output=True, timeout=PATIENCE_S,
        check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (130, "stopped\n")
