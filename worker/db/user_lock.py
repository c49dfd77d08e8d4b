"""Serialises transactions that decide about a user's rows, by a lock in Postgres until the transaction ends.

What an import decides about a row depends on the user's other rows: the same purchase on another connection, the other
leg of a transfer. A transaction that reads them in order to write takes this lock first; other users never wait for it,
and it is never held while the network is in use.

Lock order of every transaction that locks more than one row of a user: the user, the connection, the run, accounts,
bank transactions, expenses. FinMind deletes a user from the first of these downwards as well.
"""

import time
from collections.abc import Callable

from sqlalchemy.orm import Session

from worker.db.prepared import prepared
from worker.errors import ConflictError, DatabaseBusyError, StopRequestedError

POLL_S = 0.05
TIMEOUT_S = 60.0

# The key-share lock makes FinMind's DELETE of the user wait for this transaction before it locks anything else.
_TRY = prepared(
    """
    WITH owner AS MATERIALIZED (SELECT id FROM users WHERE id = :user_id FOR KEY SHARE)
    SELECT pg_try_advisory_xact_lock(hashtext('finmind.user'), id) FROM owner
    """
)


def lock_user(session: Session, user_id: int, *, wait: Callable[[float], None] | None = None) -> None:
    """Lock the user for this transaction; wait while another transaction holds the lock.

    Args:
        session: The transaction, before it locks anything else.
        user_id: The user; one that is gone needs no lock.
        wait: Sleeps for so many seconds, or raises to give up.

    Raises:
        DatabaseBusyError: The caller's time was up while it waited.
        ConflictError: Another transaction took longer than `TIMEOUT_S`, and no `wait` was given.
    """
    give_up_at_s = time.monotonic() + TIMEOUT_S
    while session.execute(_TRY, {"user_id": user_id}).scalar_one_or_none() is False:
        if wait is not None:
            _wait_for_turn(wait)
        elif time.monotonic() > give_up_at_s:
            raise ConflictError("an import of this user is being written; try again in a moment")
        else:
            time.sleep(POLL_S)


def _wait_for_turn(wait: Callable[[float], None]) -> None:
    try:
        wait(POLL_S)
    except StopRequestedError as reason:
        raise DatabaseBusyError("another import of this user was being written") from reason
