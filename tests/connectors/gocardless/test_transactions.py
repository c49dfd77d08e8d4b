import json
from datetime import date, timedelta
from decimal import Decimal

import pytest

from tests.assets import ASSETS
from tests.fakes.gocardless_server import API, transaction
from tests.fakes.provider_server import NOW
from worker.connectors.errors import AuthenticationError, ProviderUnavailableError, RateLimitError, RateLimitScope
from worker.connectors.gocardless import GoCardlessConnector
from worker.connectors.gocardless.errors import read_quota

TODAY = NOW.date()
FROM = TODAY - timedelta(days=45)
PAYLOADS = "gocardless/actual-server-mock-payloads.json"


def read(connector, bank, from_date=FROM, to_date=TODAY):
    (page,) = connector.get_transactions(bank.account_ids[0], from_date, to_date)
    return page


def test_amounts_are_signed_as_they_come(bank, connector):
    bank.booked = [transaction("-12.50"), transaction("947.26")]
    assert [one.amount for one in read(connector, bank).transactions] == [Decimal("-12.50"), Decimal("947.26")]


def test_the_list_a_row_is_in_says_whether_it_is_pending(bank, connector):
    bank.booked, bank.pending = [transaction("-1")], [transaction("-2", bookingDate=None) | {"bookingDate": ""}]
    page = read(connector, bank)
    assert [(one.amount, one.pending) for one in page.transactions] == [(Decimal(-1), False), (Decimal(-2), True)]


def test_a_bank_without_a_pending_list_is_fine(bank, connector):
    bank.booked, bank.pending = [transaction("-1")], None
    assert len(read(connector, bank).transactions) == 1


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"transactionId": "t1", "internalTransactionId": "i1"}, "t1"),
        ({"internalTransactionId": "i1"}, "i1"),
        ({}, None),
        ({"transactionId": "2026-11-10.3"}, None),
    ],
    ids=["the bank's", "GoCardless's own", "none", "a place in a list"],
)
def test_ids_are_optional(bank, connector, values, expected):
    bank.booked = [transaction("-1", **values)]
    assert read(connector, bank).transactions[0].external_id == expected


def _words(**values):
    return {"remittanceInformationUnstructured": ""} | values


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, "Groceries"),
        (_words(remittanceInformationUnstructuredArray=["Card 1", "Helsinki"]), "Card 1 Helsinki"),
        (_words(remittanceInformationStructured="RF07850"), "RF07850"),
        (_words(additionalInformation="Monthly fee"), "Monthly fee"),
        (_words(), "Corner Shop"),
    ],
    ids=["words", "several lines", "structured", "the bank's own", "nothing said"],
)
def test_some_words_are_found_for_every_row(bank, connector, values, expected):
    bank.booked = [transaction("-1", **values)]
    assert read(connector, bank).transactions[0].description == expected


@pytest.mark.parametrize(
    ("stated", "on", "at"),
    [
        ({"bookingDate": "2026-11-10"}, date(2026, 11, 10), None),
        ({"bookingDate": "", "bookingDateTime": "2026-11-10T23:30:00"}, date(2026, 11, 10), None),
        ({"bookingDate": "", "bookingDateTime": "2026-11-10T23:30:00Z"}, None, "2026-11-10T23:30:00+00:00"),
        ({"bookingDate": "", "bookingDateTime": "2026-11-11T00:30:00+02:00"}, None, "2026-11-10T22:30:00+00:00"),
    ],
    ids=["a day", "a moment of the bank's clock", "a moment", "a moment elsewhere"],
)
def test_a_moment_is_not_turned_into_a_day(bank, connector, stated, on, at):
    bank.booked = [transaction("-1", **stated)]
    one = read(connector, bank).transactions[0]
    assert (one.booking_on, one.booking_at and one.booking_at.isoformat()) == (on, at)


def test_a_row_that_cannot_be_read_is_kept_and_costs_no_other(bank, connector):
    bank.booked = [transaction("-1"), transaction("1,50", transactionId="t2")]
    page = read(connector, bank)
    assert len(page.transactions) == 1
    assert page.rejected[0].external_id == "t2"


def test_days_before_the_agreed_history_are_not_asked_for(bank, connector):
    page = read(connector, bank, TODAY - timedelta(days=700))
    assert page.covers.from_on == TODAY - timedelta(days=90)
    assert page.warnings
    assert bank.asked[-2].query["date_from"] == "2026-08-22"


def test_a_window_before_the_agreed_history_is_one_day_long(bank, connector):
    page = read(connector, bank, date(2025, 1, 1), date(2025, 2, 1))
    assert (page.covers.from_on, page.covers.to_on) == (date(2025, 2, 1), date(2025, 2, 1))


def test_what_the_headers_say_about_the_day_is_passed_on(bank, connector):
    bank.reset_s = -5
    readings = {reading.endpoint: reading for reading in read(connector, bank).quota}
    assert set(readings) == {"transactions", "balances"}
    left = readings["transactions"]
    assert (left.limit, left.remaining, left.resets_in_s, left.account_id) == (4, 3, 0, bank.account_ids[0])


