"""Listens in Postgres for requests that came without a message, and wakes the dispatcher.

One worker listens at a time: who holds an advisory lock of the listening session. See
docs/decisions/0066-requests-without-a-broker.md.
"""

import os
import select
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg2
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from worker.db.engine import open_engine
from worker.db.pooler import is_pooled
from worker.runs.wake_up import CHANNEL
from worker.telemetry.logs import get_logger

SHORTEST_GAP_S = 0.1
"""Requests within so many seconds of a wake-up wake the dispatcher once more, together."""

_LOOK_S = 15.0
"""How long a worker waits before it tries again to become the one that listens (s)."""

_CLOSE_S = 5.0
"""Longest wait for the connection to close (s)."""

log = get_logger(__name__)


class RequestListener:
    """A thread that listens. It ends by itself behind a pooler in transaction mode, where LISTEN hears nothing."""

    def __init__(self, database_url: str, wake: Callable[[], None]) -> None:
        """Create a listener that is not started.

        Args:
            wake: Wakes the dispatcher; it must not raise.
        """
        self._database_url = database_url
        self._wake = wake
        self._stop_reader, self._stop_writer = os.pipe()
        self._thread = threading.Thread(target=self._run, name="request-listener", daemon=True)

    def start(self) -> None:
        """Start to listen."""
        self._thread.start()

    def is_alive(self) -> bool:
        """Say whether it listens or tries to."""
        return self._thread.is_alive()

    def stop(self) -> None:
        """Stop to listen, and wait until the connection is closed."""
        os.close(self._stop_writer)
        self._thread.join(_CLOSE_S)

    def _run(self) -> None:
        reported = False
        while not self._stopped_within(0):
            try:
                with self._connected() as connection:
                    if is_pooled(connection):
                        log.warning("requests.not_heard", reason="a pooler stands before Postgres; the tick finds them")
                        return
                    reported = False
                    self._listen(connection)
            except (SQLAlchemyError, psycopg2.Error) as error:
                if not reported:
                    log.warning("requests.not_heard", reason=type(error).__name__)
                reported = True
            self._stopped_within(_LOOK_S)

    @contextmanager
    def _connected(self) -> Iterator[Connection]:
        engine = open_engine(self._database_url, role="listener", pool_size=1)
        try:
            with engine.connect() as connection:
                yield connection
        finally:
            engine.dispose()

    def _listen(self, connection: Connection) -> None:
        """Wake the dispatcher at each notification until the listener stops or another worker listens already."""
        driver: Any = connection.connection.dbapi_connection
        driver.autocommit = True
        with driver.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_lock(hashtextextended('finmind.request_listener', 0))")
            if not cursor.fetchone()[0]:
                return
            cursor.execute(f"LISTEN {CHANNEL}")
        log.info("requests.heard", channel=CHANNEL)
        self._wake()  # for what was requested before anybody listened
        while not self._stopped_within(0):
            if self._stop_reader in _readable(driver.fileno(), self._stop_reader):
                return
            driver.poll()
            if driver.notifies:
                driver.notifies.clear()
                self._wake()
                time.sleep(SHORTEST_GAP_S)

    def _stopped_within(self, wait_s: float) -> bool:
        return bool(_readable(self._stop_reader, wait_s=wait_s))


def _readable(*files: int, wait_s: float | None = None) -> list[int]:
    """Wait until there is something to read, and return where.

    By `poll`, because `select` refuses descriptors from 1,024 on, which a process with webhooks under way opens.
    """
    waiting = select.poll()
    for file in files:
        waiting.register(file, select.POLLIN)
    return [file for file, _event in waiting.poll(None if wait_s is None else wait_s * 1000)]
