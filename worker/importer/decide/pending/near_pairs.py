"""Finds the new lines and stored rows that are worth comparing: by what they have in common, and by their days. Pure.

Two sides of thousands make millions of pairs. Of more than `MAX_COMPARED_PAIRS` each line is compared with the rows of
the nearest amounts alone. A line and a row that are not compared are no pair.
"""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterator
from datetime import date
from decimal import Decimal
from typing import TypeAlias

from worker.importer.decide.compare.one_to_one import Key, OneToOne, PlacePair
from worker.importer.decide.pending.match_rewritten import UnmatchedRow
from worker.importer.decide.read.identity import folded_text
from worker.importer.decide.read.line import Line
from worker.importer.decide.stored_row import StoredRow
from worker.words import payment_text

MAX_COMPARED_PAIRS = 100_000
"""So many pairs are compared in half a second, or in six where all texts are made of the same letters."""

_MeetingPoint: TypeAlias = tuple[Hashable, str, date | None]
"""What a line and a row have in common, and a day that is one of the line's and near one of the row's."""


class NearPairs:
    """The free pairs whose keys agree and of whose days any two are near, in the order of lines and rows.

    Attributes:
        are_all: They are few enough for all to be compared. Otherwise nothing says that a line has no other candidate.
    """

    def __init__(
        self,
        matching: OneToOne[Line, UnmatchedRow],
        line_key: Callable[[Line], Key],
        row_key: Callable[[UnmatchedRow], Key],
        max_days: Callable[[UnmatchedRow], int | None] = lambda _row: None,
    ) -> None:
        """Look for the pairs.

        Args:
            max_days: How many days a row and a line may be apart, by `RowDays.nearest_gap`; None for any number.
        """
        self._places: dict[_MeetingPoint, list[int]] = defaultdict(list)
        self._rows: dict[int, StoredRow] = {}
        self._lines: list[tuple[int, Line, list[_MeetingPoint]]] = []
        for place, row in matching.free_rights():
            if (key := row_key(row)) is not None:
                self._rows[place] = row.known
                for point in _points_of_row(key, row.known, max_days(row)):
                    self._places[point].append(place)
        for place, line in matching.free_lefts() if self._rows else ():
            points = [] if (key := line_key(line)) is None else _points_of_line(key, line)
            if points := [point for point in points if point in self._places]:
                self._lines.append((place, line, points))
        self.are_all = sum(len(self._places[at]) for _, _, points in self._lines for at in points) <= MAX_COMPARED_PAIRS
        if not self.are_all:
            matching.crowded_lefts.update(place for place, _, _ in self._lines)

    def __iter__(self) -> Iterator[PlacePair]:
        """Yield the pairs; of too many those of each line with the rows of the nearest amounts and texts."""
        nearest = None if self.are_all else self._nearest_rows()
        for place, line, points in self._lines:
            found = [self._places[point] if nearest is None else nearest(line, point) for point in points]
            for right_place in found[0] if len(found) == 1 else sorted({right for places in found for right in places}):
                yield place, right_place

    def _nearest_rows(self) -> Callable[[Line, _MeetingPoint], list[int]]:
        """Return a search for few rows of a meeting point; lines of one amount and text get the rows after another."""
        count = max(2, MAX_COMPARED_PAIRS // sum(len(points) for _, _, points in self._lines))
        rank_of = {place: _rank(row) for place, row in self._rows.items()}
        in_order = {
            point: sorted((rank_of[place], place) for place in places) for point, places in self._places.items()
        }
        turns: Counter[tuple[_MeetingPoint, tuple[Decimal, str]]] = Counter()

        def nearest(line: Line, point: _MeetingPoint) -> list[int]:
            rows, rank = in_order[point], _rank(line)
            position = bisect_left(rows, (rank, 0)) + turns[point, rank]
            turns[point, rank] += 1
            first = max(0, min(position - count // 2, len(rows) - count))
            return sorted(place for _, place in rows[first : first + count])

        return nearest


def _points_of_row(key: Hashable, known: StoredRow, max_days: int | None) -> Iterator[_MeetingPoint]:
    if max_days is None:
        yield key, "any day", None
        return
    for kind, day in known.days.points(max_days):
        yield key, kind, day


def _points_of_line(key: Hashable, line: Line) -> list[_MeetingPoint]:
    return [(key, "any day", None), *((key, kind, day) for kind, day in line.days.points())]


def _rank(payment: Line | StoredRow) -> tuple[Decimal, str]:
    return abs(payment.amount), folded_text(payment_text(payment))
