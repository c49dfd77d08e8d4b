"""MT940 and MT942 as banks write them."""

from datetime import date
from decimal import Decimal

import pytest

from worker.connectors.errors import InvalidDataError

GERMAN = """:20:STARTUMSE
:25:37040044/0532013000
:28C:00001/001
:60F:C260131EUR1000,00
:61:2602010201DR12,50NDDTNONREF
:86:105?00Lastschrift?10931?20EREF+E2E-1?21SVWZ+Strom Januar?30COBADEFF?31DE02120300000000202051?32Stadtwerke
:61:2602020202CR200,NTRFNONREF
:86:166?00Gutschrift?20SVWZ+Lohn?32Arbeit GmbH
:61:2602020202RC5,00NTRFNONREF
:86:159?00Storno?20SVWZ+Irrtum
:62F:C260202EUR1182,50
-
"""


@pytest.fixture
def swift(reading):
    def read(content, **stated):
        return reading(content, name="a.sta", **stated)

    return read


def test_a_german_statement_is_read_with_names_accounts_and_references(swift):
    found = swift(GERMAN)
    assert found.amounts == [Decimal("-12.50"), Decimal(200), Decimal("-5.00")]
    first = found.rows[0]
    assert (first.counterparty, first.counterparty_account) == ("Stadtwerke", "DE02120300000000202051")
    assert (first.description, first.reference, first.currency) == ("Strom Januar", "E2E-1", "EUR")
    assert (first.booking_on, first.value_on, first.external_id) == (date(2026, 2, 1), date(2026, 2, 1), None)
    assert found.accounts[0].anchor == "iban:DE89370400440532013000"
    assert found.accounts[0].balance.amount == Decimal("1182.50")
    assert not [warning for warning in found.warnings if "miss" in warning]


DRESSES = {
    "envelopes": lambda text: (
        "{1:F01BANKDEFFXXXX0000000000}{2:O940BANKDEFFXXXXN}{3:}{4:\n" + text.replace("-\n", "-}{5:}\n")
    ),
    "envelope on the first line": lambda text: "{1:F01BANKDEFFXXXX0000000000}{4:" + text,
    "CRLF": lambda text: text.replace("\n", "\r\n"),
    "a byte order mark": lambda text: "\ufeff" + text,
    "blanks at line ends": lambda text: text.replace("\n", "   \n"),
    "empty lines": lambda text: text.replace("\n:61", "\n\n:61"),
    "lower case marks": lambda text: text.replace("DR12,50", "dr12,50").replace("RC5", "rc5"),
    "angled sub-fields": lambda text: text.replace("?", ">"),
    "no last dash": lambda text: text.removesuffix("-\n"),
}


@pytest.mark.parametrize("dress", DRESSES.values(), ids=DRESSES)
def test_a_dialect_changes_nothing(swift, dress):
    facts = [(row.amount, row.booking_on, row.description, row.counterparty) for row in swift(GERMAN).rows]
    assert [
        (row.amount, row.booking_on, row.description, row.counterparty) for row in swift(dress(GERMAN)).rows
    ] == facts


def test_an_iban_with_its_currency_behind_it_is_the_anchor(swift):
    found = swift(GERMAN.replace("37040044/0532013000", "DE89370400440532013000EUR"))
    assert found.accounts[0].anchor == "iban:DE89370400440532013000"


def test_a_booking_in_january_of_a_value_in_december_is_in_the_next_year(swift):
    found = swift(GERMAN.replace(":61:2602010201", ":61:2512310102"))
    assert (found.rows[0].booking_on, found.rows[0].value_on) == (date(2026, 1, 2), date(2025, 12, 31))


def test_statements_of_several_days_follow_one_another(swift):
    second = GERMAN.replace(":60F:C260131EUR1000,00", ":60F:C260202EUR1182,50").replace(
        "EUR1182,50\n-", "EUR1365,00\n-"
    )
    found = swift(GERMAN + second)
    assert len(found.rows) == 6
    assert (len(found.accounts), found.accounts[0].balance.amount) == (1, Decimal("1365.00"))


def test_a_statement_that_does_not_add_up_is_read_with_a_warning(swift):
    found = swift(GERMAN.replace("EUR1182,50", "EUR9999,00"))
    assert len(found.rows) == 3
    assert any("miss the closing balance" in warning for warning in found.warnings)


def test_a_bad_line_is_rejected_with_its_line_and_the_others_are_kept(swift):
    found = swift(GERMAN.replace("2602020202CR200,", "2602020202XX200,"))
    assert found.amounts == [Decimal("-12.50"), Decimal("-5.00")]
    assert found.rejected == ["a.sta, line 7: field :61: fits no known form (date, C or D, amount, type)"]


def test_a_line_that_cannot_be_read_is_not_logged(swift, caplog):
    swift(GERMAN.replace("2602020202CR200,", "2602020202XX200,SECRET"))
    assert "SECRET" not in caplog.text


