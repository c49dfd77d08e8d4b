"""Keeps processes running and prints their output, in one thread: select, print, reap, restart, stop.

It is one thread, because the kernel kills a child when the thread that started it ends.
"""

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from worker.errors import WorkerError
from worker.local.child_processes import kill_session
from worker.local.restart_policy import RestartPolicy, restart_delay_s
from worker.local.services import Service
from worker.local.terminal_lines import LineBuffer, Terminal
from worker.process.interruption import SIGNALS, StoppedByPersonError

_LOOK_EVERY_S = 0.2
_CHUNK_BYTES = 64 * 1024


class CrashLoopError(WorkerError):
    """A process crashed too often."""

    code = "crash_loop"


@dataclass(slots=True, kw_only=True)
class _Child:
    """A service and its process; `restart_at_s` is set while it waits for its restart."""

    service: Service
    process: subprocess.Popen[bytes]
    lines: LineBuffer = field(default_factory=LineBuffer)
    ready: bool = False
    crashed_at_s: list[float] = field(default_factory=list)
    restart_at_s: float | None = None


class Supervisor:
    """Runs services until a signal stops it or one of them crashes too often."""

    def __init__(self, terminal: Terminal, *, policy: RestartPolicy | None = None) -> None:
        self._terminal = terminal
        self._policy = policy or RestartPolicy()
        self._selector = selectors.DefaultSelector()
        self._children: list[_Child] = []
        self._stop_requests = 0
        self._raising = True

    @property
    def has_services(self) -> bool:
        """Whether there is anything to stop."""
        return bool(self._children)

    @contextmanager
    def signals(self) -> Iterator[None]:
        """Treat INT, TERM and HUP as a request to stop; while services are being started, raise it, once."""
        before = {number: signal.signal(number, self._request_stop) for number in SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def add(self, service: Service, process: subprocess.Popen[bytes] | None = None) -> None:
        """Start a service, or take over its running process."""
        child = _Child(service=service, process=process or service.start())
        self._children.append(child)
        self._listen(child)

    def run(self, *, when_ready: Sequence[str]) -> None:
        """Keep the services running until a stop is requested.

        Args:
            when_ready: Lines to print once every service is ready; the last one says after how long.

        Raises: CrashLoopError.
        """
        self._raising = False
        started_at_s = time.monotonic()
        announced = False
        while not self._stop_requests:
            self._print_output(_LOOK_EVERY_S)
            for child in self._children:
                self._look_after(child)
            if not announced and all(child.ready or not child.service.ready for child in self._children):
                announced = True
                for line in when_ready[:-1]:
                    self._terminal.say("up", line)
                self._terminal.say("up", f"{when_ready[-1]} (after {time.monotonic() - started_at_s:.1f} s)")

    def stop(self) -> None:
        """Stop all services, those marked `last` at the end. A second signal shortens the wait."""
        self._raising = False
        requests_before = self._stop_requests
        for last in (False, True):
            children = [child for child in self._children if child.service.last is last and child.restart_at_s is None]
            self._stop_together(children, patience_ends_with=None if last else requests_before)
        self._selector.close()

    def _request_stop(self, number: int, _frame: object) -> None:
        self._stop_requests += 1
        if self._raising:
            self._raising = False
            raise StoppedByPersonError(number)

    def _listen(self, child: _Child) -> None:
        if child.process.stdout is not None:
            os.set_blocking(child.process.stdout.fileno(), False)
            self._selector.register(child.process.stdout, selectors.EVENT_READ, child)

    def _print_output(self, timeout_s: float) -> None:
        if not self._selector.get_map():
            time.sleep(timeout_s)
            return
        for key, _events in self._selector.select(timeout_s):
            self._read(key.data, key.fd)

    def _read(self, child: _Child, descriptor: int) -> None:
        chunk = os.read(descriptor, _CHUNK_BYTES)
        for line in child.lines.feed(chunk):
            child.ready = child.ready or (child.service.ready or "\0") in line
            if line:
                self._terminal.say(child.service.name, line)
        if not chunk:
            assert child.process.stdout
            self._selector.unregister(child.process.stdout)
            child.process.stdout.close()

    def _look_after(self, child: _Child) -> None:
        now_s = time.monotonic()
        if child.restart_at_s is not None:
            if now_s >= child.restart_at_s:
                self._restart(child)
        elif child.process.poll() is not None:
            self._crashed(child, now_s)

    def _crashed(self, child: _Child, now_s: float) -> None:
        name, code = child.service.name, child.process.returncode
        reason = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"stopped with exit code {code}"
        kill_session(child.process)
        child.crashed_at_s.append(now_s)
        delay_s = restart_delay_s(self._policy, child.crashed_at_s)
        if delay_s is None:
            raise CrashLoopError(
                f"{name} {reason}, {self._policy.crashes} times within {self._policy.within_s:.0f} s: giving up"
            )
        self._terminal.say("up", f"{name} {reason}; starting it again in {delay_s:.1f} s")
        child.restart_at_s = now_s + delay_s

    def _restart(self, child: _Child) -> None:
        child.restart_at_s = None
        child.lines = LineBuffer()
        child.process = child.service.start()
        self._listen(child)

    def _stop_together(self, children: Sequence[_Child], *, patience_ends_with: int | None) -> None:
        for step in range(max((len(child.service.signals) for child in children), default=0)):
            alive = [child for child in children if child.process.poll() is None]
            for child in alive:
                if step < len(child.service.signals):
                    child.process.send_signal(child.service.signals[step])
            deadline_s = time.monotonic() + max((child.service.patience_s for child in alive), default=0)
            while time.monotonic() < deadline_s and any(child.process.poll() is None for child in alive):
                if patience_ends_with is not None and self._stop_requests > patience_ends_with:
                    break
                self._print_output(0.05)
        for child in children:
            kill_session(child.process)
            child.process.wait()
