"""Keeps readings that take long, so that a scrape of many rows answers at once.

A reading that takes less than `SHORT_S` is taken anew at every scrape. One that takes longer is answered from the last
one and taken anew in the background once it is older than `REST` times as long as it took: a gauge of a second is read
every 20 seconds. A first reading can be waited for as long as the caller allows; it goes on behind the scrape.
"""

import math
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from sqlalchemy.exc import SQLAlchemyError

from worker.telemetry.logs import get_logger

log = get_logger(__name__)

SHORT_S = 0.02
REST = 20.0

T = TypeVar("T")


@dataclass(slots=True, kw_only=True)
class _Reading(Generic[T]):
    value: T
    took_s: float
    read_s: float
    is_renewed: bool = False


@dataclass(slots=True)
class KeptReadings(Generic[T]):
    """The last reading of each name. One for a process; any number of threads may ask.

    Attributes:
        keeps: Says of a reading and of how long it took (s) whether it is kept at all.
        oldest_s: What is older, because nobody asked for long, is taken anew at once; by default nothing is.
    """

    clock: Callable[[], float] = time.monotonic
    keeps: Callable[[T, float], bool] = lambda _value, took_s: took_s >= SHORT_S
    oldest_s: float = math.inf
    _kept: dict[str, _Reading[T]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _firsts: dict[str, "Future[_Reading[T]]"] = field(default_factory=dict)
    _reader: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "first-readings"))

    def get(
        self,
        name: str,
        read: Callable[[], T],
        renew: Callable[[], T] | None = None,
        *,
        first_until_s: float | None = None,
    ) -> T | None:
        """Return a reading, taken now unless the last one took long.

        Args:
            renew: Takes it in another thread.
            first_until_s: Until when (of `clock`) to wait for the first reading, which another thread takes; None: it
                is taken here, however long that takes.

        Returns:
            The reading; None when the first one was not there in time.
        """
        kept = self._kept.get(name)
        if kept is None and first_until_s is not None:
            return self._first(name, renew or read, first_until_s)
        if kept is None or not self.keeps(kept.value, kept.took_s) or self._is_too_old(kept):
            return self._take(name, read).value
        if self.clock() - kept.read_s > REST * kept.took_s and self._claim(kept):
            threading.Thread(target=self._renew, args=(name, renew or read, kept), daemon=True).start()
        return kept.value

    def _first(self, name: str, read: Callable[[], T], until_s: float) -> T | None:
        with self._lock:
            if name not in self._firsts:
                self._firsts[name] = self._reader.submit(self._take, name, read)
            first = self._firsts[name]
        try:
            return first.result(max(0.0, until_s - self.clock())).value
        except TimeoutError:
            return None
        finally:
            if first.done():  # also one that failed: the next caller takes it anew
                self._firsts.pop(name, None)

    def _is_too_old(self, kept: _Reading[T]) -> bool:
        """Leave time for a renewal in the background, which begins later where a reading takes longer."""
        return self.clock() - kept.read_s > max(self.oldest_s, 2 * REST * kept.took_s)

    def _claim(self, kept: _Reading[T]) -> bool:
        with self._lock:
            free, kept.is_renewed = not kept.is_renewed, True
        return free

    def _renew(self, name: str, read: Callable[[], T], kept: _Reading[T]) -> None:
        try:
            self._take(name, read)
        except SQLAlchemyError:
            log.warning("reading.not_renewed", name=name)
            kept.is_renewed = False

    def _take(self, name: str, read: Callable[[], T]) -> _Reading[T]:
        began_s = self.clock()
        value = read()
        ended_s = self.clock()
        self._kept[name] = taken = _Reading(value=value, took_s=ended_s - began_s, read_s=ended_s)
        return taken
