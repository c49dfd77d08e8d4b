"""Finds days that stand out of the order in which all others of a statement stand: they may be misread. Pure."""

from dataclasses import dataclass, field
from datetime import date, timedelta

_LEAST_MOVES = 6
_MOST_ODD = 2
_JUMP = timedelta(days=4)


@dataclass(frozen=True, slots=True)
class OddDay:
    """A day that breaks the order of a statement."""

    line: int
    day: date


@dataclass(slots=True)
class DayOrder:
    """Counts in which direction the days of a statement move from row to row."""

    _last: OddDay | None = None
    _forwards: int = 0
    _backwards: int = 0
    _jumps_forward: list[OddDay] = field(default_factory=list)
    _jumps_back: list[OddDay] = field(default_factory=list)

    def see(self, line: int, day: date) -> None:
        """Take the day of the next row."""
        last, here = self._last, OddDay(line, day)
        self._last = here
        if last is None or day == last.day:
            return
        forwards = day > last.day
        self._forwards += forwards
        self._backwards += not forwards
        jumps = self._jumps_forward if forwards else self._jumps_back
        if abs(day - last.day) > _JUMP and len(jumps) <= _MOST_ODD:
            jumps.append(here)

    def odd(self) -> list[OddDay]:
        """Return the rows at which a statement that is in the order of time jumps the other way, if they are few."""
        few, many = sorted((self._forwards, self._backwards))
        if few > _MOST_ODD or many < _LEAST_MOVES:
            return []
        return self._jumps_back if self._forwards >= self._backwards else self._jumps_forward
