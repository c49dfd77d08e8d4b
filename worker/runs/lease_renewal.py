"""Lease renewal: one thread of a process extends the leases of its runs, and each run learns whether it may go on."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from worker.db.engine import Sessions
from worker.errors import CancelRequestedError, LostLeaseError, StopRequestedError
from worker.fault_injection import point
from worker.runs.lease import heartbeat
from worker.runs.states import Lease
from worker.telemetry.logs import get_logger

log = get_logger(__name__)

_LOOK_S = 0.5

# A transaction of the run locks the run's row and extends the lease itself: the thread neither waits for that lock nor
# makes Postgres log a statement that gave up waiting.
_LOCK_UNLESS_HELD = text("SELECT 1 FROM bank_import_runs WHERE id = :run_id FOR NO KEY UPDATE SKIP LOCKED")


class LeaseKeeper:
    """The lease of one run in this process. `check` and `wait` raise as soon as the run has to end.

    Args:
        sessions: opens the transactions that extend the lease.
        lease: the lease to keep.
        lease_s: how long an extended lease lasts (s).
        deadline_s: after this long (s) the run is asked to hand itself back and to go on later.
        abandon_s: after this long (s) the lease is no longer renewed: a run that did not stop is taken over by others.
        stop_requested: whether the worker is shutting down.
    """

    def __init__(
        self,
        sessions: Sessions,
        lease: Lease,
        *,
        lease_s: float,
        deadline_s: float,
        stop_requested: Callable[[], bool],
        abandon_s: float = float("inf"),
    ) -> None:
        self._sessions = sessions
        self._lease = lease
        self._lease_s = lease_s
        self._stop_requested = stop_requested
        self._renewed_s = time.monotonic()
        self._deadline_s = self._renewed_s + deadline_s
        self._abandon_s = self._renewed_s + abandon_s
        self._lost = False
        self._cancelled = False
        self._writing = False
        self.advanced = False
        """Whether the run committed something in this attempt that the next one need not do again."""

    def check(self) -> None:
        """Return when the run may go on. Raises: LostLeaseError, CancelRequestedError, StopRequestedError."""
        point("between_pages")
        self.check_lease()
        if self._cancelled:
            raise CancelRequestedError(f"run {self._lease.run_id} was cancelled")
        if self._stop_requested():
            raise StopRequestedError("the worker is shutting down")
        if self.is_out_of_time:
            raise StopRequestedError("the run used up its time and goes on later")

    @property
    def is_out_of_time(self) -> bool:
        """Whether the deadline is over."""
        return time.monotonic() > self._deadline_s

    def check_lease(self) -> None:
        """Return when the lease is still ours, as far as this process knows. Raises: LostLeaseError."""
        # A process that was stopped for longer than its lease notices here, without asking Postgres.
        if self._lost or (not self._writing and time.monotonic() - self._renewed_s > self._lease_s):
            raise LostLeaseError(f"run {self._lease.run_id} was silent for longer than its lease")

    @contextmanager
    def writing(self, session: Session) -> Iterator[None]:
        """Keep the lease through a transaction of the run, however long it takes.

        After its fence the transaction locks the row of the run: neither another worker nor the renewer can touch it.
        """
        self._writing = True
        try:
            yield
            if time.monotonic() - self._renewed_s > self._lease_s / 4:
                with suppress(LostLeaseError):  # the transaction closed the run itself
                    self._renew_once(session)
        finally:
            self._writing = False

    def advance(self) -> None:
        """Note that the run got further."""
        self.advanced = True

    def wait(self, seconds: float) -> None:
        """Sleep; look twice a second whether the run may go on. Raises: what `check` raises."""
        until_s = time.monotonic() + seconds
        self.check()
        while (left_s := until_s - time.monotonic()) > 0:
            time.sleep(min(left_s, _LOOK_S))
            self.check()

    def renew(self) -> None:
        """Extend the lease in a transaction of its own; `check` reports what that tells about the run."""
        if self._lost or time.monotonic() > self._abandon_s:
            return
        try:
            with self._sessions() as session:
                if session.execute(_LOCK_UNLESS_HELD, {"run_id": self._lease.run_id}).first() is not None:
                    self._renew_once(session)
        except LostLeaseError:
            self._lost = True
        except SQLAlchemyError:
            # One failed renewal loses nothing: Postgres may be restarting. `check` gives up when the lease ran out.
            return

    def _renew_once(self, session: Session) -> None:
        sent_s = time.monotonic()
        try:
            heartbeat(session, self._lease, lease_s=self._lease_s)
        except CancelRequestedError:
            self._cancelled = True
        self._renewed_s = max(self._renewed_s, sent_s)  # it may have waited for a transaction that renewed meanwhile


class LeaseRenewer:
    """One thread that extends the leases of all runs under way in this process, every quarter of a lease."""

    def __init__(self, lease_s: float) -> None:
        self._every_s = lease_s / 4
        self._keepers: set[LeaseKeeper] = set()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._renew_all, name="lease-renewer", daemon=True)
        self._starting = threading.Lock()

    @contextmanager
    def renewing(self, keeper: LeaseKeeper) -> Iterator[LeaseKeeper]:
        """Extend the lease of a run as long as the block lasts."""
        self._keepers.add(keeper)
        self._start()
        try:
            yield keeper
        finally:
            self._keepers.discard(keeper)

    def stop(self) -> None:
        """End the thread after the renewal under way."""
        self._over.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _start(self) -> None:
        with self._starting:
            if self._thread.ident is None:
                self._thread.start()

    def _renew_all(self) -> None:
        while not self._over.wait(self._every_s):
            for keeper in self._keepers.copy():
                try:
                    keeper.renew()
                except Exception:  # a thread that ended here would lose every other run
                    log.exception("lease_renewal.failed")
