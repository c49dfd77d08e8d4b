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


@pytest.mark.parametrize(
    ("option", "days"),
    [
        ("!Option:MDY\n!Type:Bank\n", [date(2026, 3, 4), date(2026, 5, 2)]),
        ("!Type:Bank\n!Option:DMY\n", [date(2026, 4, 3), date(2026, 2, 5)]),
    ],
)
def test_a_file_may_state_the_order_itself(qif, option, days):
    found = qif(f"{option}D03/04/2026\nT-1.50\n^\nD05/02/2026\nT-2.00\n^\n")
    assert [row.booking_on for row in found.rows] == days


def test_days_that_contradict_the_stated_order_count(qif):
    found = qif("!Option:MDY\n!Type:Bank\nD25/04/2026\nT-1.50\n^\nD26/04/2026\nT-2.00\n^\n")
    assert [row.booking_on for row in found.rows] == [date(2026, 4, 25), date(2026, 4, 26)]


def test_what_decides_the_order_is_said(qif):
    found = qif("!Type:Bank\n" + "".join(f"D{day}\nT-1.50\n^\n" for day in ("02/03/26", "03/03/26", "01/04/26")))
    assert [row.booking_on for row in found.rows] == [date(2026, 3, 2), date(2026, 3, 3), date(2026, 4, 1)]
    assert any("day and month fit both ways; read as dmy" in warning for warning in found.warnings)


def test_quicken_pads_days_with_spaces(qif):
    found = qif("!Type:Bank\nD6/ 1/94\nT-1.50\n^\nD11/26/94\nT-2.00\n^\nD1/ 3'24\nT-3.00\n^\n")
    assert [row.booking_on for row in found.rows] == [date(1994, 6, 1), date(1994, 11, 26), date(2024, 1, 3)]


def test_a_currency_that_nobody_states_is_said(qif):
    assert any("no currency is stated" in warning for warning in qif(BANK).warnings)
    assert not any("no currency" in warning for warning in qif(BANK, account={"currency": "USD"}).warnings)


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
