"""Columns beside those whose names are known: their values say what they hold, or that they say nothing new."""

from decimal import Decimal

import pytest

from worker.connectors.errors import InvalidDataError

HEAD = "Buchungstag;Empfänger;Betrag"
LINES = (
    "13.01.2026;Cafe Central;-4,50",
    "15.01.2026;Acme Works;2450,00",
    "19.01.2026;Housing Co;-1210,35",
    "20.01.2026;Kiosk;-3,00",
)


def beside(name, *cells):
    """Return a CSV with one more column."""
    return "\n".join(f"{line};{cell}" for line, cell in zip((HEAD, *LINES), (name, *cells), strict=True)) + "\n"


def test_balances_are_known_by_following_from_the_amounts(reading):
    found = reading(beside("Danach", "995,50", "3445,50", "2235,15", "2232,15"))
    assert found.accounts[0].balance.amount == Decimal("2232.15")


@pytest.mark.parametrize(
    "cells",
    [
        pytest.param(("-4,50", "2450,00", "-1210,35", "-3,00"), id="once more"),
        pytest.param(("4,50", "2450,00", "1210,35", "3,00"), id="without a sign"),
        pytest.param(("-4,5", "", "-1.210,35", "-3"), id="only money out, written otherwise"),
        pytest.param(("0,00", "0,00", "0,00", "0,00"), id="nothing"),
        pytest.param(("1000,00", "995,50", "3445,50", "2235,15"), id="the balance before"),
    ],
)
def test_an_unread_column_that_repeats_the_amounts_is_no_question(reading, cells):
    assert [f"{row.amount}" for row in reading(beside("Nochmals", *cells)).rows] == [
        "-4.50",
        "2450.00",
        "-1210.35",
        "-3.00",
    ]


def test_one_row_that_differs_makes_it_a_question(reading):
    with pytest.raises(InvalidDataError, match="column 'nochmals' looks like an amount"):
        reading(beside("Nochmals", "-4,50", "2450,00", "-1210,36", "-3,00"))


def test_every_column_of_texts_belongs_to_the_description(reading):
    found = reading(beside("Wofür", "ein Kaffee", "Gehalt Januar", "Miete Januar", "Zeitung"))
    assert [row.description.rsplit(" ", 1)[-1] for row in found.rows] == ["Kaffee", "Januar", "Januar", "Zeitung"]


@pytest.mark.parametrize(
    ("name", "cells"),
    [
        pytest.param("Kategorie", ("Essen gehen", "Gehalt", "Wohnen", "Zeitung"), id="what a person sorts by"),
        pytest.param("Vorgangsnummer", ("A17X", "B22Y", "C31Z", "D44W"), id="numbers of the bank"),
        pytest.param("Inhaber", ("Jane Roe",) * 4, id="the same in every row"),
    ],
)
def test_what_is_no_text_of_the_row_is_left_out_of_it(reading, name, cells):
    assert all(row.description == row.counterparty for row in reading(beside(name, *cells)).rows)


@pytest.mark.parametrize(
    ("name", "cells"),
    [
        ("Currency Code", ("EUR",) * 4),
        ("Devise", ("EUR",) * 4),
        ("Wofür", ("ein Kaffee", "Gehalt Januar", "Miete Januar", "Zeitung")),
        ("Beschreibung", ("ein Kaffee", "Gehalt Januar", "Miete Januar", "Zeitung")),
        ("Danach", ("995,50", "3445,50", "2235,15", "2232,15")),
    ],
)
def test_a_column_that_a_person_ignores_is_not_read_whatever_it_is_called_or_holds(reading, name, cells):
    found = reading(beside(name, *cells), ignored=[name])
    assert {row.currency for row in found.rows} == {None}
    assert all(row.description == row.counterparty for row in found.rows)
    assert found.accounts[0].balance is None


def test_a_day_of_booking_is_found_beside_a_known_day_of_value(reading):
    found = reading(
        "Data rejestru;Data valuta;Descrizione;Importo\n"
        "13.01.2026;14.01.2026;Bar;-4,50\n15.01.2026;16.01.2026;Ditta;20,00\n"
    )
    assert [(row.booking_on.day, row.value_on.day) for row in found.rows] == [(13, 14), (15, 16)]


def test_a_name_of_a_day_over_currencies_is_a_currency(reading):
    found = reading(
        "Data;Data valuta;Importo;Valuta\n13.01.2026;14.01.2026;-4,50;EUR\n15.01.2026;16.01.2026;20,00;EUR\n"
    )
    assert [(row.value_on.day, row.currency) for row in found.rows] == [(14, "EUR"), (16, "EUR")]


