"""`up` as a process: with small stand-ins for what it supervises, and once with the real workers."""

import os
import re
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import psutil
import psycopg2
import pytest

from tests.local.up_process import ENVIRONMENT, Up
from tests.waiting import PATIENCE_S, until

pytestmark = pytest.mark.processes

HARNESS = """
import sys
from dataclasses import replace
from pathlib import Path
from worker.errors import WorkerError
from worker.local import supervisor
from worker.local.restart_policy import RestartPolicy
from worker.local.services import Command
from worker.local.up import UpOptions, run_up
state, *stand_ins = sys.argv[1:]
supervisor.RestartPolicy = lambda: RestartPolicy(first_delay_s=0.01, longest_delay_s=0.01, within_s=86400)
class Patient(Command):
    def service(self, environment):
        return replace(super().service(environment), patience_s=86400)  # who is killed is killed by what a test did
def table(settings, options):
    for number, body in enumerate(stand_ins):
        name, _, code = body.partition("=")
        yield Patient(name=name, command=(sys.executable, "-uc", code), ready="ready",
                      port=int(name[4:]) if name.startswith("port") else None)
try:
    run_up(UpOptions(state_directory=Path(state)), table=lambda s, o: tuple(table(s, o)))
except WorkerError as error:
    sys.exit(f"error: {error}")
"""
STEADY = "import time; print('ready'); time.sleep(600)"
STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, lambda *_: print("I stay"))
print("ready")
time.sleep(600)
"""
CANARIES = {
    "JWT_SECRET": "canary-of-tokens-0123456789abcdefghij",
    "EVENT_SIGNING_KEY": "canary-of-events-0123456789abcdefghij",
    "SMTP_URL": "smtp+ssl://canary:of-mail@mail.example:465",
    "SOMEBODYS_TOKEN": "canary-of-another-program",
}
KNOWN_TO: dict[str, set[str]] = {
    "interactive": {"EVENT_SIGNING_KEY"},
    "scheduled": set(),
    "heavy": set(),
    "webhooks": {"EVENT_SIGNING_KEY", "SMTP_URL"},
    "beat": set(),
    "flower": set(),
    "api": {"JWT_SECRET"},
}


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[Up, Path]]:
    """One `up` for the tests that leave it running."""
    with tempfile.TemporaryDirectory(prefix="finmind-test-", ignore_cleanup_errors=True) as directory:
        home = Path(directory)
        home.chmod(0o711)
        up = Up([sys.executable, "-c", HARNESS, str(home / "state"), f"one={STEADY}", f"two={STEADY}"], home)
        up.wait_for("everything is up")
        yield up, home
        up.process.terminate()
        assert up.ended() == 0


@pytest.fixture
def start_up(home: Path) -> Iterator[Callable[..., Up]]:
    started: list[Up] = []

    def start(*stand_ins: str, **environment: str) -> Up:
        started.append(Up([sys.executable, "-c", HARNESS, str(home / "state"), *stand_ins], home, **environment))
        return started[-1]

    yield start
    for up in started:
        if up.process.poll() is None:
            up.process.kill()
        up.process.wait()


def _gone(processes: list[psutil.Process]) -> bool:
    return not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in processes)


def test_a_signal_stops_everything_and_the_exit_code_is_0(start_up, home: Path) -> None:
    up = start_up(f"one={STEADY}", f"two={STEADY}")
    up.wait_for("everything is up")
    family = up.family()
    assert len(family) >= 4  # two stand-ins, Redis, Postgres and its own
    up.process.send_signal(signal.SIGHUP)
    assert up.ended() == 0
    assert _gone(family)
    assert "everything is stopped" in up.output
    assert not (home / "state" / "env").exists()


def test_addresses_are_published_privately(running: tuple[Up, Path]) -> None:
    addresses = running[1] / "state" / "env"
    assert stat.S_IMODE(addresses.stat().st_mode) == 0o600
    values = dict(line.split("=", 1) for line in addresses.read_text().splitlines())
    assert {"DATABASE_URL", "REDIS_URL", "CREDENTIAL_KEYS_FILE"} <= set(values)
    assert stat.S_IMODE(Path(values["CREDENTIAL_KEYS_FILE"]).stat().st_mode) == 0o600
    connection = psycopg2.connect(values["DATABASE_URL"])
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM bank_connections")
        assert cursor.fetchone() == (0,)
    connection.close()


def test_a_second_up_on_the_same_directory_refuses_and_the_first_goes_on(running: tuple[Up, Path]) -> None:
    up, home = running
    second = Up([sys.executable, "-c", HARNESS, str(home / "state")], home)
    assert second.ended() == 1
    assert f"(process {up.process.pid}) already runs on" in second.output
    assert up.process.poll() is None


def test_a_crashed_process_is_started_again(running: tuple[Up, Path]) -> None:
    up, _ = running
    victim = next(child for child in up.family() if STEADY in child.cmdline())
    victim.kill()
    up.wait_for("was killed by SIGKILL; starting it again in")
    until(lambda: sum(STEADY in child.cmdline() for child in up.family()) == 2)


def test_a_killed_redis_comes_back_at_its_address(running: tuple[Up, Path]) -> None:
    up, _ = running
    (server,) = _redis_servers(up)
    ports = _ports(server)
    server.kill()
    up.wait_for("redis was killed by SIGKILL; starting it again in")
    until(lambda: [_ports(heir) for heir in _redis_servers(up)] == [ports])


def _redis_servers(up: Up) -> list[psutil.Process]:
    return [child for child in up.family() if child.name() == "redis-server"]


def _ports(process: psutil.Process) -> set[int]:
    return {connection.laddr.port for connection in process.net_connections(kind="inet")}


def test_a_process_that_does_not_stay_alive_ends_the_whole_with_its_name(start_up) -> None:
    up = start_up(f"one={STEADY}", "two=print('no key'); raise SystemExit(3)")
    assert up.ended() == 1
    assert "two         | no key" in up.output
    assert "error: two stopped with exit code 3, 5 times within 86400 s: giving up" in up.output


def test_a_process_that_ignores_the_wish_is_killed_by_a_second_ctrl_c(start_up) -> None:
    up = start_up(f"one={STUBBORN}")
    up.wait_for("everything is up")
    family = up.family()
    up.process.send_signal(signal.SIGINT)
    up.wait_for("I stay")
    up.process.send_signal(signal.SIGINT)
    assert up.ended() == 0
    assert _gone(family)


def test_nothing_outlives_an_up_that_was_killed_and_the_next_one_goes_on(start_up) -> None:
    up = start_up(f"one={STUBBORN}")
    up.wait_for("everything is up")
    family = up.family()
    up.process.kill()
    until(lambda: _gone(family))
    again = start_up(f"one={STEADY}")
    again.wait_for("everything is up")
    again.process.terminate()
    assert again.ended() == 0


def test_a_port_in_use_is_said_before_anything_is_started(home: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        up = Up([str(Path(sys.executable).parent / "finmind-worker"), "up", "--no-flower"], home, API_PORT=str(port))
        assert up.ended() == 2
    assert f"port {port} for api is in use; API_PORT chooses another" in up.output
    assert not (home / ".finmind" / "postgres").exists()


def test_a_reader_that_goes_away_stops_it(start_up) -> None:
    up = start_up("one=import time; print('ready')\nwhile True: print('x'); time.sleep(.05)")
    up.wait_for("everything is up")
    family = up.family()
    up.stop_reading()
    until(lambda: up.process.poll() is not None)
    assert _gone(family)


def _listening() -> set[tuple[str, int, int | None]]:
    """Addresses, ports and processes that listen; workers show what is theirs only to root."""
    sockets = psutil.net_connections(kind="inet")
    return {(s.laddr.ip, s.laddr.port, s.pid) for s in sockets if s.status == psutil.CONN_LISTEN}


def _check_children(up: Up) -> None:
    """Every child knows its own secrets alone, and neither it nor what it started writes a core file."""
    seen = set()
    for child in psutil.Process(up.process.pid).children(recursive=True):
        name = _name_of(child)
        try:
            known = Path(f"/proc/{child.pid}/environ").read_bytes()
            limits = Path(f"/proc/{child.pid}/limits").read_text()
        except OSError:
            assert os.geteuid() != 0  # not dumpable: its environment is root's alone
            continue
        found = {variable for variable, value in CANARIES.items() if value.encode() in known}
        assert found == KNOWN_TO.get(name, set()), name
        assert re.search(r"Max core file size +0 +0", limits), name
        seen.add(name)
    assert os.geteuid() != 0 or seen == {*KNOWN_TO, "postgres", "redis-server"}


def _name_of(process: psutil.Process) -> str:
    line = " ".join(process.cmdline())
    service = re.search(r"--hostname (\w+)@| (beat|flower)(?: |$)|worker (api)", line)
    if service is None:
        return process.name()
    return next(name for name in service.groups() if name)


def _check_modes(state: Path) -> None:
    """Whatever the umask, nobody else reads a file of the state directory or lists a folder."""
    passable = {state, state / "programs"} if os.geteuid() == 0 else set()
    modes = {path: stat.S_IMODE(path.lstat().st_mode) for path in (state, *state.rglob("*")) if not path.is_symlink()}
    others = {path: oct(mode) for path, mode in modes.items() if mode & 0o077 and not _is_program(path, state)}
    assert set(others) <= passable, others
    assert all(mode == "0o711" for mode in others.values())


def _is_program(path: Path, state: Path) -> bool:
    """Say whether it belongs to the copy of Postgres' programs, for the account that they run as."""
    return state / "programs" in path.parents


