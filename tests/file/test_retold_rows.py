"""Overlapping files that tell one payment with more or fewer words: no expense twice, and none lost."""

import pytest

from tests.file.ofx.test_statements import bank, row
from tests.file.test_imported import FileHarness
from worker.importer.actions.suggestions import accept, list_suggestions
from worker.runs.states import RunKind, RunStatus


@pytest.fixture
def drop_folder(sessions, user_id, tmp_path) -> FileHarness:
    return FileHarness(sessions, user_id, tmp_path, account={"currency": "EUR"})


SHOPS = ("Cafe Central", "Cafe Central", "Cafe Central", "Kiosk", "Acme Works")
AMOUNTS = ("-4,50", "-4,50", "-4,50", "-3,00", "2450,00")
DAYS = ("13", "13", "13", "14", "15")
SAID = ("ein Kaffee", "zwei Kuchen", "ein Wasser", "eine Zeitung", "Gehalt Januar")


def export(said, more=""):
    rows = zip(DAYS, SHOPS, AMOUNTS, said, strict=True)
    lines = "".join(f"{day}.01.2026;{shop};{amount};{text}\n" for day, shop, amount, text in rows)
    return f"Buchungstag;Empfänger;Betrag;Wofür\n{lines}{more}"


SHORT, LONG = export(("",) * 5), export(SAID)
FIRST = {"short first": (SHORT, LONG), "long first": (LONG, SHORT)}


@pytest.mark.parametrize(("first", "second"), FIRST.values(), ids=FIRST)
def test_a_column_of_texts_that_only_one_of_two_exports_fills_doubles_nothing(drop_folder, first, second):
    drop_folder.drop("a.csv", first)
    drop_folder.drop("b.csv", second)
    drop_folder.refresh()
    assert sorted(drop_folder.amounts()) == ["-3.00", "-4.50", "-4.50", "-4.50", "2450.00"]
    drop_folder.run()
    assert sorted(drop_folder.amounts()) == ["-3.00", "-4.50", "-4.50", "-4.50", "2450.00"]


HEAD = "Date,Description,Amount\n"


def test_what_the_user_did_holds_and_words_of_their_own_are_purchases_of_their_own(drop_folder):
    only_here = "2026-01-13,Tea,-2.00\n2026-01-14,Bread,-1.00\n"
    said = "2026-01-13,Cafe,-4.50\n2026-01-13,Kiosk,-4.50\n2026-01-14,Rent,-900.00\n"
    drop_folder.drop("a.csv", f"{HEAD}{said}{only_here}")
    drop_folder.refresh()
    drop_folder.sql("DELETE FROM expenses WHERE notes = 'Kiosk'")
    drop_folder.sql("UPDATE expenses SET amount = 4 WHERE notes = 'Cafe'")
    drop_folder.drop("b.csv", f"{HEAD}2026-01-13,Cafe 7,-4.50\n2026-01-13,Kiosk 9,-4.50\n2026-01-14,Gas,-900.00\n")
    drop_folder.refresh()
    assert sorted(drop_folder.amounts()) == ["-1.00", "-2.00", "-4.00", "-900.00", "-900.00"]


@pytest.mark.parametrize("apart", [True, False], ids=["one after the other", "at once"])
def test_another_form_of_export_tells_the_same_rows_in_words_of_its_own_and_with_ids(
    sessions, user_id, tmp_path, apart
):
    iban = "DE89370400440532013000"
    folder = FileHarness(sessions, user_id, tmp_path, account={"currency": "EUR", "iban": iban})
    days = {"20260113": "-4.50", "20260114": "-30.00", "20260115": "-7.10", "20260116": "-4.50"}
    table = [f"{day},Shop {day},{amount}\n" for day, amount in days.items()]
    rows = "".join(row(amount, day, f"F{day}", f"<NAME>KARTE {amount}") for day, amount in days.items())
    statement = bank(rows).replace("usd", "EUR").replace("LEDGERBAL", "AVAILBAL")
    exports = {"a.csv": HEAD + "".join(table), "b.ofx": statement, "c.csv": HEAD + "".join(reversed(table))}
    for name, content in exports.items():
        folder.drop(name, content)
        if apart or name == "c.csv":
            assert (folder.refresh().status, folder.amounts()) == ("succeeded", ["-4.50", "-30.00", "-7.10", "-4.50"])
            folder.sql("UPDATE expenses SET notes = 'mine' WHERE amount = 30")
    folder.run()
    assert folder.amounts() == ["-4.50", "-30.00", "-7.10", "-4.50"]
    assert "mine" in [notes for *_, notes in folder.expenses()]


