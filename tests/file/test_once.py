"""Which rows a folder delivers: the same file twice, files that tell the same days, formats of one account.

That each row is imported once is shown in `test_imported` and `test_edited_files`.
"""

from datetime import date
from decimal import Decimal
from functools import partial
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.file.camt.test_statements import IBAN, entry, statement
from tests.file.ofx.test_statements import bank, row
from tests.file.reader import connector, read, since
from tests.importer.decide.test_growth import MOST_GROWTH, calls_of
from worker.connectors.base import Window
from worker.connectors.errors import AccountNotFoundError
from worker.connectors.file.statement.joined_windows import join_windows

HEADER = "Date,Description,Amount\n"


def rows(*days: int, text: str = "Coffee") -> str:
    return HEADER + "".join(f"2026-01-{day:02},{text},-3.20\n" for day in days)


def deliver(path, cursor=None, **stated):
    bank = connector(path, **stated)
    [account] = bank.list_accounts()
    pages = list(bank.refresh(since(account, cursor)))
    return [row.booking_on.day for page in pages for row in page.transactions], pages[-1].next_cursor


def test_two_equal_coffees_on_one_day_are_two(tmp_path):
    (tmp_path / "a.csv").write_text(rows(1, 1))
    assert deliver(tmp_path)[0] == [1, 1]


def test_the_same_bytes_under_two_names_are_one_file(tmp_path):
    for name in ("a.csv", "a (1).csv"):
        (tmp_path / name).write_text(rows(1, 1))
    assert deliver(tmp_path)[0] == [1, 1]
    assert "a.csv: the same file as a (1).csv" in read(tmp_path).warnings


def deliveries(bank, pages):
    """Return the days of the rows of each delivery, going on from its cursor as the importer does."""
    [account] = bank.list_accounts()
    found = [[]]
    while True:
        for page in pages:
            found[-1] += [row.booking_on.day for row in page.transactions]
            if page.ends_delivery:
                break
        if not page.ends_delivery:
            return found
        found.append([])
        pages = bank.refresh(since(account, page.next_cursor))


FILES = {"a.csv": (1, 2), "b.csv": (3, 5), "c.csv": (2, 2, 3), "d.csv": (7,), "e.csv": (7, 8)}


def test_files_that_tell_the_same_days_are_a_delivery_each(tmp_path):
    for name, days in FILES.items():
        (tmp_path / name).write_text(rows(*days))
    bank = connector(tmp_path)
    [account] = bank.list_accounts()
    assert deliveries(bank, bank.refresh(since(account, None))) == [[1, 2, 3, 5], [2, 2, 3, 7], [7, 8]]
    stated = bank.get_transactions(account.external_id, date(2026, 1, 3), date(2026, 1, 7))
    assert deliveries(bank, stated) == [[3, 5], [3, 7], [7]]


def test_twice_the_files_that_tell_the_same_days_are_about_twice_the_work(tmp_path):
    work = []
    for number in (30, 60):
        place = tmp_path / str(number)
        place.mkdir()
        for file in range(number):
            (place / f"{file:02}.csv").write_text(f"{WITH_BALANCE}2026-01-15,Coffee {file},-1.00,{9 - file}.00\n")
        bank = connector(place)
        [account] = bank.list_accounts()
        work.append(partial(lambda bank, account: deliveries(bank, bank.refresh(since(account, None))), bank, account))
    assert calls_of(work[1]) < MOST_GROWTH * calls_of(work[0])


def test_a_refresh_reads_new_and_changed_files_only(tmp_path):
    (tmp_path / "a.csv").write_text(rows(1, 2))
    first, cursor = deliver(tmp_path)
    assert (first, deliver(tmp_path, cursor)[0]) == ([1, 2], [])
    (tmp_path / "b.csv").write_text(rows(3))
    (tmp_path / "a.csv").write_text(rows(1, 2, 4))
    again, cursor = deliver(tmp_path, cursor)
    assert sorted(again) == [1, 2, 3, 4]
    assert deliver(tmp_path, cursor)[0] == []


def test_files_are_read_again_when_what_is_stated_about_them_changes(tmp_path):
    (tmp_path / "a.csv").write_text(rows(1))
    _, cursor = deliver(tmp_path)
    assert deliver(tmp_path, cursor, account={"flip_sign": True})[0] == [1]


