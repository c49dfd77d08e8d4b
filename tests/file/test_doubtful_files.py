"""Small files that say two things at once or leave something out: each is read right, asked about, or told.

A row is written as `day amount`, with `pending` behind it. A text that begins with `--` is the option that the refusal
names; any other text stands in the refusal, in the rejection of a row, or in a remark.
"""

from decimal import Decimal

import pytest

from tests.file.reader import Reading, read
from tests.file.sheets import write_sheets
from worker.connectors.errors import InvalidDataError
from worker.connectors.file.config import FileConfig
from worker.connectors.file.proposal import propose_profile, settled
from worker.connectors.file.statement.events import day_of
from worker.connectors.file.table.csv_records import Record
from worker.connectors.file.table.lines_outside_rows import account_line, section_currency

TEXT = "Date,Description,Amount,Currency"
SIDES = "Date,Description,Debit,Credit,Currency"
MARKS = "Date,Description,Amount,Dr/Cr,Currency"
BALANCE = "Date,Description,Amount,Currency,Balance"


def table(header: str, *rows: str, above: str = "") -> str:
    """Write a table; a row is `day,text,…` with the currency left out where the header names one last."""
    lines = [f"2026-01-{row}" if row[:2].isdigit() else row for row in rows]
    return "\n".join([*([above] if above else []), header, *lines, ""])


SIGNS = {
    "a bare amount beside credit marks": (
        table(TEXT, "13,Shop,10.00,GBP", "14,Pay,30.00 CR,GBP"),
        "--positive-is",
    ),
    "a bare amount beside both marks": (
        table(TEXT, "13,A,10.00 CR,GBP", "14,B,20.00 DR,GBP", "15,C,7.00,GBP"),
        "--positive-is",
    ),
    "a bare amount beside debit marks": (
        table(TEXT, "13,Pay,10.00,GBP", "14,Shop,20.00 DR,GBP"),
        ["13 10.00", "14 -20.00"],
    ),
    "a column of money out with a minus in most rows": (
        table(SIDES, "13,A,-10.00,,EUR", "14,B,-20.00,,EUR", "15,C,5.00,,EUR"),
        "--direction-from",
    ),
    "a column of money out with a few minus": (
        table(SIDES, "13,A,10.00,,EUR", "14,B,20.00,,EUR", "15,C,-5.00,,EUR"),
        ["13 -10.00", "14 -20.00", "15 5.00"],
    ),
    "a minus that takes back the same amount": (
        table(SIDES, "13,A,10.00,,EUR", "14,Storno,-10.00,,EUR"),
        ["13 -10.00", "14 10.00"],
    ),
    "a credit mark in a column of money out": (
        table(SIDES, "13,A,10.00 CR,,EUR", "14,B,5.00,,EUR", "14,C,,5.00,EUR"),
        "--direction-from",
    ),
    "a minus in a column of money in": (
        table(SIDES, "13,A,10.00,,EUR", "14,B,,-5.00,EUR"),
        "--direction-from",
    ),
    "a minus that the balances prove to repeat the column": (
        table("Date,Text,Money in,Money out,Balance", "13,A,50.00,,50.00", "14,B,,-30.00,20.00", "15,C,,4.00,16.00"),
        ["13 50.00", "14 -30.00", "15 -4.00"],
    ),
    "a minus that the balances prove to take back": (
        table("Date,Text,Money in,Money out,Balance", "13,A,50.00,,50.00", "14,B,,30.00,20.00", "15,C,,-4.00,24.00"),
        ["13 50.00", "14 -30.00", "15 4.00"],
    ),
    "amounts without a sign whose balances show the direction": (
        table(BALANCE, "13,A,10.00,EUR,90.00", "14,B,20.00,EUR,70.00", "15,C,30.00,EUR,100.00", "16,D,5.00,EUR,95.00"),
        "no balance before it",
    ),
    "a minus beside a word for money out": (
        table(MARKS, "13,A,-10.00,Dr,INR", "14,B,20.00,Cr,INR", "15,C,5.00,Dr,INR"),
        "--direction-from",
    ),
    "a minus beside a word for money in": (
        table(MARKS, "13,A,-10.00,Cr,INR", "14,B,-20.00,Dr,INR"),
        "--direction-from",
    ),
    "equal amounts whose balances fit both ways": (
        table(BALANCE, "13,A,5.00,EUR,95.00", "14,B,5.00,EUR,90.00", "15,C,5.00,EUR,85.00"),
        "--positive-is",
    ),
    "a minus in every row of money out, and a word": (
        table(MARKS, "13,A,-10.00,Dr,INR", "14,B,20.00,Cr,INR"),
        ["13 -10.00", "14 20.00"],
    ),
    "words of direction beside amounts with some signs": (
        table(
            "Date,Description,Amount,Transaction Type,Currency",
            *("13,A,10.00,debit,USD", "14,B,20.00,credit,USD", "15,C,-5.00,debit,USD"),
        ),
        "--direction-from",
    ),
    "words of direction that repeat the signs": (
        table(
            "Date,Description,Amount,Transaction Type,Currency",
            *("13,A,-10.00,debit,USD", "14,B,20.00,credit,USD", "15,C,30.00,credit,USD", "16,D,5.00,credit,USD"),
        ),
        ["13 -10.00", "14 20.00", "15 30.00", "16 5.00"],
    ),
    "words of direction with points": (
        table("Date,Text,Amount,Kind", "13,A,10.00,Dr.", "14,B,20.00,Cr."),
        ["13 -10.00", "14 20.00"],
    ),
    "German words of direction": (
        table("Date,Text,Betrag,Umsatzart", "13,A,10.00,Lastschrift", "14,B,20.00,Gutschrift"),
        ["13 -10.00", "14 20.00"],
    ),
    "a title that names a card": (
        table(TEXT, "13,Shop,25.00,USD", "14,Pay,-100.00,USD", above="Credit card statement"),
        "--positive-is",
    ),
    "a title that names a card, and mostly negative amounts": (
        table(
            TEXT, "13,Shop,-25.00,USD", "14,Shop,-1.00,USD", "15,Pay,26.00,USD", above="Account with Visa debit card"
        ),
        ["13 -25.00", "14 -1.00", "15 26.00"],
    ),
    "a payment of a card that lowers what is owed": (
        table(
            BALANCE,
            *("13,Shop,25.00,USD,125.00", "14,Shop,10.00,USD,135.00", "15,Payment - thank you,-120.00,USD,15.00"),
        ),
        "--positive-is",
    ),
    "purchases that are positive": (
        table(
            "Date,Merchant,Amount,Currency,Type",
            *("13,Shop,25.00,USD,Sale", "14,Shop,-10.00,USD,Return", "15,A,-50.00,USD,Payment"),
        ),
        "--positive-is",
    ),
}