def test_lines_that_go_on_with_a_text_are_the_row_that_was_imported_without_them(drop_folder):
    drop_folder.drop("a.csv", f"{HEAD}2026-01-13,PURCHASE,-4.50\n2026-01-13,PURCHASE,-4.50\n2026-01-15,PAY,20.00\n")
    drop_folder.refresh()
    more = "2026-01-13,PURCHASE,-4.50\n,Cafe,\n2026-01-13,PURCHASE,-4.50\n,Kiosk,\n2026-01-15,PAY,20.00\n,Acme,\n"
    drop_folder.drop("b.csv", HEAD + more)
    drop_folder.refresh()
    assert [(amount, notes) for _, amount, _, notes in drop_folder.expenses()] == [
        ("-4.50", "PURCHASE Cafe"), ("-4.50", "PURCHASE Kiosk"), ("20.00", "PAY Acme"),
    ]  # fmt: skip
    assert drop_folder.sql("SELECT DISTINCT reason FROM bank_transaction_changes") == [("rewritten",)]


def test_a_row_that_is_replayed_alone_lacks_no_other_row_of_its_day(drop_folder):
    head = "Date,Description,Amount,Currency\n"
    drop_folder.drop("a.csv", f"{head}2026-01-13,Cafe,-4.50,EUR\n2026-01-13,Cafe Central,-4500000000000,EUR\n")
    drop_folder.refresh()
    failed = drop_folder.run_id
    drop_folder.sql("UPDATE bank_import_rejections SET raw = replace(raw, '-4500000000000', '-4.50')")
    drop_folder.run(RunKind.REPLAY, target_run_id=failed)
    assert drop_folder.amounts() == ["-4.50", "-4.50"]


def test_rows_that_were_told_with_the_day_of_value_alone_are_not_doubled_by_the_day_of_booking(drop_folder):
    head = "Data rejestru;Data valuta;Descrizione;Importo\n"
    first, last = "13.01.2026;14.01.2026;Bar;-4,50\n15.01.2026;16.01.2026;Bar;-4,50\n", "19.01.2026;Ditta;20,00\n"
    drop_folder.drop("a.csv", f"{head}{first};{last}")
    drop_folder.refresh()
    assert [(day[-2:], amount) for day, amount, *_ in drop_folder.expenses()] == [
        ("14", "-4.50"), ("16", "-4.50"), ("19", "20.00"),
    ]  # fmt: skip
    drop_folder.drop("b.csv", f"{head}{first}17.01.2026;{last}")
    drop_folder.refresh()
    assert [(day[-2:], amount) for day, amount, *_ in drop_folder.expenses()] == [
        ("13", "-4.50"), ("15", "-4.50"), ("17", "20.00"),
    ]  # fmt: skip


@pytest.mark.parametrize("balances", [True, False])
def test_rows_of_an_assumed_currency_become_those_of_the_currency_that_a_later_export_states(
    sessions, user_id, tmp_path, balances
):
    folder = FileHarness(sessions, user_id, tmp_path)

    def table(sign):
        head = "Date,Description,Amount,Balance\n" if balances else HEAD
        rows = ((13, "Cafe", "-4.50", "995.50"), (13, "Cafe", "-4.50", "991.00"), (15, "Pay", "20.00", "1011.00"))
        return head + "".join(
            f"2026-01-{day},{text},{amount},{sign}{after}\n" if balances else f"2026-01-{day},{text},{sign}{amount}\n"
            for day, text, amount, after in rows
        )

    folder.drop("a.csv", table(""))
    folder.refresh()
    assert {currency for _, _, currency, _ in folder.expenses()} == {"EUR"}
    folder.drop("a.csv", table("£"))
    folder.refresh()
    assert [row[1:3] for row in folder.expenses()] == [("-4.50", "GBP"), ("-4.50", "GBP"), ("20.00", "GBP")]


