"""What becomes of pending rows that no delivery removed."""

from dataclasses import replace

import pytest

from tests.importer.decide.rows import row
from worker.importer.decide.pending.booked_beside import RowsBeside
from worker.importer.decide.pending.leftover import WaitingRow, decide_waiting
from worker.importer.decide.stored_row import State

PENDING, POSTED = row(id=1, pending=True), row(id=2)
WAITING = WaitingRow(id=1, state=State.PENDING, days=1, is_absent=False, hides_another=False)
BESIDE = RowsBeside(pairs=[(PENDING, POSTED)], came_after=frozenset({(1, 2)}))
TOGETHER = replace(BESIDE, came_after=frozenset())
ALONE = RowsBeside()
NOTHING = ([], set(), [], set())
CASES = {
    "told beside a booking that came after it": ({}, BESIDE, False, ([], set(), [(1, 2)], set())),
    "told no longer beside it": ({"is_absent": True}, BESIDE, False, ([1], set(), [], set())),
    "told by a list of changes, after the days of grace": ({"days": 7}, BESIDE, True, ([1], set(), [], set())),
    "told by a list of changes, before": ({"days": 6}, BESIDE, True, ([], set(), [(1, 2)], set())),
    "told together with it": ({}, TOGETHER, False, NOTHING),
    "told together with it for long": ({"days": 7}, TOGETHER, False, ([], set(), [(1, 2)], set())),
    "told no longer, as the user said": (
        {"is_absent": True, "hides_another": True}, ALONE, False, ([], {1}, [], set()),
    ),
    "not in a later list of changes, after the days of grace": (
        {"days": 7, "is_absent": True}, ALONE, True, ([], set(), [], {1}),
    ),
    "not in a later list of changes, before": ({"days": 6, "is_absent": True}, ALONE, True, NOTHING),
    "not in a later answer": ({"days": 7, "is_absent": True}, ALONE, False, NOTHING),
    "pending for thirty days": ({"days": 30}, ALONE, False, NOTHING),
    "pending for longer than any hold": ({"days": 31}, ALONE, False, ([], set(), [], {1})),
    "beside a tip for long": (
        {"days": 7}, replace(BESIDE, pairs=[(PENDING, row("-4", id=2))]), False, ([], set(), [], {1}),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("waiting", "beside", "by_cursor", "decided"), CASES.values(), ids=CASES)
def test_a_pending_row(waiting, beside, by_cursor, decided):
    found = decide_waiting([replace(WAITING, **waiting)], beside, grace_days=7, by_cursor=by_cursor)
    asked_pairs = [(pending.id, posted.id) for pending, posted in found.asked_pairs]
    assert ([one.id for one in found.booked], found.hiding_ids, asked_pairs, found.asked_ids) == decided


def test_a_booking_is_hidden_until_the_user_answers_where_they_deleted_the_pending_rows_expense():
    deleted = replace(PENDING, state=State.REMOVED, expense_id=None)
    found = decide_waiting(
        [replace(WAITING, state=State.REMOVED)],
        replace(BESIDE, pairs=[(deleted, POSTED)]),
        grace_days=7,
        by_cursor=False,
    )
    assert [(pending.id, posted.id) for pending, posted in found.hidden] == [(1, 2)]
