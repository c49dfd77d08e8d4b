from datetime import date
from decimal import Decimal

import pytest

from tests.fakes.plaid_server import CARD, transaction
from tests.fakes.provider_server import Reply
from worker.connectors.base import SyncState, Window
from worker.connectors.errors import CursorInvalidError, InvalidDataError, ProviderUnavailableError

WINDOW = Window(from_on=date(2026, 10, 1), to_on=date(2026, 11, 20))


def everything(cursor=None, account_id=None):
    return SyncState(account_id=account_id, cursor=cursor, window=WINDOW)


def test_money_out_is_negative_and_exact_to_the_digit(plaid, connector):
    plaid.add(transaction("t1", 72.1))
    plaid.add(transaction("t2", -500.0, name="Payroll"))
    (page,) = connector.refresh(everything())
    assert [one.amount for one in page.transactions] == [Decimal("-72.1"), Decimal("500.0")]


def test_a_first_refresh_asks_for_all_of_the_history(plaid, connector):
    list(connector.refresh(everything()))
    assert plaid.asked[-1].body["options"] == {"days_requested": 730}
    assert "cursor" not in plaid.asked[-1].body


def test_the_next_refresh_starts_where_the_last_page_ended(plaid, connector):
    plaid.page_size = 2
    for number in range(5):
        plaid.add(transaction(f"t{number}", 1))
    pages = list(connector.refresh(everything()))
    assert [len(page.transactions) for page in pages] == [2, 2, 1]
    plaid.add(transaction("late", 1))
    (page,) = connector.refresh(everything(pages[-1].next_cursor))
    assert [one.external_id for one in page.transactions] == ["late"]


def test_nothing_new_is_one_empty_page_with_the_cursor_to_keep(plaid, connector):
    plaid.add(transaction("t1", 1))
    (first,) = connector.refresh(everything())
    (second,) = connector.refresh(everything(first.next_cursor))
    assert (second.transactions, second.removed, second.next_cursor) == ((), (), first.next_cursor)


def test_a_posted_row_names_the_pending_one_that_is_removed_with_it(plaid, connector):
    plaid.add(transaction("pending-1", 9.5, pending=True, authorized_date=None))
    (first,) = connector.refresh(everything())
    assert first.transactions[0].pending
    assert first.transactions[0].transaction_on == date(2026, 11, 10)
    plaid.remove("pending-1")
    plaid.add(transaction("posted-1", 11.5, pending_transaction_id="pending-1"))
    (second,) = connector.refresh(everything(first.next_cursor))
    assert [one.external_id for one in second.removed] == ["pending-1"]
    assert second.transactions[0].pending_external_id == "pending-1"


def test_a_modified_row_comes_as_the_row_it_is_now(plaid, connector):
    plaid.add(transaction("t1", 1))
    (first,) = connector.refresh(everything())
    plaid.modify(transaction("t1", 2, name="Corrected"))
    (second,) = connector.refresh(everything(first.next_cursor))
    assert [(one.external_id, one.amount) for one in second.transactions] == [("t1", Decimal(-2))]


def test_a_change_while_paging_asks_for_a_new_start_from_the_first_cursor(plaid, connector):
    plaid.page_size = 1
    plaid.mutate_before = 3
    for number in range(3):
        plaid.add(transaction(f"t{number}", 1))
    pages = connector.refresh(everything())
    next(pages)
    next(pages)
    with pytest.raises(CursorInvalidError):
        next(pages)
    again = list(connector.refresh(everything()))
    assert [one.external_id for page in again for one in page.transactions] == ["t0", "t1", "t2"]


def test_a_login_plaid_has_not_read_yet_is_not_an_empty_one(plaid, connector):
    plaid.status = "NOT_READY"
    with pytest.raises(ProviderUnavailableError) as caught:
        list(connector.refresh(everything()))
    assert not caught.value.everyone


def test_a_history_that_is_still_loading_is_said(plaid, connector):
    plaid.status = "INITIAL_UPDATE_COMPLETE"
    plaid.add(transaction("t1", 1))
    (page,) = connector.refresh(everything())
    assert page.warnings
    assert page.next_cursor


def test_a_cursor_of_another_login_is_not_used(plaid, connector):
    plaid.add(transaction("t1", 1))
    (page,) = connector.refresh(everything("item-of-before:c1"))
    assert [one.external_id for one in page.transactions] == ["t1"]


def test_one_account_alone_is_read_as_a_window_and_moves_no_cursor(plaid, connector):
    plaid.add(transaction("t1", 1))
    plaid.add(transaction("t2", 1, account_id=CARD))
    (page,) = connector.refresh(everything("item-1:c0", account_id=CARD))
    assert [one.external_id for one in page.transactions] == ["t2"]
    assert page.next_cursor is None
    assert page.covers == WINDOW
    assert plaid.paths() == ["/transactions/get"]


def test_a_row_that_cannot_be_read_is_kept_and_costs_no_other(plaid, connector):
    plaid.published = plaid.published.__class__("absent.yml")  # the bad row is not as published
    plaid.add(transaction("t1", 1))
    plaid.add(transaction("t2", 1, date="soon"))
    (page,) = connector.refresh(everything())
    assert [one.external_id for one in page.transactions] == ["t1"]
    (rejected,) = page.rejected
    assert (rejected.external_id, rejected.message) == ("t2", "date is not a date")
    assert '"soon"' in rejected.raw


def test_lists_that_are_null_are_empty_and_a_login_without_them_is_an_error(plaid, connector):
    plaid.published = plaid.published.__class__("absent.yml")
    answer = {"next_cursor": "c1", "has_more": False, "added": [transaction("t1", 1)], "modified": None}
    plaid.broken["/transactions/sync"] = [Reply(answer | {"removed": None}, None), Reply(answer, None)]
    (page,) = connector.refresh(everything())
    assert (len(page.transactions), page.removed) == (1, ())
    with pytest.raises(InvalidDataError, match="removed"):
        list(connector.refresh(everything()))


@pytest.mark.parametrize("day", ["2026-11-10T00:00:00Z", "2026-11-10T00:00:00"])
def test_a_date_that_is_written_as_a_moment_is_a_day(plaid, connector, day):
    plaid.published = plaid.published.__class__("absent.yml")
    plaid.add(transaction("t1", 1, date=day, authorized_date=None))
    (page,) = connector.refresh(everything())
    assert page.transactions[0].booking_on == date(2026, 11, 10)
