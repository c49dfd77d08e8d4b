"""One account number that a file states with a currency and another file without: one account."""

from decimal import Decimal

import pytest

from tests.file.reader import read

STATED = (
    ":20:X\n:25:123456789\n:28C:1/1\n:60F:C260101EUR100,00\n"
    ":61:2601150115D10,00NTRFNONREF\n:86:Shop\n:62F:C260131EUR90,00\n"
)
WITHOUT = "Account,Date,Description,Amount\n123456789,2026-02-03,Fuel,-5.00\n"


def write(folder, **files):
    for name, content in files.items():
        (folder / f"{name}.{'sta' if content.startswith(':') else 'csv'}").write_text(content)
    return read(folder)


@pytest.mark.parametrize(("first", "second"), [(STATED, WITHOUT), (WITHOUT, STATED)])
def test_a_file_without_a_currency_is_about_the_account_that_another_file_states(tmp_path, first, second):
    found = write(tmp_path, a=first, b=second)
    [account] = found.accounts
    assert account.currency == "EUR"
    assert sorted((row.amount, row.currency) for row in found.rows) == [
        (Decimal("-10.00"), "EUR"),
        (Decimal("-5.00"), "EUR"),
    ]
    assert {row.account_id for row in found.rows} == {account.external_id}


def test_a_number_with_several_currencies_says_nothing_of_a_file_without(tmp_path):
    found = write(tmp_path, a=STATED, b=STATED.replace("EUR", "USD"), c=WITHOUT)
    assert [account.currency for account in found.accounts] == ["EUR", "USD", None]


def test_an_iban_without_a_currency_is_in_that_of_its_country(tmp_path):
    iban = "DE89370400440532013000"
    found = write(
        tmp_path, a=STATED.replace("123456789", iban).replace("EUR", "USD"), b=WITHOUT.replace("123456789", iban)
    )
    assert len(found.accounts) == 2


def test_what_is_stated_by_the_id_of_the_one_account_counts_for_both(tmp_path):
    [account] = write(tmp_path, a=STATED, b=WITHOUT).accounts
    found = read(tmp_path, accounts={account.external_id: {"flip_sign": True}})
    assert [one.external_id for one in found.accounts] == [account.external_id]
    assert sorted(found.amounts) == [Decimal("5.00"), Decimal("10.00")]


def test_what_is_stated_of_the_account_counts_for_both(tmp_path):
    for name, content in {"a.sta": STATED, "b.csv": WITHOUT}.items():
        (tmp_path / name).write_text(content)
    found = read(tmp_path, accounts={"6789": {"name": "Savings"}})
    assert [account.name for account in found.accounts] == ["Savings"]
