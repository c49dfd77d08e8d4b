"""Statement files through the whole importer into the user's expenses: each row once, whatever is dropped when."""

from dataclasses import replace
from decimal import Decimal

import pytest

from tests.file.camt.test_statements import IBAN, balance, details, entry, statement
from tests.file.ofx.test_statements import bank, row
from tests.file.reader import connector, read
from tests.importer.bank import Harness
from worker.api.inspection_schemas import InspectionOut
from worker.connectors.base import Account, IdClass
from worker.connectors.file.config import FileConfig
from worker.connectors.file.folder import Folder
from worker.connectors.file.inspection import report
from worker.connectors.file.statement.notification_details import entries
from worker.importer.context import ImportContext


class FileHarness(Harness):
    """A connection to a drop folder."""

    def __init__(self, sessions, user_id, folder, **stated) -> None:
        super().__init__(sessions, user_id)
        self.folder, self.stated = folder, stated

    def context(self) -> ImportContext:
        return replace(super().context(), open_connector=lambda _connection_id: connector(self.folder, **self.stated))

    def drop(self, name: str, content: str) -> None:
        (self.folder / name).write_text(content)


@pytest.fixture
def drop_folder(sessions, user_id, tmp_path) -> FileHarness:
    return FileHarness(sessions, user_id, tmp_path, account={"currency": "EUR"})


def coffees(*days: int) -> str:
    rows = "".join(f"2019-01-{day:02},Coffee,-3.20\n" for day in days)
    return f"Date,Description,Amount\n{rows}"


def test_a_file_dropped_twice_and_files_that_overlap_make_each_expense_once(drop_folder):
    drop_folder.drop("a.csv", coffees(1, 2, 2))
    assert drop_folder.refresh().code == "ok"
    assert [day for day, *_ in drop_folder.expenses()] == ["2019-01-01", "2019-01-02", "2019-01-02"]
    drop_folder.drop("a (1).csv", coffees(1, 2, 2))
    drop_folder.refresh()
    assert len(drop_folder.expenses()) == 3
    drop_folder.drop("b.csv", coffees(2, 2, 2, 3))
    drop_folder.refresh()
    assert [day[-2:] for day, *_ in drop_folder.expenses()] == ["01", "02", "02", "02", "03"]


def test_a_statement_older_than_the_history_of_an_online_bank_is_imported_whole(drop_folder):
    drop_folder.drop("old.csv", coffees(1, 31))
    drop_folder.run()
    assert drop_folder.amounts() == ["-3.20", "-3.20"]


def test_a_rejected_line_is_mended_by_an_export_that_tells_it_well_and_stands_while_one_tells_it_so(drop_folder):
    head, line = "Date,Description,Amount\n", "2026-01-{},Shop {},{}\n"
    first, last = line.format(13, "A", "-1.00"), line.format(16, "D", "-4.00")
    broken, good = line.format(14, "B", "-2.0o"), line.format(14, "B", "-2.00")
    drop_folder.drop("a.csv", head + first + broken + last)
    assert drop_folder.refresh().code == "rows_rejected"
    drop_folder.drop("b.csv", head + first + broken + line.format(15, "C", "-3.00") + last)
    assert drop_folder.refresh().code == "rows_rejected"
    drop_folder.drop("c.csv", head + first + good + last)
    assert (drop_folder.refresh().code, len(drop_folder.amounts())) == ("ok", 4)
    for name, told in {"d.csv": "-5.0o", "e.csv": "-5.00"}.items():
        drop_folder.drop(name, head + first + line.format(15, "E", told) + last)
    assert (drop_folder.refresh().code, len(drop_folder.amounts())) == ("ok", 5)
    # The same payment of the next day mends nothing.
    drop_folder.drop("f.csv", head + last + line.format(17, "F", "--6.00") + line.format(18, "G", "-7.00"))
    assert drop_folder.refresh().code == "rows_rejected"
    drop_folder.drop("g.csv", head + line.format(19, "F", "-6.00") + line.format(20, "H", "-8.00"))
    assert (drop_folder.refresh().code, len(drop_folder.amounts())) == ("rows_rejected", 8)


def test_an_export_that_begins_in_the_middle_of_a_day_of_habits_adds_each_later_day(drop_folder):
    habits = "2026-01-{0},Coffee,-3.00\n2026-01-{0},Bus,-2.00\n2026-01-{0},Lunch,-8.00\n"
    head, dinner = "Date,Description,Amount\n", "2026-01-15,Dinner,-30.00\n"
    for name, first, last in (("a.csv", habits.format(15) + dinner, 17), ("b.csv", dinner, 20)):
        drop_folder.drop(name, head + first + "".join(habits.format(day) for day in range(16, last + 1)))
        assert drop_folder.refresh().code == "ok"
    assert len(drop_folder.amounts()) == 6 * 3 + 1
    # Of one that lacks a whole day of them each is a question, and the days before it stay.
    drop_folder.drop("c.csv", head + "".join(habits.format(day) for day in (17, 18, 20, 21, 22, 23)))
    assert drop_folder.refresh().code == "rows_withdrawn"
    assert len(drop_folder.amounts()) == 9 * 3 + 1