def test_lines_of_a_day_that_is_not_over_are_pending(swift):
    interim = (
        ":20:X\n:25:NL91ABNA0417164300\n:28C:1\n:34F:EURD0,00\n:13D:2602011200+0100\n"
        ":61:2602010201D5,00NTRFNONREF\n:86:Shop\n:90D:1EUR5,00\n-\n"
    )
    [row] = swift(interim).rows
    assert (row.pending, row.amount, row.currency) == (True, Decimal("-5.00"), "EUR")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (":20:X\n:60F:C260131EUR1,00\n:61:2602010201D5,00NTRFNONREF\n", "line 1: the statement names no account"),
        (":20:X\n", "holds no MT940"),
    ],
)
def test_a_file_without_a_statement_is_refused(swift, content, reason):
    with pytest.raises(InvalidDataError, match=reason):
        swift(content)


def page(number: int, opening: str, closing: str, kinds: str) -> str:
    return (
        f":20:X\n:25:12345678\n:28C:1/{number}\n:60{kinds[0]}:C260131EUR{opening}\n:61:2602010201D1,00NTRFNONREF\n"
        f":62{kinds[1]}:C260201EUR{closing}\n-\n"
    )


def test_a_missing_page_is_told_although_its_neighbours_fit(swift):
    found = swift(page(1, "9,00", "8,00", "FM") + page(3, "8,00", "7,00", "MF"))
    assert any("page 3 of statement 1 follows page 1" in warning for warning in found.warnings)


def test_the_first_sign_of_a_message_that_is_cut_off_is_told(swift):
    found = swift("{1:F01X}{2:O940X}{4:\n" + page(1, "9,00", "8,00", "FF").rstrip("-\n") + "\n-}\n{")
    assert any("cut off" in warning for warning in found.warnings)


@pytest.mark.parametrize("sign", ["?", ">", "~", "<", "^"])
def test_sub_fields_may_be_set_off_by_another_sign(swift, sign):
    content = GERMAN.replace("105?00", f"105{sign}00").replace("?20EREF", f"{sign}20EREF").replace("?21S", f"{sign}21S")
    found = swift(content.replace("?31", f"{sign}31").replace("?32Stadt", f"{sign}32Stadt"))
    first = found.rows[0]
    assert (first.counterparty, first.reference) == ("Stadtwerke", "E2E-1")
    assert first.description.startswith("Strom Januar")


def test_a_word_for_the_kind_of_reference_is_none(swift):
    assert swift(GERMAN.replace("NTRFNONREF", "NTRFPREF")).rows[1].reference is None


def test_a_currency_that_no_balance_states_is_said_unless_a_person_states_it(swift):
    content = GERMAN.replace("EUR1", "1")
    assert any("no currency is stated" in warning for warning in swift(content).warnings)
    assert [row.currency for row in swift(content, account={"currency": "CHF"}).rows] == ["CHF"] * 3


def test_a_doubt_about_a_number_is_said_once(swift):
    pages = GERMAN.replace("37040044/0532013000", "DE89370400440532013009")
    warnings = swift(pages + pages.replace("C260131EUR1000,00", "C260202EUR1182,50")).warnings
    assert sum("check digits" in warning for warning in warnings) == 1


INTERIM = (
    ":20:X\n:25:12345678\n:28C:1\n:34F:EUR0,00\n:13D:2601131200+0100\n:61:2601130113D20,00NMSCNONREF\n"
    ":61:2601130113C5,00NMSCNONREF\n:61:2601130113RC1,00NMSCNONREF\n:90D:{}\n:90C:{}\n-\n"
)


@pytest.mark.parametrize(
    ("paid", "received", "said"),
    [
        ("2EUR21,00", "1EUR5,00", []),
        ("00002EUR21,", "1EUR5,00", []),
        ("3EUR21,00", "1EUR5,00", ["says 3 debits and holds 2"]),
        ("2EUR21,00", "1EUR1.005,00", ["says credits of 1005.00, they sum to 5.00"]),
    ],
)
def test_lines_of_an_interim_report_are_compared_with_the_numbers_and_sums_it_states(swift, paid, received, said):
    found = swift(INTERIM.format(paid, received))
    told = [warning.partition("the statement ")[2] for warning in found.warnings if "the statement says" in warning]
    assert (len(found.rows), told) == (3, said)


@pytest.mark.parametrize("tag", [":6>:", ":61000:", ":6", "x61:", ":"])
def test_a_line_whose_tag_is_damaged_is_no_text_of_the_line_before_it(swift, tag):
    found = swift(INTERIM.partition(":90D")[0].replace(":61:2601130113C", f":86:Shop\n{tag}2601130113C"))
    assert ([row.amount for row in found.rows], len(found.rejected)) == ([Decimal(-20), Decimal(-1)], 1)