@pytest.mark.parametrize("code", ["EUR", "USD"])
@pytest.mark.parametrize("is_replaced", [True, False], ids=["in place of it", "beside it"])
def test_a_file_with_a_column_of_currencies_doubles_no_row_of_one_without(
    sessions, user_id, tmp_path, code, is_replaced
):
    """It names another account. In place of the first file it goes on as that one; beside it, the person is asked.

    A file of the first kind that comes later is read as well.
    """
    folder = FileHarness(sessions, user_id, tmp_path)
    rows = [f"2026-01-{day:02d},Shop {day},-{day}.50" for day in range(1, 12)]
    folder.drop("a.csv", "\n".join(["Date,Description,Amount", *rows[:9]]))
    folder.refresh()
    with_codes = "\n".join(["Date,Description,Amount,Currency", *(f"{row},{code}" for row in rows)])
    folder.drop("a.csv" if is_replaced else "b.csv", with_codes)
    outcome = folder.refresh()
    if is_replaced:
        assert outcome.status == RunStatus.SUCCEEDED
    else:
        assert (outcome.code, len(folder.amounts())) == ("similar_account", 9)
        with sessions() as session:
            [question] = list_suggestions(session, user_id)
            accept(session, question.id, user_id=user_id)
    folder.drop("c.csv", "Date,Description,Amount\n2026-01-20,Late,-99.50")
    for _ in range(2):
        assert folder.refresh().status == RunStatus.SUCCEEDED
    told = {(f"-{day}.50", code) for day in (*range(1, 12), 99)}
    assert len(folder.amounts()) == len(told)
    assert {(amount, currency) for _, amount, currency, _ in folder.expenses()} == told


WORKING_DAYS = [day for day in range(5, 31) if day % 7 not in {3, 4}]
HABITS = {  # two files of one account, the habit in them, and how often it was paid
    "tickets of a morning and of an evening": (
        "".join(f"2026-01-15,BVG tap {n} 08:0{n},-2.90\n" for n in range(4)),
        "".join(f"2026-01-15,BVG tap {n} 18:3{n},-2.90\n" for n in range(4)),
        ("-2.90", 8),
    ),
    "a coffee a day on either card": (
        "".join(f"2026-01-{day:02},Card 1111 Coffee,-3.50\n" for day in WORKING_DAYS),
        "".join(f"2026-01-{day:02},Card 2222 Coffee,-3.50\n" for day in WORKING_DAYS),
        ("-3.50", 2 * len(WORKING_DAYS)),
    ),
}


@pytest.mark.parametrize(("first", "second", "paid"), HABITS.values(), ids=HABITS)
def test_a_habit_is_no_other_form_of_export(drop_folder, first, second, paid):
    amount, times = paid
    drop_folder.drop("a.csv", f"{HEAD}2026-01-04,Rent,-900.00\n{first}")
    drop_folder.drop("b.csv", f"{HEAD}{second}2026-01-31,Gym,-30.00\n")
    outcome = drop_folder.refresh()
    assert drop_folder.amounts().count(amount) == times or outcome.status != RunStatus.SUCCEEDED


def test_a_switch_of_the_form_of_export_with_few_days_in_common_doubles_nothing_in_silence(drop_folder):
    drop_folder.stated["account"]["iban"] = "DE89370400440532013000"
    drop_folder.drop("a.csv", HEAD + "".join(f"2026-01-{day:02},Shop {day},-{day}.50\n" for day in range(5, 21)))
    drop_folder.refresh()
    told = "".join(row(f"-{day}.50", f"202601{day:02}", f"F{day}", f"<NAME>KARTE {day}") for day in range(19, 28))
    drop_folder.drop("b.ofx", bank(told).replace("usd", "EUR").replace("LEDGERBAL", "AVAILBAL"))
    assert drop_folder.refresh().status != RunStatus.SUCCEEDED