def test_the_real_workers_beat_and_flower_start_answer_and_stop(home: Path) -> None:
    with socket.socket() as probe, socket.socket() as other:
        ports = []
        for one in (probe, other):
            one.bind(("127.0.0.1", 0))
            ports.append(str(one.getsockname()[1]))
    command = [str(Path(sys.executable).parent / "finmind-worker"), "up"]
    before = _listening()
    sender = {"EMAIL_FROM": "worker@example.test"}
    up = Up(command, home, FLOWER_PORT=ports[0], API_PORT=ports[1], **sender, **CANARIES)
    try:
        up.wait_for("everything is up")
        assert f"Flower: http://127.0.0.1:{ports[0]}" in up.output
        assert f"the operator's page: http://127.0.0.1:{ports[1]}/ops" in up.output
        password_file = home / ".finmind" / "operator-password"
        assert stat.S_IMODE(password_file.stat().st_mode) == 0o600
        assert password_file.read_text() not in up.output
        operator = ("operator", password_file.read_text())
        for url in (f"http://127.0.0.1:{ports[1]}/", f"http://127.0.0.1:{ports[0]}/api/workers"):
            assert httpx2.get(url, follow_redirects=True).status_code == 401
            assert httpx2.get(url, follow_redirects=True, auth=operator).status_code == 200
        alive = subprocess.run(
            [str(Path(sys.executable).parent / "finmind-worker"), "healthcheck", "worker"],
            cwd=home, env=ENVIRONMENT, capture_output=True, text=True, timeout=PATIENCE_S, check=False,
        )  # fmt: skip
        assert (alive.returncode, alive.stdout) == (0, "worker is alive\n")
        family = up.family()
        _check_children(up)
        _check_modes(home / ".finmind")
        ours = {None, up.process.pid, *(child.pid for child in family)}  # other tests start servers meanwhile
        assert {address for address, _, pid in _listening() - before if pid in ours} == {"127.0.0.1"}
        status = subprocess.run(
            [str(Path(sys.executable).parent / "finmind-worker"), "db", "check"],
            cwd=home, env=ENVIRONMENT, capture_output=True, text=True, timeout=PATIENCE_S, check=False,
        )  # fmt: skip
        assert "agree" in status.stdout, status.stderr
        up.process.send_signal(signal.SIGINT)
        assert up.ended() == 0
        assert _gone(family)
        assert not re.search(r"Traceback|Warning", up.output), up.output
    finally:
        if up.process.poll() is None:
            up.process.kill()
        up.process.wait()