STATES = {
    "a title that says pending": (
        table(TEXT, "13,A,-10.00,EUR", above="Pending transactions"),
        ["13 -10.00 pending"],
    ),
    "a title in German": (
        table(TEXT, "13,A,-10.00,EUR", above="Vorgemerkte Umsätze"),
        ["13 -10.00 pending"],
    ),
    "a title that says declined": (
        table(TEXT, "13,A,-10.00,EUR", above="Declined transactions"),
        "nothing of it was booked",
    ),
    "pending rows below a line between the rows": (
        table(TEXT, "13,A,-10.00,EUR", "Pending transactions", "14,B,-7.00,EUR", "Posted", "15,C,-8.00,EUR"),
        ["13 -10.00", "14 -7.00 pending", "15 -8.00"],
    ),
    "a day of posting that some rows lack": (
        table("Date,Posted Date,Description,Amount", "15,,A,-7.00", "16,2026-01-17,B,-8.00"),
        "--column 'posted date=date'",
    ),
    "a flag of cleared rows": (
        table(f"{TEXT},Cleared", "13,A,-10.00,EUR,C", "14,B,-20.00,EUR,", "15,C,5.00,EUR,R"),
        "--column 'cleared=status'",
    ),
    "results of which one is approved": (
        table(f"{TEXT},Result", "13,A,-10.00,EUR,Approved", "14,B,-20.00,EUR,Insufficient funds"),
        "--column 'result=status'",
    ),
    "a state in the text": (table(TEXT, "13,DECLINED Shop,-10.00,EUR", "14,B,-1.00,EUR"), "begins with 'DECLINED'"),
}

