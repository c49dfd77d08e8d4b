"""Tables whose column names nobody knows, or that have none: what the columns hold follows from their values."""

import pytest

from worker.connectors.errors import InvalidDataError

ROWS = (
    ("2026-01-13", "Cafe Central", "-4.50", "995.50"),
    ("2026-01-13", "Cafe Central", "-4.50", "991.00"),
    ("2026-01-15", "Acme Works", "2450.00", "3441.00"),
    ("2026-01-19", "Housing Co", "-1210.35", "2230.65"),
)
AMOUNTS = ["-4.50", "-4.50", "2450.00", "-1210.35"]


def table(*columns, header=None, between=";"):
    """Return a CSV of the rows; a column is a place in them, or a function of a row."""
    cells = [[row[one] if isinstance(one, int) else one(row) for one in columns] for row in ROWS]
    return "\n".join(between.join(line) for line in ([header] if header else []) + cells) + "\n"


def paid(row):
    return row[2].removeprefix("-") if row[2].startswith("-") else ""


def received(row):
    return "" if row[2].startswith("-") else row[2]


READ = {
    "day, text, amount": table(0, 1, 2),
    "amount first, behind a tab": table(2, 0, 1, between="\t"),
    "with the balance after each row": table(0, 1, 2, 3),
    "money out, money in, balance": table(0, 1, paid, received, 3),
    "money in before money out": table(1, received, paid, 3, 0),
    "money out with a minus, money in without": table(0, 1, lambda row: row[2] if paid(row) else "", received),
    "a currency and a number of one's own": table(lambda _: "DE89370400440532013000", 1, 0, 2, lambda _: "EUR"),
    "a count and a constant rate": table(lambda row: row[3][:1], 0, 1, 2, lambda _: "1"),
    "names in a language that is not known": table(0, 1, 2, 3, header=["Dag", "Wat", "Hoeveel", "Over"]),
    "one name is known and another means something else": table(
        0, 1, 2, 3, header=["Date", "Description", "Value", "Balance"]
    ),
    "the amount also as money out and in": table(0, 1, 2, paid, received, header=["Dag", "Wat", "Netto", "Weg", "Bij"]),
    "lines above": "Some bank;;\nFrom 2026-01-01;;\n\n" + table(0, 1, 2, header=["Dag", "Wat", "Hoeveel"]),
}


@pytest.mark.parametrize("content", READ.values(), ids=READ)
def test_columns_without_a_known_name_are_read_as_what_they_hold(reading, content):
    found = reading(content)
    assert [f"{row.amount}" for row in found.rows] == AMOUNTS
    assert [row.booking_on.day for row in found.rows] == [13, 13, 15, 19]
    assert ["Cafe Central" in row.description for row in found.rows] == [True, True, False, False]
    assert any("are read as what they hold" in warning for warning in found.warnings)


def test_the_balances_tell_which_of_two_columns_moved_them(reading):
    noise = iter(("7.25", "3.10", "9.99", "4.40"))
    found = reading(table(0, 1, lambda _: next(noise), 2, 3), ignored=["column 3"])
    assert [f"{row.amount}" for row in found.rows] == AMOUNTS


def test_the_first_of_two_days_is_that_of_the_booking_and_both_are_named(reading):
    found = reading(table(0, lambda row: row[0].replace("-01-", "-02-"), 1, 2))
    assert [(row.booking_on.month, row.value_on.month) for row in found.rows] == [(1, 2)] * 4
    assert any("'column 1' = date, 'column 2' = value_date" in warning for warning in found.warnings)


def test_the_currency_and_the_number_of_the_account_are_found(reading):
    found = reading(table(lambda _: "DE89370400440532013000", 1, 0, 2, lambda _: "EUR"))
    assert [(one.currency, one.anchor) for one in found.accounts] == [("EUR", "iban:DE89370400440532013000")]


ASKED = {
    "two columns may be the amount": (table(0, 1, 2, lambda row: row[2].replace("5", "6")), "no column of dates"),
    "nothing tells money out from money in": (table(0, 1, paid, received), "no column of dates"),
    "all amounts are positive": (table(0, 1, lambda row: row[2].removeprefix("-")), "--positive-is"),
    "numbers without decimals may count something": (table(0, 1, lambda row: row[2][-2:]), "no column of dates"),
    "one row proves no column": (";".join(ROWS[0][:3]), "no column of dates"),
}


@pytest.mark.parametrize(("content", "said"), ASKED.values(), ids=ASKED)
def test_what_the_values_leave_open_is_asked_for(reading, content, said):
    with pytest.raises(InvalidDataError, match=said):
        reading(content)


@pytest.mark.parametrize("columns", [30, 900])
def test_many_columns_of_numbers_are_refused_at_once(reading, columns):
    lines = [
        ";".join([f"2026-01-{day}", *(f"{day * place}.5{place % 9}" for place in range(columns))])
        for day in range(10, 29)
    ]
    with pytest.raises(InvalidDataError, match="no column of dates"):
        reading("\n".join(lines) + "\n")


def test_a_layout_without_header_is_recognised_only_where_its_amounts_are_amounts(reading):
    lines = (f"{row[0]},{row[2]},123456789,,{'DEBIT' if paid(row) else 'CREDIT'},{row[1]},{row[3]}" for row in ROWS)
    assert [f"{row.amount}" for row in reading("\n".join(lines) + "\n").rows] == AMOUNTS
