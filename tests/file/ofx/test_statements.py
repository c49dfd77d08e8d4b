"""OFX as banks write it: closed or not, upper or lower case, cards, several statements, and what is no statement."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from worker.connectors.base import AccountType, IdClass, TransactionKind
from worker.connectors.errors import InvalidDataError
from worker.connectors.file.ofx.statements import OfxReader
from worker.connectors.file.ofx.values import parse_ofx_day, parse_ofx_moment

HEAD = "OFXHEADER:100\nDATA:OFXSGML\nVERSION:102\nENCODING:USASCII\nCHARSET:1252\n\n"
ACCOUNT = "<BANKACCTFROM><BANKID>123<ACCTID>00987654321<ACCTTYPE>CHECKING</BANKACCTFROM>"


def bank(rows: str, *, account: str = ACCOUNT, after: str = "") -> str:
    return (
        f"{HEAD}<OFX><SIGNONMSGSRSV1><SONRS><FI><ORG>My Bank</FI></SONRS></SIGNONMSGSRSV1><BANKMSGSRSV1><STMTTRNRS>"
        f"<STMTRS><CURDEF>usd{account}<BANKTRANLIST><DTSTART>20260101<DTEND>20260131{rows}</BANKTRANLIST>"
        f"<LEDGERBAL><BALAMT>100.00<DTASOF>20260131120000[-5:EST]</LEDGERBAL></STMTRS></STMTTRNRS></BANKMSGSRSV1>{after}</OFX>"
    )


def row(amount: str = "-5.00", day: str = "20260115", fitid: str = "A-2026-1", more: str = "<NAME>Shop") -> str:
    return f"<STMTTRN><TRNTYPE>POS<DTPOSTED>{day}<TRNAMT>{amount}<FITID>{fitid}{more}</STMTTRN>"


def test_a_statement_without_closing_tags_is_read_whole(reading):
    found = reading(bank(row(more="<NAME>Shop\n<MEMO>Shop Berlin &amp; more\n<CHECKNUM>\n")), name="a.qfx")
    [transaction], [account] = found.rows, found.accounts
    assert (transaction.amount, transaction.currency, transaction.booking_on) == (
        Decimal("-5.00"),
        "USD",
        date(2026, 1, 15),
    )
    assert (transaction.description, transaction.counterparty) == ("Shop Berlin & more", "Shop")
    assert (transaction.external_id, transaction.kind) == ("A-2026-1/2026-01-15/-5.00", TransactionKind.PURCHASE)
    assert (account.name, account.account_type, account.id_class) == (
        "My Bank checking 4321",
        AccountType.CHECKING,
        IdClass.STABLE,
    )
    assert (account.balance.amount, account.balance.at) == (Decimal("100.00"), datetime(2026, 1, 31, 17, tzinfo=UTC))
    assert found.pages[-1].covers is None  # the days an OFX file states are those asked for, and prove nothing


def test_lower_case_xml_with_an_indent_is_the_same_statement(reading):
    sgml = reading(bank(row()), name="a.ofx")
    xml = '<?xml version="1.0"?>\n<?OFX OFXHEADER="200" VERSION="211"?>\n' + bank(row()).removeprefix(HEAD).lower()
    lowered = reading(xml.replace("<name>shop", "<name>Shop"), name="b.ofx")
    assert [(one.amount, one.booking_on, one.description) for one in sgml.rows] == [
        (one.amount, one.booking_on, one.description) for one in lowered.rows
    ]
    assert sgml.accounts[0].external_id == lowered.accounts[0].external_id


def test_a_card_statement_is_a_credit_account(reading):
    content = bank(row()).replace("STMTRS>", "CCSTMTRS>").replace("BANKACCTFROM>", "CCACCTFROM>")
    account = reading(content.replace("<ACCTTYPE>CHECKING", "").replace("<BANKID>123", ""), name="a.ofx").accounts[0]
    assert (account.account_type, account.mask) == (AccountType.CREDIT, "4321")


def test_several_statements_are_several_accounts(reading):
    second = bank(row("9.00", fitid="B-2026-1"), account=ACCOUNT.replace("4321", "5555")).removeprefix(HEAD)
    found = reading(bank(row()).replace("</OFX>", second.replace("<OFX>", "")), name="a.ofx")
    assert [
        (account.mask, transaction.amount) for account, transaction in zip(found.accounts, found.rows, strict=True)
    ] == [
        ("4321", Decimal("-5.00")),
        ("5555", Decimal("9.00")),
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("-1,250.00", "-1250.00"), ("-12,50", "-12.50"), ("+3", "3"), ("-1.234,56", "-1234.56"), ("  -.5 ", "-0.5")],
)
def test_an_amount_is_read_with_point_or_comma(reading, text, expected):
    assert reading(bank(row(text)), name="a.ofx").amounts == [Decimal(expected)]


@pytest.mark.parametrize("text", ["1e5", "NaN", "$5", "", "5-5", "99999999999999999999"])
def test_an_amount_that_is_none_is_one_rejected_row(reading, text):
    found = reading(bank(row(text) + row(fitid="A-2026-2")), name="a.ofx")
    assert (len(found.rows), len(found.rejected)) == (1, 1)
    assert "a.ofx, line 7" in found.rejected[0]


def test_a_transaction_in_a_foreign_currency_keeps_it(reading):
    foreign = "<NAME>Shop<CURRENCY><CURRATE>1.1<CURSYM>EUR</CURRENCY>"
    original = "<NAME>Shop<ORIGCURRENCY><CURRATE>1.1<CURSYM>EUR</ORIGCURRENCY>"
    found = reading(bank(row(more=foreign) + row(fitid="A-2026-2", more=original)), name="a.ofx")
    assert [one.currency for one in found.rows] == ["EUR", "USD"]


def test_ids_used_twice_for_different_payments_are_no_identities(reading):
    found = reading(bank(row() + row("-9.00", fitid="A-2026-1")), name="a.ofx")
    assert [one.external_id for one in found.rows] == ["A-2026-1", "A-2026-1"]
    assert found.accounts[0].id_class is IdClass.NONE
    assert any("two different transactions" in warning for warning in found.warnings)


def test_ids_that_count_the_lines_are_no_identities(reading):
    found = reading(bank(row(fitid="1") + row("-9.00", fitid="2")), name="a.ofx")
    assert found.accounts[0].id_class is IdClass.NONE


def test_a_file_cut_off_in_the_middle_is_refused_with_its_line(reading):
    whole = bank(row() + row(fitid="A-2026-2"))
    with pytest.raises(InvalidDataError, match=r"a\.ofx, line 7: the file ends in the middle"):
        reading(whole[: whole.index("A-2026-2")], name="a.ofx")


@pytest.mark.parametrize("size", [1, 2, 7, 64, 10_000])
def test_pieces_of_any_size_give_the_same_events(size):
    text = bank(row(more="<NAME><![CDATA[Fish & <Chips>]]>") + row(fitid="A-2026-2", more="<NAME>A < B & C"))
    whole = list(OfxReader().events([text]))
    assert list(OfxReader().events(text[at : at + size] for at in range(0, len(text), size))) == whole
    assert [event.transaction.description for event in whole if hasattr(event, "transaction")] == [
        "Fish & <Chips>",
        "A < B & C",
    ]


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("20260131", date(2026, 1, 31)),
        ("20260131235959", date(2026, 1, 31)),
        ("20260131003000.000[-5:EST]", date(2026, 1, 31)),
        ("20260131000000[0:GMT]", date(2026, 1, 31)),
        ("20260131120000.000[-:EST]", date(2026, 1, 31)),
    ],
)
def test_a_day_is_the_one_the_bank_wrote(text, day):
    assert parse_ofx_day(text) == day


def test_a_moment_is_known_only_with_its_offset():
    assert parse_ofx_moment("20260131120000[+5.5:IST]") == datetime(2026, 1, 31, 6, 30, tzinfo=UTC)
    assert parse_ofx_moment("20260131120000") is None
    assert parse_ofx_moment("20260131") is None


def typed(amount: str, kind: str, number: int, more: str = "<NAME>Shop") -> str:
    return f"<STMTTRN><TRNTYPE>{kind}<DTPOSTED>20260115<TRNAMT>{amount}<FITID>A-{number}{more}</STMTTRN>"


UNSIGNED = bank(typed("10.00", "DEBIT", 1) + typed("20.00", "CREDIT", 2) + typed("5.00", "POS", 3))


def test_signs_that_contradict_the_types_are_asked_about(reading):
    with pytest.raises(InvalidDataError, match="--direction-from sign or word"):
        reading(UNSIGNED, name="a.ofx")


@pytest.mark.parametrize(
    ("answer", "expected"), [("word", ["-10.00", "20.00", "-5.00"]), ("sign", ["10.00", "20.00", "5.00"])]
)
def test_what_is_stated_about_signs_and_types_counts(reading, answer, expected):
    assert reading(UNSIGNED, name="a.ofx", direction_from=answer).amounts == [Decimal(one) for one in expected]


def test_one_sign_against_its_type_counts_and_is_told(reading):
    found = reading(bank(typed("10.00", "DEBIT", 1) + typed("-3.00", "POS", 2)), name="a.ofx")
    assert found.amounts == [Decimal("10.00"), Decimal("-3.00")]
    assert any("contradicts its type" in warning for warning in found.warnings)


@pytest.mark.parametrize("kind", ["DEBIT", "PAYMENT", "CHECK", "CASH"])
def test_money_out_without_a_minus_in_a_file_without_any_is_asked_about(reading, kind):
    text = bank(typed("10.00", kind, 1) + typed("30.00", "CREDIT", 2))
    with pytest.raises(InvalidDataError, match="--direction-from"):
        reading(text, name="a.ofx")
    assert reading(text, name="a.ofx", direction_from="sign").amounts == [Decimal("10.00"), Decimal("30.00")]


def test_a_payment_of_a_card_without_a_minus_is_money_in(reading):
    text = bank(typed("10.00", "PAYMENT", 1)).replace("STMTRS>", "CCSTMTRS>").replace("BANKACCTFROM", "CCACCTFROM")
    assert reading(text, name="a.ofx").amounts == [Decimal("10.00")]


@pytest.mark.parametrize("kind", ["HOLD", "PENDING"])
def test_a_hold_is_pending(reading, kind):
    assert [row.pending for row in reading(bank(typed("-10.00", kind, 1)), name="a.ofx").rows] == [True]


CORRECTION = "<CORRECTFITID>A-1<CORRECTACTION>{}<NAME>Shop"


@pytest.mark.parametrize(("action", "expected"), [("REPLACE", ["-12.00"]), ("DELETE", [])])
def test_a_record_that_another_one_of_the_file_corrects_is_left_out(reading, action, expected):
    rows = typed("-12.00", "POS", 2, CORRECTION.format(action)) + typed("-10.00", "POS", 1)
    assert reading(bank(rows), name="a.ofx").amounts == [Decimal(one) for one in expected]


@pytest.mark.parametrize("action", ["REPLACE", "DELETE"])
def test_a_correction_of_a_record_of_another_file_is_rejected(reading, action):
    found = reading(bank(typed("-12.00", "POS", 2, CORRECTION.format(action)) + typed("-1.00", "POS", 3)), name="a.ofx")
    assert found.amounts == [Decimal("-1.00")]
    assert "not in this file" in found.rejected[0]


def test_a_row_in_another_currency_than_the_account_is_told(reading):
    found = reading(
        bank(typed("-10.00", "POS", 1, "<CURRENCY><CURRATE>1.1<CURSYM>EUR</CURRENCY><NAME>x")), name="a.ofx"
    )
    assert [row.currency for row in found.rows] == ["EUR"]
    assert any("1 rows are in EUR, the account in USD" in warning for warning in found.warnings)


def test_the_day_of_a_list_of_pending_transactions_is_no_stray_tag(reading):
    pending = "<STMTTRNP><TRNTYPE>DEBIT<DTTRAN>20260111<TRNAMT>-2.50<NAME>P</STMTTRNP>"
    listed = f"</BANKTRANLIST><BANKTRANLISTP><DTASOF>20260131{pending}</BANKTRANLISTP>"
    found = reading(bank(row()).replace("</BANKTRANLIST>", listed), name="a.ofx")
    assert found.rows[-1].pending
    assert not any("DTASOF" in warning for warning in found.warnings)


def test_a_day_that_cannot_be_read_is_shown(reading):
    assert "date '2026-01-10' is not a date" in reading(bank(row(day="2026-01-10") + row()), name="a.ofx").rejected[0]
