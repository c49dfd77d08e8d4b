"""Runs `up` for the demo in a temporary folder, which is deleted at the end."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from worker.errors import WorkerError
from worker.local.child_processes import Program, kill_session, start_child
from worker.process.state_directory import published_addresses
from worker.settings import Settings

_START_TIMEOUT_S = 90
_STOP_TIMEOUT_S = 40
_SETTINGS = frozenset(name.upper() for name in Settings.model_fields) | {"FINMIND_HEALTH_DIR", "FINMIND_STATE_DIR"}
_UP = (sys.executable, "-m", "worker", "up")
_QUICK = {"TICK_S": "0.5", "PYTHONWARNINGS": "ignore"}


class StageError(WorkerError):
    """The embedded stack did not start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A running `up`."""

    directory: Path
    process: subprocess.Popen[bytes]

    @property
    def state(self) -> Path:
        """The state directory of `up`."""
        return self.directory / "state"

    @property
    def log(self) -> Path:
        """Everything `up` printed."""
        return self.directory / "up.log"

    def addresses(self) -> Mapping[str, str]:
        """Return the addresses that `up` published, as environment variables."""
        return published_addresses(self.state)

    def wait(self) -> None:
        """Wait until everything is up. Raises: StageError with the last output of `up`."""
        deadline_s = time.monotonic() + _START_TIMEOUT_S
        while time.monotonic() < deadline_s:
            said = self.log.read_text(encoding="utf-8", errors="replace")
            if "everything is up" in said:
                return
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        last = self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-3:]
        raise StageError("the embedded stack did not start: " + " / ".join(last))

    def strike(self) -> list[str]:
        """Stop `up`; return what went wrong, such as a process that still runs or an exit code other than 0."""
        family = psutil.Process(self.process.pid).children(recursive=True)
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            return [f"`up` did not stop within {_STOP_TIMEOUT_S} s"]
        _, alive = psutil.wait_procs(family, timeout=2)
        wrong = [f"`up` exited with {code}"] if code else []
        return wrong + [f"process {process.pid} ({process.name()}) was left behind" for process in alive]


@contextmanager
def stage() -> Iterator[Stage]:
    """Start `up` in a temporary folder; at the end stop it and delete the folder."""
    with tempfile.TemporaryDirectory(prefix="finmind-demo-", ignore_cleanup_errors=True) as name:
        directory = Path(name)
        directory.chmod(0o711)
        environment = without_settings(os.environ) | _QUICK
        command = [*_UP, "--state-dir", str(directory / "state"), "--no-flower", "--no-api"]
        program = Program(command=command, directory=directory, death_signal=signal.SIGTERM, environment=environment)
        with (directory / "up.log").open("wb") as log:
            process = start_child(program, output=log)
        built = Stage(directory=directory, process=process)
        try:
            yield built
        finally:
            if process.poll() is None:
                built.strike()
            kill_session(process)
            process.wait()


def without_settings(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment without our settings: a worker that is set up here is none of the demo's."""
    return {name: value for name, value in environment.items() if name.upper() not in _SETTINGS}
