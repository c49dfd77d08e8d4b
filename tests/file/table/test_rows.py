"""CSV files as banks really write them: each is read right, or refused with a sentence that says what to state."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from tests.file.reader import read
from worker.connectors.errors import InvalidDataError

D = Decimal


def amounts(*texts: str) -> list[Decimal]:
    return [Decimal(text) for text in texts]


DIALECTS = {
    "semicolons and decimal commas": (
        "Buchungstag;Verwendungszweck;Betrag\n31.01.2026;Miete;-1.250,00\n02.02.2026;Gehalt;3.400,5\n",
        [("2026-01-31", "-1250.00"), ("2026-02-02", "3400.5")],
    ),
    "a byte order mark and quoted cells": (
        '\ufeff"Date","Description","Amount"\r\n"2026-01-31","Rent, January","-1,250.00"\r\n',
        [("2026-01-31", "-1250.00")],
    ),
    "line ends inside quotes": (
        'Date,Description,Amount\n2026-01-31,"Rent\nJanuary\nflat 3",-5.00\n2026-02-01,Coffee,-2.10\n',
        [("2026-01-31", "-5.00"), ("2026-02-01", "-2.10")],
    ),
    "old Macintosh line ends": (
        "Date,Description,Amount\r2026-01-31,Rent,-5.00\r2026-02-01,Tea,-2.10\r",
        [("2026-01-31", "-5.00"), ("2026-02-01", "-2.10")],
    ),
    "lines above the header": (
        (
            "Account statement\nIBAN;DE89 3704 0044 0532 0130 00\nPeriod;01.01.2026 - 31.01.2026\n\n"
            "Datum;Text;Betrag\n15.01.2026;Strom;-80,00\n16.01.2026;Gas;-70,00\n"
        ),
        [("2026-01-15", "-80.00"), ("2026-01-16", "-70.00")],
    ),
    "totals below the rows": (
        "Datum;Text;Betrag\n15.01.2026;Strom;-80,00\n;Summe;-80,00\nEnde des Auszugs\n",
        [("2026-01-15", "-80.00")],
    ),
    "CR and DR behind the figures": (
        'Txn Date,Narration,Amount\n25/01/2026,ATM WDL,"1,299.00 DR"\n26/01/2026,SALARY,"1,00,000.00 CR"\n',
        [("2026-01-25", "-1299.00"), ("2026-01-26", "100000.00")],
    ),
    "brackets for money out": (
        "Date,Description,Amount\n2026-01-31,Fee,(12.50)\n2026-02-01,Refund,$12.50\n",
        [("2026-01-31", "-12.50"), ("2026-02-01", "12.50")],
    ),
    "a typographic minus": (
        "Datum;Text;Betrag\n31.01.2026;Kaffee;\u22123,20\n31.01.2026;Tee;\u20132,20\n",
        [("2026-01-31", "-3.20"), ("2026-01-31", "-2.20")],
    ),
    "a minus behind the figures": (
        "Datum;Text;Betrag\n31.01.2026;Kaffee;3,20-\n31.01.2026;Lohn;1.000,00\n",
        [("2026-01-31", "-3.20"), ("2026-01-31", "1000.00")],
    ),
    "apostrophes and spaces for thousands": (
        "Datum;Text;Belastung;Gutschrift\n31.01.2026;Miete;1'250.00;\n31.01.2026;Lohn;;11\u202f373.94\n",
        [("2026-01-31", "-1250.00"), ("2026-01-31", "11373.94")],
    ),
    "years of two digits": (
        "Date,Description,Amount\n31/01/26,Rent,-5.00\n01/02/26,Tea,-2.10\n",
        [("2026-01-31", "-5.00"), ("2026-02-01", "-2.10")],
    ),
    "names of months": (
        'Date,Description,Amount\n31 Jan 2026,Rent,-5.00\n"Feb 1, 2026",Tea,-2.10\n1-Mär-26,Saft,-1.00\n',
        [("2026-01-31", "-5.00"), ("2026-02-01", "-2.10"), ("2026-03-01", "-1.00")],
    ),
    "French names of months": (
        "Date;Libellé;Montant\n3 févr. 2026;Loyer;-800,00\n14 août 2026;Café;-2,10\n",
        [("2026-02-03", "-800.00"), ("2026-08-14", "-2.10")],
    ),
    "empty lines": (
        "\n\nDate,Description,Amount\n\n2026-01-31,Rent,-5.00\n,,\n2026-02-01,Tea,-2.10\n\n",
        [("2026-01-31", "-5.00"), ("2026-02-01", "-2.10")],
    ),
    "two columns of one name": (
        "Date,Description,Description,Amount\n2026-01-31,Rent,Flat,-5.00\n",
        [("2026-01-31", "-5.00")],
    ),
    "money out and money in apart": (
        "Date,Details,Paid out,Paid in,Balance\n31/01/2026,Rent,5.00,,95.00\n01/02/2026,Pay,,10.00,105.00\n",
        [("2026-01-31", "-5.00"), ("2026-02-01", "10.00")],
    ),
    "money out with its own minus, and zeros for nothing": (
        "Date,Details,Debit,Credit\n2026-01-31,Rent,-5.00,0.00\n2026-02-01,Pay,0.00,10.00\n",
        [("2026-01-31", "-5.00"), ("2026-02-01", "10.00")],
    ),
    "an amount and a word": (
        "Date,Description,Amount,CR/DR\n2026-01-31,Rent,5.00,DR\n2026-02-01,Pay,10.00,CR\n",
        [("2026-01-31", "-5.00"), ("2026-02-01", "10.00")],
    ),
    "Soll and Haben": (
        "Datum;Text;Umsatz;Soll/Haben\n31.01.2026;Miete;5,00;S\n01.02.2026;Lohn;10,00;H\n",
        [("2026-01-31", "-5.00"), ("2026-02-01", "10.00")],
    ),
    "tabs": (
        "Date\tDescription\tAmount\n2026-01-31\tRent\t-5.00\n",
        [("2026-01-31", "-5.00")],
    ),
    "Excel's line that names the delimiter": (
        "sep=|\nDate|Description|Amount\n2026-01-31|Rent|-5.00\n",
        [("2026-01-31", "-5.00")],
    ),
    "days without separators": (
        "Date,Description,Amount\n20260131,Rent,-5.00\n20260201,Tea,-2.10\n",
        [("2026-01-31", "-5.00"), ("2026-02-01", "-2.10")],
    ),
    "times behind the days": (
        "Date,Description,Amount\n2026-01-31 23:59:58,Rent,-5.00\n31/01/2026,,\n",
        [("2026-01-31", "-5.00")],
    ),
    "currency signs and codes beside the figures": (
        "Date,Description,Amount\n2026-01-31,Rent,-€5.00\n2026-02-01,Tea,USD 2.10\n2026-02-02,Oil,Rs.300.00 DR\n",
        [("2026-01-31", "-5.00"), ("2026-02-01", "2.10"), ("2026-02-02", "-300.00")],
    ),
}


@pytest.mark.parametrize(("content", "expected"), DIALECTS.values(), ids=DIALECTS)
def test_a_dialect_is_read_to_the_day_and_the_cent(reading, content, expected):
    found = reading(content)
    assert [(str(row.booking_on), row.amount) for row in found.rows] == [(day, D(amount)) for day, amount in expected]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252", "cp852", "utf-8"])
def test_an_encoding_is_found_out(reading, encoding):
    content = "Datum;Empfänger;Verwendungszweck;Betrag\n31.01.2026;Bäckerei Köhler;Brötchen für Grüße;-3,20\n"
    found = reading(content, encoding=encoding)
    assert (found.rows[0].counterparty, found.rows[0].description) == ("Bäckerei Köhler", "Brötchen für Grüße")


def test_an_encoding_that_is_stated_wins(statement):
    path = statement("Datum;Text;Betrag\n31.01.2026;břeh;-3,20\n", encoding="cp1250")
    assert read(path).rows[0].description == "bøeh"
    assert read(path, encoding="cp1250").rows[0].description == "břeh"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "ascii"])
def test_a_file_that_is_not_in_the_stated_encoding_is_refused(statement, encoding):
    path = statement("Datum;Text;Betrag\n31.01.2026;břeh;-3,20\n", encoding="cp1250")
    with pytest.raises(InvalidDataError, match="has bytes that are not"):
        read(path, encoding=encoding)


AMBIGUOUS = {
    "day and month": ("Date,Description,Amount\n03/04/2026,a,-1.00\n05/04/2026,b,-1.00\n", "date-order"),
    "decimal mark": ('Date,Description,Amount\n2026-01-31,a,"-1,234"\n2026-01-31,b,"-2,500"\n', "decimal"),
    "both decimal marks": ("Date;Text;Amount\n2026-01-31;a;-1,50\n2026-01-31;b;-2.50\n", "decimal"),
    "direction of money": ("Date,Description,Amount\n2026-01-31,a,1.50\n2026-02-01,b,2.50\n", "positive-is"),
    "mixed orders of dates": (
        "Date,Description,Amount\n2026-01-31,a,-1.50\n31/01/2026,b,-2.50\n",
        "no single order",
    ),
    "no column known": ("Foo,Bar\n1,2\n", "profile"),
    "no dates at all": ("Date,Description,Amount\n", "no row holds a date"),
}


@pytest.mark.parametrize(("content", "word"), AMBIGUOUS.values(), ids=AMBIGUOUS)
def test_a_file_that_fits_two_readings_is_refused_with_what_to_state(reading, content, word):
    with pytest.raises(InvalidDataError, match=word):
        reading(content)


def test_what_is_stated_settles_what_a_file_does_not_prove(reading):
    content = "Date,Description,Amount\n03/04/2026,a,1.00\n05/04/2026,b,2.00\n"
    found = reading(content, date_order="mdy", positive_is="out")
    assert [(row.booking_on, row.amount) for row in found.rows] == [
        (date(2026, 3, 4), D("-1.00")),
        (date(2026, 5, 4), D("-2.00")),
    ]


def test_one_date_past_the_twelfth_decides_the_whole_file(reading):
    found = reading("Date,Description,Amount\n03/04/2026,a,-1.00\n05/04/2026,b,-1.00\n13/04/2026,c,-1.00\n")
    assert [row.booking_on.month for row in found.rows] == [4, 4, 4]


def test_rows_in_date_order_decide_and_the_run_says_so(reading):
    found = reading("Date,Description,Amount\n10/01/2026,a,-1.00\n11/01/2026,b,-1.00\n02/02/2026,c,-1.00\n")
    assert [row.booking_on for row in found.rows] == [date(2026, 1, 10), date(2026, 1, 11), date(2026, 2, 2)]
    assert any("date order" in warning for warning in found.warnings)


def test_balances_prove_the_direction_of_money(reading):
    content = (
        "Date,Description,Amount,Balance\n2026-01-29,a,10.00,90.00\n2026-01-30,b,5.00,85.00\n2026-01-31,c,1.00,84.00\n"
    )
    found = reading(content)
    assert found.amounts == amounts("-10.00", "-5.00", "-1.00")
    assert found.accounts[0].balance.amount == D("84.00")


def test_a_balance_holds_at_the_end_of_its_day_in_the_zone_of_the_bank(reading):
    content = "Date,Description,Amount,Balance\n2026-01-31,c,-1,84.00\n2026-01-30,b,-5,85.00\n2026-01-29,a,-9,90.00\n"
    balance = reading(content).accounts[0].balance
    assert (balance.amount, balance.at) == (D("84.00"), datetime(2026, 1, 31, 22, 59, 59, tzinfo=UTC))


def test_balances_that_do_not_follow_the_rows_are_not_claimed(reading):
    found = reading(
        "Date,Description,Amount,Balance\n2026-01-29,a,-9.00,90\n2026-01-30,b,-5.00,12\n2026-01-31,c,-1.00,7\n"
    )
    assert found.accounts[0].balance is None


def test_rows_of_one_day_may_stand_in_any_order(reading):
    found = reading(
        "Date,Description,Amount,Balance\n"
        "2026-01-05,b,-2.00,97.00\n2026-01-05,a,-1.00,99.00\n2026-01-06,c,-3.00,94.00\n2026-01-07,d,-4.00,90.00\n"
        "2026-01-08,e,-5.00,85.00\n2026-01-09,g,-7.00,72.00\n2026-01-09,f,-6.00,79.00\n"
    )
    assert len(found.rows) == 7
    assert not [page.failures for page in found.pages if page.failures]


def test_a_row_missing_from_a_running_balance_is_told(reading):
    found = reading(
        "Date,Description,Amount,Balance\n2026-01-05,a,-1.00,99.00\n2026-01-06,b,-2.00,97.00\n"
        "2026-01-08,d,-4.00,90.00\n2026-01-09,e,-5.00,85.00\n"
    )
    [failure] = [one for page in found.pages for one in page.failures]
    assert failure.error.code == "statement_unbalanced"
    assert "by -3.00" in str(failure.error)


def test_a_bad_row_is_reported_with_its_line_and_the_others_are_kept(reading):
    content = (
        "Date,Description,Amount\n2026-01-31,Rent,-5.00\n2026-02-30,Tea,-2.10\n2026-02-01,Cake,abc\n2026-02-02,Oil,-9\n"
    )
    found = reading(content)
    assert found.amounts == amounts("-5.00", "-9")
    assert found.rejected == [
        "statement.csv, line 3: date '2026-02-30' is no day of the calendar in this format",
        "statement.csv, line 4: amount 'abc' is not an amount with '.' as decimal mark",
    ]


def test_formula_text_stays_text(reading):
    found = reading(
        'Date,Description,Amount\n2026-01-31,"=HYPERLINK(""http://x"",""y"")",-5.00\n2026-01-31,@SUM(A1),-1.00\n'
    )
    assert [row.description for row in found.rows] == ['=HYPERLINK("http://x","y")', "@SUM(A1)"]


def test_a_moment_in_utc_stays_a_moment(reading):
    found = reading("Date,Description,Amount\n2026-01-31T23:30:00Z,Rent,-5.00\n")
    row = found.rows[0]
    assert (row.booking_on, row.booking_at) == (None, datetime(2026, 1, 31, 23, 30, tzinfo=UTC))


def test_the_iban_above_the_header_is_the_anchor(reading):
    content = '"Girokonto";"DE89370400440532013000"\n\n"Buchungstag";"Text";"Betrag"\n"31.01.2026";"a";"-1,00"\n'
    account = reading(content).accounts[0]
    assert (account.anchor, account.mask) == ("iban:DE89370400440532013000", "3000")
    assert "3704" not in account.external_id


def test_an_iban_that_is_stated_joins_the_file_with_the_same_account_elsewhere(reading):
    content = "Date,Description,Amount\n2026-01-31,Rent,-5.00\n"
    account = reading(content, account={"iban": "DE89 3704 0044 0532 0130 00", "currency": "eur"}).accounts[0]
    assert (account.anchor, account.currency) == ("iban:DE89370400440532013000", "EUR")


def test_signs_are_turned_when_the_owner_says_so(reading):
    content = "Date,Description,Amount,Balance\n2026-01-29,a,-10,90\n2026-01-30,b,-5,85\n2026-01-31,c,1,86\n"
    found = reading(content, account={"flip_sign": True})
    assert found.amounts == amounts("10", "5", "-1")
    assert found.accounts[0].balance.amount == -86


TEN_LINES = {
    "name": "my-bank",
    "delimiter": ";",
    "date": "Dag",
    "date_format": "%d/%m/%y",
    "decimal": ",",
    "amount": "Som",
    "sign": "flipped",
    "description": ["Wat", "Waarom"],
    "footer": ["^Totaal"],
    "currency": "EUR",
}


def test_a_profile_of_ten_lines_reads_a_layout_nobody_knew(reading):
    content = "Dag;Som;Wat;Waarom\n03/04/26;1,00;Huis;huur\n04/04/26;-2,00;Baan;loon\nTotaal;-1,00;;\n"
    found = reading(content, profile=TEN_LINES)
    assert [(row.booking_on, row.amount, row.currency, row.description) for row in found.rows] == [
        (date(2026, 4, 3), D("-1.00"), "EUR", "Huis huur"),
        (date(2026, 4, 4), D("2.00"), "EUR", "Baan loon"),
    ]


@pytest.mark.parametrize(("footer", "kept"), [("n$", 1), (r"n\Z", 1), ("^04", 1), ("Wonen", 0)])
def test_where_a_long_line_is_cut_is_no_end_of_it(reading, footer, kept):
    content = f"Dag;Som;Wat;Waarom\n03/04/26;1,00;Wonen;{'n' * 300}1\n05/04/26;1,00;x;y\n"
    found = reading(content, profile={**TEN_LINES, "footer": [footer]})
    assert len(found.rows) == kept + 1


def test_a_profile_that_does_not_fit_is_never_replaced_by_another(reading):
    with pytest.raises(InvalidDataError, match="my-bank"):
        reading("Date,Description,Amount\n2026-01-31,Rent,-5.00\n", profile=TEN_LINES)


def test_a_file_without_an_account_keeps_its_account_from_month_to_month(tmp_path):
    for month in ("01", "02"):
        (tmp_path / f"{month}.csv").write_text(f"Date,Description,Amount\n2026-{month}-15,Rent,-5.00\n")
    found = read(tmp_path)
    assert (len(found.accounts), found.amounts) == (1, amounts("-5.00", "-5.00"))


def test_a_fee_that_was_taken_off_is_kept_beside_the_net_amount(tmp_path):
    (tmp_path / "revolut.csv").write_text(
        "Type,Product,Started Date,Completed Date,Description,Amount,Fee,Currency,State,Balance\n"
        "ATM,Current,2026-01-30 10:00:00,2026-01-31 10:00:00,Cash,-100.00,2.90,EUR,COMPLETED,500.00\n"
        "CARD_PAYMENT,Current,2026-01-31 10:00:00,2026-02-01 10:00:00,Shop,-5.00,0.00,EUR,COMPLETED,495.00\n"
    )
    cash, shop = read(tmp_path).rows
    assert (cash.amount, cash.stated_amounts) == (
        D("-102.90"),
        {"gross": "-100.00", "fee": "2.90", "balance_after": "500.00"},
    )
    assert (shop.amount, shop.stated_amounts) == (D("-5.00"), {"balance_after": "495.00"})


def test_a_column_of_fees_in_an_unknown_layout_is_asked_for(tmp_path):
    text = "Date,Description,Amount,Fee\n2026-01-31,Payout,100.00,2.90\n2026-02-01,Rent,-5.00,0.00\n"
    (tmp_path / "payouts.csv").write_text(text)
    with pytest.raises(InvalidDataError, match="looks like a fee"):
        read(tmp_path)
    payout, rent = read(tmp_path, columns={"Fee": "fee"}).rows
    assert (payout.amount, payout.stated_amounts) == (D("97.10"), {"gross": "100.00", "fee": "2.90"})
    assert (rent.amount, rent.stated_amounts) == (D("-5.00"), None)


def test_the_period_above_the_table_decides_the_order_of_day_and_month(reading):
    found = reading(
        "Statement,From 01/03/2026,To 31/03/2026\n\nDate,Details,Debit,Credit\n"
        "03/03/2026,Shop,3.20,\n05/03/2026,Pay,,100.00\n04/03/2026,Fuel,5.00,\n"
    )
    assert [str(row.booking_on) for row in found.rows] == ["2026-03-03", "2026-03-05", "2026-03-04"]


def test_the_balances_prove_the_order_of_time_and_so_that_of_day_and_month(reading):
    rows = ["05/06/2026,A,-1.00,99.00", "05/02/2026,B,-2.00,100.00", "03/12/2026,C,-3.00,102.00", ""]
    found = reading("\n".join(["Date,Details,Amount,Balance", *rows]))
    assert [str(row.booking_on) for row in found.rows] == ["2026-05-06", "2026-05-02", "2026-03-12"]


@pytest.mark.parametrize(
    "text",
    ["Opening balance", "BALANCE BROUGHT FORWARD", "Closing balance on 31/01/2026", "Anfangssaldo", "Alter Saldo",
     "Solde précédent", "Saldo final", "Ingående saldo", "Balance b/f"],
)  # fmt: skip
def test_a_row_that_states_a_balance_is_no_payment(reading, text):
    found = reading(
        f"Date,Description,Amount\n2026-01-01,{text},1000.00\n2026-01-02,Shop,-3.20\n2026-01-03,Fuel,-1.00\n"
    )
    assert found.amounts == [Decimal("-3.20"), Decimal("-1.00")]
    assert any("a balance, no booking" in warning for warning in found.warnings)


@pytest.mark.parametrize("text", ["Balance transfer to card", "New balance shoes", "Saldo Moto", "Solde d'été"])
def test_a_payment_whose_text_has_the_word_balance_stays_one(reading, text):
    found = reading(f"Date,Description,Amount\n2026-01-01,{text},-10.00\n2026-01-02,Shop,-3.20\n")
    assert found.amounts == [Decimal("-10.00"), Decimal("-3.20")]


@pytest.mark.parametrize(
    ("stated", "said"),
    [
        ({"columns": {"Foo": "amount"}}, "no column 'foo'.*columns are date, description, amount"),
        ({"profile": {"name": "own", "match": ["Date"], "date": "Date", "amount": "Sum"}}, "no column sum.*are date"),
        ({"profile": "chase-card"}, "no column transaction date"),
    ],
)
def test_a_stated_column_that_is_not_there_is_named_with_those_that_are(reading, stated, said):
    with pytest.raises(InvalidDataError, match=said):
        reading("Date,Description,Amount\n2026-01-01,Shop,-10.00\n", **stated)


def test_a_currency_beside_the_amounts_is_that_of_the_rows(reading):
    found = reading("Date,Description,Amount\n2026-01-15,Shop,-1.50 USD\n2026-01-16,Pay,20.00 \u20ac\n")
    assert [row.currency for row in found.rows] == ["USD", "EUR"]


def test_a_sign_of_several_currencies_beside_the_amounts_is_told(reading):
    found = reading("Date,Description,Amount\n2026-01-15,Shop,-$1.50\n2026-01-16,Pay,$20.00\n")
    assert [row.currency for row in found.rows] == [None, None]
    assert any("amounts in '$'" in warning for warning in found.warnings)


@pytest.mark.parametrize(("code", "sign"), [("EUR", "$"), ("USD", "\u20ac"), ("CHF", "kr")])
def test_an_amount_in_another_currency_than_its_row_is_rejected(reading, code, sign):
    found = reading(f"Date,Description,Amount,Currency\n2026-01-15,A,-1.50 {sign},{code}\n2026-01-16,B,20.00,{code}\n")
    assert found.amounts == [Decimal("20.00")]
    assert "currency is stated as" in found.rejected[0]


def test_columns_stated_by_number_decide_the_delimiter_too(reading):
    rows = "15.01.2026;Shop, 1;14.01.2026;-33,87;EUR;;\n16.01.2026;Shop, 2;15.01.2026;-23,55;EUR;;\n"
    found = reading(rows, columns={"1": "date", "2": "description", "4": "amount", "5": "currency"})
    assert found.amounts == [Decimal("-33.87"), Decimal("-23.55")]
    assert {row.currency for row in found.rows} == {"EUR"}


BY_DAY = (
    ("2026-01-12,Tea,-10.00,", "2026-01-12,Pay,15.00,", "2026-01-13,Shop,-5.00,90.00"),
    ("2026-01-13,Shop,-7.00,", "2026-01-14,Pay,20.00,103.00", "2026-01-15,Shop,-3.00,100.00"),
    ("2026-01-16,Shop,-1.00,",),
)


@pytest.mark.parametrize("newest_first", [False, True])
def test_balances_behind_the_last_row_of_each_day_prove_the_rows_between_too(reading, newest_first):
    rows = [row for group in BY_DAY for row in group]
    found = reading("Date,Description,Amount,Balance\n" + "\n".join(rows[::-1] if newest_first else rows) + "\n")
    assert (len(found.rows), found.accounts[0].balance.amount) == (7, D("99.00"))
    assert not any(page.failures for page in found.pages)


def test_a_row_missing_between_two_balances_is_told(reading):
    rows = [row for group in BY_DAY for row in group if "-7.00" not in row]
    found = reading("Date,Description,Amount,Balance\n" + "\n".join(rows) + "\n")
    assert [failure.error.code for page in found.pages for failure in page.failures] == ["statement_unbalanced"]


@pytest.mark.parametrize("state", ["Declined", "Pending"])
def test_rows_that_moved_no_balance_do_not_speak_against_the_balances(reading, state):
    rows = (
        "2026-01-12,Pay,100.00,Completed,150.00", f"2026-01-13,Shop,-7.00,{state},",
        "2026-01-14,Rent,-60.00,Completed,90.00", f"2026-01-15,Shop,-8.00,{state},",
        "2026-01-16,Tea,-5.00,Completed,85.00", ",Total,27.00,,", "2026-01-17,Tea,-4.00,Completed,81.00",
    )  # fmt: skip
    found = reading("Date,Description,Amount,Status,Balance\n" + "\n".join(rows) + "\n")
    assert found.accounts[0].balance.amount == D("81.00")
    assert not any("the balances do not follow" in warning for warning in found.warnings)


def test_column_names_may_begin_with_a_number_sign(reading):
    found = reading("#Data operacji;#Opis operacji;#Kwota;\n2026-01-16;ZAKUP;-10,50 PLN;\n2026-01-15;ZWROT;2,50 PLN;\n")
    assert (found.amounts, found.rows[0].description, found.rows[0].currency) == (
        amounts("-10.50", "2.50"),
        "ZAKUP",
        "PLN",
    )


def test_the_same_remark_about_a_file_is_said_once(reading):
    table = "Date,Description,Amount\n2026-01-15,Shop,-5.00\n"
    warnings = reading(f"{table}Posted transactions\n{table.replace('15', '16')}").warnings
    assert sum("no currency is stated" in warning for warning in warnings) == 1


def test_columns_that_hold_nothing_are_not_named_as_unread(reading):
    found = reading("Date,Description,Amount,Tags,Notes,\n2026-01-15,Shop,-5.00,,home,\n2026-01-16,Shop,-5.00,,,\n")
    assert [warning for warning in found.warnings if "columns that are not read" in warning] == [
        "statement.csv: columns that are not read: notes"
    ]


@pytest.mark.parametrize("word", ["offen", "Pending", "vorgemerkt", "en attente"])
def test_a_word_in_the_place_of_the_day_makes_a_row_pending(reading, word):
    found = reading(f"Date;Value date;Text;Amount\n{word};--;Laden;-7,00\n15.01.2026;15.01.2026;Miete;-500,00\n")
    assert [(row.pending, row.booking_on, row.amount) for row in found.rows] == [
        (True, None, D("-7.00")), (False, date(2026, 1, 15), D("-500.00")),
    ]  # fmt: skip
    assert not found.rejected


def test_states_are_read_in_more_languages(reading):
    rows = "15/01/2026;Bar;-1,00;Contabilizzato\n16/01/2026;Bar;-2,00;Rifiutata\n17/01/2026;Bar;-3,00;In attesa\n"
    found = reading(f"Data;Descrizione;Importo;Stato\n{rows}")
    assert [(row.amount, row.pending) for row in found.rows] == [(D("-1.00"), False), (D("-3.00"), True)]
