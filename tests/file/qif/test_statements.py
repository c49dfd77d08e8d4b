"""QIF: sections, ambiguous days and amounts, and damage."""

from datetime import date
from decimal import Decimal

import pytest

from worker.connectors.base import AccountType
from worker.connectors.errors import InvalidDataError

BANK = "!Type:Bank\nD1/31'26\nT-1,250.00\nPLandlord\nMRent\nLHousing\n^\nD2/1'26\nT2,000.50\nPEmployer\n^\n"


@pytest.fixture
def qif(reading):
    def read(content, **stated):
        return reading(content, name="a.qif", **stated)

    return read


def test_days_amounts_and_texts_are_read(qif):
    found = qif(BANK)
    assert [(row.booking_on, row.amount, row.description) for row in found.rows] == [
        (date(2026, 1, 31), Decimal("-1250.00"), "Landlord Rent"),
        (date(2026, 2, 1), Decimal("2000.50"), "Employer"),
    ]


def test_the_whole_file_decides_the_order_of_day_and_month(qif):
    found = qif("!Type:Bank\nD03/04/2026\nT-1,50\n^\nD25/04/2026\nT-2,00\n^\n")
    assert [row.booking_on for row in found.rows] == [date(2026, 4, 3), date(2026, 4, 25)]


def test_days_that_fit_both_orders_are_asked_for(qif):
    content = "!Type:Bank\nD03/04/2026\nT-1.50\n^\nD05/02/2026\nT-2.00\n^\n"
    with pytest.raises(InvalidDataError, match="--date-order"):
        qif(content)
    assert qif(content, date_order="dmy").rows[0].booking_on == date(2026, 4, 3)


def test_sections_are_accounts_of_their_types_with_the_currency_that_is_stated(qif):
    card = "!Account\nNGold card\nTCCard\n^\n!Type:CCard\nD1/30/26\nT-9.00\nPShop\n^\n"
    found = qif(BANK + card, account={"currency": "USD"})
    assert [(one.account_type, one.currency) for one in found.accounts] == [
        (AccountType.CHECKING, "USD"),
        (AccountType.CREDIT, "USD"),
    ]
    assert found.accounts[1].name == "Gold card"


def test_lists_and_securities_are_left_out_and_counted(qif):
    found = qif(BANK + "!Type:Invst\nD1/30/26\nNBuy\nYACME\nT100.00\n^\n!Type:Cat\nNHousing\nE\n^\n")
    assert len(found.rows) == 2
    assert any("2 records of lists and securities" in warning for warning in found.warnings)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (BANK.replace("^\nD2", "D2"), "run together"),
        (BANK.replace("T2,000.50\n", ""), "has no amount"),
        (BANK.replace("D2/1'26\n", ""), "has no date"),
    ],
)
def test_a_damaged_record_is_rejected(qif, content, reason):
    assert reason in qif(content).rejected[0]


def test_a_file_that_ends_in_the_middle_says_so(qif):
    found = qif(BANK.removesuffix("^\n"))
    assert len(found.rows) == 2
    assert any("not ended" in warning for warning in found.warnings)


def test_an_opening_balance_is_no_income(qif):
    found = qif("!Type:Bank\nD13/01/2026\nT100.00\nPOpening Balance\nL[Bank]\n^\nD14/01/2026\nT-5.00\nPShop\n^\n")
    assert found.amounts == [Decimal("-5.00")]


def test_a_void_transaction_is_left_out_and_counted(qif):
    found = qif("!Type:Bank\nD13/01/2026\nT-10.00\nP**VOID**Shop\n^\nD14/01/2026\nT-5.00\nPShop\n^\n")
    assert found.amounts == [Decimal("-5.00")]
    assert any("a void transaction" in warning for warning in found.warnings)


def test_parts_that_miss_the_whole_are_told(qif):
    found = qif("!Type:Bank\nD13/01/2026\nT-10.00\nSFood\n$-6.00\nSBeer\n$-3.00\n^\n")
    assert any("the parts of a split make -9.00, the whole -10.00" in warning for warning in found.warnings)


def test_two_amounts_of_one_transaction_are_rejected(qif):
    found = qif("!Type:Bank\nD13/01/2026\nT-10.00\nU-11.00\n^\nD14/01/2026\nT-5.00\n^\n")
    assert found.amounts == [Decimal("-5.00")]
    assert "two amounts" in found.rejected[0]


CARD = "!Type:CCard\nD13/01/2026\nT10.00\nPShop\n^\nD14/01/2026\nT20.00\nPShop\n^\n"


def test_positive_purchases_of_a_card_are_asked_about(qif):
    with pytest.raises(InvalidDataError, match="--positive-is"):
        qif(CARD)
    assert qif(CARD, positive_is="out").amounts == [Decimal("-10.00"), Decimal("-20.00")]
