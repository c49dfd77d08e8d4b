import base64
import json
import logging
import traceback
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from pydantic import SecretStr

from tests.fakes.simplefin_bank import Bank, BankAccount, Entry, made_up_bank
from tests.fakes.simplefin_server import Fault, SimpleFinServer
from worker.connectors.base import AuthState, ConnectorContext, Window
from worker.connectors.config import parse_config
from worker.connectors.errors import (
    AccountNotFoundError,
    AuthenticationError,
    InvalidDataError,
    ProviderUnavailableError,
    RateLimitError,
    RateLimitScope,
)
from worker.connectors.simplefin import SimpleFinConfig, SimpleFinConnector
from worker.connectors.simplefin.account_set import read_account_set
from worker.errors import InvalidRequestError
from worker.http import HttpLimits, open_client

ASSETS = Path(__file__).parents[3] / "shared" / "assets" / "simplefin"
NOW = datetime(2026, 3, 15, 17, tzinfo=UTC)
TODAY = date(2026, 3, 15)
NEW_YORK = ZoneInfo("America/New_York")


@pytest.fixture
def connect():
    """Open connectors on a server; their clients are closed afterwards."""
    clients = []

    def opened(server: SimpleFinServer, config: SimpleFinConfig | None = None) -> SimpleFinConnector:
        clients.append(open_client(HttpLimits(connect_s=2, read_s=0.5, total_s=1)))
        context = ConnectorContext(http=clients[-1], now=lambda: NOW, timezone="America/New_York")
        return SimpleFinConnector(config or SimpleFinConfig(access_url=SecretStr(server.access_url)), context)

    yield opened
    for client in clients:
        client.close()


@pytest.fixture
def server():
    with SimpleFinServer(
        Bank(
            now=NOW,
            accounts=[
                BankAccount(id="ACT-1", name="Checking (1234)", opening="100.00"),
                BankAccount(id="ACT-2", name="Card", connection_id="CON-2", institution="Second Bank"),
            ],
        )
    ) as running:
        yield running


def entry(name: str, posted_at: datetime | None = NOW, amount: str = "-1.00", **fields) -> Entry:
    return Entry(id=name, amount=amount, posted_at=posted_at, **fields)


def at(day: date, hour: int, minute: int = 0, second: int = 0) -> datetime:
    return datetime(day.year, day.month, day.day, hour, minute, second, tzinfo=NEW_YORK).astimezone(UTC)


def pages(connector, from_on=TODAY - timedelta(days=30), to_on=TODAY, account_id=None):
    return list(connector.get_transactions(account_id, from_on, to_on))


def ids(found) -> list[str]:
    return [row.external_id for page in found for row in page.transactions]


def test_a_setup_token_is_claimed_once_and_becomes_an_access_url(connect, server):
    token = server.new_setup_token()
    config = connect(server, SimpleFinConfig(setup_token=SecretStr(token))).link()
    assert config.access_url.get_secret_value() == server.access_url
    assert config.setup_token is None
    assert server.claims == ["token-1"]
    assert connect(server, config).get_auth_status().state is AuthState.OK


def test_a_used_token_warns_that_somebody_else_may_have_it(connect, server):
    unlinked = SimpleFinConfig(setup_token=SecretStr(server.new_setup_token()))
    connect(server, unlinked).link()
    with pytest.raises(AuthenticationError, match="if not by you, disable it"):
        connect(server, unlinked).link()
    assert len(server.claims) == 2


def test_a_claim_whose_answer_is_lost_is_not_tried_again(connect, server):
    server.fail(Fault(hang=True, path="/claim/token-1"))
    with pytest.raises(ProviderUnavailableError):
        connect(server, SimpleFinConfig(setup_token=SecretStr(server.new_setup_token()))).link()
    assert server.claims == []


@pytest.mark.parametrize("answer", ["", "http://u:p@bank.test/x", "https://bank.test/x", "<html>"])
def test_a_claim_must_answer_with_a_secure_access_url(connect, server, answer):
    server.fail(Fault(status=200, body=answer.encode(), path="/claim/token-1"))
    with pytest.raises(InvalidDataError, match="the token is spent"):
        connect(server, SimpleFinConfig(setup_token=SecretStr(server.new_setup_token()))).link()