def test_ofx_files_of_two_months_share_their_overlap_by_the_ids_of_the_bank(drop_folder):
    drop_folder.drop("a.ofx", bank(row(fitid="A-2026-1") + row(fitid="A-2026-2")))
    drop_folder.refresh()
    drop_folder.drop("b.ofx", bank(row(fitid="A-2026-2", more="<NAME>Shop, renamed") + row(fitid="A-2026-3")))
    drop_folder.refresh()
    assert len(drop_folder.expenses()) == 3


def test_ids_that_begin_anew_in_each_file_overwrite_and_merge_nothing(drop_folder):
    drop_folder.drop("a.ofx", bank(row("-1.50", "20260105", "20001") + row("-2.50", "20260106", "20002")))
    drop_folder.refresh()
    drop_folder.drop("b.ofx", bank(row("-9.50", "20260205", "20001") + row("-2.50", "20260206", "20002")))
    drop_folder.refresh()
    assert sorted(drop_folder.amounts()) == ["-1.50", "-2.50", "-2.50", "-9.50"]
    drop_folder.drop("a again.ofx", bank(row("-1.50", "20260105", "20001") + row("-2.50", "20260106", "20002")))
    drop_folder.refresh()
    assert len(drop_folder.amounts()) == 4


def test_equal_rows_of_one_id_are_two_payments(drop_folder):
    drop_folder.drop("a.ofx", bank(row("-3.00", fitid="20260115-3") + row("-3.00", fitid="20260115-3")))
    drop_folder.refresh()
    assert drop_folder.amounts() == ["-3.00", "-3.00"]
    drop_folder.refresh()
    assert drop_folder.amounts() == ["-3.00", "-3.00"]


def test_files_that_number_the_same_payments_differently_add_nothing(drop_folder):
    drop_folder.drop("a.ofx", bank(row(fitid="FEB-1-000001") + row("-7.00", fitid="FEB-1-000002")))
    drop_folder.refresh()
    drop_folder.drop("b.ofx", bank(row(fitid="FEB-2-000001") + row("-7.00", fitid="FEB-2-000002")))
    drop_folder.refresh()
    assert sorted(drop_folder.amounts()) == ["-5.00", "-7.00"]


def test_a_statement_that_does_not_add_up_makes_the_run_partial_until_it_is_gone(drop_folder):
    drop_folder.drop("a.xml", statement(entry(), balances=balance("OPBD", "20") + balance("CLBD", "11")))
    outcome = drop_folder.refresh()
    assert (outcome.status, outcome.code) == ("partial", "statement_unbalanced")
    assert drop_folder.amounts() == ["-5.00"]
    assert drop_folder.refresh().code == "statement_unbalanced"


def test_a_statement_with_balances_proves_the_run(drop_folder):
    drop_folder.drop("a.xml", statement(entry(), balances=balance("OPBD", "20") + balance("CLBD", "15")))
    assert drop_folder.refresh().code == "ok"
    assert drop_folder.sql("SELECT anchor, balance_amount FROM bank_connection_accounts") == [(f"iban:{IBAN}", 15)]


def test_a_bad_row_and_a_bad_file_are_on_record_and_the_rest_is_imported(drop_folder):
    drop_folder.drop("a.csv", coffees(1) + "2019-01-02,Tea,abc\n")
    drop_folder.drop("b.xml", statement(entry())[:-30])
    outcome = drop_folder.refresh()
    assert outcome.status == "partial"
    assert drop_folder.amounts() == ["-3.20"]
    messages = [
        message for (message,) in drop_folder.sql("SELECT message FROM bank_import_rejections ORDER BY message")
    ]
    assert [message.split(":")[0] for message in messages] == ["a.csv, line 3", "b.xml, line 4"]


def test_a_file_and_an_online_connection_to_the_same_account_make_each_expense_once(sessions, user_id, tmp_path):
    online = Harness(sessions, user_id)
    online.bank.accounts = [
        Account(external_id="A", name="Giro", currency="EUR", anchor=f"iban:{IBAN}", id_class=IdClass.NONE)
    ]
    online.bank.today = online.bank.today.replace(month=1, day=15)
    online.bank.buy("-5.00", "for Shop", counterparty="Shop")
    online.refresh()
    drop = FileHarness(sessions, user_id, tmp_path)
    drop.drop("a.xml", statement(entry(more=f"<NtryDtls>{details('5.00', 'Shop')}</NtryDtls>")))
    drop.refresh()
    assert drop.amounts() == ["-5.00"]
    online.refresh()
    assert online.amounts() == ["-5.00"]


