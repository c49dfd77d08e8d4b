"""Every sample file of real banks: what is read of it, or why it is refused."""

import json
from decimal import Decimal
from pathlib import Path

import pytest

from tests.assets import ASSETS
from tests.file.reader import read
from worker.connectors.errors import InvalidDataError
from worker.connectors.file.config import FileConfig
from worker.connectors.file.folder import Folder
from worker.connectors.file.summary import StatementProof
from worker.money import MINOR_UNITS

pytestmark = pytest.mark.beside("camt", "csv", "mt940", "ofx")

NO_ACCOUNT = "names no account"
NO_LAYOUT = "no column of dates and amounts"
NO_STATEMENT = "holds no"

# What each file holds: rows (good, rejected, accounts), or a piece of the reason for which it is refused.
SAMPLES: dict[str, tuple[int, int, int] | str] = {
    "camt/xml/camt052.v1.xml": (1, 0, 1),
    "camt/xml/camt052.v2.with-account-name.xml": (1, 0, 1),
    "camt/xml/camt052.v4.xml": (1, 0, 1),
    "camt/xml/camt052.v6.xml": (1, 0, 1),
    "camt/xml/camt053.v2.all-balance-types.xml": (1, 0, 1),
    "camt/xml/camt053.v2.minimal.ultimate.xml": (1, 0, 1),
    "camt/xml/camt053.v2.multi.statement.xml": (2, 0, 1),
    "camt/xml/camt053.v2.with-party-ids.xml": (1, 0, 1),
    "camt/xml/camt053.v3.xml": (1, 0, 1),
    "camt/xml/camt053.v8.xml": (1, 0, 1),
    "camt/xml/camt054.v2.xml": (0, 0, 1),
    "camt/xml/camt054.v8-with-UETR.xml": (0, 0, 1),
    "camt/xml/camt054.v8.xml": (0, 0, 1),
    "csv/amazon.csv": (3, 0, 1),
    "csv/creditunion.csv": (8, 0, 1),
    "csv/gls.csv": (1, 0, 1),
    "csv/mint.csv": (4, 0, 2),
    "csv/mint_headerless.csv": (4, 0, 2),
    "csv/outbank.csv": (4, 0, 1),
    "csv/pcmastercard.csv": (2, 0, 2),
    "csv/schwab-checking-baltest-case2.csv": (4, 0, 1),
    "csv/schwab-checking-baltest-case4.csv": (4, 0, 1),
    "csv/schwab-checking-baltest-case6.csv": (4, 0, 1),
    "csv/schwab-checking.csv": (4, 0, 1),
    "csv/stripe-default.csv": (5, 0, 1),
    "csv/xero.csv": (13, 0, 3),
    "mt940/ASNB/mt940.txt": (8, 0, 1),
    "mt940/betterplace/amount_formats.sta": NO_ACCOUNT,  # six opening balances and nothing else
    "mt940/betterplace/empty_86.sta": NO_STATEMENT,  # one field :86:
    "mt940/betterplace/empty_line.sta": NO_STATEMENT,  # one field :20:
    "mt940/betterplace/sepa_mt9401.sta": (97, 0, 20),
    "mt940/betterplace/sepa_snippet_broken.sta": (1, 0, 1),
    "mt940/citi/mt940.txt": (5, 0, 1),
    "mt940/cmxl/account_balance_debit.sta": NO_ACCOUNT,  # one field :60F:
    "mt940/cmxl/account_identification_legacy.sta": (0, 0, 1),  # one field :25:
    "mt940/cmxl/closing_balance.sta": NO_ACCOUNT,  # one field :62F:
    "mt940/cmxl/reference.sta": NO_STATEMENT,  # one field :20:
    "mt940/cmxl/statement_line.sta": NO_ACCOUNT,  # one field :61:
    "mt940/jejik/abnamro.sta": (10, 0, 1),
    "mt940/jejik/ing.sta": (7, 0, 1),
    "mt940/jejik/postfinance.sta": (4, 0, 1),
    "mt940/jejik/rabobank.sta": (5, 0, 2),
    "mt940/jejik/triodos.sta": (2, 0, 1),
    "mt940/mBank/mt942.sta": (3, 0, 1),
    "mt940/sberbank/171011_01234945.sta": (3, 0, 1),
    "mt940/self-provided/details_60-63.sta": (1, 0, 1),
    "mt940/self-provided/february_30.sta": (1, 0, 1),
    "mt940/self-provided/invalid_statement.sta": NO_LAYOUT,  # the numbers 1 to 10
    "mt940/self-provided/malformed_details.sta": (1, 0, 1),
    "mt940/self-provided/multiline.sta": (2, 0, 1),
    "mt940/self-provided/raiffeisen-cmi.sta": (7, 0, 1),
    "mt940/self-provided/sparkassen.sta": NO_ACCOUNT,  # one transaction without its statement
    "mt940/self-provided/whitespace.sta": (1, 0, 1),
    "ofx/account_listing_aggregation.ofx": NO_STATEMENT,  # a list of accounts
    "ofx/bank_medium.ofx": (3, 0, 1),
    "ofx/checking.ofx": (3, 0, 1),
    "ofx/decimal_error.ofx": (0, 1, 1),  # its one transaction has the month 20 and a dollar sign
    "ofx/error_message.ofx": "General Server Error",
    "ofx/fidelity.ofx": (7, 0, 1),  # three cash movements and four dividends; ten trades are no money spent
    "ofx/investment_medium.ofx": (3, 0, 1),
    "ofx/multiple_accounts2.ofx": (0, 0, 2),
    "ofx/signon_fail.ofx": "invalid identification code",
    "ofx/signon_success_no_message.ofx": NO_STATEMENT,
    "ofx/td_ameritrade.ofx": (0, 0, 1),
    "ofx/vanguard.ofx": (0, 0, 1),
}
_STATEMENTS = {".xml", ".csv", ".sta", ".txt", ".ofx"}


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_is_read_or_refused_for_the_stated_reason(name):
    expected = SAMPLES[name]
    if isinstance(expected, str):
        with pytest.raises(InvalidDataError, match=expected):
            read(ASSETS / name)
        return
    found = read(ASSETS / name)
    assert (len(found.rows), len(found.rejected), len(found.accounts)) == expected
    assert all(row.currency for row in found.rows) or name == "csv/xero.csv"  # a journal states no currency


