"""`up` as a process of a test, whose output can be waited for."""

import os
import queue
import subprocess
import threading
from pathlib import Path
from time import monotonic

import psutil

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

    def wait_for(self, words: str, *, within_s: float = 60) -> str:
        deadline_s = monotonic() + within_s
        while monotonic() < deadline_s:
            line = self._lines.get(timeout=within_s)
            assert line is not None, f"it ended before it said {words!r}:\n" + "\n".join(self.said)
            self.said.append(line)
            if words in line:
                return line
        raise AssertionError(words)

    def ended(self, *, within_s: float = 60) -> int:
        code = self.process.wait(within_s)
        while (line := self._lines.get(timeout=10)) is not None:
            self.said.append(line)
        return code

    def family(self) -> list[psutil.Process]:
        return [child for child in psutil.Process(self.process.pid).children(recursive=True) if child.is_running()]

    @property
    def output(self) -> str:
        return "\n".join(self.said)
