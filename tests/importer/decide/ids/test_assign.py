"""Which identity the row of a line gets."""

import pytest

from tests.importer.decide.rows import line, row
from worker.importer.decide.ids.assign import assign_identities, possible_identities
from worker.importer.decide.read.identity import content_identity, id_identity

KEY = line().content_key
FIRST, SECOND, THIRD = (content_identity(KEY, occurrence) for occurrence in range(3))
CASES = {
    "that of a trusted id": ([(line(external_id="a"), None)], {KEY: 2}, [(id_identity("a"), 0)]),
    "the next occurrence of its content": ([(line(), None)], {KEY: 1}, [(SECOND, 1)]),
    "each of two equal ones its own": ([(line(), None), (line(), None)], {}, [(FIRST, 0), (THIRD, 2)]),
    "a row keeps the one of its content": ([(line(), row(id=1)), (line(), None)], {KEY: 1}, [(FIRST, 0), (THIRD, 2)]),
}


@pytest.mark.parametrize(("rows", "next_occurrence", "assigned"), CASES.values(), ids=CASES)
def test_a_row_gets_an_identity_that_no_other_row_has(rows, next_occurrence, assigned):
    taken = {SECOND} if len(rows) > 1 else set()
    assert assign_identities(rows, next_occurrence, taken) == assigned


def test_identities_to_be_looked_up_leave_room_for_as_many_equal_rows_again():
    assert possible_identities([line(), line(external_id="a")], {KEY: 1}) == [SECOND, THIRD]
