"""Lines that only go on with the text of the booking above them."""

import pytest

from worker.connectors.errors import InvalidDataError

HEAD = "Date,Description,Amount\n"


def test_a_text_alone_in_its_column_goes_on_with_the_booking_above_it(reading):
    found = reading(
        f"{HEAD}2026-01-13,DEBIT PURCHASE,-4.50\n,Cafe Central,\n,card 4411,\n2026-01-15,SALARY,20.00\n,Acme,\n"
    )
    assert [row.description for row in found.rows] == ["DEBIT PURCHASE Cafe Central card 4411", "SALARY Acme"]
    assert any("5 transaction" in warning for warning in found.warnings)


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("Pending,,", id="a title"),
        pytest.param(",Pending transactions,", id="a title in the column of texts"),
        pytest.param(",Closing balance,", id="a balance"),
        pytest.param(",Total,", id="a total"),
        pytest.param(",Cafe,-1.00", id="an amount without a day"),
    ],
)
def test_no_other_line_becomes_a_part_of_a_booking(reading, line):
    found = reading(f"{HEAD}2026-01-13,Shop,-4.50\n2026-01-15,Acme,20.00\n{line}\n")
    assert [row.description for row in found.rows] == ["Shop", "Acme"]


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(",Account: 222,", id="a number"),
        pytest.param(",DE89370400440532013000,", id="an IBAN"),
        pytest.param(",USD transactions,", id="a currency"),
    ],
)
def test_a_title_of_another_account_or_currency_is_refused_also_in_the_column_of_texts(reading, line):
    rows = f"{HEAD}2026-01-13,Shop,-4.50\n2026-01-15,Acme,20.00\n{line}\n2026-01-16,Bar,-1.00\n"
    with pytest.raises(InvalidDataError, match="begin"):
        reading(rows)


def test_the_number_of_the_other_side_among_other_words_goes_on_with_the_text(reading):
    found = reading(f"{HEAD}2026-01-13,Shop,-4.50\n,to DE89370400440532013000,\n2026-01-15,Acme,20.00\n")
    assert [row.description for row in found.rows] == ["Shop to DE89370400440532013000", "Acme"]


def test_a_text_below_no_booking_is_a_remark(reading):
    found = reading(f"{HEAD},A word,\n2026-01-13,Shop,-4.50\n2026-01-15,Acme,20.00\n")
    assert [row.description for row in found.rows] == ["Shop", "Acme"]
    assert any("a line that is no booking" in warning for warning in found.warnings)
