"""How far the files of an account were delivered, and the cursor that says so."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date
from typing import Self

from worker.connectors.base import Window

_MAX_FILES = 5000
_AGAIN = "+"
_UNTIL = "/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """How far the files of an account were delivered.

    Attributes:
        days: The days that were asked for; None for all.
        seen: Fingerprints of the files that were delivered.
        again: Those of files that were delivered before, and whose entries were since then, with their payments.
    """

    days: Window | None = None
    seen: frozenset[str] = frozenset()
    again: frozenset[str] = frozenset()

    @classmethod
    def of(cls, cursor: str | None) -> Self:
        """Read a cursor; None is the beginning."""
        days, seen, again = None, set[str](), set[str]()
        for word in (cursor or "").split():
            if _UNTIL in word:
                first, last = map(date.fromisoformat, word.split(_UNTIL))
                days = Window(from_on=first, to_on=last)
            elif word.startswith(_AGAIN):
                again.add(word.removeprefix(_AGAIN))
            else:
                seen.add(word)
        return cls(days=days, seen=frozenset(seen), again=frozenset(again))

    def after(self, files: Iterable[str], again: Iterable[str]) -> Self:
        """Return the position after some more files."""
        return replace(self, seen=self.seen.union(files), again=self.again.union(again))

    def at_end(self) -> Self:
        """Return the position once all files were delivered: a few thousand of them, where there are very many."""
        return replace(self, seen=frozenset(sorted(self.seen)[:_MAX_FILES]), again=frozenset())

    @property
    def cursor(self) -> str | None:
        """The cursor; None where nothing was delivered."""
        days = [] if self.days is None else [f"{self.days.from_on}{_UNTIL}{self.days.to_on}"]
        return " ".join([*days, *sorted(self.seen), *(f"{_AGAIN}{one}" for one in sorted(self.again))]) or None
