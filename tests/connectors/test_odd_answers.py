"""Answers of proxies, firewalls and of providers on a bad day, through three connectors' own code."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal

import httpx2
import pytest

from tests.fakes.plaid_server import account, transaction
from worker.connectors.base import BalanceKind, ConnectorContext, SyncState, Window
from worker.connectors.errors import (
    AuthenticationError,
    InvalidDataError,
    ProviderUnavailableError,
    RateLimitError,
)
from worker.connectors.registry import ConnectorRegistry

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
WINDOW = Window(from_on=date(2026, 10, 1), to_on=date(2026, 11, 20))
CONFIGS = {
    "simplefin": {"access_url": "https://user:password@bank.test/simplefin"},
    "plaid": {"client_id": "c", "secret": "s", "access_token": "access-x", "item_id": "item-1"},
    "gocardless": {
        "secret_id": "i",
        "secret_key": "k",
        "requisition_id": "0b6c2a54-8f5e-4c39-9d0e-3f1f7f0c9c11",
        "access_token": "a",
        "access_expires_at": "2027-01-01T00:00:00Z",
    },
}
EVERYBODY = pytest.mark.parametrize("name", CONFIGS)
BEYOND_THE_CALENDAR = "Mon, 01 Jan 99999999999999999999 00:00:00 GMT"
SYNC = {
    "added": [],
    "modified": [],
    "removed": [],
    "accounts": [],
    "next_cursor": "c1",
    "has_more": False,
    "transactions_update_status": "HISTORICAL_UPDATE_COMPLETE",
}


def fetch(name, answer, **without):
    connector_type = ConnectorRegistry().get(name)
    with httpx2.Client(transport=httpx2.MockTransport(answer)) as http:
        config = connector_type.Config.model_validate(CONFIGS[name] | without)
        connector = connector_type(config, ConnectorContext(http=http, now=lambda: NOW))
        if name == "plaid":
            return list(connector.refresh(SyncState(account_id=None, cursor=None, window=WINDOW)))
        account_id = None if name == "simplefin" else "a"
        return list(connector.get_transactions(account_id, WINDOW.from_on, WINDOW.to_on))


def says(body, status=200, **headers):
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return lambda _: httpx2.Response(status, content=content, headers=headers)


def plaid(**changed):
    [page] = fetch("plaid", says(SYNC | changed))
    return page


@EVERYBODY
@pytest.mark.parametrize(
    "headers",
    [
        {"retry-after": BEYOND_THE_CALENDAR},
        {"retry-after": "Fri, 20 Nov 2026 13:00:00 +99999999999999"},
        {"retry-after": "Fri, 20 Nov 2026 13:00:00 GMT", "date": BEYOND_THE_CALENDAR},
    ],
    ids=["wait", "offset", "clock"],
)
def test_a_moment_that_no_calendar_holds_is_a_rate_limit_like_any_other(name, headers):
    with pytest.raises(RateLimitError):
        fetch(name, says(b"<html>busy", 429, **headers))


@EVERYBODY
@pytest.mark.parametrize("status", [301, 302, 303, 304, 307, 308])
def test_a_redirect_to_a_page_of_maintenance_is_an_outage(name, status):
    with pytest.raises(ProviderUnavailableError):
        fetch(name, says(b"<html>", status, location="https://status.bank.test"))


@EVERYBODY
@pytest.mark.parametrize("body", [b"", b"Service Unavailable", b"\xef\xbb\xbf<html>"], ids=["empty", "words", "page"])
def test_no_json_in_a_good_status_is_an_outage(name, body):
    with pytest.raises(ProviderUnavailableError):
        fetch(name, says(body))


@EVERYBODY
def test_a_firewalls_refusal_concerns_nobodys_login(name):
    with pytest.raises(ProviderUnavailableError):
        fetch(name, says(b"error code: 1020", 403))


def test_simplefin_refuses_with_a_page_of_its_own():
    with pytest.raises(AuthenticationError):
        fetch("simplefin", says(b"<html>Forbidden", 403))


def test_plaids_error_counts_in_a_good_status_too():
    with pytest.raises(AuthenticationError):
        fetch("plaid", says({"error_type": "ITEM_ERROR", "error_code": "ITEM_LOGIN_REQUIRED", "request_id": "r"}))


@pytest.mark.parametrize("entry", [{"transaction_id": None}, {"account_id": "a"}, None, "t1", {"transaction_id": 5}])
def test_an_entry_of_removed_that_cannot_be_read_is_rejected_alone(entry):
    page = plaid(added=[transaction("t1", 5.0)], removed=[entry, {"transaction_id": "t0"}])
    assert [row.external_id for row in page.transactions] == ["t1"]
    assert [row.external_id for row in page.removed] == ["t0"]
    assert len(page.rejected) == 1


@pytest.mark.parametrize(
    ("change", "accounts"), [({"account_id": None}, 1), ({"balances": {"current": "110.94"}}, 2)], ids=["id", "balance"]
)
def test_an_account_that_cannot_be_read_stops_no_other(change, accounts):
    good = account("b", "depository", "checking", 1.0, "1")
    page = plaid(accounts=[account("a", "depository", "checking", 1.0, "0") | {"name": "Odd\x1b one"} | change, good])
    assert len(page.accounts) == accounts
    assert page.accounts[-1].balance.amount == 1
    assert page.warnings == (("an account without an id was left out: Odd  one",) if accounts == 1 else ())


@pytest.mark.parametrize(
    ("status", "warned"),
    [
        ("HISTORICAL_UPDATE_COMPLETE", False),
        ("INITIAL_UPDATE_COMPLETE", True),
        ("TRANSACTIONS_UPDATE_STATUS_UNKNOWN", False),
        (None, False),
    ],
)
def test_only_a_login_that_is_still_loading_warns(status, warned):
    assert bool(plaid(transactions_update_status=status).warnings) == warned


def test_an_account_of_simplefin_without_an_id_is_named():
    named = {"name": "Savings", "currency": "USD", "balance": "1.00", "balance-date": 1795000000}
    [page] = fetch("simplefin", says({"errors": [], "accounts": [named, named | {"id": "B"}]}))
    assert (page.warnings, page.complete) == (("an account without an id was left out: Savings",), False)
    assert [one.external_id for one in page.accounts] == ["B"]


@pytest.mark.parametrize("odd", [None, "", 5, {"id": "x"}], ids=str)
def test_a_consent_that_lists_something_else_than_an_id_keeps_its_other_accounts(odd):
    def answer(request):
        body = {"status": "LN", "accounts": [odd, "a"], "transactions": {"booked": []}, "balances": []}
        return says(body)(request)

    connector_type = ConnectorRegistry().get("gocardless")
    with httpx2.Client(transport=httpx2.MockTransport(answer)) as http:
        config = connector_type.Config.model_validate(CONFIGS["gocardless"])
        connector = connector_type(config, ConnectorContext(http=http, now=lambda: NOW))
        assert [one.external_id for one in connector.list_accounts()] == ["a"]
        [page] = connector.get_transactions("a", WINDOW.from_on, WINDOW.to_on)
    assert "an account without an id was left out: one without a name" in page.warnings


def test_a_list_that_is_none_fails_its_account_alone():
    row = {"id": "t1", "posted": 1794000000, "amount": "-5.00", "description": "x"}
    common = {"name": "Checking", "currency": "USD", "balance": "1.00", "balance-date": 1795000000}
    accounts = [common | {"id": "A", "transactions": {"t": 1}}, common | {"id": "B", "transactions": [row]}]
    pages = fetch("simplefin", says({"errors": [], "accounts": accounts}))
    assert [row.external_id for page in pages for row in page.transactions] == ["t1"]
    [failure] = pages[0].failures
    assert (failure.account_id, type(failure.error)) == ("A", InvalidDataError)


CREDIT = {"balanceAmount": {"amount": "5100.00", "currency": "EUR"}, "balanceType": "interimBooked",
          "creditLimitIncluded": True}  # fmt: skip
BOOKED = {"balanceAmount": {"amount": "100.00", "currency": "EUR"}, "balanceType": "closingBooked"}


@pytest.mark.parametrize(
    ("stated", "amount", "kind"),
    [([CREDIT, BOOKED], "100.00", BalanceKind.BOOKED), ([CREDIT], "5100.00", BalanceKind.AVAILABLE)],
    ids=["beside a booked one", "alone"],
)
def test_a_balance_with_the_credit_limit_in_it_is_none_that_was_booked(stated, amount, kind):
    def answer(request):
        body = {"balances": stated} if "balances" in request.url.path else {"transactions": {"booked": []}}
        return says(body)(request)

    [balance] = [one.balance for page in fetch("gocardless", answer) for one in page.accounts]
    assert (balance.amount, balance.kind) == (Decimal(amount), kind)


def test_a_sentence_of_simplefin_that_names_a_bank_asks_for_its_person():
    sentence = "Connection to CHASE may need attention"
    with pytest.raises(AuthenticationError):
        fetch("simplefin", says({"errors": [sentence], "accounts": []}))
    account = {"id": "A", "name": "Checking", "currency": "USD", "balance": "1.00", "org": {"name": "Chase"}}
    [page] = fetch("simplefin", says({"errors": [sentence], "accounts": [account]}))
    [failure] = page.failures
    assert (failure.account_id, failure.error.reason) == ("A", "action_required")


REFUSALS = [
    (403, {"detail": "EUA doesn't allow access to account balances"}),
    (403, {"detail": "Access to account is forbidden", "type": "AccountAccessForbidden"}),
    (409, {"detail": "Account has been suspended"}),
    (401, {"detail": "Access has expired", "type": "AccessExpiredError"}),
]


@pytest.mark.parametrize("refused", ["balances", "details"])
@pytest.mark.parametrize(("status", "body"), REFUSALS)
@pytest.mark.parametrize("consent", ["LN", "EX"])
def test_a_refused_balance_or_name_costs_no_rows_while_the_consent_works(refused, status, body, consent):
    row = {"transactionAmount": {"amount": "-5.00", "currency": "EUR"}, "bookingDate": "2026-11-10"}
    state = {"status": "LN", "accounts": ["a"], "transactions": {"booked": [row]}, "balances": [], "account": {}}

    def answer(request):
        if refused in request.url.path:
            state["status"] = consent
            return says(body, status)(request)
        return says(state)(request)

    connector_type = ConnectorRegistry().get("gocardless")
    with httpx2.Client(transport=httpx2.MockTransport(answer)) as http:
        config = connector_type.Config.model_validate(CONFIGS["gocardless"])
        connector = connector_type(config, ConnectorContext(http=http, now=lambda: NOW))

        def read():
            accounts = connector.list_accounts()
            return [*accounts], list(connector.get_transactions("a", WINDOW.from_on, WINDOW.to_on))

        if consent == "EX":
            with pytest.raises(AuthenticationError):
                read()
            return
        accounts, [page] = read()
    assert ([one.external_id for one in accounts], len(page.transactions)) == (["a"], 1)
    assert len(page.warnings) == 1


def test_a_token_that_lives_for_ever_is_used_for_a_year():
    def answer(request):
        if "token" in request.url.path:
            return says({"access": "a", "access_expires": 10**20, "refresh": "r", "refresh_expires": 10**20})(request)
        return says({"transactions": {"booked": []}, "balances": []})(request)

    assert fetch("gocardless", answer, access_token=None, access_expires_at=None)


GOCARDLESS_ROW = {
    "transactionId": "t1",
    "bookingDate": "2026-11-03",
    "valueDate": "2026-11-04",
    "transactionAmount": {"amount": "-12.50", "currency": "EUR"},
}


def gocardless(**lists):
    [page] = fetch("gocardless", says({"transactions": lists, "balances": []}))
    return page


@pytest.mark.parametrize("day", [1_793_664_000, ["2026-11-03"], {"date": "2026-11-03"}, True])
def test_a_day_of_booking_that_is_no_text_rejects_its_row_and_no_other_day_takes_its_place(day):
    page = gocardless(booked=[GOCARDLESS_ROW | {"bookingDate": day}, GOCARDLESS_ROW | {"transactionId": "t2"}])
    assert [one.external_id for one in page.transactions] == ["t2"]
    assert [one.message for one in page.rejected] == ["bookingDate is not a date"]


@pytest.mark.parametrize(
    ("links", "whole"),
    [
        ({"_links": {"next": {"href": "/v1/accounts/a/transactions?page=2"}}}, False),
        ({"links": {"next": "https://bank.test/2"}}, False),
        ({"_links": {"account": {"href": "/v1/accounts/a"}, "next": None}}, True),
        ({}, True),
    ],
)
def test_a_list_of_a_bank_that_goes_on_elsewhere_is_not_whole(links, whole):
    page = gocardless(booked=[GOCARDLESS_ROW], **links)
    assert (page.complete, page.covers is not None, len(page.transactions)) == (whole, whole, 1)
    assert any("goes on" in warning for warning in page.warnings) is not whole
