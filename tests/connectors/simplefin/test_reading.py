"""What SimpleFIN answers mean, without a network: rows, troubles, and the real answers of the Bridge's demo."""

import base64
import json
import traceback
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from pydantic import SecretStr

from tests.assets import ASSETS
from worker.connectors.base import AccountType, TransactionKind
from worker.connectors.config import parse_config
from worker.connectors.errors import InvalidDataError
from worker.connectors.simplefin import SimpleFinConfig, SimpleFinConnector
from worker.connectors.simplefin.account_set import read_account_set
from worker.errors import InvalidRequestError

NOON = 1_736_510_400


def encoded(url: str) -> str:
    return base64.b64encode(url.encode()).decode()


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        pytest.param({}, "either setup_token or access_url", id="nothing"),
        pytest.param(
            {"setup_token": encoded("https://a.test/claim/1"), "access_url": "https://u:p@a.test"}, "either", id="both"
        ),
        pytest.param({"setup_token": "canary!"}, "setup_token does not hold", id="not-base64"),
        pytest.param(
            {"setup_token": encoded("http://canary.test/claim")}, "setup_token does not hold", id="plain-claim"
        ),
        pytest.param({"access_url": "http://u:canary@bank.test/x"}, "access_url is not", id="plain-access"),
        pytest.param({"access_url": "https://bank.test/canary"}, "access_url is not", id="no-login"),
    ],
)
def test_a_wrong_config_is_refused_without_repeating_it(config, problem):
    with pytest.raises(InvalidRequestError, match=problem) as caught:
        parse_config(SimpleFinConnector, config)
    assert "canary" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("shape", ["padded", "unpadded", "wrapped", "url-safe"])
def test_a_token_is_read_however_it_was_pasted(shape):
    url = "https://bank.test/simplefin/claim/??>>x"
    token = {
        "padded": encoded(url),
        "unpadded": encoded(url).rstrip("="),
        "wrapped": f" {encoded(url)[:20]}\n{encoded(url)[20:]} ",
        "url-safe": base64.urlsafe_b64encode(url.encode()).decode(),
    }[shape]
    assert SimpleFinConfig(setup_token=SecretStr(token)).claim_url() == url


def test_a_login_with_escaped_characters_is_sent_as_it_is_meant():
    access = SimpleFinConfig(access_url=SecretStr("https://us%40er:p%2Fw%3A@bank.test/simplefin/?x=1")).access()
    assert access.login == ("us@er", "p/w:")
    assert access.root == "https://bank.test/simplefin"


UNREADABLE = {
    "amount in words": {"id": "x", "posted": 1, "amount": "ten"},
    "amount with grouping": {"id": "x", "posted": 1, "amount": "1,000.00"},
    "amount not finite": {"id": "x", "posted": 1, "amount": "NaN"},
    "posted nowhere": {"id": "x", "posted": 0, "amount": "1"},
    "posted in milliseconds": {"id": "x", "posted": 1_736_496_000_000, "amount": "1"},
    "posted as a truth": {"id": "x", "posted": True, "amount": "1"},
    "not an object": "x",
}


@pytest.mark.parametrize("record", UNREADABLE.values(), ids=UNREADABLE)
def test_a_row_that_cannot_be_read_is_rejected_alone_and_kept_as_text(record):
    good = {"id": "t1", "posted": 1_736_496_000, "amount": "-5.00", "description": "Bait"}
    found = read_account_set({"accounts": [{"id": "a", "currency": "USD", "transactions": [record, good]}]})
    assert [row.external_id for row in found.transactions] == ["t1"]
    (rejected,) = found.rejected
    assert json.loads(rejected.raw) == record
    assert rejected.account_id == "a"
    assert rejected.code == "bad_data"


@pytest.mark.parametrize("body", [None, [], {}, "x", {"accounts": {}}, {"accounts": [], "errlist": 7}])
def test_an_answer_that_is_no_account_set_is_not_used(body):
    with pytest.raises(InvalidDataError):
        read_account_set(body)


def test_accounts_that_share_an_id_are_left_out_together():
    accounts = [{"id": "a", "org": {"domain": domain}, "currency": "USD"} for domain in ("x.test", "y.test")]
    found = read_account_set({"accounts": [*accounts, {"id": "b"}]})
    assert [account.external_id for account in found.accounts] == ["b"]
    assert list(found.failures) == ["a"]


def test_words_of_the_server_are_cleaned_before_anyone_sees_them():
    found = read_account_set({"accounts": [{"id": "a"}], "errors": ["<b>Hi</b>\x1b[31m\n there" + "x" * 500]})
    assert found.warnings[0].startswith("b Hi /b [31m there")
    assert len(found.warnings[0]) <= 200