def test_linking_an_access_url_changes_nothing(connect, server):
    connector = connect(server)
    assert connector.link() is connector.config
    assert server.claims == []


def test_an_unclaimed_token_asks_for_the_user(connect, server):
    connector = connect(server, SimpleFinConfig(setup_token=SecretStr(server.new_setup_token())))
    assert connector.get_auth_status().state is AuthState.NEEDS_USER


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


@pytest.mark.parametrize("protocol", [1, 2])
def test_accounts_carry_institution_mask_balance_and_currency(connect, server, protocol):
    server.bank.protocol = protocol
    server.bank.account("ACT-2").currency = "https://bank.test/miles"
    first, second = connect(server).list_accounts()
    assert (first.external_id, first.institution_name, first.mask) == ("ACT-1", "Bank of Loopback", "1234")
    assert (first.balance.amount, first.balance.at) == (Decimal("100.00"), NOW)
    assert (second.currency, second.mask, second.institution_name) == ("https://bank.test/miles", None, "Second Bank")
    assert len(server.requests) == 1  # the currency's address is never fetched


def test_status_and_accounts_cost_one_request_together(connect, server):
    connector = connect(server)
    connector.get_auth_status()
    connector.list_accounts()
    assert [request["balances-only"] for request in server.requests] == [["1"]]


@pytest.mark.parametrize("protocol", [1, 2])
def test_transactions_keep_sign_moments_and_words(connect, server, protocol):
    server.bank.protocol = protocol
    server.bank.account("ACT-1").entries = [
        entry("t1", NOW, "-12.30", transacted_at=NOW - timedelta(days=1), description="Bait", payee="Frank"),
        entry("t2", NOW, "2000.00", description="Pay"),
    ]
    (page,) = pages(connect(server))
    first, second = page.transactions
    assert (first.amount, first.currency, str(first.amount)) == (Decimal("-12.3"), "USD", "-12.30")
    assert (first.booking_at, first.transaction_at) == (NOW, NOW - timedelta(days=1))
    assert (first.booking_on, first.description, first.counterparty) == (None, "Bait", "Frank")
    assert (second.amount, second.counterparty, second.pending) == (2000, None, False)


def test_pending_rows_have_no_booking_and_post_under_another_id(connect, server):
    account = server.bank.account("ACT-1")
    account.entries = [entry("p1", None, transacted_at=NOW)]
    (row,) = pages(connect(server))[0].transactions
    assert (row.pending, row.booking_at, row.transaction_at) == (True, None, NOW)
    account.entries = [entry("t1", NOW)]
    (row,) = pages(connect(server))[0].transactions
    assert (row.external_id, row.pending) == ("t1", False)


def test_pending_is_asked_for_with_one_or_not_at_all(connect, server):
    server.bank.account("ACT-1").entries = [entry("p1", None)]
    found = pages(connect(server), TODAY - timedelta(days=200), TODAY)
    assert ids(found) == ["p1"]
    assert [request.get("pending") for request in server.requests] == [None, None, ["1"]]


def test_pending_rows_of_today_do_not_turn_up_in_windows_of_long_ago(connect, server):
    server.bank.account("ACT-1").entries = [entry("p1", None)]
    assert ids(pages(connect(server), TODAY - timedelta(days=100), TODAY - timedelta(days=40))) == []


def test_both_edges_of_the_window_are_days_of_the_banks_zone(connect, server):
    first, last = date(2026, 1, 10), date(2026, 1, 20)
    moments = {
        "before": at(first - timedelta(days=1), 23, 59, 59),
        "first": at(first, 0),
        "last": at(last, 23, 59, 59),
        "after": at(last + timedelta(days=1), 0),
    }
    server.bank.account("ACT-1").entries = [entry(name, moment) for name, moment in moments.items()]
    found = pages(connect(server), first, last)
    assert ids(found) == ["first", "last"]
    assert found[0].covers == Window(from_on=first, to_on=last)