def test_a_spent_day_defers_until_it_is_over(bank, connector):
    for _ in range(4):
        read(connector, bank)
    with pytest.raises(RateLimitError) as caught:
        read(connector, bank)
    assert (caught.value.scope, caught.value.retry_after_s) == (RateLimitScope.QUOTA, 80_000)


def test_the_balance_of_now_comes_with_the_page(bank, connector):
    balance = read(connector, bank).accounts[0].balance
    assert (balance.amount, balance.kind) == (Decimal("93.50"), "booked")


def test_a_refused_balance_does_not_spoil_the_transactions(bank, connector):
    bank.booked = [transaction("-1")]
    bank.fail(f"/accounts/{bank.account_ids[0]}/balances/", 429, "Rate limit exceeded", "Please try again in 9 seconds")
    page = read(connector, bank)
    assert (len(page.transactions), page.accounts) == (1, ())


def test_every_path_ends_in_a_slash(bank, connector):
    connector.list_accounts()
    connector.get_auth_status()
    read(connector, bank)
    assert all(path.startswith(API) and path.endswith("/") for path in bank.paths())


@pytest.mark.parametrize("text", ["soon", "", "1.5"])
def test_headers_that_are_no_numbers_say_nothing(text):
    assert read_quota({"HTTP_X_RATELIMIT_ACCOUNT_SUCCESS_RESET": text}, "balances", None) is None


@pytest.mark.beside(PAYLOADS)
def test_a_real_payload_is_read(bank, connector):
    lists = json.loads((ASSETS / PAYLOADS).read_text())["mockTransactions"]["transactions"]
    dated = {"bookingDate": "2026-11-10", "valueDate": "2026-11-10"}  # the samples say `date` where a date belongs
    bank.booked = [one | dated for one in lists["booked"]]
    bank.pending = [one | {"valueDate": "2026-11-10"} for one in lists["pending"]]
    page = read(connector, bank)
    assert [one.amount for one in page.transactions] == [Decimal("328.18"), Decimal("947.26"), Decimal("947.26")]
    assert page.rejected == ()


def test_a_bank_without_a_booked_list_is_fine(bank, connector):
    bank.published = bank.published.__class__("absent.yml")
    bank.booked, bank.pending = None, [transaction("-1")]
    assert [one.pending for one in read(connector, bank).transactions] == [True]


def test_a_row_that_stands_under_its_id_in_both_lists_is_booked(bank, connector):
    bank.booked = [transaction("-12.00", transactionId="t1")]
    bank.pending = [transaction("-10.00", transactionId="t1"), transaction("-3.00"), transaction("-3.00")]
    rows = read(connector, bank).transactions
    assert [(str(one.amount), one.pending) for one in rows] == [("-12.00", False), ("-3.00", True), ("-3.00", True)]


def test_an_account_that_is_being_processed_waits(bank, connector):
    bank.processing = 1
    with pytest.raises(ProviderUnavailableError) as caught:
        read(connector, bank)
    assert not caught.value.everyone
    assert read(connector, bank).failures == ()


def test_one_account_that_is_refused_under_a_good_consent_fails_alone(bank, connector):
    bank.refused_ids = {bank.account_ids[0]}
    assert [(one.account_id, one.error.reason) for one in read(connector, bank).failures] == [
        (bank.account_ids[0], "expired")
    ]
    bank.status = "EX"
    with pytest.raises(AuthenticationError):
        read(connector, bank)


def test_reading_stops_before_gocardless_suspends_the_account(bank, context, config, saved):
    bank.bank_errors = 20
    for _ in range(8):
        with pytest.raises(ProviderUnavailableError):
            read(GoCardlessConnector(saved[-1] if saved else config, context), bank)
    asked = len(bank.asked)
    (failure,) = read(GoCardlessConnector(saved[-1], context), bank).failures
    assert failure.error.reason == "action_required"
    assert not any("/transactions/" in one.path for one in bank.asked[asked:])


def test_a_success_forgets_the_failures_before_it(bank, context, config, saved):
    bank.bank_errors = 7
    for _ in range(7):
        with pytest.raises(ProviderUnavailableError):
            read(GoCardlessConnector(saved[-1] if saved else config, context), bank)
    read(GoCardlessConnector(saved[-1], context), bank)
    assert saved[-1].failures == {}


def test_days_that_are_written_as_moments_are_days(bank, connector):
    bank.published = bank.published.__class__("absent.yml")
    bank.booked = [transaction("-1", bookingDate="2026-11-10T00:00:00Z", valueDate="2026-11-11T00:00:00.000Z")]
    (row,) = read(connector, bank).transactions
    assert (row.booking_on, row.value_on) == (date(2026, 11, 10), date(2026, 11, 11))