WHOLE = {
    "two currencies": (table(TEXT, "13,A,-10.00,EUR", "14,B,-20.00,USD"), ["13 -10.00", "14 -20.00"]),
    "a row without a currency among rows with one": (
        table(TEXT, "13,A,-10.00,EUR", "14,B,-20.00,"),
        "states no currency",
    ),
    "a currency above the header": (
        table("Date,Description,Amount", "13,A,-10.00", above="Currency: USD"),
        ["13 -10.00"],
    ),
    "columns of two currencies": (
        table("Date,Description,Debit Amount (GBP),Credit Amount (EUR)", "13,A,10.00,", "14,B,,1.00"),
        "--currency",
    ),
    "amounts in cents": (table("Date,Description,Amount (cents)", "13,A,-1050", "14,B,1250"), "in cents"),
    "amounts in thousands": (table("Date,Description,Amount (thousands)", "13,A,-1050", "14,B,1250"), "in thousands"),
    "a second account below a line": (
        table(TEXT, "13,A,-10.00,EUR", "Account: 222", "14,B,-20.00,EUR", above="Account: 111"),
        "another account begins here",
    ),
    "a closing balance that the rows miss": (
        table(TEXT, "13,A,-10.00,EUR", "Opening balance,,100.00,EUR", "Closing balance,,60.00,EUR"),
        "does not add up",
    ),
    "a closing balance that the rows make": (
        table(TEXT, "13,Balance brought forward,100.00,EUR", "14,B,-10.00,EUR", "31,Balance carried forward,90.00,EUR"),
        ["14 -10.00"],
    ),
    "a total that the rows miss": (table(TEXT, "13,A,-10.00,EUR", "Total,,-35.00,EUR"), "a total of -35.00"),
    "a total and a number above the header": (
        table(TEXT, "13,A,-10.00,EUR", above="Total,,-10.00\nNumber of transactions: 1"),
        ["13 -10.00"],
    ),
    "a number above the header that is another": (
        table(TEXT, "13,A,-10.00,EUR", above="Number of transactions: 2"),
        "states 2 bookings, there are 1",
    ),
    "a number of rows that is another": (
        table(TEXT, "13,A,-10.00,EUR", "Number of transactions: 3,,,"),
        "states 3 bookings",
    ),
    "a row missing among three with balances": (
        table(BALANCE, "13,A,-10.00,EUR,90.00", "14,B,-20.00,EUR,70.00", "16,C,-20.00,EUR,30.00"),
        "does not add up",
    ),
    "a row missing between two with balances": (
        table(BALANCE, "13,A,-10.00,EUR,90.00", "15,C,-20.00,EUR,50.00"),
        "balances do not follow",
    ),
    "thousands that are not quoted": (
        table(TEXT, "13,A,-1,234.00,EUR", "14,B,-2,000.00,EUR"),
        "may lack its quotes",
    ),
    "sides whose names carry a currency": (
        table("Date,Libellé,Débit euros,Crédit euros", "13,A,12.50,", "14,B,,20.00"),
        ["13 -12.50", "14 20.00"],
    ),
}

DAYS = {
    "a year of two digits in front": ("Date,Text,Amount\n25-12-31,A,-1\n26-01-02,B,-2\n", ["31 -1", "2 -2"]),
    "a year of two digits at either end": ("Date,Text,Amount\n26/01/13,A,-1\n", "--date-order"),
    "years of another calendar": ("Date,Text,Amount\n2569-01-13,A,-1\n", "Buddhist"),
    "seconds since 1970": ("Date,Text,Amount\n1768262400,A,-1\n", "since 1970"),
    "days of two orders": ("Date,Text,Amount\n13/01/2026,A,-1\n01/14/2026,B,-1\n", "--date-order"),
}