@pytest.mark.parametrize("days", [1, 89, 90, 91, 400])
def test_long_windows_are_cut_so_that_the_server_never_does(connect, server, days):
    """The range spans both changes of the clock; a row every six hours shows any hole and any overlap."""
    from_on = TODAY - timedelta(days=days - 1)
    hours = range(0, days * 24, 6)
    rows = [entry(f"t{hour}", (at(from_on, 0) + timedelta(hours=hour))) for hour in hours]
    server.bank.account("ACT-1").entries = [row for row in rows if row.posted_at < at(TODAY + timedelta(days=1), 0)]
    found = pages(connect(server), from_on, TODAY)
    assert sorted(ids(found)) == sorted(row.id for row in server.bank.account("ACT-1").entries)
    assert all(page.complete and not page.warnings for page in found)
    assert len(server.requests) == -(-days // 89)


def test_one_account_can_be_asked_for(connect, server):
    server.bank.account("ACT-1").entries = [entry("t1")]
    server.bank.account("ACT-2").entries = [entry("t2")]
    assert ids(pages(connect(server), account_id="ACT-2")) == ["t2"]
    with pytest.raises(AccountNotFoundError):
        pages(connect(server), account_id="ACT-9")


TROUBLES = {
    "login of one bank": (
        {"code": "con.auth", "conn_id": "CON-2", "msg": "Log in"}, {"ACT-2": AuthenticationError}, True,
    ),
    "one bank is down": (
        {"code": "con.down", "conn_id": "CON-2", "msg": "Down"}, {"ACT-2": ProviderUnavailableError}, True,
    ),
    "one account failed": (
        {"code": "act.failed", "account_id": "ACT-1", "msg": "Failed"}, {"ACT-1": ProviderUnavailableError}, True,
    ),
    "one account lacks data": (
        {"code": "act.missingdata", "account_id": "ACT-1", "message": "Missing"},
        {"ACT-1": ProviderUnavailableError},
        True,
    ),
    "an unknown account code": (
        {"code": "act.novel", "account_id": "ACT-2", "msg": "New"}, {"ACT-2": ProviderUnavailableError}, True,
    ),
    "a general remark": ({"code": "gen.", "msg": "Slow today"}, {}, False),
    "too many requests soon": ({"code": "gen.api", "msg": "You are near 24 requests per day"}, {}, False),
}  # fmt: skip


@pytest.mark.parametrize(("trouble", "failures", "complete"), TROUBLES.values(), ids=TROUBLES)
def test_trouble_in_a_good_answer_concerns_only_whom_it_names(connect, server, trouble, failures, complete):
    server.bank.troubles = [trouble]
    server.bank.account("ACT-1").entries = [entry("t1")]
    (page,) = pages(connect(server))
    assert {failure.account_id: type(failure.error) for failure in page.failures} == failures
    assert page.complete is complete
    assert page.warnings == (trouble.get("msg") or trouble["message"],)
    assert ids([page]) == ["t1"]


def test_the_sentences_of_protocol_1_are_matched_to_the_bank_they_name(connect, server):
    server.bank.protocol = 1
    server.bank.troubles = [{"msg": "Connection to Second Bank may need attention"}]
    (page,) = pages(connect(server))
    assert {failure.account_id: failure.error.reason for failure in page.failures} == {"ACT-2": "action_required"}


def test_a_refused_token_stops_everything(connect, server):
    server.bank.troubles = [{"code": "gen.auth", "msg": "Access was revoked"}]
    with pytest.raises(AuthenticationError) as caught:
        pages(connect(server))
    assert caught.value.reason == "revoked"
    assert connect(server).get_auth_status().reason == "revoked"


@pytest.mark.parametrize(
    ("message", "raised"),
    [
        ("You must reauthenticate.", AuthenticationError),
        ("Too many requests today", RateLimitError),
        ("Something broke", ProviderUnavailableError),
    ],
)
def test_trouble_without_any_account_is_an_error(connect, server, message, raised):
    server.bank.accounts, server.bank.troubles, server.bank.protocol = [], [{"msg": message}], 1
    with pytest.raises(raised):
        connect(server).list_accounts()


@pytest.mark.parametrize(("status", "reason"), [(402, "payment_required"), (403, "revoked")], ids=["unpaid", "revoked"])
def test_a_refusal_is_a_status_when_asked_and_an_error_when_fetching(connect, server, status, reason):
    server.fail(Fault(status=status, body=b"<html>", times=2))
    assert connect(server).get_auth_status().reason == reason
    with pytest.raises(AuthenticationError) as caught:
        pages(connect(server))
    assert caught.value.reason == reason


def test_the_daily_allowance_defers_instead_of_retrying(connect, server):
    server.bank.daily_requests = 1
    connector = connect(server)
    connector.list_accounts()
    with pytest.raises(RateLimitError) as caught:
        pages(connector)
    assert caught.value.scope is RateLimitScope.QUOTA
    quota = SimpleFinConnector.capabilities.quotas[0]
    assert (quota.calls, quota.window_s, quota.endpoint) == (24, 86_400, "accounts")


def test_a_hanging_server_is_given_up_on(connect, server):
    server.fail(Fault(hang=True))
    with pytest.raises(ProviderUnavailableError):
        pages(connect(server))


UNREADABLE = {
    "no id": {"posted": 1, "amount": "1"},
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


def test_no_credential_reaches_a_log_a_repr_or_a_traceback(connect, server, caplog):
    caplog.set_level(logging.DEBUG)
    token = server.new_setup_token()
    linked = connect(server, SimpleFinConfig(setup_token=SecretStr(token))).link()
    connector = connect(server, linked)
    server.fail(Fault(status=500), Fault(status=200, body=b"{"), Fault(hang=True), Fault(status=403))
    seen = [repr(connector), repr(linked), str(linked.access()), caplog.text]
    for _ in range(4):
        with pytest.raises(Exception) as caught:  # noqa: PT011 - whatever it is, it must not tell
            pages(connector)
        seen += traceback.format_exception(caught.value)
    for secret in (server.password, token, "token-1", linked.access_url.get_secret_value()):
        assert not [text for text in seen if secret in text]


def test_the_made_up_bank_is_the_same_for_everyone_on_a_day():
    first, second = made_up_bank(TODAY), made_up_bank(TODAY)
    assert first == second
    assert len(first.accounts[0].entries) > 300


def real_answer(name: str):
    path = ASSETS / name
    if not path.exists():
        pytest.skip(f"the real answer {name} is not on this machine")
    return json.loads(path.read_text(), parse_float=Decimal)


def test_the_demo_accounts_of_the_bridge_are_read():
    found = read_account_set(real_answer("bridge-demo-accounts.json"))
    assert [(account.external_id, account.institution_name, account.currency) for account in found.accounts] == [
        ("Demo Savings", "SimpleFIN Demo", "USD"),
        ("Demo Checking", "SimpleFIN Demo", "USD"),
    ]
    assert found.accounts[0].balance.amount == Decimal("114125.50")
    assert found.accounts[0].balance.at == datetime(2025, 1, 11, tzinfo=UTC)


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


def test_the_real_bodies_of_refusals_are_refusals(connect, server):
    for status, name in ((402, "simplefin4py-402.json"), (403, "simplefin4py-403.txt")):
        if not (ASSETS / name).exists():
            pytest.skip(f"the real answer {name} is not on this machine")
        server.fail(Fault(status=status, body=(ASSETS / name).read_bytes()))
        with pytest.raises(AuthenticationError):
            connect(server).list_accounts()


def test_the_bridge_demo_served_over_http_imports_as_it_is(connect, server):
    body = json.dumps(real_answer("bridge-demo-transactions.json")).encode()
    server.fail(Fault(status=200, body=body))
    (page,) = pages(connect(server), date(2025, 1, 1), date(2025, 1, 31))
    assert sum(row.amount for row in page.transactions) == Decimal("-281.00")
    assert page.accounts[0].balance.amount == Decimal("114125.50")
