"""Renews leases: one thread per process extends the leases of its runs and learns whether they may go on."""

import threading
import time
import uuid
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from worker.db.engine import Sessions
from worker.errors import CancelRequestedError, LostLeaseError, StopRequestedError
from worker.process.fault_injection import point
from worker.runs.lease import extend
from worker.runs.states import Lease
from worker.telemetry.logs import get_logger

log = get_logger(__name__)

_LOOK_S = 0.25
_LOOK_FOR_CANCELS_S = 0.4
_CANCELLED = text(
    "SELECT id FROM bank_import_runs WHERE id = ANY(CAST(:ids AS uuid[])) AND cancel_requested_at IS NOT NULL"
)

# A transaction of the run locks the run's row and extends the lease itself: the thread neither waits for that lock nor
# makes Postgres log a lock timeout.
_LOCK_UNLESS_HELD = text("SELECT 1 FROM bank_import_runs WHERE id = :run_id FOR NO KEY UPDATE SKIP LOCKED")


class LeaseKeeper:
    """The lease of one run in this process. `check` and `wait` raise as soon as the run has to end.

    Args:
        sessions: Opens the transactions that extend the lease.
        lease: The lease to keep.
        lease_s: How long an extended lease lasts (s).
        deadline_s: After this long (s) the run has to hand itself back and go on later.
        abandon_s: After this long (s) the lease is no longer renewed, so that another worker takes over a run that did
            not stop.
        stop_requested: Says whether the worker is shutting down.
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
        self.lease = lease
        self._lease_s = lease_s
        self._stop_requested = stop_requested
        self._renewed_s = time.monotonic()
        self.deadline_s = deadline_s
        self._ends_s = self._renewed_s + deadline_s
        self._abandon_s = self._renewed_s + abandon_s
        self._lost = False
        self._cancelled = False
        self._writing = False
        self.advanced = False
        """Whether the run committed something in this attempt."""

    def check(self) -> None:
        """Do nothing while the run may go on. Raises: LostLeaseError, CancelRequestedError, StopRequestedError."""
        point("between_pages")
        self.check_going_on()

    def check_going_on(self) -> None:
        """Do the same without a place for tests to strike: it is called several times a second."""
        self.check_lease()
        if self._cancelled:
            raise CancelRequestedError(f"run {self.lease.run_id} was cancelled")
        if self._stop_requested():
            raise StopRequestedError("the worker is shutting down")
        if self.is_out_of_time:
            raise StopRequestedError("the run used up its time and goes on later")

    @property
    def is_out_of_time(self) -> bool:
        """Whether the deadline has passed."""
        return time.monotonic() > self._ends_s

    def check_lease(self) -> None:
        """Do nothing while the lease is valid, as far as this process knows. Raises: LostLeaseError."""
        # A process that was suspended for longer than its lease notices here, without a query.
        if self._lost or (not self._writing and time.monotonic() - self._renewed_s > self._lease_s):
            raise LostLeaseError(f"run {self.lease.run_id} was silent for longer than its lease")

    @contextmanager
    def writing(self, session: Session) -> Iterator[None]:
        """Keep the lease during a transaction of the run, even when that takes longer than the lease.

        After its fence the transaction holds a lock on the run's row: no other worker can take the run over.
        """
        self._writing = True
        try:
            yield
            if time.monotonic() - self._renewed_s > self._lease_s / 4:
                with suppress(LostLeaseError):  # the transaction closed the run
                    self._renew_once(session)
        finally:
            self._writing = False

    def advance(self) -> None:
        """Note that the run committed something."""
        self.advanced = True

    def wait(self, seconds: float) -> None:
        """Sleep, and call `check` several times a second. Raises: what `check` raises."""
        self.lease.log.note_wait(seconds)
        until_s = time.monotonic() + seconds
        self.check()
        while (left_s := until_s - time.monotonic()) > 0:
            time.sleep(min(left_s, _LOOK_S))
            self.check()

    @property
    def run_id(self) -> uuid.UUID:
        """The id of the run."""
        return self.lease.run_id

    def note_cancelled(self) -> None:
        """Let `check` raise, because somebody cancelled the run."""
        self._cancelled = True

    def cancelled_among(self, run_ids: Collection[uuid.UUID]) -> set[uuid.UUID]:
        """Return which of these runs somebody cancelled; none while Postgres does not answer."""
        try:
            with self._sessions() as session:
                found = session.scalars(_CANCELLED, {"ids": [str(run_id) for run_id in run_ids]})
                return {uuid.UUID(str(run_id)) for run_id in found}
        except SQLAlchemyError:
            return set()

    def renew(self) -> None:
        """Extend the lease in its own transaction; `check` raises when that found it lost or the run cancelled."""
        if self._lost or time.monotonic() > self._abandon_s:
            return
        try:
            with self._sessions() as session:
                if session.execute(_LOCK_UNLESS_HELD, {"run_id": self.lease.run_id}).first() is not None:
                    self._renew_once(session)
        except LostLeaseError:
            self._lost = True
        except SQLAlchemyError:
            # Postgres may be restarting, so one failed renewal is ignored; `check` raises once the lease ran out.
            return

    def _renew_once(self, session: Session) -> None:
        sent_s = time.monotonic()
        try:
            extend(session, self.lease, lease_s=self._lease_s)
        except CancelRequestedError:
            self._cancelled = True
        self._renewed_s = max(self._renewed_s, sent_s)  # a transaction may have renewed it in the meantime


class LeaseRenewer:
    """One thread that extends the leases of all runs under way in this process, every quarter of a lease."""

    def __init__(self, lease_s: float) -> None:
        self._every_s = lease_s / 4
        self._look_s = min(_LOOK_FOR_CANCELS_S, self._every_s)
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
        """Stop the thread after the current renewal."""
        self._over.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _start(self) -> None:
        with self._starting:
            if self._thread.ident is None:
                self._thread.start()

    def _renew_all(self) -> None:
        renew_at_s = time.monotonic() + self._every_s
        waiting: set[LeaseKeeper] = set()
        while not self._over.wait(self._look_s):
            keepers = self._keepers.copy()
            try:  # if the thread ended, every run would lose its lease
                _look_for_cancels(waiting & keepers)
                if time.monotonic() >= renew_at_s:
                    renew_at_s = time.monotonic() + self._every_s
                    _renew_each(keepers)
            except Exception:
                log.exception("lease_renewal.failed")
            waiting = keepers


def _look_for_cancels(keepers: Collection[LeaseKeeper]) -> None:
    """Ask about all runs of the process at once; those that began since the last look are asked about at the next."""
    by_id = {keeper.run_id: keeper for keeper in keepers}
    for keeper in list(keepers)[:1]:
        for run_id in keeper.cancelled_among(by_id.keys()):
            by_id[run_id].note_cancelled()


def _renew_each(keepers: Collection[LeaseKeeper]) -> None:
    for keeper in keepers:
        try:
            keeper.renew()
        except Exception:
            log.exception("lease_renewal.failed")