GERMAN = "Buchungstag;Text;Betrag"
TABLES = {
    "another account below a title of its own": (
        f"Umsätze Girokonto\n{GERMAN}\n13.01.2026;A;-10,00\nUmsätze Visa\n{GERMAN}\n14.01.2026;B;-5,00\n",
        "another table begins here, below 'umsätze visa'",
    ),
    "the same title above a repeated header": (
        f"Umsätze Girokonto\n{GERMAN}\n13.01.2026;A;-10,00\nUmsätze Girokonto\n{GERMAN}\n14.01.2026;B;-5,00\n",
        ["13 -10.00", "14 -5.00"],
    ),
    "names that ran into one another, above rows of more columns": (
        "Date,DescriptionDebit,Credit\n2026-01-13,A,10.00,\n2026-01-14,B,,5.00\n2026-01-15,C,,7.00\n",
        "no column of dates and amounts is recognised",
    ),
    "such names, where balances prove the columns": (
        table(
            "Date,DescriptionDebit,Credit,Saldo",
            *("13,A,10.00,,90.00", "14,B,,5.00,95.00", "15,C,,7.00,102.00", "16,D,2.00,,100.00"),
        ),
        ["13 -10.00", "14 5.00", "15 7.00", "16 -2.00"],
    ),
    "an empty column of amounts beside sides that are filled": (
        "Buchungstag;Text;Betrag;Soll;Haben\n13.01.2026;A;;-10,00;\n14.01.2026;B;;;5,00\n",
        ["13 -10.00", "14 5.00"],
    ),
    "a name that means a day here and a currency there": (
        "Dato;Tekst;Beløb;Valuta;Status\n13.01.2026;A;-10,00;DKK;Udført\n14.01.2026;B;-5,00;DKK;Venter\n",
        ["13 -10.00", "14 -5.00 pending"],
    ),
    "names with underscores": (
        "Data_Operazione;Importo;Stato\n13/01/2026;-10,00;Contabilizzato\n14/01/2026;-5,00;Autorizzato\n",
        ["13 -10.00", "14 -5.00 pending"],
    ),
    "a dated total that the rows make": (
        table("Date,Description,Amount", "13,A,-10.00", "13,B,-20.00", "13,C,-5.00", "14,D,50.00", "14,Total,15.00"),
        ["13 -10.00", "13 -20.00", "13 -5.00", "14 50.00"],
    ),
    "a purchase at a shop called after a total": (
        table("Date,Description,Amount", "13,Total,-10.00", "14,B,30.00", "15,New Balance 0042,-9.00"),
        ["13 -10.00", "14 30.00", "15 -9.00"],
    ),
    "a balance that a line without a day calls new": (
        table("Date,Description,Amount", "13,A,-10.00", ",New balance,90.00"),
        ["13 -10.00"],
    ),
    "two signs": (table(TEXT, "13,A,+-10.00,EUR", "14,B,-5.00,EUR"), "more than one sign"),
    "a word of thanks within a purchase": (
        table(TEXT, "13,Bezahlung Karte SPAR DANKT,-10.00,EUR", "14,Lohn,5.00,EUR"),
        ["13 -10.00", "14 5.00"],
    ),
    "thousands in Spanish": (table("Fecha,Concepto,Importe (miles)", "13,A,-10.00"), "in miles"),
    "amounts named in one currency, rows in another": (
        table("Date,Description,Amount (EUR),Currency", "13,A,-10.00,EUR", "14,B,-5.00,USD"),
        "named in EUR, and the row states 'USD'",
    ),
    "payments in a table of mostly positive amounts": (
        table(BALANCE, "13,Store,25.00,USD,125.00", "14,Fuel,10.00,USD,135.00", "15,Pymt,-100.00,USD,35.00"),
        "every negative one is called a payment",
    ),
    "a balance that rises with the column of debits": (
        table(
            "Date,Text,Debit,Credit,Balance",
            *("13,Capital,5000.00,,5000.00", "14,Rent,,1200.00,3800.00", "15,A,300.00,,4100.00", "16,B,,50.00,4050.00"),
        ),
        "--column 'debit=credit' --column 'credit=debit'",
    ),
    "a word in the place of the day beside a word for a total": (
        table("Date,Description,Amount", "13,A,-10.00", "Today,Total fuel,-80.00"),
        "date 'Today' is not a date",
    ),
    "titles of accounts between the rows": (
        table("Date,Description,Amount", "13,A,-10.00", "Savings account", "14,B,-5.00"),
        "another account begins here",
    ),
    "days that contradict the format of a recognised profile": (
        (
            "Date,Description,Original Description,Amount,Transaction Type,Category,Account Name,Labels,Notes\n"
            "01/13/2026,A,A,10.00,debit,Food,Checking,,\n01/14/2026,B,B,5.00,credit,Pay,Checking,,\n"
        ),
        ["13 -10.00", "14 5.00"],
    ),
    "the header of a card in several countries": (
        "Date,Description,Card Member,Account #,Amount,Extended Details\n05/10/2026,A,X,1,10.00,\n",
        "--date-order",
    ),
}
CASES = {**SIGNS, **STATES, **WHOLE, **DAYS, **TABLES}


