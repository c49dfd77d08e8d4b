"""Child processes that never outlive their parent, and how they are stopped."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import psutil

from worker.local.accounts import SystemAccount

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What to start, and how.

    death_signal: what the kernel sends it when the thread that started it dies, however that happens (Linux only;
    elsewhere the next start finds the orphan). account: who it runs as, when we are root. environment: None for ours.
    """

    command: Sequence[str]
    directory: Path
    death_signal: signal.Signals = signal.SIGKILL
    account: SystemAccount | None = None
    environment: Mapping[str, str] | None = None


def start_child(
    program: Program, *, output: int | IO[bytes], stdin: int = subprocess.DEVNULL
) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own, so that Ctrl-C reaches the parent alone. output: stdout and stderr."""
    account = program.account
    return subprocess.Popen(
        program.command,
        stdin=stdin,
        stdout=output,
        stderr=subprocess.STDOUT,
        env=program.environment,
        cwd=program.directory,
        start_new_session=True,
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
        preexec_fn=_tether(program.death_signal, os.getpid()),  # noqa: PLW1509 - one system call, no lock held in it
    )


def stop_child(process: subprocess.Popen[bytes], *, signals: Sequence[signal.Signals], patience_s: float) -> None:
    """Send each signal in turn until the process is gone, `patience_s` apart; then kill its whole session."""
    for chosen in signals:
        if process.poll() is not None:
            break
        process.send_signal(chosen)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(patience_s)
    kill_session(process)
    process.wait()


def kill_session(process: subprocess.Popen[bytes]) -> None:
    """Kill the process and everything it started that is still in its session."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def stop_orphan(pid: int, *, directory: Path, name: str, chosen: signal.Signals, patience_s: float) -> None:
    """Stop what a killed parent left running: the process `pid`, if it is `name` and works in `directory`."""
    try:
        orphan = psutil.Process(pid)
        if name not in orphan.name() or Path(orphan.cwd()).resolve() != directory.resolve():
            return
        orphan.send_signal(chosen)
        _wait_or_kill(orphan, patience_s)
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return  # gone, or somebody else's: the number was given to another program


def _wait_or_kill(process: psutil.Process, patience_s: float) -> None:
    try:
        process.wait(patience_s)
    except psutil.TimeoutExpired:
        process.kill()
        process.wait(patience_s)


def _tether(death_signal: signal.Signals, parent_pid: int) -> Callable[[], None] | None:
    """Return what the child does between fork and exec: die with its parent, also if that died in between."""
    if _LIBC is None:
        return None
    libc = _LIBC

    def die_with_parent() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
        if os.getppid() != parent_pid:
            os.kill(os.getpid(), death_signal)

    return die_with_parent