def test_a_column_called_after_the_other_side_may_hold_its_numbers(reading):
    found = reading(
        "Date,Amount,Counterparty,Name\n2026-01-13,-4.50,NL91ABNA0417164300,Cafe\n2026-01-15,20.00,DE89370400440532013000,Acme\n"
    )
    assert [(row.counterparty, row.counterparty_account[:2]) for row in found.rows] == [("Cafe", "NL"), ("Acme", "DE")]


def test_one_status_of_all_rows_that_nobody_knows_is_asked_about(reading):
    content = beside("Status", *["Zurückgestellt"] * 4)
    with pytest.raises(InvalidDataError, match="column 'status' looks like a status"):
        reading(content)
    assert len(reading(content, ignored=["Status"]).rows) == 4


@pytest.mark.parametrize(
    ("name", "currency"),
    [("Amount (INR )", "INR"), ("Määrä EUROA", "EUR"), ("入出金(円)", "JPY"), ("거래금액(원)", "KRW")],
)
def test_a_currency_in_the_name_of_the_amounts_is_read(reading, name, currency):
    found = reading(
        f"Date,Description,{name}\n2026-01-13,A shop,-450\n2026-01-15,A firm,2000\n2026-01-16,A shop,-450\n"
    )
    assert {row.currency for row in found.rows} == {currency}


def test_a_currency_beside_the_balances_is_that_of_the_rows(reading):
    found = reading(
        "Date,Description,Amount,Balance\n2026-01-13,A shop,-4.50,£995.50\n2026-01-15,A firm,20.00,£1015.50\n"
    )
    assert {row.currency for row in found.rows} == {"GBP"}


def test_amounts_below_a_thousand_tell_that_a_mark_sets_off_thousands(reading):
    rows = (
        '2026-01-13,A shop,450,\n2026-01-14,A shop,"1,200",\n2026-01-15,A firm,,"245,000"\n2026-01-19,Rent,"121,035",\n'
    )
    found = reading("Date,Description,Debit,Credit\n" + rows)
    assert [f"{row.amount}" for row in found.rows] == ["-450", "-1200", "245000", "-121035"]


def test_a_thousand_without_the_mark_leaves_the_question_open(reading):
    rows = "2026-01-13,A,450\n2026-01-14,A,1.200\n2026-01-15,A,245.000\n2026-01-16,A,-12.000\n2026-01-19,A,1450\n"
    with pytest.raises(InvalidDataError, match="--decimal"):
        reading("Date,Description,Amount\n" + rows)


@pytest.mark.parametrize(
    ("stated", "amounts"), [("out", ["-67.40", "-8.99", "1100.00"]), ("in", ["67.40", "8.99", "1100.00"])]
)
def test_a_plus_keeps_its_direction_whatever_amounts_without_a_sign_mean(reading, stated, amounts):
    rows = 'Date,Description,Amount\n2026-01-13,A,£67.40\n2026-01-14,B,£8.99\n2026-01-15,Paid,"+ £1,100.00"\n'
    with pytest.raises(InvalidDataError, match="2 amounts stand without a sign beside others with a plus"):
        reading(rows)
    assert [f"{row.amount}" for row in reading(rows, positive_is=stated).rows] == amounts


@pytest.mark.parametrize("title", ["|SALDO FINALE", "Likutis pabaigai", "Loppusaldo 31.1.2026", "záró egyenleg"])
def test_a_row_that_states_a_balance_is_no_booking(reading, title):
    found = reading(f"{HEAD}\n" + "\n".join(LINES) + f"\n31.01.2026;{title};1232,15\n")
    assert len(found.rows) == 4


def test_a_row_without_a_text_of_its_own_may_state_its_balance_in_any_column(reading):
    lines = "\n".join(f"{line};" for line in LINES)
    found = reading(f"{HEAD};Referenz\n01.01.2026;;1000,00;Anfangssaldo\n{lines}\n")
    assert len(found.rows) == 4


@pytest.mark.parametrize("moment", ["13/01/2026-10:11:12", "2026-01-13-10.11.12.471920"])
def test_a_time_behind_a_dash_belongs_to_no_day(reading, moment):
    found = reading(f"Date,Description,Amount\n{moment},A shop,-4.50\n{moment},A firm,20.00\n")
    assert [row.booking_on.day for row in found.rows] == [13, 13]