def real_answer(name: str):
    return json.loads((ASSETS / "simplefin" / name).read_text(), parse_float=Decimal)


@pytest.mark.beside("simplefin")
def test_the_demo_accounts_of_the_bridge_are_read():
    found = read_account_set(real_answer("bridge-demo-accounts.json"))
    assert [(account.external_id, account.institution_name, account.currency) for account in found.accounts] == [
        ("Demo Savings", "SimpleFIN Demo", "USD"),
        ("Demo Checking", "SimpleFIN Demo", "USD"),
    ]
    assert found.accounts[0].balance.amount == Decimal("114125.50")
    assert found.accounts[0].balance.at == datetime(2025, 1, 11, tzinfo=UTC)


@pytest.mark.beside("simplefin")
def test_the_demo_transactions_of_the_bridge_are_read():
    found = read_account_set(real_answer("bridge-demo-transactions.json"))
    assert [(row.external_id, row.amount, row.counterparty) for row in found.transactions] == [
        ("1736496000", Decimal("-50.00"), "John's Fishin Shack"),
        ("1736524800", Decimal("-90.00"), "Grocery store"),
        ("1736582400", Decimal("-55.50"), "John's Fishin Shack"),
        ("1736611200", Decimal("-85.50"), "Grocery store"),
    ]
    assert found.transactions[0].booking_at == datetime(2025, 1, 10, 8, tzinfo=UTC)
    assert found.complete
    assert not found.rejected


@pytest.mark.beside("simplefin")
def test_a_real_answer_with_errors_fails_the_named_banks_and_reads_the_others():
    found = read_account_set(real_answer("simplefin4py-200-with-errors.json"))
    named = {
        account.external_id
        for account in found.accounts
        if account.institution_name in {"Investments", "The Bank of Go"}
    }
    assert set(found.failures) == named
    assert len(found.accounts) - len(named) == 3
    assert len(found.transactions) == 1


def read(*records, **account):
    return read_account_set({"accounts": [{"id": "a", "currency": "USD", "transactions": list(records)} | account]})


@pytest.mark.parametrize(
    "given", [{}, {"id": None}, {"id": ""}, {"id": "  "}], ids=["missing", "null", "empty", "blank"]
)
def test_a_row_without_an_id_is_imported_without_one(given):
    found = read({"posted": NOON, "amount": "-5.00", "description": "Bait"} | given)
    assert [(row.external_id, row.amount) for row in found.transactions] == [(None, Decimal("-5.00"))]
    assert found.rejected == []


@pytest.mark.parametrize(
    ("record", "pending"),
    [
        ({"pending": True, "posted": 0}, True),
        ({"pending": "true", "posted": NOON}, True),
        ({"pending": "True", "posted": 0}, True),
        ({"pending": 1, "posted": NOON}, True),
        ({"pending": "1", "posted": "0"}, True),
        ({"posted": 0, "transacted_at": NOON}, True),
        ({"posted": None, "transacted_at": str(NOON)}, True),
        ({"pending": False, "posted": NOON}, False),
        ({"pending": "false", "posted": NOON}, False),
        ({"pending": 0, "posted": NOON}, False),
        ({"pending": None, "posted": f"{NOON}.0"}, False),
        ({"pending": False, "posted": 0, "transacted_at": NOON}, False),
    ],
)
def test_pending_is_read_in_every_spelling(record, pending):
    (row,) = read({"id": "t", "amount": "-5.00"} | record).transactions
    assert (row.pending, row.booking_at) == (pending, None if pending else datetime.fromtimestamp(NOON, UTC))


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("YOU BOUGHT INDEX FUND ETF (XYZ)", TransactionKind.TRADE),
        ("YOU SOLD INDEX FUND", TransactionKind.TRADE),
        ("DIVIDEND REINVESTMENT", TransactionKind.TRADE),
        ("DIVIDEND RECEIVED XYZ", None),
        ("Advisory fee", None),
    ],
)
def test_what_is_bought_and_sold_in_an_account_of_securities_is_a_trade(words, kind):
    record = {"id": "t", "posted": NOON, "amount": "-10000.00", "description": words}
    found = read(record, holdings=[{"id": "h1", "symbol": "XYZ"}])
    assert (found.accounts[0].account_type, found.transactions[0].kind) == (AccountType.INVESTMENT, kind)
    assert read(record, holdings=[]).transactions[0].kind is None


def test_a_row_that_comes_again_with_the_next_window_is_one_and_twins_of_one_window_are_two():
    row, repeated = {"posted": 0, "transacted_at": NOON, "amount": "-5.00"}, {}
    answer = {"accounts": [{"id": "a", "currency": "USD", "transactions": [row, row]}]}
    assert len(read_account_set(answer, repeated).transactions) == 2
    assert read_account_set(answer, repeated).transactions == []
