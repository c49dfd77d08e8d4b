"""Ctrl-C: a command stops in good order, says so in one line, and ends with 130, as shells expect.

Ctrl-C ─┬─ a thread: what would not notice, such as a statement at the database, is ended at once
        └─ the main thread: StoppedByPersonError, once; what is undone then is undone to its end
"""

import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_AGAIN_S = 0.2
_TRIES = 10
_AT_ONCE: list[Callable[[], object]] = []
_RAISED: list["StoppedByPersonError"] = []
_EXPECTED, _NOTICED, _HELD = threading.Event(), threading.Event(), threading.Event()


class StoppedByPersonError(BaseException):
    """A person asked the process to stop. What handles errors does not handle it.

    Attributes:
        words: What to say of it, with what remains of the work and what goes on with it.
        exit_code: What a shell reports of a program that the signal ended.
    """

    def __init__(self, number: int = signal.SIGINT) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name}")
        self.words = "stopped"
        self.exit_code = 128 + number
        _NOTICED.set()
        _RAISED.append(self)


def expect_interrupts() -> None:
    """Raise StoppedByPersonError at the first Ctrl-C from now on; further ones are passed over."""
    woken, wakes = socket.socketpair()
    wakes.settimeout(0)
    signal.set_wakeup_fd(wakes.fileno(), warn_on_full_buffer=False)
    threading.Thread(target=_end_what_waits, args=(woken, wakes), name="interrupts", daemon=True).start()
    sys.unraisablehook = _raise_again
    signal.signal(signal.SIGINT, _raise_once)
    _EXPECTED.set()


def pass_over_interrupts() -> None:
    """Let the process end undisturbed. Only what is ignored stays so while Python itself ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def raise_stop_again() -> None:
    """Raise the stop of a command that expects one, where a library passed it on as an error of its own."""
    if _EXPECTED.is_set() and _RAISED:
        raise _RAISED[-1]


def at_interrupt(end: Callable[[], object]) -> bool:
    """Have something called by another thread at the moment of a signal; False where no command expects one."""
    if _EXPECTED.is_set():
        _AT_ONCE.append(end)
    return _EXPECTED.is_set()


@contextmanager
def when_stopped(words: str) -> Iterator[None]:
    """State what to say where a person stops the block, also where a library passes that on as an error of its own."""
    try:
        yield
    except BaseException:
        if _RAISED:
            _RAISED[-1].words = words
        raise


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Keep a short block whole: a Ctrl-C within it counts when it is over."""
    arrived: list[int] = []
    _HELD.set()
    before = signal.signal(signal.SIGINT, lambda number, _frame: arrived.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        _HELD.clear()
    if arrived:
        signal.raise_signal(signal.SIGINT)


def _raise_once(number: int, _frame: object) -> None:
    signal.signal(signal.SIGINT, _pass_over)
    raise StoppedByPersonError(number)


def _pass_over(_number: int, _frame: object) -> None:
    """Do nothing. What is ignored would be so in programs that are started, too."""


def _raise_again(failure: "sys.UnraisableHookArgs") -> None:
    """Send the signal again where it arrived at a moment at which Python drops what is raised."""
    if isinstance(failure.exc_value, StoppedByPersonError):
        signal.signal(signal.SIGINT, _raise_once)
        threading.Timer(_AGAIN_S, os.kill, (os.getpid(), signal.SIGINT)).start()
    else:
        sys.__unraisablehook__(failure)


def _end_what_waits(woken: socket.socket, _wakes: socket.socket) -> None:
    """Wait for signals, in a thread: the main one may be inside a call that returns only when it is over."""
    while numbers := woken.recv(64):
        if any(number in SIGNALS for number in numbers):
            _end_until_noticed()


def _end_until_noticed() -> None:
    """End what waits, and again what began to wait in the same moment."""
    for _ in range(_TRIES):
        for end in () if _HELD.is_set() else tuple(_AT_ONCE):
            with suppress(Exception):  # what is over already, or broken, needs no end
                end()
        if _NOTICED.wait(_AGAIN_S):
            return
