"""Remembers what was read of short texts, such as the days and amounts that a statement repeats."""

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import Concatenate, ParamSpec, TypeVar

SHORT = 200
"""Longer than any day, amount or name of a column, in characters. A file may hold texts of a million."""

Rest = ParamSpec("Rest")
Read = TypeVar("Read")


def remembering(
    most: int,
) -> Callable[[Callable[Concatenate[str, Rest], Read]], Callable[Concatenate[str, Rest], Read]]:
    """Let a pure function remember its answers for short texts: a process lives longer than the files it is sent."""

    def decorate(read: Callable[Concatenate[str, Rest], Read]) -> Callable[Concatenate[str, Rest], Read]:
        remembered = lru_cache(maxsize=most)(read)

        @wraps(read)
        def reading(text: str, /, *rest: Rest.args, **named: Rest.kwargs) -> Read:
            return (remembered if len(text) <= SHORT else read)(text, *rest, **named)  # type: ignore[arg-type]  # hashable

        return reading

    return decorate
