"""Account numbers: what looks like an IBAN and is none, and one number with accounts in several currencies."""

from decimal import Decimal

import pytest

from tests.file.reader import read
from worker.connectors.file.statement.account_numbers import account_anchor, account_key, is_broken_iban

IBAN = "DE02120300000000202051"


@pytest.mark.parametrize(
    ("number", "broken"),
    [
        (IBAN, False),
        (f"{IBAN}EUR", False),
        (f"{IBAN} EUR", False),
        (IBAN[:-1], True),
        (f"{IBAN[:-1]}2", True),
        ("12030000/202051", False),
        ("202051", False),
        ("", False),
    ],
)
def test_a_number_with_the_form_of_an_iban_has_right_check_digits_or_is_broken(number, broken):
    assert is_broken_iban(number) is broken


@pytest.mark.parametrize(
    ("number", "home"), [(IBAN, "EUR"), ("CH9300762011623852957", "CHF"), ("12345678", None), ("GB-no-iban-1234", None)]
)
def test_one_number_has_an_account_in_each_currency(number, home):
    anchor = account_anchor(number)
    keys = {code: account_key(anchor, code) for code in ("EUR", "CHF", "USD", None)}
    assert (keys[home] == keys[None]) is True
    assert len(set(keys.values())) == (4 if home is None else 3)


def test_an_account_without_a_number_stays_one_whatever_its_currency():
    assert account_key("file:my-bank") == account_key("file:my-bank", "USD")


def _mt940(number, currency, day):
    return (
        f":20:X\n:25:{number}\n:28C:1/1\n:60F:C240101{currency}100,00\n:61:240{day}0{day}D5,00NTRFNONREF\n:86:Shop\n"
        f":62F:C240{day}{currency}95,00\n-\n"
    )


def _ofx(number, currency, day):
    return (
        f"<BANKMSGSRSV1><STMTTRNRS><STMTRS><CURDEF>{currency}<BANKACCTFROM><BANKID>1<ACCTID>{number}</BANKACCTFROM>"
        f"<BANKTRANLIST><STMTTRN><TRNTYPE>DEBIT<DTPOSTED>20240{day}<TRNAMT>-5.00<FITID>f{currency}{day}<NAME>Shop"
        "</STMTTRN></BANKTRANLIST></STMTRS></STMTTRNRS></BANKMSGSRSV1>"
    )


def _camt(number, currency, day, account_currency=""):
    return (
        f"<Stmt><Acct><Id><Othr><Id>{number}</Id></Othr></Id>{account_currency}</Acct><Ntry><Amt Ccy='{currency}'>5.00"
        f"</Amt><CdtDbtInd>DBIT</CdtDbtInd><Sts>BOOK</Sts><BookgDt><Dt>2024-0{day[0]}-{day[1:]}</Dt></BookgDt></Ntry>"
        "</Stmt>"
    )


def _camt_with_currency(number, currency, day):
    return _camt(number, currency, day, f"<Ccy>{currency}</Ccy>")


def _csv(number, currency, day):
    return f"{number},2024-0{day[0]}-{day[1:]},Shop {day},-5.00,{currency}\n"


FORMATS = {
    "sta": ("", _mt940, ""),
    "ofx": ("OFXHEADER:100\n\n<OFX>", _ofx, "</OFX>"),
    "xml": ("<Document><BkToCstmrStmt>", _camt, "</BkToCstmrStmt></Document>"),
    "camt": ("<Document><BkToCstmrStmt>", _camt_with_currency, "</BkToCstmrStmt></Document>"),
    "csv": ("Account,Date,Description,Amount,Currency\n", _csv, ""),
}


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("number", ["123456789", IBAN])
def test_statements_in_two_currencies_are_of_two_accounts_in_every_format(tmp_path, suffix, number):
    head, statement, tail = FORMATS[suffix]
    path = tmp_path / f"a.{suffix}"
    stated = (("EUR", "110"), ("USD", "111"), ("EUR", "112"))
    path.write_text(head + "".join(statement(number, currency, day) for currency, day in stated) + tail)
    found = read(path)
    assert [account.currency for account in found.accounts] == ["EUR", "USD"]
    of_account = {account.external_id: account.currency for account in found.accounts}
    assert [(of_account[row.account_id], row.currency) for row in found.rows] == [
        ("EUR", "EUR"), ("EUR", "EUR"), ("USD", "USD"),
    ]  # fmt: skip
    assert len({account.anchor for account in found.accounts}) == 1


def test_a_number_that_is_stated_keeps_the_currencies_apart(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("Date,Description,Amount,Currency\n2024-01-13,A,-5.00,EUR\n2024-01-14,B,-6.00,USD\n")
    found = read(path, account={"iban": IBAN})
    assert [(account.currency, account.anchor) for account in found.accounts] == [
        ("EUR", f"iban:{IBAN}"), ("USD", f"iban:{IBAN}"),
    ]  # fmt: skip


def test_a_stated_currency_names_the_same_account_as_one_in_the_file(tmp_path):
    (tmp_path / "a.qif").write_text("!Account\nN123456789\nTBank\n^\n!Type:Bank\nD13/01/2024\nT-5.00\nPShop\n^\n")
    (tmp_path / "b.csv").write_text("Account,Date,Description,Amount,Currency\n123456789,2024-01-14,Shop,-6.00,USD\n")
    found = read(tmp_path, account={"currency": "USD"})
    assert [(account.currency, account.mask) for account in found.accounts] == [("USD", "6789")]
    assert len(found.rows) == 2


def test_an_id_of_the_number_alone_means_its_account_in_every_currency(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(FORMATS["csv"][0] + _csv("123456789", "EUR", "113") + _csv("123456789", "USD", "114"))
    stated = {account_key(account_anchor("123456789")): {"flip_sign": True}}
    assert [row.amount for row in read(path, accounts=stated).rows] == [Decimal("5.00"), Decimal("5.00")]
