"""Records which command runs in this process, for the audit: its name, its ids and the names of its flags."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from itertools import takewhile

_WORD = re.compile(r"[a-z]+(-[a-z]+)*")
_ID = re.compile(r"[0-9a-f-]{6,36}", re.IGNORECASE)

_GIVEN: ContextVar[Sequence[str]] = ContextVar("given", default=())


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenCommand:
    """What of a command line may be recorded: values other than ids may be secrets."""

    name: str
    ids: list[str]
    flags: list[str]


@contextmanager
def running(given: Sequence[str]) -> Iterator[None]:
    """Say which command line runs inside the block."""
    token = _GIVEN.set(given)
    try:
        yield
    finally:
        _GIVEN.reset(token)


def current_command() -> GivenCommand | None:
    """Return the command that runs; None outside of a command line."""
    given = _GIVEN.get()
    words = list(takewhile(_WORD.fullmatch, given))[:2]
    if not words:
        return None
    rest = given[len(words) :]
    return GivenCommand(
        name=" ".join(words),
        ids=[value for value in rest if _ID.fullmatch(value)],
        flags=[value.partition("=")[0] for value in rest if value.startswith("--")],
    )
