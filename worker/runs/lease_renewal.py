"""The pulse of a run: its lease is kept alive by the heart of the process, and it knows whether the run may go on."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import structlog
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from worker.db.engine import Sessions
from worker.errors import CancelRequestedError, LostLeaseError, StopRequestedError
from worker.fault_injection import point
from worker.runs.lease import heartbeat
from worker.runs.states import Lease

log = structlog.get_logger(__name__)

_LOOK_S = 0.5

# A transaction of a run holds the run's row and beats by itself; the others must not wait for it.
_PATIENCE = text("SET LOCAL lock_timeout = '1s'")


class LeaseKeeper:
    """Extends one lease; `check` and `wait` raise as soon as the run has to end.

    deadline_s: after this long the run is asked to hand itself back, so that one long run does not hold a slot.
    """

    def __init__(
        self,
        sessions: Sessions,
        lease: Lease,
        *,
        lease_s: float,
        deadline_s: float,
        stop_requested: Callable[[], bool],
    ) -> None:
        self._sessions = sessions
        self._lease = lease
        self._lease_s = lease_s
        self._stop_requested = stop_requested
        self._beaten_s = time.monotonic()
        self._deadline_s = self._beaten_s + deadline_s
        self._lost = False
        self._cancelled = False
        self._writing = False
        self.advanced = False
        """Whether the run committed something in this attempt that the next one need not do again."""

    def check(self) -> None:
        """Return when the run may go on. Raises: LostLeaseError, CancelRequestedError, StopRequestedError."""
        point("between_pages")
        self.prove()
        if self._cancelled:
            raise CancelRequestedError(f"run {self._lease.run_id} was cancelled")
        if self._stop_requested():
            raise StopRequestedError("the worker is shutting down")
        if time.monotonic() > self._deadline_s:
            raise StopRequestedError("the run used up its time and goes on later")

    def prove(self) -> None:
        """Return when the lease is still ours, as far as can be known here. Raises: LostLeaseError."""
        # A process that was stopped for longer than its lease finds out here, before it hears it from Postgres.
        if self._lost or (not self._writing and time.monotonic() - self._beaten_s > self._lease_s):
            raise LostLeaseError(f"run {self._lease.run_id} was silent for longer than its lease")

    @contextmanager
    def writing(self, session: Session) -> Iterator[None]:
        """Keep the lease through a transaction of the run, however long it takes.

        Once fenced it holds the run's row: nobody can take the lease, but the heart cannot extend it either.
        """
        self._writing = True
        try:
            yield
            if time.monotonic() - self._beaten_s > self._lease_s / 4:
                with suppress(LostLeaseError):  # it ended the run itself: nobody else can, behind its fence
                    self._beat_once(session)
        finally:
            self._writing = False

    def advance(self) -> None:
        """Note that the run got further."""
        self.advanced = True

    def wait(self, seconds: float) -> None:
        """Sleep. Raises what `check` raises, within half a second of its becoming true."""
        until_s = time.monotonic() + seconds
        self.check()
        while (left_s := until_s - time.monotonic()) > 0:
            time.sleep(min(left_s, _LOOK_S))
            self.check()

    def beat(self) -> None:
        """Extend the lease in a transaction of its own; what that says about the run is heard from `check`."""
        if self._lost:
            return
        try:
            with self._sessions() as session:
                session.execute(_PATIENCE)
                self._beat_once(session)
        except LostLeaseError:
            self._lost = True
        except SQLAlchemyError:
            # One missed beat is no loss: Postgres may be restarting. `check` gives up when the lease has run out.
            return

    def _beat_once(self, session: Session) -> None:
        sent_s = time.monotonic()
        try:
            heartbeat(session, self._lease, lease_s=self._lease_s)
        except CancelRequestedError:
            self._cancelled = True
        self._beaten_s = max(self._beaten_s, sent_s)  # it may have waited for a transaction that beat meanwhile


class LeaseRenewer:
    """One thread of a process that beats for every run under way in it, every quarter of a lease."""

    def __init__(self, lease_s: float) -> None:
        self._every_s = lease_s / 4
        self._pulses: set[LeaseKeeper] = set()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heart", daemon=True)
        self._starting = threading.Lock()

    @contextmanager
    def keeping(self, pulse: LeaseKeeper) -> Iterator[LeaseKeeper]:
        """Beat for a run as long as the block lasts."""
        self._pulses.add(pulse)
        self._start()
        try:
            yield pulse
        finally:
            self._pulses.discard(pulse)

    def stop(self) -> None:
        """End the thread, once the beat under way is over."""
        self._over.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _start(self) -> None:
        with self._starting:
            if self._thread.ident is None:
                self._thread.start()

    def _beat(self) -> None:
        while not self._over.wait(self._every_s):
            for pulse in self._pulses.copy():
                try:
                    pulse.beat()
                except Exception:  # a heart that stands still loses every run after this one
                    log.exception("heart.missed_a_beat")
