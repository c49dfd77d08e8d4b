from datetime import date

import pytest

from tests.fakes.plaid_server import CHECKING, transaction
from worker.connectors.errors import CursorInvalidError

FROM, TO = date(2026, 11, 1), date(2026, 11, 20)


def test_a_window_is_paged_by_offset_to_its_last_row(plaid, connector):
    plaid.page_size = 2
    for number in range(5):
        plaid.add(transaction(f"t{number}", 1, date=f"2026-11-{number + 1:02}"))
    pages = list(connector.get_transactions(CHECKING, FROM, TO))
    assert [one.external_id for page in pages for one in page.transactions] == ["t0", "t1", "t2", "t3", "t4"]
    assert [asked.body["options"]["offset"] for asked in plaid.asked] == [0, 2, 4]


def test_both_edges_of_the_window_are_asked_for(plaid, connector):
    for day in ("2026-10-31", "2026-11-01", "2026-11-20", "2026-11-21"):
        plaid.add(transaction(day, 1, date=day))
    (page,) = connector.get_transactions(None, FROM, TO)
    assert [one.external_id for one in page.transactions] == ["2026-11-01", "2026-11-20"]


def test_an_empty_window_is_one_page_that_says_so(connector):
    (page,) = connector.get_transactions(CHECKING, FROM, TO)
    assert (page.transactions, page.next_cursor) == ((), None)
    assert (page.covers.from_on, page.covers.to_on) == (FROM, TO)


@pytest.mark.parametrize("change", ["a row more", "a row less"])
def test_a_list_that_changes_between_two_pages_is_read_again_from_the_start(plaid, connector, change):
    plaid.page_size = 1
    for number in range(3):
        plaid.add(transaction(f"t{number}", 1))
    pages = connector.get_transactions(CHECKING, FROM, TO)
    next(pages)
    if change == "a row more":
        plaid.add(transaction("new", 1))
    else:
        plaid.remove("t2")
    with pytest.raises(CursorInvalidError):
        next(pages)
