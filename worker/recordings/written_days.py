"""Recognises days and moments that are written as numbers or as in Europe. Pure."""

import re
from collections.abc import Callable
from datetime import date

_DAY_OF_EUROPE = re.compile(r"(\d{1,2})([./-])(\d{1,2})\2(\d{4})", re.ASCII)
_COMPACT_DAY = re.compile(r"(?:19|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])", re.ASCII)
_EPOCH_S = (946_684_800, 4_102_444_800)


def is_compact_day(value: str) -> bool:
    """Tell whether a text is a day without separators, such as 20261109."""
    return bool(_COMPACT_DAY.fullmatch(value))


def moved_as_written(value: str, move: Callable[[str], str]) -> str | None:
    """Return another day that is written like the given one, as in Europe; None when it is no such day.

    Args:
        value: Such as 9.11.2026.
        move: Returns the other day for an ISO 8601 one.
    """
    if (found := _DAY_OF_EUROPE.fullmatch(value)) is None:
        return None
    first, separator, second, year = found.groups()
    for day, month in ((first, second), (second, first)):
        try:
            moved = date.fromisoformat(move(date(int(year), int(month), int(day)).isoformat()))
        except ValueError:
            continue
        parts = (moved.day, moved.month) if day is first else (moved.month, moved.day)
        widths = (len(first), len(second))
        written = [f"{part:0{width}}" for part, width in zip(parts, widths, strict=True)]
        return separator.join([*written, str(moved.year)])
    return None


def epoch_unit(value: int) -> int:
    """Return how many of its units are a second, for a number that is a moment of 2000 to 2100; 0 for any other."""
    for unit in (1, 1000, 1_000_000):
        if _EPOCH_S[0] * unit <= value <= _EPOCH_S[1] * unit:
            return unit
    return 0
