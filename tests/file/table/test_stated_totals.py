"""Balances that lines above a table state, compared with its rows."""

from decimal import Decimal

import pytest

from tests.file.reader import read

FIO = "currency;CZK\nopeningBalance;1000,00\nclosingBalance;{closing}\ndateStart;01.10.2023\ndateEnd;31.10.2023\n\n"
ROWS = "Datum;Objem;Měna;Zpráva pro příjemce\n31.10.2023;-250,00;CZK;Albert\n30.10.2023;1000,00;CZK;Mzda\n"
COLUMNS = {"Datum": "date", "Objem": "amount", "Měna": "currency", "Zpráva pro příjemce": "description"}


@pytest.mark.parametrize(("closing", "off_by"), [("1750,00", None), ("1700,00", "miss the closing balance 1700.00")])
def test_balances_above_a_table_are_compared_with_its_rows(tmp_path, closing, off_by):
    (tmp_path / "a.csv").write_text(FIO.format(closing=closing) + ROWS)
    found = read(tmp_path / "a.csv", columns=COLUMNS)
    assert sorted(found.amounts) == [-250, 1000]
    assert found.accounts[0].balance.amount == Decimal(closing.replace(",", "."))
    reasons = [str(failure.error) for failure in found.pages[-1].failures]
    assert not reasons if off_by is None else off_by in reasons[0]