def test_no_sample_is_left_out_of_the_table():
    folders = [ASSETS / kind for kind in ("camt/xml", "csv", "mt940", "ofx")]
    there = {path for folder in folders for path in folder.rglob("*") if path.suffix in _STATEMENTS}
    assert {str(path.relative_to(ASSETS)) for path in there} == set(SAMPLES)


@pytest.mark.parametrize("name", [name for name in SAMPLES if name.startswith("camt/")])
def test_camt_amounts_equal_the_results_of_an_independent_reader(name):
    path = ASSETS / name
    answer = json.loads((ASSETS / "camt" / "expected" / path.name.replace(".xml", ".json")).read_text())
    found = [(row.amount, row.currency) for row in read(path, notifications=True).rows]
    # the other reader's message lists the entries of its last statement only
    expected = [_money(entry["getAmount"]) for entry in answer["getEntries"]]
    assert found[-len(expected) :] == expected


def _money(amount: dict) -> tuple[Decimal, str]:
    currency = amount["getCurrency"]["getCode"]
    return Decimal(amount["getAmount"]).scaleb(-MINOR_UNITS[currency]), currency


# Closing less opening less rows, in files whose own figures were altered or cut before they were published.
ALTERED = {
    "jejik/abnamro.sta",
    "jejik/ing.sta",
    "jejik/postfinance.sta",
    "jejik/rabobank.sta",
    "jejik/triodos.sta",
    "betterplace/sepa_snippet_broken.sta",
    "self-provided/details_60-63.sta",
    "self-provided/malformed_details.sta",
    "self-provided/multiline.sta",
    "self-provided/raiffeisen-cmi.sta",
    "self-provided/whitespace.sta",
}


@pytest.mark.parametrize(
    "name", [name for name, expected in SAMPLES.items() if name.startswith("mt940/") and not isinstance(expected, str)]
)
def test_mt940_balances_add_up(name):
    summaries = _tallies(ASSETS / name)
    if name.removeprefix("mt940/") in ALTERED:
        assert any(one.proof is StatementProof.MISMATCH for one in summaries)
    elif any(one.opening and one.closing for one in summaries):
        assert {one.proof for one in summaries} == {StatementProof.PROVEN}


def test_ofx_balances_are_the_ones_in_the_file():
    found = {name: [_balance(one) for one in _tallies(ASSETS / "ofx" / name)] for name in _OFX_BALANCES}
    assert found == _OFX_BALANCES


_OFX_BALANCES = {
    "bank_medium.ofx": [("382.34", "682.34")],
    "checking.ofx": [("100.99", "75.99")],
    "multiple_accounts2.ofx": [("111", None), ("222", None)],
}


def _tallies(path: Path):
    folder = Folder.scan(FileConfig(path=path))
    return [one for file in folder.files for one in file.summary.accounts.values()]


def _balance(one) -> tuple[str | None, str | None]:
    return (
        f"{one.closing.amount:f}" if one.closing else None,
        f"{one.available.amount:f}" if one.available else None,
    )


def test_a_reversed_credit_takes_money_out():
    rows = read(ASSETS / "mt940" / "betterplace" / "sepa_mt9401.sta").rows
    assert [row.amount for row in rows if row.amount == Decimal("-204.88")]
