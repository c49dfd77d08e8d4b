"""Starts child processes that die with their parent, and stops them."""

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

from worker.local.system_accounts import SystemAccount

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A program to start.

    Attributes:
        death_signal: Signal that the kernel sends it when the thread that started it dies (Linux only; elsewhere the
            next start stops the orphan).
        account: Account that it runs as, when we are root.
        environment: All variables that it gets.
    """

    command: Sequence[str]
    directory: Path
    environment: Mapping[str, str]
    death_signal: signal.Signals = signal.SIGKILL
    account: SystemAccount | None = None


def start_child(
    program: Program, *, output: int | IO[bytes], stdin: int = subprocess.DEVNULL
) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own, so that Ctrl-C reaches only the parent.

    Args:
        output: Where its stdout and stderr go.
    """
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
    """Send the signals one after the other, `patience_s` apart, until the process ends; then kill its session."""
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
    """Stop an orphan of a killed parent: the process `pid`, if it is `name` and its folder is `directory`."""
    try:
        orphan = psutil.Process(pid)
        if name not in orphan.name() or Path(orphan.cwd()).resolve() != directory.resolve():
            return
        orphan.send_signal(chosen)
        _wait_or_kill(orphan, patience_s)
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return  # it ended, or its number belongs to another program now


def _wait_or_kill(process: psutil.Process, patience_s: float) -> None:
    try:
        process.wait(patience_s)
    except psutil.TimeoutExpired:
        process.kill()
        process.wait(patience_s)


def _tether(death_signal: signal.Signals, parent_pid: int) -> Callable[[], None] | None:
    """Return the function between fork and exec that makes the child die with its parent."""
    if _LIBC is None:
        return None
    libc = _LIBC

    def die_with_parent() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
        if os.getppid() != parent_pid:
            os.kill(os.getpid(), death_signal)

    return die_with_parent
