"""`up` as a process of a test, whose output can be waited for."""

import os
import queue
import subprocess
import threading
from contextlib import suppress
from pathlib import Path
from time import monotonic

import psutil

from tests.waiting import PATIENCE_S

ENVIRONMENT = {"PATH": os.environ["PATH"], "HOME": "/tmp"}


class Up:
    """One running `up` whose output can be waited for."""

    def __init__(self, command: list[str], directory: Path, **environment: str) -> None:
        self.process = subprocess.Popen(
            command, cwd=directory, env={**ENVIRONMENT, **environment}, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, umask=0,
        )  # fmt: skip
        self.said: list[str] = []
        self._deaf = False
        self._lines: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout
        with self.process.stdout as output:
            while not self._deaf and (line := output.readline()):
                self._lines.put(line.rstrip())
        self._lines.put(None)

    def stop_reading(self) -> None:
        self._deaf = True

    def wait_for(self, words: str) -> str:
        """Return the first line with these words; fail with all that was said when none comes."""
        deadline_s = monotonic() + PATIENCE_S
        with suppress(queue.Empty):
            while monotonic() < deadline_s and (line := self._lines.get(timeout=PATIENCE_S)) is not None:
                self.said.append(line)
                if words in line:
                    return line
        raise AssertionError(f"it did not say {words!r}:\n{self.output}")

    def ended(self) -> int:
        """Wait for the end of the program and of what it says; return the exit code."""
        code = self.process.wait(PATIENCE_S)
        while (line := self._lines.get(timeout=PATIENCE_S)) is not None:
            self.said.append(line)
        return code

    def family(self) -> list[psutil.Process]:
        return [child for child in psutil.Process(self.process.pid).children(recursive=True) if child.is_running()]

    @property
    def output(self) -> str:
        return "\n".join(self.said)
