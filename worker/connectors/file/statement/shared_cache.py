"""Keeps what was read for a second use, within a bound that all threads of the process share."""

import weakref
from threading import Lock
from typing import Generic, TypeVar

ItemT = TypeVar("ItemT")

MOST_OF_ONE = 100_000
_MOST_OF_PROCESS = 200_000
_CHUNK = 1000


class _Budget:
    """How many items the process may still keep."""

    def __init__(self, items: int) -> None:
        self._left = items
        self._lock = Lock()

    def reserve(self) -> bool:
        """Take a chunk, if there is one."""
        with self._lock:
            if self._left < _CHUNK:
                return False
            self._left -= _CHUNK
            return True

    def release(self, chunks: list[int]) -> None:
        """Give back the chunks of one list."""
        with self._lock:
            self._left += chunks[0] * _CHUNK
            chunks[0] = 0


_BUDGET = _Budget(_MOST_OF_PROCESS)


class KeptItems(Generic[ItemT]):
    """A list that is dropped as a whole once it, or all of the process together, would hold too much."""

    def __init__(self, most: int = MOST_OF_ONE) -> None:
        self._items: list[ItemT] | None = []
        self._most = most
        self._chunks = [0]
        weakref.finalize(self, _BUDGET.release, self._chunks)

    @property
    def items(self) -> list[ItemT] | None:
        """All items; None where they were dropped."""
        return self._items

    def append(self, item: ItemT) -> None:
        """Keep an item, if there is room."""
        if self._items is None:
            return
        if len(self._items) == self._chunks[0] * _CHUNK:
            if len(self._items) >= self._most or not _BUDGET.reserve():
                self.drop()
                return
            self._chunks[0] += 1
        self._items.append(item)

    def drop(self) -> None:
        """Forget everything."""
        self._items = None
        _BUDGET.release(self._chunks)