@pytest.mark.parametrize(("content", "expected"), CASES.values(), ids=CASES)
def test_a_file_that_says_two_things_is_read_right_asked_about_or_told(statement, content, expected):
    found = attempt(statement(content))
    if isinstance(expected, list):
        assert isinstance(found, Reading), found
        assert sorted(rows(found)) == sorted(expected)
        return
    said = found if isinstance(found, str) else "; ".join([*found.warnings, *found.rejected, *failures(found)])
    assert expected in said


@pytest.mark.parametrize(
    ("line", "is_account"),
    [
        ("Account: 111", True),
        ("Card ending 2222", True),
        ("Account Number,XXXX-1234", True),
        ("Konto DE89370400440532013000", True),
        ("Account statement 01.01.2026 - 31.01.2026", False),
        ("Account summary 2026", False),
        ("Account 2026", False),
        ("Account type: Checking", False),
    ],
)
def test_a_line_with_a_number_is_an_account_and_one_with_a_period_is_none(line, is_account):
    assert (account_line(Record(1, tuple(line.split(",")))) is not None) == is_account


@pytest.mark.parametrize(
    ("title", "code"), [("USD transactions", "USD"), ("Payments in EUR", "EUR"), ("ALL TRANSACTIONS", None)]
)
def test_a_title_names_a_currency_only_beside_a_noun(title, code):
    assert section_currency(Record(1, (title,))) == code


ANSWERS = [
    ("a bare amount beside credit marks", {"positive_is": "out"}, ["13 -10.00", "14 30.00"]),
    (
        "a column of money out with a minus in most rows",
        {"direction_from": "sign"},
        ["13 -10.00", "14 -20.00", "15 5.00"],
    ),
    ("a minus beside a word for money out", {"direction_from": "word"}, ["13 -10.00", "14 20.00", "15 -5.00"]),
    ("a minus beside a word for money out", {"direction_from": "reversal"}, ["13 10.00", "14 20.00", "15 -5.00"]),
    ("a minus in a column of money in", {"direction_from": "reversal"}, ["13 -10.00", "14 -5.00"]),
    ("purchases that are positive", {"positive_is": "out"}, ["13 -25.00", "14 10.00", "15 50.00"]),
    ("a flag of cleared rows", {"columns": {"cleared": "status"}}, ["13 -10.00", "14 -20.00 pending", "15 5.00"]),
    ("a year of two digits at either end", {"date_order": "ymd"}, ["13 -1"]),
]


@pytest.mark.parametrize(("name", "stated", "expected"), ANSWERS)
def test_the_option_that_a_refusal_names_settles_it(statement, name, stated, expected):
    assert sorted(rows(read(statement(CASES[name][0]), **stated))) == sorted(expected)


@pytest.mark.parametrize(
    "name",
    [
        "a column of money out with a minus in most rows",
        "a minus beside a word for money out",
        "a title that names a card",
    ],
)
def test_a_proposed_profile_asks_nothing_again(statement, name):
    path = statement(CASES[name][0])
    proposal = propose_profile(path, FileConfig(path=path))
    assert proposal.doubts
    assert read(path, profile=proposal.profile).rows


def test_no_question_about_a_column_comes_twice(statement):
    path = statement("13.01.2026;Shop;-10,00;Credit\n14.01.2026;Lohn;5,00;Debit\n")
    config, asked = FileConfig(path=path), []
    while (proposal := propose_profile(path, config)).doubts:
        doubt = proposal.doubts[0]
        asked.append(doubt.column or doubt.field)
        config = settled(config, doubt, doubt.choices[0])
    assert len(asked) == len(set(asked)) <= 5


def test_two_columns_cannot_both_be_the_amount(statement):
    path = statement("13.01.2026;Shop;-10,00;0,00\n14.01.2026;Lohn;5,00;0,00\n")
    with pytest.raises(InvalidDataError, match="columns '3' and '4' are both stated to hold the amount"):
        read(path, columns={"1": "date", "2": "description", "3": "amount", "4": "amount"})


