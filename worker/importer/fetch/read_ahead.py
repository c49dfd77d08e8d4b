"""Reads the next part of a long delivery in a thread while the server takes in the part before."""

from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def read_ahead(parts: Iterator[T]) -> Generator[T]:
    """Yield the parts in their order, each made in a thread while the one before it is worked on.

    What makes them must be pure. There are two parts in memory at most. Close it where it may be left early: that
    waits for the part that is being made.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="read-ahead") as reader:
        following = reader.submit(next, parts, None)
        while (part := following.result()) is not None:
            following = reader.submit(next, parts, None)
            yield part
