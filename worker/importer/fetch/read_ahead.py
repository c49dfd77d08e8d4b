"""Makes the next slice of a long delivery in a thread while the server takes in the one before."""

from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def read_ahead(items: Iterator[T]) -> Generator[T]:
    """Yield the items in their order, each made in a thread while the one before it is worked on.

    What makes them must be pure. There are two of them in memory at most. Close it where it may be left early: that
    waits for the one that is being made.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="read-ahead") as reader:
        following = reader.submit(next, items, None)
        while (item := following.result()) is not None:
            following = reader.submit(next, items, None)
            yield item
