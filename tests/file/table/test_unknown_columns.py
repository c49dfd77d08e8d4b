"""Columns that no layout reads although they change what a row is."""

import pytest

from worker.connectors.file.table.profile import Profile
from worker.connectors.file.table.unknown_columns import ColumnValues, meaning


@pytest.mark.parametrize(
    ("name", "values", "seems"),
    [
        pytest.param("declined", ["X"], "status", id="a flag of what was declined"),
        pytest.param("storniert", ["ja", "nein"], "status", id="a flag in German"),
        pytest.param("vorgemerkt", ["nein"], None, id="nothing is pending"),
        pytest.param("void", ["0", "1"], "status", id="a flag in figures"),
        pytest.param("reversed", ["Yes"], "status", id="a flag of what was reversed"),
        pytest.param("posted", ["true", "false"], "status", id="not everything is posted"),
        pytest.param("posted", ["true"], None, id="everything is posted"),
        pytest.param("posted", ["02/20/2026", "02/22/2026"], None, id="days say when, not whether"),
        pytest.param("cleared", ["Cleared", "Uncleared"], "status", id="a register of what is cleared"),
        pytest.param("cleared", ["Cleared", "Reconciled"], None, id="a register of what is cleared or more"),
        pytest.param("result", ["Approved", "Insufficient funds"], "status", id="one of several values is a state"),
        pytest.param("booked?", ["Y", "N"], "status", id="a question as a name"),
        pytest.param("status", ["Completed"], None, id="nothing but booked rows"),
        pytest.param("status", ["Completed", "Pending"], "status", id="a status"),
        pytest.param("note", ["yes", "no"], None, id="a flag about something else"),
    ],
)
def test_a_column_that_says_which_rows_are_booked_is_a_status(name, values, seems):
    column = ColumnValues(name)
    for value in values:
        column.see(value)
    assert meaning(column, Profile(name="own", date="date", amount="amount", description=("text",))) == seems