SALARIES = "<AcctSvcrRef>B-1</AcctSvcrRef><NtryDtls><Btch><NbOfTxs>2</NbOfTxs></Btch></NtryDtls>"
BOOKED = statement(entry("300.00", more=SALARIES) + entry("7.00"))


def notification(*amounts: str, reference: str = "B-1") -> str:
    paid = "".join(details(amount, name) for amount, name in zip(amounts, ("Ada", "Bo", "Cy"), strict=False))
    more = f"<AcctSvcrRef>{reference}</AcctSvcrRef><NtryDtls>{paid}</NtryDtls>"
    return statement(entry("300.00", more=more), kind="Ntfctn", namespace="camt.054.001.04")


NOTIFIED = notification("100.00", "200.00")


@pytest.mark.parametrize(
    "uploads",
    [
        [{"a.xml": BOOKED, "b.xml": NOTIFIED}],
        [{"a.xml": BOOKED}, {"b.xml": NOTIFIED}],
        [{"b.xml": NOTIFIED}, {"a.xml": BOOKED}],
        [{"a.xml": BOOKED}, {"a2.xml": BOOKED + "\n"}, {"b.xml": NOTIFIED}, {"b2.xml": NOTIFIED + "\n"}],
        [{"b.xml": NOTIFIED}, {"a.xml": BOOKED}, {"a2.xml": BOOKED + "\n"}],
    ],
)
def test_the_payments_of_a_notification_replace_the_line_of_the_statement_in_whatever_order(drop_folder, uploads):
    for number, files in enumerate(uploads):
        for name, content in files.items():
            drop_folder.drop(name, content)
        outcome = drop_folder.refresh()
        waits = number == 0 and set(files) == {"b.xml"}
        assert outcome.code in ({"statement_missing"} if waits else {"ok", "nothing_new"})
        assert sum(map(Decimal, drop_folder.amounts())) == (0 if waits else -307)
    assert sorted(drop_folder.amounts()) == ["-100.00", "-200.00", "-7.00"]
    drop_folder.refresh()
    assert sorted(drop_folder.amounts()) == ["-100.00", "-200.00", "-7.00"]


def test_an_entry_of_a_notification_without_payments_waits_for_its_statement_as_others_do(drop_folder):
    drop_folder.drop("b.xml", statement(entry("300.00"), kind="Ntfctn", namespace="camt.054.001.04"))
    assert (drop_folder.refresh().code, drop_folder.amounts()) == ("statement_missing", [])
    drop_folder.drop("a.xml", statement(entry("300.00")))
    assert (drop_folder.refresh().code, drop_folder.amounts()) == ("ok", ["-300.00"])
    assert (drop_folder.run().code, drop_folder.amounts()) == ("nothing_new", ["-300.00"])


def test_details_that_do_not_add_up_or_belong_to_another_entry_change_no_money(drop_folder):
    drop_folder.drop("a.xml", BOOKED)
    drop_folder.drop("b.xml", notification("100.00", "100.00"))
    drop_folder.drop("c.xml", notification("100.00", "200.00", reference="B-2"))
    drop_folder.refresh()
    assert sorted(drop_folder.amounts()) == ["-300.00", "-7.00"]


TWICE = statement(entry("300.00") + entry("300.00", more="<NtryRef>2</NtryRef>"))
NOT_USED = "details of {} of notifications: "
SEVERAL = "more than one line or notification fits, so the lines stay as they are"
NO_LINE = "the statement of their day has no line that waits for them"


@pytest.mark.parametrize(
    ("booked", "notified", "told"),
    [
        (BOOKED, [NOTIFIED], {}),
        (TWICE, [NOTIFIED], {SEVERAL: 1}),
        (BOOKED, [NOTIFIED, NOTIFIED.replace("Ada", "Eva").replace("<Id>1</Id>", "<Id>2</Id>")], {SEVERAL: 2}),
        (BOOKED, [notification("100.00", "200.00", reference="B-2")], {NO_LINE: 1}),
    ],
)
def test_details_that_replace_no_line_are_told_with_their_number(tmp_path, booked, notified, told):
    for number, content in enumerate([booked, *notified]):
        (tmp_path / f"{number}.xml").write_text(content)
    reading = read(tmp_path)
    assert sum(reading.amounts) in {-307, -600}
    warnings = [warning for warning in reading.warnings if warning.startswith("details of")]
    assert warnings == [NOT_USED.format(entries(number)) + reason for reason, number in told.items()]
    shown = report(Folder.inspect(FileConfig(path=tmp_path)))
    assert {one["reason"]: one["entries"] for one in shown["unused_details"]} == told
    assert InspectionOut.model_validate(shown).model_dump() == shown, "the API shows less than `files inspect`"
