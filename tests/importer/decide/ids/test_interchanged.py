"""Which line is a row by its content although another row has its id."""

import pytest

from tests.importer.decide.rows import COMPLETE, NOTHING_PROVEN, day, key, line, row
from worker.importer.decide.ids.interchanged import interchanged_ids

BOOKS, WINE, TEA, BREAD = ("-10", "Books"), ("-20", "Wine"), ("-3", "Tea"), ("-2", "Bread")
STORED = [row(*what, id=n, external_id=id_) for n, (what, id_) in enumerate([(BOOKS, "a"), (WINE, "b"), (TEA, "c")], 1)]

MOVED = {
    "two ids changed places": ([(WINE, "a"), (BOOKS, "b"), (TEA, "c")], NOTHING_PROVEN, {"a": 2, "b": 1}),
    "all ids moved on": ([(WINE, "a"), (TEA, "b"), (BOOKS, "c")], NOTHING_PROVEN, {"a": 2, "b": 3, "c": 1}),
    "one moved on, what it left has a new id": ([(WINE, "a"), (BOOKS, "z"), (TEA, "c")], COMPLETE, {"a": 2}),
    "the same in an answer that proves nothing": ([(WINE, "a"), (BOOKS, "z"), (TEA, "c")], NOTHING_PROVEN, {}),
    "nothing says what the id left": ([(WINE, "a"), (TEA, "c")], COMPLETE, {}),
    "the other row is there as it was": ([(WINE, "a"), (WINE, "b"), (TEA, "c")], COMPLETE, {}),
    "one of them was amended as well": ([(WINE, "a"), (("-11", "Books"), "b"), (TEA, "c")], COMPLETE, {}),
    "all moved on behind a new one": (
        [(BREAD, "a"), (BOOKS, "b"), (WINE, "c"), (TEA, "d")],
        COMPLETE,
        {"a": None, "b": 1, "c": 2},
    ),
    "the same in an answer that does not prove it": (
        [(BREAD, "a"), (BOOKS, "b"), (WINE, "c"), (TEA, "d")],
        NOTHING_PROVEN,
        {},
    ),
    "one that moved on behind a new one took another's place": ([(BREAD, "a"), (BOOKS, "b"), (TEA, "c")], COMPLETE, {}),
    "as before": ([(BOOKS, "a"), (WINE, "b"), (TEA, "c")], COMPLETE, {}),
}


@pytest.mark.parametrize(("said", "coverage", "moved"), MOVED.values(), ids=MOVED)
def test_ids_moved_where_every_content_they_left_is_there_again(said, coverage, moved):
    lines = [line(*what, external_id=id_) for what, id_ in said]
    found = interchanged_ids(lines, {stored.identity: key(stored) for stored in STORED}, coverage)
    assert {lines[place].external_id: stored and stored.id for place, stored in found.items()} == moved


def test_rows_that_move_by_a_day_each_are_amended():
    """The first two say what the next ones said; no answer says the day of the first one again."""
    stored = [row(id=n, external_id=str(n), booking_on=day(n)) for n in range(3)]
    lines = [line(external_id=str(n), booking_on=day(n + 1)) for n in range(3)]
    assert interchanged_ids(lines, {one.identity: key(one) for one in stored}, COMPLETE) == {}
