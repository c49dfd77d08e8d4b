"""Waits for a database that is away, such as one that restarts, instead of giving up what it was to be asked."""

import time
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy.exc import DBAPIError

from worker.db.trouble import is_away

T = TypeVar("T")


def once_it_answers(
    ask: Callable[[], T], *, patience_s: float, every_s: float, stopping: Callable[[], bool] = lambda: False
) -> T:
    """Return what `ask` returns, asking again while the database is away.

    Args:
        ask: Does one transaction, which may be begun anew.
        patience_s: How long the database may be away (s).
        every_s: How long to wait between two tries (s).
        stopping: Says whether nobody waits any more.

    Raises: DBAPIError when the database is away for longer, or when it answered with another error.
    """
    give_up_s = time.monotonic() + patience_s
    while True:
        try:
            return ask()
        except DBAPIError as error:
            if not is_away(error) or stopping() or time.monotonic() > give_up_s:
                raise
        time.sleep(every_s)