def test_a_file_that_was_refused_is_tried_again_when_it_is_whole(tmp_path):
    whole = statement(entry())
    (tmp_path / "a.xml").write_text(whole)
    (tmp_path / "b.xml").write_text(whole.replace("<Sts>", "<!-- February --><Sts>")[:-30])
    _, cursor = deliver(tmp_path)
    (tmp_path / "b.xml").write_text(whole.replace("2026-01-15", "2026-01-20"))
    assert deliver(tmp_path, cursor)[0] == [20]


def test_one_account_in_two_formats_is_one_account_when_its_iban_is_stated(tmp_path):
    (tmp_path / "a.xml").write_text(statement(entry()))
    (tmp_path / "b.ofx").write_text(bank(row(day="20260220")).replace("usd", "EUR"))
    found = read(tmp_path, accounts={"4321": {"iban": IBAN}})
    assert [account.anchor for account in found.accounts] == [f"iban:{IBAN}"]
    assert [one.booking_on.month for one in found.rows] == [1, 2]


def test_an_import_of_stated_days_has_half_open_nothing(tmp_path):
    (tmp_path / "a.csv").write_text(rows(1, 2, 3, 4))
    bank = connector(tmp_path)
    [account] = bank.list_accounts()
    pages = bank.get_transactions(account.external_id, date(2026, 1, 2), date(2026, 1, 3))
    assert [one.booking_on.day for page in pages for one in page.transactions] == [2, 3]


def test_an_account_that_no_file_is_about_is_not_found(tmp_path):
    (tmp_path / "a.csv").write_text(rows(1))
    with pytest.raises(AccountNotFoundError):
        list(connector(tmp_path).get_transactions("acct-0", date(2026, 1, 1), date(2026, 1, 2)))


def test_the_text_of_a_statement_is_normalised_without_a_file(tmp_path):
    assert connector(tmp_path / "any").normalize_transactions(rows(1))[0].amount == Decimal("-3.20")


@given(st.lists(st.tuples(st.integers(1, 28), st.integers(0, 9)), max_size=6))
def test_joined_ranges_hold_the_same_days_without_touching(ranges):
    windows = [
        Window(from_on=date(2026, 1, at), to_on=date.fromordinal(date(2026, 1, at).toordinal() + n)) for at, n in ranges
    ]
    joined = join_windows(windows)
    days = [date.fromordinal(n) for n in range(date(2026, 1, 1).toordinal(), date(2026, 3, 1).toordinal())]
    assert all(any(day in one for one in joined) == any(day in one for one in windows) for day in days)
    assert all((b.from_on - a.to_on).days > 1 for a, b in pairwise(joined))


WITH_BALANCE = "Date,Description,Amount,Balance\n"
CHECKING = WITH_BALANCE + "2023-10-30,Transfer,-100.00,900.00\n2023-10-31,Fee,-1.00,899.00\n"
SAVINGS = WITH_BALANCE + "2023-10-30,Transfer,100.00,5100.00\n2023-10-31,Fee,-1.00,5099.00\n"
LATER = WITH_BALANCE + "2023-10-31,Fee,-1.00,899.00\n2023-11-01,Tea,-2.00,897.00\n"
# what LATER becomes when the bank books an entry of -5.00 late
MOVED = WITH_BALANCE + "2023-10-30,Transfer,-100.00,895.00\n2023-10-31,Fee,-1.00,894.00\n2023-11-01,Tea,-2.00,892.00\n"


def test_equal_rows_behind_balances_of_two_accounts_are_two_and_the_account_is_in_doubt(tmp_path):
    (tmp_path / "checking.csv").write_text(CHECKING)
    (tmp_path / "savings.csv").write_text(SAVINGS)
    found = read(tmp_path)
    assert sorted(found.amounts) == [-100, -1, -1, 100]
    [failure] = found.pages[-1].failures
    assert "savings.csv states other balances for the same days" in str(failure.error)


@pytest.mark.parametrize("second", [LATER, MOVED])
def test_files_of_one_account_are_compared_also_where_a_late_entry_moved_its_balances(tmp_path, second):
    (tmp_path / "a.csv").write_text(CHECKING)
    (tmp_path / "b.csv").write_text(second)
    pages = read(tmp_path).pages
    assert ([page.ends_delivery for page in pages].count(True), pages[-1].failures) == (1, ())