def test_a_header_in_an_unknown_language_names_the_columns_that_are_stated_by_number(statement):
    path = statement("Дата;Деталі;Сума (UAH);Валюта\n13.01.2026;A;-37,00;USD\n14.01.2026;B;-5,00;UAH\n")
    found = read(path, columns={"1": "date", "2": "description", "3": "amount", "4": "currency"})
    assert rows(found) == ["14 -5.00"]
    assert "named in UAH, and the row states 'USD'" in "; ".join(found.rejected)


def test_what_a_person_states_of_a_file_counts_before_what_its_layout_usually_means(statement):
    header = "Transaction Date,Posted Date,Card No.,Description,Category,Debit,Credit"
    path = statement(f"{header}\n2026-01-13,2026-01-14,1,A,Food,10.00,\n")
    assert [row.currency for row in read(path, account={"currency": "CAD"}).rows] == ["CAD"]


@pytest.mark.parametrize("amounts", [("0.10", "-0.10"), ("-5.00", "-5.00"), ("-5.00", "-4.00")])
def test_two_rows_whose_balances_follow_are_not_doubted(statement, amounts):
    first, second = map(Decimal, amounts)
    lines = [f"13,A,{first},EUR,{100 + first}", f"14,B,{second},EUR,{100 + first + second}"]
    found = read(statement(table(BALANCE, *lines)))
    assert found.amounts == [first, second]
    assert not [warning for warning in found.warnings if "balances" in warning]


@pytest.mark.parametrize("newest_first", [False, True])
def test_balances_show_which_way_amounts_without_a_sign_went(statement, newest_first):
    lines = ["13,A,10.00,EUR,90.00", "14,B,20.00,EUR,70.00", "15,C,30.00,EUR,100.00", "16,D,5.00,EUR,95.00"]
    found = read(statement(table(BALANCE, *(reversed(lines) if newest_first else lines))))
    assert sorted(rows(found)) == ["14 -20.00", "15 30.00", "16 -5.00"]
    assert len(found.rejected) == 1
    assert not failures(found)
    assert found.accounts[0].balance is not None
    assert found.accounts[0].balance.amount == Decimal("95.00")


def test_a_profile_of_a_table_without_signs_reads_it_alike(statement):
    path = statement(CASES["amounts without a sign whose balances show the direction"][0])
    profile = propose_profile(path, FileConfig(path=path)).profile
    assert sorted(rows(read(path, profile=profile))) == sorted(rows(read(path)))


def test_balances_of_a_card_that_lines_state_are_what_is_owed(statement):
    content = table(TEXT, "13,Shop,30.00,USD", "14,Pay,-50.00,USD", "Opening balance,,100.00,", "New balance,,80.00,")
    found = read(statement(content), positive_is="out")
    assert found.amounts == [Decimal("-30.00"), Decimal("50.00")]
    assert not failures(found)
    assert found.accounts[0].balance is not None
    assert found.accounts[0].balance.amount == Decimal("-80.00")


def test_an_account_of_each_currency_is_told_apart(statement):
    found = read(statement(CASES["two currencies"][0]))
    assert sorted((account.currency or "", account.name) for account in found.accounts) == [
        ("EUR", "EUR"),
        ("USD", "USD"),
    ]


def test_numbers_of_a_sheet_agree_with_the_mark_of_its_texts(tmp_path):
    rows_of = [["Date", "Description", "Amount"], ["2026-01-13", "A", "-1.234,50"], ["2026-01-14", "B", 5.5]]
    assert rows(read(write_sheets(tmp_path / "a.xlsx", {"S1": rows_of}))) == ["13 -1234.50", "14 5.50"]


def test_sheets_that_are_called_after_accounts_are_accounts(tmp_path):
    sheet = [["Date", "Description", "Amount"], ["2026-01-13", "A", -1.5], ["2026-01-14", "B", 5.5]]
    found = read(write_sheets(tmp_path / "a.xlsx", {"Checking": sheet, "Savings": sheet}))
    assert sorted(account.name for account in found.accounts) == ["Checking", "Savings"]


def attempt(path) -> Reading | str:
    """Read what is at a path; the sentence where it is refused."""
    try:
        return read(path)
    except InvalidDataError as error:
        return str(error)


def rows(found: Reading) -> list[str]:
    return [
        " ".join([str(day.day), str(row.amount), *(["pending"] if row.pending else [])])
        for row in found.rows
        if (day := day_of(row)) is not None
    ]


def failures(found: Reading) -> list[str]:
    return [str(failure.error) for page in found.pages for failure in page.failures]
