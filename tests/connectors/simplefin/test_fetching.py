"""SimpleFIN over real HTTP: windows, troubles, limits, secrets."""

import logging
import traceback
from datetime import date, timedelta
from decimal import Decimal

import pytest
from pydantic import SecretStr

from tests.assets import ASSETS
from tests.connectors.simplefin.asking import NOW, TODAY, at, entry, ids, pages
from tests.fakes.simplefin_bank import made_up_bank
from tests.fakes.simplefin_server import Fault
from worker.connectors.base import Window
from worker.connectors.errors import (
    AccountNotFoundError,
    AuthenticationError,
    ProviderUnavailableError,
    RateLimitError,
    RateLimitScope,
)
from worker.connectors.simplefin import SimpleFinConfig, SimpleFinConnector


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
        pages(connect(server, patience_s=0.5))


def test_no_credential_reaches_a_log_a_repr_or_a_traceback(connect, server, caplog):
    caplog.set_level(logging.DEBUG)
    token = server.new_setup_token()
    linked = connect(server, SimpleFinConfig(setup_token=SecretStr(token))).link()
    connector = connect(server, linked, patience_s=0.5)
    server.fail(Fault(status=500), Fault(status=200, body=b"{"), Fault(hang=True), Fault(status=403))
    seen = [repr(connector), repr(linked), str(linked.access()), caplog.text]
    for _ in range(4):
        with pytest.raises(Exception) as caught:  # noqa: PT011 - whatever it is, it must not tell
            pages(connector)
        seen += traceback.format_exception(caught.value)
    for secret in (server.password, token, "token-1", linked.access_url.get_secret_value()):
        assert not [text for text in seen if secret in text]


@pytest.mark.beside("simplefin")
def test_the_real_bodies_of_refusals_are_refusals(connect, server):
    for status, name in ((402, "simplefin4py-402.json"), (403, "simplefin4py-403.txt")):
        server.fail(Fault(status=status, body=(ASSETS / "simplefin" / name).read_bytes()))
        with pytest.raises(AuthenticationError):
            connect(server).list_accounts()


@pytest.mark.beside("simplefin")
def test_the_bridge_demo_served_over_http_imports_as_it_is(connect, server):
    body = (ASSETS / "simplefin" / "bridge-demo-transactions.json").read_bytes()
    server.fail(Fault(status=200, body=body))
    (page,) = pages(connect(server), date(2025, 1, 1), date(2025, 1, 31))
    assert sum(row.amount for row in page.transactions) == Decimal("-281.00")
    assert page.accounts[0].balance.amount == Decimal("114125.50")


def test_the_made_up_bank_is_the_same_for_everyone_on_a_day():
    first, second = made_up_bank(TODAY), made_up_bank(TODAY)
    assert first == second
    assert len(first.accounts[0].entries) > 300
