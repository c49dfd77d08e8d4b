"""Each row once: the same file twice, files that overlap, a folder that grows, several formats of one account."""

from datetime import date
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.file.camt.test_statements import IBAN, entry, statement
from tests.file.ofx.test_statements import bank, row
from tests.file.reader import connector, read, since
from worker.connectors.base import Transaction, Window
from worker.connectors.errors import AccountNotFoundError
from worker.connectors.file.overlap import Overlap, join_windows, shared_windows

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


def test_files_that_overlap_give_each_row_once_and_twins_twice(tmp_path):
    (tmp_path / "a.csv").write_text(rows(1, 2, 2, 3))
    (tmp_path / "b.csv").write_text(rows(2, 2, 3, 3, 4))
    assert sorted(deliver(tmp_path)[0]) == [1, 2, 2, 3, 3, 4]


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


def test_rows_with_ids_of_the_bank_are_told_apart_by_them(tmp_path):
    (tmp_path / "a.ofx").write_text(bank(row(fitid="A-2026-1") + row(fitid="A-2026-2")))
    (tmp_path / "b.ofx").write_text(bank(row(fitid="A-2026-2") + row(fitid="A-2026-3")))
    assert sorted(one.raw["FITID"] for one in read(tmp_path).rows) == ["A-2026-1", "A-2026-2", "A-2026-3"]


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


DAYS = st.lists(st.integers(1, 28), max_size=12)


def booked(days):
    return [
        Transaction(account_id="A", amount=Decimal(1), description="x", booking_on=date(2026, 1, day)) for day in days
    ]


@given(st.lists(DAYS, min_size=1, max_size=4))
def test_of_every_row_as_many_come_through_as_the_fullest_file_holds(files):
    spans = [Window(from_on=date(2026, 1, min(days)), to_on=date(2026, 1, max(days))) for days in files if days]
    overlap = Overlap(shared=shared_windows(spans))
    through: list[int] = []
    for days in files:
        through += [row.booking_on.day for one in booked(days) for row in overlap.let_through(one)]
        through += [row.booking_on.day for row in overlap.end_file()[0]]
    assert {day: through.count(day) for day in set(through)} == {
        day: max(days.count(day) for days in files) for days in files for day in days
    }


WORDS = st.tuples(st.sampled_from(("bakery", "kiosk")), st.sampled_from(("bread", "cake", "")), st.integers(0, 2))


@given(st.lists(WORDS, min_size=1, max_size=5), st.lists(st.integers(1, 3), min_size=1, max_size=5))
def test_every_payment_comes_through_once_however_many_of_its_words_each_file_tells(payments, told):
    on = date(2026, 1, 5)
    overlap, through = Overlap(shared=(Window(from_on=on, to_on=on),)), 0
    for words in told:
        for payment in payments:
            text = " ".join(str(word) for word in payment[:words])
            one = Transaction(account_id="A", amount=Decimal(1), description=text, booking_on=on)
            through += len(list(overlap.let_through(one)))
        through += len(overlap.end_file()[0])
    assert through == len(payments)


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
def test_rows_of_one_account_are_read_once_also_where_a_late_entry_moved_its_balances(tmp_path, second):
    (tmp_path / "a.csv").write_text(CHECKING)
    (tmp_path / "b.csv").write_text(second)
    found = read(tmp_path)
    assert sorted(found.amounts) == [-100, -2, -1]
    assert found.pages[-1].failures == ()


def test_files_that_tell_a_day_differently_are_named_and_a_day_that_grows_is_not(tmp_path):
    (tmp_path / "a.csv").write_text(HEADER + "2026-01-30,A,-3.00\n2026-01-31,B,-5.00\n")
    (tmp_path / "b.csv").write_text(HEADER + "2026-01-30,A,-3.00\n2026-01-30,New,-1.00\n2026-01-31,C,-7.00\n")
    found = read(tmp_path)
    assert sorted(found.amounts) == [-7, -5, -3, -1]
    [said] = [warning for warning in found.warnings if "different rows" in warning]
    assert (
        said == "b.csv and the files before it hold different rows for 1 days, first 2026-01-31: all of them are kept"
    )


def test_an_id_that_returns_with_another_amount_is_named(tmp_path):
    (tmp_path / "a.ofx").write_text(bank(row(amount="-25.00")))
    (tmp_path / "b.ofx").write_text(bank(row(amount="-28.00")))
    found = read(tmp_path)
    assert sorted(found.amounts) == [-28, -25]
    assert any("b.ofx and the files before it hold different rows" in warning for warning in found.warnings)
