"""The pulse of a run: a thread that keeps the lease alive, and the answer to "may I go on?"."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from worker.database import Sessions
from worker.errors import CancelRequestedError, LostLeaseError, StopRequestedError
from worker.faults import point
from worker.runs.lease import heartbeat
from worker.runs.states import Lease

_LOOK_S = 0.5


class Pulse:
    """Extends one lease every quarter of its length; `check` and `wait` raise as soon as the run has to end.

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
        self._resting = False
        self.advanced = False
        """Whether the run committed something in this attempt that the next one need not do again."""
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beat, name=f"pulse-{lease.run_id}", daemon=True)

    def __enter__(self) -> Self:
        """Start beating."""
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Stop beating."""
        self._over.set()
        self._thread.join()

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
        """Keep the lease through a transaction of the run, however long it takes. Raises: LostLeaseError at its end.

        Once fenced it holds the run's row: nobody can take the lease, but the thread cannot extend it either.
        """
        began_s = time.monotonic()
        self._writing = True
        try:
            yield
            if time.monotonic() - began_s > self._lease_s / 4 and not self._resting:
                self._beat_once(session)
        finally:
            self._writing = False

    def advance(self) -> None:
        """Note that the run got further."""
        self.advanced = True

    def rest(self) -> None:
        """Note that the transaction under way ends the run: there is no lease left to extend in it."""
        self._resting = True

    def wait(self, seconds: float) -> None:
        """Sleep. Raises what `check` raises, within half a second of its becoming true."""
        until_s = time.monotonic() + seconds
        self.check()
        while (left_s := until_s - time.monotonic()) > 0:
            time.sleep(min(left_s, _LOOK_S))
            self.check()

    def _beat(self) -> None:
        while not self._over.wait(self._lease_s / 4) and not self._lost:
            try:
                with self._sessions() as session:
                    self._beat_once(session)
            except LostLeaseError:
                self._lost = True
            except SQLAlchemyError:
                # One missed beat is no loss: Postgres may be restarting. `check` gives up when the lease has run out.
                continue

    def _beat_once(self, session: Session) -> None:
        sent_s = time.monotonic()
        try:
            heartbeat(session, self._lease, lease_s=self._lease_s)
        except CancelRequestedError:
            self._cancelled = True
        self._beaten_s = max(self._beaten_s, sent_s)  # it may have waited for a transaction that beat meanwhile
