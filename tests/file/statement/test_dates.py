"""The order of day and month, as a table of what a file shows besides its days."""

from datetime import date

import pytest

from worker.connectors.file.statement.date_orders import DayEvidence, decide_order
from worker.connectors.file.statement.dates import parse_day

BOTH = frozenset({"dmy", "mdy"})
DAYS = ("03/04/2026", "05/04/2026", "02/04/2026")


@pytest.mark.parametrize(
    ("evidence", "order", "said"),
    [
        (DayEvidence(days=DAYS, around=("01/04/2026", "30/04/2026")), "dmy", "outside of the rows"),
        (DayEvidence(days=DAYS, around=("01/04/2026", "06/04/2026")), None, ""),
        (DayEvidence(days=DAYS, pairs=(("03/04/2026", "05/04/2026"),)), "dmy", "close together"),
        (
            DayEvidence(days=("04/03/2026", "04/05/2026"), pairs=(("04/03/2026", "04/05/2026"),)),
            "mdy",
            "close together",
        ),
        (DayEvidence(days=("03/04/2026", "01/05/2026", "02/06/2026"), newest_first=False), "dmy", "balances"),
        (DayEvidence(days=("03/04/2026", "01/05/2026", "02/06/2026"), newest_first=True), None, ""),
        (DayEvidence(days=("05/06/2026", "05/02/2026", "03/12/2026"), newest_first=True), "mdy", "balances"),
        (DayEvidence(days=DAYS, local="as in Germany"), "dmy", "as in Germany"),
        (DayEvidence(days=("03/04/2026", "01/05/2026", "02/06/2026")), "dmy", "in date order"),
        (DayEvidence(days=DAYS), None, ""),
        (DayEvidence(days=("04/04/2026", "05/05/2026")), "dmy", None),
    ],
)
def test_something_else_in_the_file_decides_the_order_or_a_person_does(evidence, order, said):
    if order is None:
        with pytest.raises(ValueError, match="state --date-order"):
            decide_order(BOTH, evidence)
        return
    found, note = decide_order(BOTH, evidence)
    assert found == order
    assert (note is None) if said is None else (said in (note or ""))


def test_a_day_is_read_in_the_order_decided():
    assert parse_day("03/04/2026", "dmy") == date(2026, 4, 3)
